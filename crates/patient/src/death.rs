//! A patient has died, or has not.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Empty, Event};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// When.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// When it happened; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<DateTime<Utc>>,
}

/// Record a death
///
/// Nobody is to be contacted from then on; every permit ends.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/death", tag = "patient",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = When,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn died(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<When>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Register)?;
    let command = write.command(patient, write.body.time, None);
    Ok(receipt(&app.transactor.record(patient, &command, &Event::Died(Empty {})).await?))
}

/// Correct a death that was recorded by mistake
///
/// Refusals and withdrawals hold; permits that ended stay ended.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/restoration", tag = "patient",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = When,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn restored(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<When>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Register)?;
    let command = write.command(patient, write.body.time, None);
    Ok(receipt(&app.transactor.record(patient, &command, &Event::Restored(Empty {})).await?))
}
