//! What became of an appointment: it took place, or the patient did not come.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{AppointmentRef, Event};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::scope::in_scope;

/// When it was.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outcome {
    /// When it took place, or when it was clear that the patient would not come, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
}

/// Record that an appointment took place
///
/// Its time counts from here on for check-ups and well-being calls. One that was taken for missed can still be completed.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/appointments/{appointment}/completion", tag = "appointment",
    params(("patient" = Uuid, Path), ("appointment" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Outcome,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Path((patient, appointment)): Path<(Uuid, Uuid)>,
    write: Write<Outcome>,
) -> Result<Answer<Receipt>, Problem> {
    record(&app, patient, appointment, &write, Event::Completed(AppointmentRef { appointment })).await
}

/// Record that the patient did not come
#[utoipa::path(
    post, path = "/v1/patients/{patient}/appointments/{appointment}/miss", tag = "appointment",
    params(("patient" = Uuid, Path), ("appointment" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Outcome,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn miss(
    State(app): State<Arc<App>>,
    Path((patient, appointment)): Path<(Uuid, Uuid)>,
    write: Write<Outcome>,
) -> Result<Answer<Receipt>, Problem> {
    record(&app, patient, appointment, &write, Event::Missed(AppointmentRef { appointment })).await
}

async fn record(
    app: &App,
    patient: Uuid,
    appointment: Uuid,
    write: &Write<Outcome>,
    event: Event,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Appointment)?;
    in_scope(app, &write.caller, patient, appointment).await?;
    let command = write.command(patient, write.body.time, None);
    Ok(receipt(&app.transactor.record(patient, &command, &event).await?))
}
