//! It becomes known later that a contact ended otherwise than was recorded.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::Outcome;
use tact_domain::patient::events::{Corrected, Event};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// How it ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Correction {
    /// By all that is known now.
    #[schema(value_type = String, example = "wrong_number")]
    outcome: Outcome,
    /// When that became known, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
}

/// Correct how a contact ended
///
/// It counts so from now on. What was decided before stays as it was decided.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/contacts/{contact}/correction", tag = "contact",
    params(("patient" = Uuid, Path), ("contact" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Correction,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn correct(
    State(app): State<Arc<App>>,
    Path((patient, contact)): Path<(Uuid, Uuid)>,
    write: Write<Correction>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Contact)?;
    let (_, known) = app.known_patient(patient).await?;
    let branch = known.state.contacts.iter().find(|c| c.id == contact).map(|contact| contact.branch.clone());
    if let Some(branch) = &branch {
        write.caller.at(branch)?;
    }
    let command = write.command(patient, write.body.time, branch.as_ref());
    let corrected = Event::Corrected(Corrected { contact, outcome: write.body.outcome });
    let done = app.transactor.record(patient, &command, &corrected).await?;
    Ok(receipt(&done))
}
