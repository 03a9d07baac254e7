//! A patient says what they think of us. The words go to the personal data store, the event holds their id only.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Event, FeedbackGiven, Score};
use tact_domain::{Branch, Theme};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, fields};
use utoipa::ToSchema;
use uuid::Uuid;

/// The feedback.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feedback {
    /// When it was given, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// The branch it is about.
    #[schema(value_type = String, example = "north")]
    branch: Branch,
    /// How likely the patient is to recommend us, from 0 to 10.
    #[schema(value_type = u8, minimum = 0, maximum = 10)]
    score: Score,
    /// The clinician it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clinician: Option<Uuid>,
    /// Codes of what is good, of `GET /v1/themes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["explanations"]))]
    strengths: Option<Vec<Theme>>,
    /// Codes of what is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["waiting_time"]))]
    weaknesses: Option<Vec<Theme>>,
    /// In the patient's words, at most 2,000 characters. Kept with the personal data, never in the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedbackRecorded {
    /// The feedback's id.
    feedback: Uuid,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Record feedback
///
/// Of anyone who gives it. Only those who recommend us are asked for it.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/feedback", tag = "feedback",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Feedback,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = FeedbackRecorded), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn give(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Feedback>,
) -> Result<Answer<FeedbackRecorded>, Problem> {
    write.caller.may(Permission::Feedback)?;
    write.caller.at(&write.body.branch)?;
    app.branch("branch", &write.body.branch).await?;
    let body = &write.body;
    for (name, themes) in [("strengths", &body.strengths), ("weaknesses", &body.weaknesses)] {
        fields::distinct(name, themes.as_deref().unwrap_or_default())?;
        app.themes.known(name, themes.as_deref().unwrap_or_default())?;
    }
    let text = match &body.text {
        Some(text) => Some(app.note(write.id("text"), patient, "text", text).await?),
        None => None,
    };
    let feedback = write.id("feedback");
    let event = Event::FeedbackGiven(FeedbackGiven {
        feedback,
        branch: body.branch.clone(),
        score: body.score,
        clinician: body.clinician,
        strengths: body.strengths.clone().filter(|themes| !themes.is_empty()),
        weaknesses: body.weaknesses.clone().filter(|themes| !themes.is_empty()),
        text,
    });
    let command = write.command(patient, body.time, Some(&body.branch));
    let done = app.transactor.record(patient, &command, &event).await?;
    Ok(Answer(FeedbackRecorded { feedback, receipt: (&done).into() }, done.position, done.repeated))
}
