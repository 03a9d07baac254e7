//! Everything that happened to a patient, in order, with the policy and the consent in force at each step.
//!
//! Read from the log itself: it is what a regulator would be shown, and nothing that was derived from it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::decide::{Consent, consent};
use tact_domain::patient::events::Event;
use tact_domain::patient::{self, Untrue};
use tact_domain::{Branch, Channel, Purpose, Recorded};
use tact_event_log::{Freshness, Position, StreamId};
use tact_service::app::database;
use tact_service::{App, Caller, Page, Path, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Which part of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Only what stands behind this position.
    after: Option<String>,
    /// At most so many events, 1 to 1,000; 200 if absent.
    limit: Option<usize>,
}

/// One event of a patient's stream.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// Its place in the patient's stream, from 1.
    sequence: u64,
    /// Its place in the log; opaque.
    position: String,
    event: Uuid,
    #[serde(rename = "type")]
    kind: String,
    /// When it happened.
    time: DateTime<Utc>,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// Who did it; absent for another branch's contacts and permits.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    branch: Option<Branch>,
    /// What it says. Of another branch's contacts and permits, purpose and channel only.
    #[schema(value_type = Object)]
    data: Value,
    /// For callers who may see who a patient is: the note, the reason or the feedback in words, unless it was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
    /// The version of the policy in force when it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// For contacts and decisions: how consent for their purpose and channel stood, as it was known then.
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<&'static str>,
    /// For contacts: whether it was made without a live permit after the network's first policy took effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    breach: Option<bool>,
}

/// A patient's history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    patient: Uuid,
    events: Vec<Step>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// If an event cannot be read: which one, and why. What stands behind it is not shown as understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

/// Show what happened to a patient
#[utoipa::path(
    get, path = "/v1/patients/{patient}/history", tag = "patient",
    params(("patient" = Uuid, Path), Part),
    responses((status = 200, description = "What was asked for", body = History), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(part): Query<Part>,
) -> Result<Json<History>, Problem> {
    caller.may(Permission::SeeHistory)?;
    let limit = part.limit.unwrap_or(200);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::field("limit", format!("{limit} is not between 1 and 1,000")));
    }
    let after: Position = match &part.after {
        None => Position::START,
        Some(text) => text.parse().map_err(|_| Problem::field("after", "is not a position; use the `next` of an answer"))?,
    };
    let stored = app.transactor.log().read_stream(StreamId::Patient(id), Position::START, Freshness::Latest).await?;
    if stored.is_empty() {
        return Err(Untrue::UnknownPatient.into());
    }
    let selves = app.selves(id).await?;
    let mut words = words(&app, &caller, &selves).await?;
    let policies = app.control.policies();
    let first_policy = policies.first_effect();
    let mut state = patient::State::default();
    let (mut events, mut next, mut unreadable) = (Vec::new(), None, None);
    let subject = id.to_string();
    let (mut sequence, mut previous) = (0, Hash::default());
    for stored in &stored {
        if events.len() == limit {
            next = events.last().map(|step: &Step| step.position.clone());
            break;
        }
        sequence += 1;
        let recorded = match Recorded::<Event>::read_at(&stored.bytes, &subject, sequence, &previous) {
            Ok(recorded) => {
                previous = hash(&stored.bytes);
                recorded
            }
            Err(error) => {
                unreadable = Some(format!("the event at position {}: {error}", stored.position));
                break;
            }
        };
        patient::evolve(&mut state, &recorded);
        if stored.position <= after {
            continue;
        }
        let Recorded { envelope, event } = &recorded;
        let asked = subject_of(event);
        let elsewhere = branch_of(event, &state).is_some_and(|branch| !caller.covers(branch));
        let breach = match event {
            Event::Made(made) => state
                .contacts
                .iter()
                .find(|c| c.id == made.contact)
                .map(|c| c.breach && first_policy.is_some_and(|first| first <= c.time)),
            _ => None,
        };
        events.push(Step {
            sequence: envelope.sequence,
            position: stored.position.to_string(),
            event: envelope.id,
            kind: event.kind().to_owned(),
            time: envelope.time,
            recorded_at: envelope.recorded_at,
            actor: (caller.covers_all() || envelope.branch.as_ref().is_some_and(|branch| caller.covers(branch)))
                .then(|| envelope.actor.to_string()),
            branch: envelope.branch.clone().filter(|branch| caller.covers(branch)),
            data: data(event, elsewhere, &caller)?,
            words: text_of(event)
                .filter(|_| !elsewhere && envelope.branch.as_ref().is_none_or(|branch| caller.covers(branch)))
                .and_then(|text| words.remove(&text)),
            policy: policies.in_force(envelope.recorded_at).map(|p| p.event.version.to_string()),
            consent: asked.map(|(purpose, channel)| standing(consent(&state, purpose, channel, envelope.time))),
            breach,
        });
    }
    app.looked(&caller, &selves, Page::History).await?;
    Ok(Json(History { patient: id, events, next, unreadable }))
}

