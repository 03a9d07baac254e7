//! A permit is given back unused.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Event, PermitRef};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// Nothing needs to be said.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Give a permit back
///
/// It then counts no longer, and another branch may take the entry. A permit that is no longer live cannot be given back.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/permits/{permit}/release", tag = "contact",
    params(("patient" = Uuid, Path), ("permit" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Nothing,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Path((patient, permit)): Path<(Uuid, Uuid)>,
    write: Write<Nothing>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Contact)?;
    app.holds_permit(&write.caller, patient, permit).await?;
    let command = write.command(patient, None, None);
    let done = app.transactor.record(patient, &command, &Event::Released(PermitRef { permit })).await?;
    Ok(receipt(&done))
}
