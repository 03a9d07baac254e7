//! What people call those who did something, by their ids: where a history says who did it, somebody reads it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_service::app::database;
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The most ids at once.
const MOST: usize = 100;

/// Who is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The actors' ids, 1 to 100, with commas between them.
    #[param(example = "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a02,0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a03")]
    ids: String,
}

/// Somebody who did something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StaffMember {
    actor: Uuid,
    /// What people call them.
    #[schema(example = "Anna")]
    label: String,
}

/// Those who are known.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Staff {
    /// In the order in which they were asked for, each once; whoever is not known is left out.
    staff: Vec<StaffMember>,
}

/// What people call those of the actors who are known.
pub(crate) async fn labels(app: &App, actors: &[Uuid]) -> Result<HashMap<Uuid, String>, Problem> {
    let named = app.personal.labels(actors).await.map_err(database)?;
    Ok(named.into_iter().map(|one| (one.actor, one.label)).collect())
}

/// Say what people call those who did something
#[utoipa::path(
    get, path = "/v1/staff", tag = "sign-in", params(Asked),
    responses((status = 200, description = "What people call them", body = Staff), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn staff(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Json<Staff>, Problem> {
    // Whoever may see a worklist may see histories too.
    caller.may(Permission::SeeHistory)?;
    let mut ids: Vec<Uuid> = Vec::new();
    for text in asked.ids.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let shown: String = text.chars().take(80).collect();
        let id = text
            .parse()
            .map_err(|_| Problem::field("ids", format!("`{shown}` is not an id; write ids with commas between them")))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if !(1..=MOST).contains(&ids.len()) {
        return Err(Problem::field("ids", format!("names {} ids; name 1 to {MOST}", ids.len())));
    }
    let mut labels = labels(&app, &ids).await?;
    let member = |actor| Some(StaffMember { actor, label: labels.remove(&actor)? });
    Ok(Json(Staff { staff: ids.into_iter().filter_map(member).collect() }))
}
