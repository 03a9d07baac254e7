//! A contact is about to begin under a permit: from now on the permit does not expire but waits for the outcome.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use tact_domain::patient::events::{Event, Started};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::release::Nothing;

/// The contact that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Begun {
    /// Its id: name it when its outcome is recorded.
    contact: Uuid,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Say that a contact begins
///
/// For machines before they dial or send, and for people who want it. Only on a live permit.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/permits/{permit}/start", tag = "contact",
    params(("patient" = Uuid, Path), ("permit" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Nothing,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Begun), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Path((patient, permit)): Path<(Uuid, Uuid)>,
    write: Write<Nothing>,
) -> Result<Answer<Begun>, Problem> {
    write.caller.may(Permission::Contact)?;
    app.holds_permit(&write.caller, patient, permit).await?;
    // What one contact covers begins as one, whoever of them it begins with.
    let contact = app.numbers.begun_as(&app.transactor, patient, permit).await?.unwrap_or_else(|| write.id("contact"));
    let command = write.command(patient, None, None);
    let done = app.transactor.record(patient, &command, &Event::Started(Started { permit, contact })).await?;
    Ok(Answer(Begun { contact, receipt: (&done).into() }, done.position, done.repeated))
}
