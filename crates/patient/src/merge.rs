//! Two patients are one, or are not after all.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Event, MergeFrom, Separated};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::register::known;

/// The other patient.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Other {
    /// When; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// The patient who is merged into this one, or was.
    from: Uuid,
}

/// Merge another patient into this one
///
/// Begins the merge: until it is done this patient gets no permits. The stricter of both patients' wishes holds afterwards.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/merge", tag = "patient",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Other,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn merge(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Other>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Merge)?;
    let from = write.body.from;
    if from == patient {
        return Err(Problem::field("from", "is this very patient; name the other one"));
    }
    known(&app, "from", Some(from)).await?;
    let command = write.command(patient, write.body.time, None);
    let done = app.transactor.record(patient, &command, &Event::Absorbing(MergeFrom { from })).await?;
    // The later word holds, whoever said before that they are two. Left behind by a crash it would change nothing: they are one now.
    if let Err(error) = app.personal.forget_dismissal((patient, from)).await {
        tracing::warn!(%error, "what was said of two patients who are being merged is still noted");
    }
    Ok(receipt(&done))
}

/// Undo a merge
///
/// The merged patient's stream opens again; counts and refusals stay with both.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/separation", tag = "patient",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Other,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn separate(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Other>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Merge)?;
    let command = write.command(patient, write.body.time, None);
    let event = Event::Separated(Separated { from: write.body.from, facts: None });
    Ok(receipt(&app.transactor.record(patient, &command, &event).await?))
}
