//! An appointment is moved, to another time, branch or clinician.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Event, Rescheduled};
use tact_domain::{Branch, ChangedBy, to_millis};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::scope::in_scope;

/// How it is moved; what is absent stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rescheduling {
    /// When it was moved, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// When it takes place now, with an offset.
    starts_at: DateTime<Utc>,
    /// Who moved it: `patient`, or `clinic`, which then owes the patient a word.
    #[schema(value_type = String, example = "patient")]
    by: ChangedBy,
    /// Where it takes place now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "south")]
    branch: Option<Branch>,
    /// With whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clinician: Option<Uuid>,
}

/// Move an appointment
///
/// It earns a new reminder. Permits that rest on its old time end at once.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/appointments/{appointment}/rescheduling", tag = "appointment",
    params(("patient" = Uuid, Path), ("appointment" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Rescheduling,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn reschedule(
    State(app): State<Arc<App>>,
    Path((patient, appointment)): Path<(Uuid, Uuid)>,
    write: Write<Rescheduling>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Appointment)?;
    let body = &write.body;
    if let Some(branch) = &body.branch {
        write.caller.at(branch)?;
        app.branch("branch", branch).await?;
    }
    in_scope(&app, &write.caller, patient, appointment).await?;
    let event = Event::Rescheduled(Rescheduled {
        appointment,
        starts_at: to_millis(body.starts_at),
        by: body.by,
        branch: body.branch.clone(),
        clinician: body.clinician,
    });
    let command = write.command(patient, body.time, body.branch.as_ref());
    Ok(receipt(&app.transactor.record(patient, &command, &event).await?))
}
