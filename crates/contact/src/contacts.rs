//! A contact was made. It is a fact: with a permit or without, it is recorded and counted.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Event, Made};
use tact_domain::{Branch, Channel, Direction, Outcome, Purpose, Time};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write};
use utoipa::ToSchema;
use uuid::Uuid;

/// The contact.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    /// When it was made, with an offset; absent: now. Paper logs are entered later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// `outbound` or `inbound`.
    #[schema(value_type = String, example = "outbound")]
    direction: Direction,
    /// What for.
    #[schema(value_type = String, example = "appointment_reminder")]
    purpose: Purpose,
    /// How.
    #[schema(value_type = String, example = "phone")]
    channel: Channel,
    /// Which branch.
    #[schema(value_type = String, example = "north")]
    branch: Branch,
    /// How it ended.
    #[schema(value_type = String, example = "reached")]
    outcome: Outcome,
    /// The id that a start gave it; absent: a new one. One contact that covers the permits of several patients is recorded for each of them,
    /// under one id: their number counts it once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<Uuid>,
    /// The permit it was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    permit: Option<Uuid>,
    /// Its occasion; absent: the permit's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<Uuid>,
    /// A note about it, at most 2,000 characters. Kept with the personal data, never in the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactRecorded {
    /// The contact's id.
    contact: Uuid,
    /// Whether it was outbound and not made under a live permit for its purpose, channel and occasion.
    breach: bool,
    /// If it is a breach: why the permit, if one was named, does not cover it.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Record a contact
///
/// Whatever the policy thinks of it: what happened is never refused. An outbound contact without a live permit is a breach, and the answer says so.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/contacts", tag = "contact",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Contact,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = ContactRecorded), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn record(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Contact>,
) -> Result<Answer<ContactRecorded>, Problem> {
    write.caller.may(Permission::Contact)?;
    write.caller.at(&write.body.branch)?;
    app.branch("branch", &write.body.branch).await?;
    let body = &write.body;
    let note = match &body.note {
        Some(text) => Some(app.note(write.id("note"), patient, "note", text).await?),
        None => None,
    };
    let contact = body.contact.unwrap_or_else(|| write.id("contact"));
    let event = Event::Made(Made {
        contact,
        direction: body.direction,
        purpose: body.purpose.clone(),
        channel: body.channel,
        branch: body.branch.clone(),
        outcome: body.outcome,
        permit: body.permit,
        about: body.about,
        note,
    });
    let command = write.command(patient, body.time, Some(&body.branch));
    let done = app.transactor.record(patient, &command, &event).await?;
    let known = app.transactor.patient(done.patient).await?;
    let recorded = known.state.contacts.iter().find(|c| c.id == contact);
    let first_policy = app.control.policies().first_effect();
    let breach = recorded.is_some_and(|c| c.breach && first_policy.is_some_and(|first| first <= c.time));
    let because = breach.then(|| why(&known.state, body, done.recorded.envelope.time));
    Ok(Answer(ContactRecorded { contact, breach, because, receipt: (&done).into() }, done.position, done.repeated))
}

fn why(state: &tact_domain::patient::State, body: &Contact, time: Time) -> String {
    let Some(id) = body.permit else { return "no permit was named; ask for one before contacting".to_owned() };
    let Some(permit) = state.permit(id) else { return format!("{id} is not a permit of this patient") };
    if permit.purpose != body.purpose || permit.channel != body.channel {
        return format!("permit {id} is for `{}` by `{}`", permit.purpose, permit.channel);
    }
    if let (Some(about), Some(occasion)) = (body.about, &permit.occasion)
        && occasion.about != about
    {
        return format!("permit {id} is about {}", occasion.about);
    }
    match permit.fate {
        tact_domain::patient::state::Fate::Used { contact } => format!("permit {id} was used by contact {contact}"),
        tact_domain::patient::state::Fate::Ended(at) => format!("permit {id} ended at {at}, the contact was made at {time}"),
        _ => {
            format!("permit {id} was live from {} until {}, the contact was made at {time}", permit.granted_at, permit.expires_at)
        }
    }
}
