//! The patient asks to be called back.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Event, Requested};
use tact_domain::{Channel, Window, to_millis};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write};
use utoipa::ToSchema;
use uuid::Uuid;

/// What the patient asks for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallMe {
    /// When they asked; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// How they wish to be reached.
    #[schema(value_type = String, example = "phone")]
    channel: Channel,
    /// What it is about, if it is about something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<Uuid>,
    /// When they wish to be called; inside it, quiet hours do not hold.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
}

/// The request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestRecorded {
    /// Its id.
    request: Uuid,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Record a request to be called back
#[utoipa::path(
    post, path = "/v1/patients/{patient}/requests", tag = "contact",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = CallMe,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = RequestRecorded), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn request(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<CallMe>,
) -> Result<Answer<RequestRecorded>, Problem> {
    write.caller.may(Permission::Contact)?;
    let body = &write.body;
    let request = write.id("request");
    let window = body.window.map(|w| Window { from: to_millis(w.from), until: to_millis(w.until) });
    let event = Event::Requested(Requested { request, channel: body.channel, about: body.about, window });
    let command = write.command(patient, body.time, None);
    let done = app.transactor.record(patient, &command, &event).await?;
    Ok(Answer(RequestRecorded { request, receipt: (&done).into() }, done.position, done.repeated))
}
