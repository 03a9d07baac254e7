//! The patient takes a consent back. From the moment that this is recorded, nothing that rests on it is permitted, by any branch.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{ConsentWithdrawn, Event};
use tact_domain::{Channel, Purpose};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, fields, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// The withdrawal.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdrawal {
    /// When the patient said so, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// For which purpose; absent: every purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "promotion")]
    purpose: Option<Purpose>,
    /// On which channels; absent: every channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["sms"]))]
    channels: Option<Vec<Channel>>,
}

/// Record a withdrawal of consent
///
/// Permits that rest on the consent end at once. A withdrawal is never refused because nothing was there to withdraw.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/consent-withdrawals", tag = "consent",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Withdrawal,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Withdrawal>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Consent)?;
    let body = &write.body;
    if let Some(channels) = &body.channels {
        fields::distinct("channels", channels)?;
    }
    // A slip of the pen must not pass for a withdrawal: recorded under a word that nobody uses, it would hold for nothing.
    if let Some(purpose) = &body.purpose {
        app.published_purpose(purpose).await?;
    }
    let event = Event::ConsentWithdrawn(ConsentWithdrawn { purpose: body.purpose.clone(), channels: body.channels.clone() });
    let command = write.command(patient, body.time, None);
    Ok(receipt(&app.transactor.record(patient, &command, &event).await?))
}
