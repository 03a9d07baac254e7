//! Everything personal about a patient is erased; the events stay, and name nobody.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::disclosure::ErasureReason;
use tact_domain::patient::events::{Empty, Event};
use tact_service::app::database;
use tact_service::erasure::Unfinished;
use tact_service::transact::Failure;
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// Why, and when.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erase {
    /// When it was decided; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// Why: `patient_request`, `consent_withdrawn`, `purpose_achieved`, `retention_over`, `unlawful` or `authority_order`. It stands on the act.
    #[schema(value_type = String, example = "patient_request")]
    reason: ErasureReason,
}

/// Erase a patient
///
/// Removes names, numbers, addresses, texts and ids in other systems, for good. Counts stay. The act of it is at the same path.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/erasure", tag = "patient",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Erase,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Erase>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Erase)?;
    let command = write.command(patient, write.body.time, None);
    // The reason before the event, so that whoever finishes this knows it.
    app.personal.order_erasure(command.event, patient, write.body.reason.as_str()).await.map_err(database)?;
    let done = match app.transactor.record(patient, &command, &Event::Erased(Empty {})).await {
        Ok(done) => done,
        Err(Failure::Untrue(untrue)) => {
            app.personal.withdraw_order(command.event).await.map_err(database)?;
            return Err(untrue.into());
        }
        Err(failure) => return Err(failure.into()),
    };
    // The event before the data: if the process dies in between, the reactor erases when it reads it.
    app.carry_out_erasure(done.patient, done.recorded.envelope.id).await.map_err(unfinished)?;
    Ok(receipt(&done))
}

/// The erasure is recorded, so it is carried out sooner or later; but it is not done yet.
fn unfinished(unfinished: Unfinished) -> Problem {
    tracing::error!(%unfinished, "an erasure is recorded and not yet carried out");
    Problem::in_doubt(
        "the erasure is recorded, and will be carried out; ask again with the same Idempotency-Key to learn when it is",
    )
    .retry_after(2)
}
