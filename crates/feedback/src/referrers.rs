//! Who recommends us, how many came because of them, and when they may next be asked for feedback (P5).
//!
//! It must never show who came, nor when.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::Branch;
use tact_read_models::referrers;
use tact_service::app::database;
use tact_service::request::at_least;
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The referrers' home branch.
    #[param(value_type = String)]
    branch: Branch,
    /// The page's `next` of the answer before; absent: from the first.
    after: Option<Uuid>,
    /// How many at most, from 1 to 500; absent: 100.
    limit: Option<u32>,
    /// The position that the answer must have come to; also as the header `Tact-At-Least`.
    at_least: Option<String>,
}

/// A page of referrers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page {
    /// By id.
    referrers: Vec<Referrer>,
    /// The `after` of the next page; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Uuid>,
}

/// A patient who has recommended us to somebody who came.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Referrer {
    patient: Uuid,
    /// How many came.
    recommended: i64,
    /// From when they may next be asked for feedback, by the policy; absent while they may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_from: Option<DateTime<Utc>>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_until: Option<DateTime<Utc>>,
}

/// See who recommends us
#[utoipa::path(
    get, path = "/v1/referrers", tag = "feedback", params(Which),
    responses((status = 200, description = "What was asked for", body = Page), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<Which>,
) -> Result<Json<Page>, Problem> {
    // It names patients, so it is no figure: analysts and regulators have no business with it.
    caller.may(Permission::SeeWorklist)?;
    caller.at(&query.branch)?;
    app.branch("branch", &query.branch).await?;
    let limit = query.limit.unwrap_or(100);
    if !(1..=500).contains(&limit) {
        return Err(Problem::malformed(format!("query: `limit`: {limit} is not from 1 to 500")).with("field", "limit"));
    }
    app.caught_up(at_least(query.at_least.as_deref(), &headers)?).await?;
    // One more than asked for tells whether there is a next page.
    let after = query.after.unwrap_or_default();
    let mut rows = referrers::page(&app.read.db(), &query.branch, after, limit + 1).await.map_err(database)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.patient);
    let referrers = rows
        .into_iter()
        .map(|row| Referrer {
            patient: row.patient,
            recommended: row.recommended,
            ask_from: row.ask_from,
            ask_until: row.ask_until,
        })
        .collect();
    Ok(Json(Page { referrers, next }))
}
