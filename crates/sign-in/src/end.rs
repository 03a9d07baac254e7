//! Ends the session that the request came in with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tact_service::app::database;
use tact_service::{App, Caller, Problem};
use utoipa::ToSchema;

/// A session that has ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionEnded)]
pub(crate) struct Ended {
    ended_at: DateTime<Utc>,
}

/// End the session that asks
///
/// At once in this process; other processes believe its token for 30 seconds more at most.
#[utoipa::path(
    delete, path = "/v1/sessions/current", tag = "sign-in",
    responses((status = 200, description = "It has ended", body = Ended), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn end(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Ended>, Problem> {
    if caller.session().is_none() {
        return Err(Problem::conflict("this token is not of a session; `tact token revoke` takes it back"));
    }
    let now = app.clock.now();
    app.personal.revoke_token(caller.token().id, now).await.map_err(database)?;
    app.access.forget();
    Ok(Json(Ended { ended_at: now }))
}
