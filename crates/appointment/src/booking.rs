//! An appointment is booked.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Booked, Event};
use tact_domain::{AppointmentKind, Branch, to_millis};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write};
use utoipa::ToSchema;
use uuid::Uuid;

/// The appointment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Booking {
    /// When it was booked, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// The id to give it, where the caller's own book has one; absent: a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    appointment: Option<Uuid>,
    /// Where.
    #[schema(value_type = String, example = "north")]
    branch: Branch,
    /// What for: `consultation`, `procedure`, `surgery` or `checkup`.
    #[schema(value_type = String, example = "consultation")]
    kind: AppointmentKind,
    /// When it takes place, with an offset.
    starts_at: DateTime<Utc>,
    /// With whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clinician: Option<Uuid>,
}

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BookingRecorded {
    /// The appointment's id.
    appointment: Uuid,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Book an appointment
#[utoipa::path(
    post, path = "/v1/patients/{patient}/appointments", tag = "appointment",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Booking,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = BookingRecorded), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn book(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Booking>,
) -> Result<Answer<BookingRecorded>, Problem> {
    write.caller.may(Permission::Appointment)?;
    write.caller.at(&write.body.branch)?;
    app.branch("branch", &write.body.branch).await?;
    let body = &write.body;
    let appointment = body.appointment.unwrap_or_else(|| write.id("appointment"));
    let event = Event::Booked(Booked {
        appointment,
        branch: body.branch.clone(),
        kind: body.kind,
        starts_at: to_millis(body.starts_at),
        clinician: body.clinician,
    });
    let command = write.command(patient, body.time, Some(&body.branch));
    let done = app.transactor.record(patient, &command, &event).await?;
    Ok(Answer(BookingRecorded { appointment, receipt: (&done).into() }, done.position, done.repeated))
}
