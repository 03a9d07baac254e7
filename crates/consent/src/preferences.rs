//! How the patient wishes to be reached: "don't call me, I'll call you" (P4), quiet hours of their own, the channel they like best.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Event, PreferenceSet};
use tact_domain::{Channel, DailyHours, Reach};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// What the patient wishes; what is absent stays as it was. At least one of the three.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// When the patient said so, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// `normal`, or `patient_initiated`: only the patient calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "patient_initiated")]
    reach: Option<Reach>,
    /// Hours of the patient's local day in which not to phone or text; they may run over midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"from": "19:00", "until": "10:30"}))]
    quiet_hours: Option<DailyHours>,
    /// The channel that the patient likes best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "sms")]
    preferred_channel: Option<Channel>,
}

/// Record how the patient wishes to be reached
///
/// Permits that contradict the wish end at once.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/preferences", tag = "consent",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Wish,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Wish>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Consent)?;
    let body = &write.body;
    let event = Event::PreferenceSet(PreferenceSet {
        reach: body.reach,
        quiet_hours: body.quiet_hours,
        preferred_channel: body.preferred_channel,
    });
    let command = write.command(patient, body.time, None);
    Ok(receipt(&app.transactor.record(patient, &command, &event).await?))
}
