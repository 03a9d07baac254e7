//! The stops of which nobody has said yet whose they were, for those who can find out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::{Branch, Channel, Purpose};
use tact_service::app::database;
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// How many are looked through at most.
const MOST: u32 = 500;

/// Of which branch.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The home branch of somebody whose stop it may have been.
    #[param(value_type = String)]
    branch: Branch,
}

/// A stop that is open.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenStop)]
pub(crate) struct Open {
    /// The stop.
    stop: Uuid,
    /// When it came.
    time: DateTime<Utc>,
    /// On which channel.
    #[schema(value_type = String)]
    channel: Channel,
    /// What it answered, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    purpose: Option<Purpose>,
    /// Whose it may have been: those of branches in the caller's scope.
    patients: Vec<Uuid>,
    /// Whether it may also have been somebody's of another branch.
    elsewhere: bool,
}

/// The stops that are open, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenStops {
    stops: Vec<Open>,
}

/// Show the stops that are open
#[utoipa::path(
    get, path = "/v1/numbers/stops", tag = "consent",
    params(Wanted),
    responses((status = 200, description = "What was asked for", body = OpenStops), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<OpenStops>, Problem> {
    caller.may(Permission::SeeWorklist)?;
    caller.at(&wanted.branch)?;
    app.branch("branch", &wanted.branch).await?;
    let mut stops = Vec::new();
    for (id, number) in app.personal.stops(MOST).await.map_err(database)? {
        let known = app.numbers.number(number).await?;
        // Noted before it was recorded, and forgotten after it was answered: only the number's stream says whether it is open.
        let Some(stop) = known.number.stops.iter().find(|stop| stop.asked.stop == id) else { continue };
        let people = app.people_with(number).await?;
        if people.values().flatten().all(|home| *home != wanted.branch) {
            continue;
        }
        let covered = |home: &Option<Branch>| home.as_ref().is_some_and(|home| caller.covers(home));
        stops.push(Open {
            stop: id,
            time: stop.time,
            channel: stop.asked.channel,
            purpose: stop.asked.purpose.clone(),
            elsewhere: people.values().any(|home| !covered(home)),
            patients: people.into_iter().filter(|(_, home)| covered(home)).map(|(person, _)| person).collect(),
        });
    }
    Ok(Json(OpenStops { stops }))
}
