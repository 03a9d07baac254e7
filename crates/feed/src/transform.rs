//! From an event as it is stored to the event that the feed carries. Pure, and on the bytes: nothing is taken apart that stays as it is.
//!
//! It must never let out an id as it is stored (but the events' own), who did it, or a hash that would let somebody confirm a guess.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use tact_domain::control::{ClinicianDeparted, DirectoryEvent, PolicyPublished, ProviderListed};
use tact_domain::patient::Event;
use tact_domain::patient::quota::Counted;
use tact_domain::{Branch, DailyHours, Recorded, ServiceCode, Time, Unreadable};
use tact_event_log::{Position, Stored, StreamId};
use tact_service::ids::IdKey;
use uuid::Uuid;

/// An event of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// The event's id, the stored event's own.
    pub id: Uuid,
    /// Where the event that it was made from stands in the log.
    pub position: Position,
    /// Its type, such as `contact.permitted`.
    pub kind: SmolStr,
    /// The version of its type.
    pub version: u16,
    /// What it is about: the patient's pseudonym, `policy` or `directory`.
    pub subject: SmolStr,
    /// The branch at which it was recorded, if at one.
    pub branch: Option<Branch>,
    /// When it happened.
    pub time: Time,
    /// When it was recorded.
    pub recorded_at: Time,
    /// Its place in its stream, from 1.
    pub sequence: u64,
    /// The event that set it off.
    pub cause: Option<Uuid>,
    /// `staff`, `system` or `patient`.
    pub actor: &'static str,
    /// CloudEvents 1.0 in JSON.
    pub bytes: Bytes,
    /// Where the data begins in the bytes; it ends one before them.
    data_from: usize,
}

impl FeedEvent {
    /// The part of its type before the dot, such as `contact`.
    pub fn area(&self) -> &str {
        self.kind.split_once('.').map_or(&*self.kind, |(area, _)| area)
    }

    /// Its subject on NATS behind `<network>.feed.`: `<area>.<event>.<branch>`, with `-` for no branch.
    pub fn topic(&self) -> String {
        [&*self.kind, ".", self.branch.as_ref().map_or("-", Branch::as_str)].concat()
    }

    /// What it says, in JSON.
    pub fn data(&self) -> &str {
        let inside = self.bytes.get(self.data_from..self.bytes.len() - 1).unwrap_or_default();
        std::str::from_utf8(inside).unwrap_or_default()
    }
}

/// Which branches somebody sees.
pub type Scope<'a> = &'a (dyn Fn(&Branch) -> bool + Send + Sync);

/// What became of a stored event.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// It goes out.
    Event(Box<FeedEvent>),
    /// It is not for analysts, or not for this one.
    NotForThem,
    /// This version of Tact cannot say what it means, so it cannot say that it names nobody: it does not go out.
    Unreadable(Unreadable),
}

/// The data of `provider.listed` as the feed has it: without the name, the address and what else leads to a practice, which may be one person's.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderListedOut<'a> {
    /// The provider's pseudonym.
    provider: Uuid,
    /// The services that it offers.
    services: &'a [ServiceCode],
    /// Its working hours: for a day from `monday` to `sunday`, from when until when; an absent day is closed.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    hours: &'a std::collections::BTreeMap<SmolStr, DailyHours>,
}

/// The data of `clinician.departed` as the feed has it: without the name of the new clinic, which leads to the clinician.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClinicianDepartedOut {
    /// The clinician's pseudonym.
    clinician: Uuid,
}

/// What is copied as it stands.
#[derive(Deserialize)]
struct Incoming<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    typeversion: u16,
    time: &'a str,
    recordedat: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// An event that was read, of any stream that goes out.
struct Known {
    envelope: tact_domain::Envelope,
    event: Payload,
}

enum Payload {
    Patient(Box<Event>),
    Policy,
    Directory(DirectoryEvent),
}

/// Makes feed events of one network.
#[derive(Debug, Clone)]
pub struct Transform {
    network: SmolStr,
    keys: IdKey,
}

impl Transform {
    /// For a network, with its secret for ids.
    pub fn new(network: &str, keys: IdKey) -> Self {
        Self { network: network.into(), keys }
    }

    /// The feed's event for a stored one.
    pub fn make(&self, stored: &Stored) -> Made {
        self.make_for(stored, None)
    }

