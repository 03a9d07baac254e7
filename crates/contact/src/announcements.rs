//! The patient was told to expect a contact, and when (P9).

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Announced, Event};
use tact_domain::{Purpose, Window, to_millis};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// What the patient was told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Announcement {
    /// When they were told; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// What the contact will be for.
    #[schema(value_type = String, example = "wellbeing_check")]
    purpose: Purpose,
    /// Its occasion; absent: any of this purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<Uuid>,
    /// When to expect it, from a moment until another, with offsets.
    #[schema(value_type = Object, example = json!({"from": "2026-03-15T10:00:00+03:00", "until": "2026-03-15T13:00:00+03:00"}))]
    window: Window,
}

/// Record an announcement
///
/// A contact that must be announced is permitted only inside an announced window.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/announcements", tag = "contact",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Announcement,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn announce(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Announcement>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Contact)?;
    let body = &write.body;
    app.published_purpose(&body.purpose).await?;
    let window = Window { from: to_millis(body.window.from), until: to_millis(body.window.until) };
    let event = Event::Announced(Announced { purpose: body.purpose.clone(), window, about: body.about });
    let command = write.command(patient, body.time, None);
    Ok(receipt(&app.transactor.record(patient, &command, &event).await?))
}
