//! Whose call it was, and by what right: by the permit that the exchange names, else by the number and the time. What fits nobody or several
//! people is not guessed.

use chrono::Duration;
use serde::{Deserialize, Serialize};
use tact_domain::patient::State;
use tact_domain::patient::events::{Event, Made};
use tact_domain::patient::state::{Fate, Permit, Standing};
use tact_domain::{Actor, Branch, Channel, Direction, Outcome, Purpose, Time, UnknownWord, nearest_word};
use tact_service::App;
use tact_service::transact::{Command, Failure};
use uuid::Uuid;

use crate::settle::Unsettled;

/// A contact that somebody has written down by hand is the recorded call if it lies so near.
const SAME_CALL: Duration = Duration::minutes(15);
/// How many merges in a row are followed.
const MERGES: usize = 16;

/// How an exchange says that a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    Answered,
    NoAnswer,
    Busy,
    Voicemail,
    Failed,
}

impl Disposition {
    const WORDS: &'static [&'static str] = &["answered", "no_answer", "busy", "voicemail", "failed"];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Voicemail => "voicemail",
            Self::Failed => "failed",
        }
    }

    const fn outcome(self) -> Outcome {
        match self {
            Self::Answered => Outcome::Reached,
            Self::NoAnswer => Outcome::NoAnswer,
            Self::Busy => Outcome::Busy,
            Self::Voicemail => Outcome::Voicemail,
            Self::Failed => Outcome::Failed,
        }
    }
}

impl std::str::FromStr for Disposition {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Answered, Self::NoAnswer, Self::Busy, Self::Voicemail, Self::Failed];
        all.into_iter().find(|disposition| disposition.as_str() == word).ok_or_else(|| UnknownWord {
            what: "disposition of a call",
            got: word.chars().take(80).collect(),
            known: Self::WORDS,
            nearest: nearest_word(word, Self::WORDS.iter().copied()),
        })
    }
}

impl Serialize for Disposition {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Disposition {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'de, str>::deserialize(d)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

/// What is known of a call.
#[derive(Clone)]
pub(crate) struct Known<'a> {
    /// Its id here.
    pub(crate) id: Uuid,
    pub(crate) fingerprint: u64,
    pub(crate) actor: Actor,
    pub(crate) branch: &'a Branch,
    pub(crate) direction: Direction,
    /// The other side's number, as the exchange has it.
    pub(crate) number: &'a str,
    pub(crate) begun_at: Time,
    pub(crate) disposition: Disposition,
    pub(crate) permit: Option<Uuid>,
    pub(crate) patient: Option<Uuid>,
    pub(crate) purpose: Option<&'a Purpose>,
}

/// Whose call it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matched {
    /// This patient's, and it stands in the log as this contact.
    Contact(Uuid, Uuid),
    /// Nobody's that is known.
    Nobody,
    /// Several people have the number.
    Several,
}

/// Finds whose call it was, and records it.
pub(crate) async fn take(app: &App, call: &Known<'_>) -> Result<Matched, Unsettled> {
    let candidates = match call.patient {
        Some(patient) => vec![patient],
        None => app.personal.by_phone(call.number).await?,
    };
    // Several ids may be one person by now.
    let mut people: Vec<(Uuid, State)> = Vec::new();
    for candidate in candidates {
        if let Some((id, state)) = person(app, candidate).await?
            && people.iter().all(|(known, _)| *known != id)
        {
            people.push((id, state));
        }
    }
    if people.is_empty() {
        return Ok(Matched::Nobody);
    }
    let by_permit: Vec<_> = people.iter().filter_map(|(id, state)| Some((*id, state, permit(state, call)?))).collect();
    match (&by_permit[..], &people[..]) {
        ([(patient, state, permit)], _) => record(app, call, *patient, state, Some(permit)).await,
        ([], [(patient, state)]) => record(app, call, *patient, state, None).await,
        _ => Ok(Matched::Several),
    }
}

