//! Who looked at a patient's page: for those who answer for the network, and for those who watch over it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_personal::looks::Look;
use tact_service::app::database;
use tact_service::{App, Caller, Page, Path, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::staff::labels;

/// Which part of the record.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Only what stands behind this: the `next` of an answer.
    #[param(example = "1772442000000.0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a02.person")]
    after: Option<String>,
    /// At most so many, 1 to 1,000; 200 if absent.
    limit: Option<u32>,
}

/// Somebody looked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LookShown {
    actor: Uuid,
    /// What people call them, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Anna")]
    label: Option<String>,
    /// At what: a [`Page`] by its word.
    #[schema(value_type = Page)]
    what: String,
    /// In which minute.
    at: DateTime<Utc>,
}

/// Who looked at a patient's page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Looks {
    patient: Uuid,
    /// The latest first; each person, kind of page and minute once.
    looks: Vec<LookShown>,
    /// The `after` of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1772442000000.0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a02.person")]
    next: Option<String>,
}

/// Show who looked at a patient's page
///
/// Under whatever id they were seen: of somebody into whom others were merged, it is said for all of them together. It takes a caller whose scope is
/// the whole network, since people of any branch may have looked.
#[utoipa::path(
    get, path = "/v1/patients/{patient}/looks", tag = "sign-in", params(("patient" = Uuid, Path), Part),
    responses((status = 200, description = "Who looked", body = Looks), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn looks(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(patient): Path<Uuid>,
    Query(part): Query<Part>,
) -> Result<Json<Looks>, Problem> {
    caller.may(Permission::SeeLooks)?;
    if !caller.covers_all() {
        return Err(Problem::forbidden(
            "people of any branch may have looked; who it was takes a caller whose scope is the whole network",
        ));
    }
    let limit = part.limit.unwrap_or(200);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::field("limit", format!("{limit} is not between 1 and 1,000")));
    }
    // Behind everything that has been noted so far.
    let newest = || Look { actor: Uuid::max(), what: String::new(), at: app.clock.now() + chrono::Duration::days(1) };
    let before = match &part.after {
        None => newest(),
        Some(text) => read(text).ok_or_else(|| Problem::field("after", "is not the `next` of an answer"))?,
    };
    let mut found = Vec::new();
    for id in app.selves(patient).await? {
        found.extend(app.personal.looks(id, &before, limit).await.map_err(database)?);
    }
    // Of each the latest so many: so the latest so many of all are among them. Whoever saw several at once is named once.
    let order = |look: &Look| (look.at, look.actor, look.what.clone());
    found.sort_by_key(|look| std::cmp::Reverse(order(look)));
    found.dedup();
    found.truncate(limit as usize);
    let next = found.last().filter(|_| found.len() == limit as usize).map(write);
    let actors: BTreeSet<Uuid> = found.iter().map(|look| look.actor).collect();
    let labels = labels(&app, &Vec::from_iter(actors)).await?;
    let shown = |Look { actor, what, at }| LookShown { label: labels.get(&actor).cloned(), actor, what, at };
    Ok(Json(Looks { patient, looks: found.into_iter().map(shown).collect(), next }))
}

fn write(Look { actor, what, at }: &Look) -> String {
    format!("{}.{actor}.{what}", at.timestamp_millis())
}

fn read(text: &str) -> Option<Look> {
    let mut parts = text.splitn(3, '.');
    let at = DateTime::from_timestamp_millis(parts.next()?.parse().ok()?)?;
    Some(Look { at, actor: parts.next()?.parse().ok()?, what: parts.next()?.to_owned() })
}