    /// The feed's event for somebody who sees only some branches, if there is a scope: events of theirs and of none, without what others did, as histories show them.
    /// What a merge carries over is of all branches, so whoever does not see all of them does not see it.
    pub fn make_for(&self, stored: &Stored, scope: Option<Scope<'_>>) -> Made {
        let known = match self.read(stored) {
            Ok(Some(known)) => known,
            Ok(None) => return Made::NotForThem,
            Err(unreadable) => return Made::Unreadable(unreadable),
        };
        match self.write(stored, &known, scope) {
            Ok(Some(event)) => Made::Event(Box::new(event)),
            Ok(None) => Made::NotForThem,
            Err(error) => Made::Unreadable(Unreadable::Envelope(error.to_string())),
        }
    }

    /// Reads an event of a stream that goes out. Every stream is named here: one that is new does not go out before somebody says so.
    fn read(&self, stored: &Stored) -> Result<Option<Known>, Unreadable> {
        let bytes = &stored.bytes;
        let known = match stored.stream {
            StreamId::Patient(_) => {
                let Recorded { envelope, event } = Recorded::<Event>::read(bytes)?;
                Known { envelope, event: Payload::Patient(Box::new(event)) }
            }
            StreamId::Policy => Known { envelope: Recorded::<PolicyPublished>::read(bytes)?.envelope, event: Payload::Policy },
            StreamId::Directory => {
                let Recorded { envelope, event } = Recorded::<DirectoryEvent>::read(bytes)?;
                Known { envelope, event: Payload::Directory(event) }
            }
            // Whose history was handed out, and whose data destroyed, is not for analysts.
            StreamId::Access => return Ok(None),
            // Who shares a telephone with whom is not for them either; what came of it stands in the patients' streams.
            StreamId::Number(_) => return Ok(None),
        };
        let Known { envelope, .. } = &known;
        if envelope.network != self.network {
            return Err(Unreadable::Envelope("it is of another network".into()));
        }
        let belongs = match stored.stream {
            StreamId::Patient(patient) => envelope.subject.parse() == Ok(patient),
            stream => envelope.subject == stream.to_string(),
        };
        if !belongs {
            return Err(Unreadable::Chain("it says that it belongs to another stream".into()));
        }
        Ok(Some(known))
    }

    fn write(&self, stored: &Stored, known: &Known, scope: Option<Scope<'_>>) -> Result<Option<FeedEvent>, serde_json::Error> {
        let Known { envelope, event } = known;
        // JSON as we write it has no line breaks, and readers that count on lines may rely on that.
        if memchr::memchr2(b'\n', b'\r', &stored.bytes).is_some() {
            return Err(serde::de::Error::custom("it was not written by Tact"));
        }
        let raw: Incoming<'_> = serde_json::from_slice(&stored.bytes)?;
        let Some(data) = shown(envelope.branch.as_ref(), event, raw.data, scope)? else { return Ok(None) };
        let subject = match stored.stream {
            StreamId::Patient(patient) => SmolStr::from(self.keys.pseudonym(patient).to_string()),
            stream => SmolStr::from(stream.to_string()),
        };
        let actor = match &envelope.actor {
            tact_domain::Actor::Staff(_) => "staff",
            tact_domain::Actor::System(_) => "system",
            tact_domain::Actor::Patient => "patient",
        };
        let mut out = Vec::with_capacity(stored.bytes.len());
        let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        put(&[
            "{\"specversion\":\"1.0\",\"id\":\"",
            raw.id,
            "\",\"source\":\"/tact/",
            &self.network,
            "/feed\",\"type\":\"",
            raw.kind,
        ]);
        put(&["\",\"typeversion\":", &raw.typeversion.to_string(), ",\"subject\":\"", &subject, "\",\"time\":\"", raw.time]);
        put(&["\",\"datacontenttype\":\"application/json\",\"recordedat\":\"", raw.recordedat, "\",\"actor\":\"", actor]);
        if let Some(branch) = &envelope.branch {
            put(&["\",\"branch\":\"", branch.as_str()]);
        }
        put(&["\",\"streamsequence\":", &envelope.sequence.to_string()]);
        if let Some(cause) = envelope.cause {
            put(&[",\"cause\":\"", &cause.to_string(), "\""]);
        }
        put(&[",\"data\":"]);
        let data_from = out.len();
        self.pseudonymize(data.as_bytes(), &mut out);
        out.push(b'}');
        Ok(Some(FeedEvent {
            id: envelope.id,
            position: stored.position,
            kind: raw.kind.into(),
            version: raw.typeversion,
            subject,
            branch: envelope.branch.clone(),
            time: envelope.time,
            recorded_at: envelope.recorded_at,
            sequence: envelope.sequence,
            cause: envelope.cause,
            actor,
            bytes: out.into(),
            data_from,
        }))
    }

