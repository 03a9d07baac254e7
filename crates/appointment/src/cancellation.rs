//! An appointment will not take place.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::ChangedBy;
use tact_domain::patient::events::{Cancelled, Event};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::scope::in_scope;

/// Who cancels it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cancellation {
    /// When it was cancelled, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// `patient`, or `clinic`, which then owes the patient a word.
    #[schema(value_type = String, example = "patient")]
    by: ChangedBy,
}

/// Cancel an appointment
///
/// Permits that rest on it end at once.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/appointments/{appointment}/cancellation", tag = "appointment",
    params(("patient" = Uuid, Path), ("appointment" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Cancellation,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Path((patient, appointment)): Path<(Uuid, Uuid)>,
    write: Write<Cancellation>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Appointment)?;
    in_scope(&app, &write.caller, patient, appointment).await?;
    let body = &write.body;
    let command = write.command(patient, body.time, None);
    let event = Event::Cancelled(Cancelled { appointment, by: body.by });
    Ok(receipt(&app.transactor.record(patient, &command, &event).await?))
}
