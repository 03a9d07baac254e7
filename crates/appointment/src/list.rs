//! A patient's appointments. Looking records nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tact_domain::patient::state::{Appointment, AppointmentStatus};
use tact_domain::{AppointmentKind, Branch};
use tact_service::{App, Caller, Path, Permission, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// The appointments of one patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Appointments {
    /// The patient: the survivor, if the one named was merged.
    patient: Uuid,
    /// Those of the caller's branches, in the order in which they take place.
    appointments: Vec<Entry>,
    /// How many there are at branches out of the caller's scope.
    elsewhere: usize,
}

/// One appointment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppointmentEntry)]
pub(crate) struct Entry {
    appointment: Uuid,
    #[schema(value_type = String)]
    branch: Branch,
    #[schema(value_type = String)]
    kind: AppointmentKind,
    /// When it takes place.
    starts_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clinician: Option<Uuid>,
    /// `booked`, `completed`, `missed` or `cancelled`.
    status: &'static str,
    /// Since when: when it was booked or last moved, took place, was missed, was cancelled.
    since: DateTime<Utc>,
    /// Until when the clinic owes the patient a word about it, because the clinic moved or cancelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice_owed_until: Option<DateTime<Utc>>,
}

impl From<&Appointment> for Entry {
    fn from(appointment: &Appointment) -> Self {
        let (status, since) = match appointment.status {
            AppointmentStatus::Booked => ("booked", appointment.since),
            AppointmentStatus::Completed(at) => ("completed", at),
            AppointmentStatus::Missed(at) => ("missed", at),
            AppointmentStatus::Cancelled(at) => ("cancelled", at),
        };
        Self {
            appointment: appointment.id,
            branch: appointment.branch.clone(),
            kind: appointment.kind,
            starts_at: appointment.starts_at,
            clinician: appointment.clinician,
            status,
            since,
            notice_owed_until: appointment.clinic_change.map(|change| change.owed_until),
        }
    }
}

/// See a patient's appointments
#[utoipa::path(
    get, path = "/v1/patients/{patient}/appointments", tag = "appointment",
    params(("patient" = Uuid, Path)),
    responses((status = 200, description = "What was asked for", body = Appointments), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(patient): Path<Uuid>,
) -> Result<Json<Appointments>, Problem> {
    caller.may(Permission::SeeHistory)?;
    let (patient, known) = app.known_patient(patient).await?;
    let all = &known.state.appointments;
    let mut appointments: Vec<Entry> = all.iter().filter(|a| caller.covers(&a.branch)).map(Entry::from).collect();
    appointments.sort_by_key(|a| (a.starts_at, a.appointment));
    Ok(Json(Appointments { patient, elsewhere: all.len() - appointments.len(), appointments }))
}