/// Every text by its id about a patient, and about those who were merged into them; none for callers who may not see who anybody is.
async fn words(app: &App, caller: &Caller, selves: &[Uuid]) -> Result<HashMap<Uuid, String>, Problem> {
    let mut words = HashMap::new();
    if caller.has(Permission::SeePerson) {
        for id in selves {
            words.extend(app.personal.notes(*id).await.map_err(database)?);
        }
    }
    Ok(words)
}

/// The id of the text that an event refers to.
fn text_of(event: &Event) -> Option<Uuid> {
    match event {
        Event::Made(e) => e.note,
        Event::Permitted(e) => e.reason,
        Event::FeedbackGiven(e) => e.text,
        _ => None,
    }
}

fn subject_of(event: &Event) -> Option<(&Purpose, Channel)> {
    match event {
        Event::Made(e) => Some((&e.purpose, e.channel)),
        Event::Permitted(e) => Some((&e.purpose, e.channel)),
        Event::Refused(e) => Some((&e.purpose, e.channel)),
        _ => None,
    }
}

fn standing(consent: Consent<'_>) -> &'static str {
    match consent {
        Consent::Missing => "missing",
        Consent::Active(_) => "active",
        Consent::Withdrawn(_) => "withdrawn",
        Consent::Expired(_) => "expired",
    }
}

/// The branch whose contact or permit an event is about, if it is about one.
fn branch_of<'a>(event: &'a Event, state: &'a patient::State) -> Option<&'a Branch> {
    match event {
        Event::Made(e) => Some(&e.branch),
        Event::Permitted(e) => Some(&e.branch),
        Event::Refused(e) => Some(&e.branch),
        Event::Corrected(e) => state.contacts.iter().find(|c| c.id == e.contact).map(|contact| &contact.branch),
        Event::Started(e) => state.permit(e.permit).map(|permit| &permit.branch),
        Event::Released(e) => state.permit(e.permit).map(|permit| &permit.branch),
        _ => None,
    }
}

/// What an event says, without what another branch's contacts and permits are to keep to themselves.
fn data(event: &Event, elsewhere: bool, caller: &Caller) -> Result<Value, Problem> {
    let mut data = serde_json::to_value(event).map_err(Problem::hidden)?;
    match &mut data {
        Value::Object(fields) if elsewhere => fields.retain(|name, _| matches!(name.as_str(), "purpose" | "channel")),
        // What a decision has counted, and what came with a merge.
        Value::Object(fields) => fields.values_mut().for_each(|inside| hide_elsewhere(inside, caller)),
        _ => {}
    }
    Ok(data)
}

fn hide_elsewhere(value: &mut Value, caller: &Caller) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| hide_elsewhere(item, caller)),
        Value::Object(fields) => {
            let branch = fields.get("branch").and_then(Value::as_str).and_then(|code| code.parse().ok());
            if fields.contains_key("channel") && branch.is_some_and(|branch| !caller.covers(&branch)) {
                fields.retain(|name, _| matches!(name.as_str(), "purpose" | "channel" | "time"));
            } else {
                fields.values_mut().for_each(|inside| hide_elsewhere(inside, caller));
            }
        }
        _ => {}
    }
}