    /// Copies JSON with every UUID in it replaced by its pseudonym, wherever it stands: one rule, whatever the event.
    fn pseudonymize(&self, data: &[u8], out: &mut Vec<u8>) {
        let (mut copied, mut from) = (0, 8);
        while let Some(at) = data.get(from..).and_then(|rest| memchr::memchr(b'-', rest)) {
            let start = from + at - 8;
            // Behind this hyphen, unless a whole UUID is found around it.
            from += at + 1;
            if start < copied {
                continue;
            }
            if let Some(id) = data.get(start..start + UUID_LENGTH).and_then(uuid) {
                out.extend_from_slice(&data[copied..start]);
                let mut text = [0; UUID_LENGTH];
                out.extend_from_slice(self.keys.pseudonym(id).as_hyphenated().encode_lower(&mut text).as_bytes());
                copied = start + UUID_LENGTH;
                from = copied;
            }
        }
        out.extend_from_slice(&data[copied..]);
    }
}

const UUID_LENGTH: usize = 36;

/// A UUID with its hyphens, in letters of either case.
fn uuid(text: &[u8]) -> Option<Uuid> {
    let hyphens = [8, 13, 18, 23].iter().all(|at| text.get(*at) == Some(&b'-'));
    if hyphens { Uuid::try_parse_ascii(text).ok() } else { None }
}

/// What of an event's data goes out; `None` if nothing does.
fn shown<'a>(
    branch: Option<&Branch>,
    event: &Payload,
    raw: &'a RawValue,
    scope: Option<Scope<'_>>,
) -> Result<Option<Cow<'a, str>>, serde_json::Error> {
    let whole = Ok(Some(Cow::Borrowed(raw.get())));
    match event {
        // What holds for the network holds for every branch, wherever it was recorded.
        Payload::Policy => whole,
        Payload::Directory(event) => match event {
            // A branch's name is the network's own.
            DirectoryEvent::BranchListed(_) => whole,
            DirectoryEvent::ProviderListed(ProviderListed { provider, services, hours, .. }) => {
                let out = ProviderListedOut { provider: *provider, services, hours };
                serde_json::to_string(&out).map(|text| Some(text.into()))
            }
            DirectoryEvent::ClinicianDeparted(ClinicianDeparted { clinician, .. }) => {
                serde_json::to_string(&ClinicianDepartedOut { clinician: *clinician }).map(|text| Some(text.into()))
            }
        },
        Payload::Patient(event) => shown_of_patient(branch, event, raw, scope),
    }
}

fn shown_of_patient<'a>(
    branch: Option<&Branch>,
    event: &Event,
    raw: &'a RawValue,
    scope: Option<Scope<'_>>,
) -> Result<Option<Cow<'a, str>>, serde_json::Error> {
    let whole = Some(Cow::Borrowed(raw.get()));
    let Some(covers) = scope else { return Ok(whole) };
    let (own, carried) = match event {
        Event::Made(e) => (Some(&e.branch), false),
        Event::Permitted(e) => (Some(&e.branch), false),
        Event::Refused(e) => (Some(&e.branch), false),
        Event::Booked(e) => (Some(&e.branch), false),
        Event::FeedbackGiven(e) => (Some(&e.branch), false),
        Event::Registered(e) => (Some(&e.home_branch), false),
        Event::Rescheduled(e) => (e.branch.as_ref(), false),
        Event::ProfileChanged(e) => (e.home_branch.as_ref(), false),
        Event::Absorbed(_) | Event::Separated(_) => (None, true),
        _ => (None, false),
    };
    // One that neither was recorded at a branch nor is about one is about a patient of any.
    let theirs = branch.or(own).is_some() && branch.is_none_or(covers) && own.is_none_or(covers);
    if carried || !theirs {
        return Ok(None);
    }
    let Event::Refused(refused) = event else { return Ok(whole) };
    let mut refused = refused.clone();
    let elsewhere = |counted: &Counted| counted.branch.as_ref().is_some_and(|branch| !covers(branch));
    for counted in refused.reasons.iter_mut().flat_map(|reason| &mut reason.counted).filter(|counted| elsewhere(counted)) {
        (counted.branch, counted.contact, counted.permit) = (None, None, None);
    }
    serde_json::to_string(&refused).map(|text| Some(text.into()))
}
