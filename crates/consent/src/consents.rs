//! The patient consents to contacts for one purpose (P8). Without a document there is no consent.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{ConsentGranted, Event, Evidence};
use tact_domain::{Channel, Purpose, to_millis};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, fields, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// The consent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consent {
    /// When it was given, with an offset; absent: now. Papers are entered later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// What the patient agrees to: one purpose of a published policy.
    #[schema(value_type = String, example = "promotion")]
    purpose: Purpose,
    /// On which channels; at least one.
    #[schema(value_type = Vec<String>, example = json!(["sms"]))]
    channels: Vec<Channel>,
    /// What proves it.
    evidence: Proof,
    /// When it runs out, with an offset; from that moment on it no longer holds. Absent: never by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
}

/// The paper, or its like, behind a consent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    /// How it was given, one word such as `paper` or `web_form`.
    #[schema(example = "paper")]
    method: String,
    /// The id of the document in the network's archive.
    document: Uuid,
}

/// Record a consent
///
/// One purpose and one document each. The latest word by its time decides, for each purpose and channel.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/consents", tag = "consent",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Consent,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn grant(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Consent>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Consent)?;
    let body = &write.body;
    fields::some_distinct("channels", &body.channels)?;
    let method = fields::word("evidence.method", &body.evidence.method)?;
    app.published_purpose(&body.purpose).await?;
    let event = Event::ConsentGranted(ConsentGranted {
        purpose: body.purpose.clone(),
        channels: body.channels.clone(),
        evidence: Evidence { method, document: body.evidence.document },
        expires_at: body.expires_at.map(to_millis),
    });
    let command = write.command(patient, body.time, None);
    Ok(receipt(&app.transactor.record(patient, &command, &event).await?))
}
