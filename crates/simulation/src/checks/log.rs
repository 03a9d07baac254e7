//! The log itself: every acknowledged event there once, where it was said to stand; in each stream in order, each carrying the hash of the one
//! before it; no id twice; nothing that nobody gave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tact_domain::control::{DirectoryEvent, PolicyPublished};
use tact_domain::disclosure::AccessEvent;
use tact_domain::number::NumberEvent;
use tact_domain::patient::events::Event;
use tact_domain::policy::{self, Policy};
use tact_domain::{Branch, Recorded, Time};
use tact_event_log::{Position, StreamId};
use uuid::Uuid;

use crate::report::Report;
use crate::world::{Aftermath, short};

/// The log, read.
#[derive(Debug)]
pub(super) struct History {
    /// The patients' events, in the order of the whole log.
    pub(super) events: Vec<(Position, Uuid, Recorded)>,
    /// The policies.
    pub(super) policies: Vec<PublishedAt>,
    /// What was recorded of telephone numbers, in the order of the whole log.
    pub(super) numbers: Vec<(Position, Uuid, Recorded<NumberEvent>)>,
    /// The branches' time zones.
    pub(super) branches: BTreeMap<Branch, chrono_tz::Tz>,
}

/// A policy as the log holds it.
#[derive(Debug)]
pub(super) struct PublishedAt {
    /// Where.
    pub(super) position: Position,
    /// As it was published.
    pub(super) recorded: Recorded<PolicyPublished>,
    /// What it says.
    pub(super) policy: Arc<Policy>,
}

impl PublishedAt {
    /// When it takes effect: as stated, and a minute after its recording at the earliest.
    pub(super) fn effective_from(&self) -> Time {
        self.recorded.event.effective_from.max(self.recorded.envelope.recorded_at + chrono::Duration::minutes(1))
    }
}

/// Reads and checks the log; `None` if it cannot be read at all.
pub(super) fn check(aftermath: &Aftermath, report: &mut Report) -> Option<History> {
    let mut history = History { events: Vec::new(), policies: Vec::new(), numbers: Vec::new(), branches: BTreeMap::new() };
    let mut ids = BTreeSet::new();
    let mut at = BTreeMap::new();
    let mut streams: BTreeMap<StreamId, (u64, [u8; 32], Time)> = BTreeMap::new();
    let mut last = Position::START;
    for (number, stored) in aftermath.log.iter().enumerate() {
        if stored.position <= last || stored.position.to_stored() != number as u64 + 1 {
            report.find("log", format!("position {} comes as number {}", stored.position, number + 1));
        }
        last = stored.position;
        if !ids.insert(stored.id) {
            report.find(
                "log",
                format!("event {} is in the log twice, the second time at {} of {}", stored.id, stored.position, stored.stream),
            );
        }
        at.insert(stored.id, stored);
        let json: serde_json::Value = match serde_json::from_slice(&stored.bytes) {
            Ok(json) => json,
            Err(error) => {
                report.find("log", format!("the event at {} is no JSON: {error}", stored.position));
                return None;
            }
        };
        let (count, hash, recorded_at) = streams.entry(stored.stream).or_default();
        *count += 1;
        let place =
            (json["id"].as_str(), json["subject"].as_str(), json["streamsequence"].as_u64(), json["previoushash"].as_str());
        let (id, subject, previous) = (stored.id.to_string(), stored.stream.to_string(), hex::encode(*hash));
        if place != (Some(&id), Some(&subject), Some(*count), Some(&previous)) {
            report.find(
                "log",
                format!("the event at {} says it is {place:?}, it is {:?}", stored.position, (id, subject, count, previous)),
            );
        }
        *hash = Sha256::digest(&stored.bytes).into();
        let now: Option<Time> = json["recordedat"].as_str().and_then(|text| text.parse().ok());
        let now = now.unwrap_or_default();
        if now < *recorded_at && matches!(stored.stream, StreamId::Patient(_)) {
            report.find("log", format!("the event at {} was recorded before the one before it", stored.position));
        }
        *recorded_at = now;
        let by_reactor = json["actor"].as_str() == Some("system:reactor");
        // A reservation is nobody's command: an ask made it, whose permit it names.
        let of_number = matches!(stored.stream, StreamId::Number(_));
        if !by_reactor && !of_number && !aftermath.given.contains(&stored.id) {
            report.find("log", format!("nobody gave event {} at {}", stored.id, stored.position));
        }
        read(stored, &mut history, report)?;
    }
    for promised in &aftermath.acknowledged {
        let Some(stored) = at.get(&promised.event) else {
            report
                .find("log", format!("event {} was acknowledged at {} and is not in the log", promised.event, promised.position));
            continue;
        };
        if (stored.position, stored.stream) != (promised.position, promised.stream) {
            let said = format!("{} of {}", promised.position, promised.stream);
            report.find(
                "log",
                format!("event {} was acknowledged at {said} and is at {} of {}", promised.event, stored.position, stored.stream),
            );
        }
        if let Some(recorded) = &promised.recorded
            && Recorded::<Event>::read(&stored.bytes).as_ref() != Ok(recorded)
        {
            report.find("log", format!("event {} is not what was answered", promised.event));
        }
    }
    report.figures.events += aftermath.log.len() as u64;
    report.figures.policies += history.policies.len() as u64;
    Some(history)
}

fn read(stored: &tact_event_log::Stored, history: &mut History, report: &mut Report) -> Option<()> {
    let mut unreadable = |error: String| report.find("log", format!("the event at {} cannot be read: {error}", stored.position));
    match stored.stream {
        StreamId::Patient(patient) => {
            let recorded = Recorded::<Event>::read(&stored.bytes).map_err(|e| unreadable(e.to_string())).ok()?;
            *report.kinds.entry(recorded.event.kind().to_owned()).or_default() += 1;
            history.events.push((stored.position, patient, recorded));
        }
        StreamId::Policy => {
            let recorded = Recorded::<PolicyPublished>::read(&stored.bytes).map_err(|e| unreadable(e.to_string())).ok()?;
            let policy = policy::text::parse(&recorded.event.text, &recorded.event.version);
            let policy = policy.map_err(|_| unreadable("its text is no policy".to_owned())).ok()?;
            history.policies.push(PublishedAt { position: stored.position, recorded, policy: policy.into() });
        }
        StreamId::Directory => {
            let recorded = Recorded::<DirectoryEvent>::read(&stored.bytes).map_err(|e| unreadable(e.to_string())).ok()?;
            if let DirectoryEvent::BranchListed(branch) = recorded.event {
                let zone = branch.time_zone.parse().ok()?;
                history.branches.insert(branch.branch, zone);
            } else {
                unreadable(format!("{} is no branch", short(stored.id)));
            }
        }
        StreamId::Number(number) => {
            let recorded = Recorded::<NumberEvent>::read(&stored.bytes).map_err(|e| unreadable(e.to_string())).ok()?;
            *report.kinds.entry("number.reserved".to_owned()).or_default() += 1;
            history.numbers.push((stored.position, number, recorded));
        }
        StreamId::Access => {
            Recorded::<AccessEvent>::read(&stored.bytes).map_err(|e| unreadable(e.to_string())).ok()?;
        }
    }
    Some(())
}