/// Records the call as this patient's, because a person says so.
pub(crate) async fn take_as(app: &App, call: &Known<'_>, patient: Uuid) -> Result<Matched, Unsettled> {
    match person(app, patient).await? {
        Some((id, state)) => record(app, call, id, &state, permit(&state, call)).await,
        None => Ok(Matched::Nobody),
    }
}

/// Somebody under the id that they go by now.
async fn person(app: &App, patient: Uuid) -> Result<Option<(Uuid, State)>, Failure> {
    let mut id = patient;
    for _ in 0..MERGES {
        let known = app.transactor.patient_now(id).await?;
        match known.state.standing {
            Standing::Unknown => return Ok(None),
            Standing::Merged { into, .. } => id = into,
            _ => return Ok(Some((id, known.state.clone()))),
        }
    }
    Ok(None)
}

/// The permit that a call of ours was made under: the one that is named, else the latest that was good for a call at that moment.
fn permit<'s>(state: &'s State, call: &Known<'_>) -> Option<&'s Permit> {
    if call.direction == Direction::Inbound {
        return None;
    }
    if let Some(named) = call.permit {
        return state.permit(named);
    }
    let good = |permit: &&Permit| {
        permit.channel == Channel::Phone
            && permit.branch == *call.branch
            && call.purpose.is_none_or(|purpose| permit.purpose == *purpose)
            && (permit.was_live(call.begun_at)
                || matches!(permit.fate, Fate::Used { contact } if is_near(state, contact, call.begun_at)))
    };
    state.permits.iter().filter(good).max_by_key(|permit| permit.granted_at)
}

fn is_near(state: &State, contact: Uuid, time: Time) -> bool {
    state.contacts.iter().any(|c| c.id == contact && (c.time - time).abs() <= SAME_CALL)
}

async fn record(
    app: &App,
    call: &Known<'_>,
    patient: Uuid,
    state: &State,
    permit: Option<&Permit>,
) -> Result<Matched, Unsettled> {
    let contact = app.keys.derive(&[b"call", b"contact", call.id.as_bytes()]);
    if state.contacts.iter().any(|c| c.id == contact) {
        return Ok(Matched::Contact(patient, contact));
    }
    // Somebody at the desk was faster: one call is one contact.
    let near = |c: &&tact_domain::patient::state::Contact| {
        c.direction == call.direction && c.channel == Channel::Phone && (c.time - call.begun_at).abs() <= SAME_CALL
    };
    let mut nearest: Vec<_> = state.contacts.iter().filter(near).collect();
    nearest.sort_by_key(|c| (c.time - call.begun_at).abs());
    for written in nearest {
        if !app.personal.call_of_contact(written.id).await? {
            return Ok(Matched::Contact(patient, written.id));
        }
    }
    let began = permit.and_then(|permit| match permit.fate {
        Fate::Started { contact, .. } => Some(contact),
        _ => None,
    });
    let contact = began.unwrap_or(contact);
    let unstated: Purpose = "unstated".parse().map_err(|_| Failure::Busy)?;
    let purpose = permit.map(|permit| &permit.purpose).or(call.purpose).cloned().unwrap_or(unstated);
    let event = Event::Made(Made {
        contact,
        direction: call.direction,
        purpose,
        channel: Channel::Phone,
        branch: call.branch.clone(),
        outcome: call.disposition.outcome(),
        permit: permit.map(|permit| permit.id),
        about: None,
        note: None,
    });
    let command = Command {
        event: app.keys.derive(&[b"call", b"event", call.id.as_bytes()]),
        fingerprint: Some(call.fingerprint),
        time: Some(call.begun_at),
        actor: call.actor.clone(),
        branch: Some(call.branch.clone()),
        cause: None,
    };
    let done = app.transactor.record(patient, &command, &event).await?;
    Ok(Matched::Contact(done.patient, contact))
}
