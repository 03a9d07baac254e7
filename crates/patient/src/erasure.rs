//! Everything personal about a patient is erased; the events stay, and name nobody.

use std::sync::Arc;

use axum::extract::State;
use tact_domain::patient::events::{Empty, Event};
use tact_service::app::database;
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use uuid::Uuid;

use crate::death::When;

/// Erase a patient
///
/// Removes names, numbers, addresses, texts and ids in other systems, for good. Counts stay.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/erasure", tag = "patient",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = When,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<When>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Erase)?;
    let command = write.command(patient, write.body.time, None);
    let done = app.transactor.record(patient, &command, &Event::Erased(Empty {})).await?;
    // The event first: if the process dies in between, the reactor erases when it reads it.
    for id in app.selves(done.patient).await? {
        app.personal.erase(id).await.map_err(database)?;
    }
    Ok(receipt(&done))
}
