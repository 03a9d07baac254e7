//! One stream of a history: its events in order, against the chain, the log, the map of streams, and the decisions in it.

use chrono::{DateTime, Utc};
use tact_domain::control::{Policies, PolicyPublished};
use tact_domain::envelope::{Envelope, Hash, hash};
use tact_domain::patient::{Event, State, asked, evolve};
use tact_domain::{Recorded, Unreadable};

use super::{Check, Deviation, StreamFound, Verification};
use crate::checkpoint::shard;
use crate::file::{EventPart, Place, StreamEnd, StreamPart};
use crate::map::{End, key};
use crate::tree::leaf_hash;

/// A stream being read.
pub(super) struct Stream {
    begins: StreamPart,
    until: Option<DateTime<Utc>>,
    /// What the maps say of its end, log by log; `None` if they say nothing that can be believed.
    stated: Option<Vec<(usize, End)>>,
    events: u64,
    previous: Hash,
    last_place: Option<(usize, u64)>,
    state: State,
    /// Whether the state is what the events so far led to.
    known: bool,
}

/// An event read for what it is.
enum Read {
    Policy(Box<Recorded<PolicyPublished>>),
    Patient(Box<Recorded>),
}

impl Read {
    fn envelope(&self) -> &Envelope {
        match self {
            Self::Policy(recorded) => &recorded.envelope,
            Self::Patient(recorded) => &recorded.envelope,
        }
    }
}

impl Stream {
    pub(super) fn begin(begins: StreamPart, until: Option<DateTime<Utc>>) -> Self {
        let until = until.filter(|_| begins.stream != "policy");
        let previous = Hash::default();
        Self { begins, until, stated: None, events: 0, previous, last_place: None, state: State::default(), known: true }
    }

    fn is_policy(&self) -> bool {
        self.begins.stream == "policy"
    }

    fn deviate(&self, check: Check, event: Option<u64>, problem: impl Into<String>, of: &mut Verification) {
        let (line, stream) = (of.line, Some(self.begins.stream.clone()));
        of.report.deviate(Deviation { check, line, stream, event, problem: problem.into() });
    }

    /// What the maps of streams say of its end: each log that holds its shard, or held it, must say something.
    pub(super) fn hold_against_map(&mut self, of: &mut Verification) {
        of.report.looked(Check::Complete);
        let shard = shard(&self.begins.stream);
        let holding = of.logs.iter().enumerate().filter(|(_, log)| log.stated.log.holds(shard)).map(|(at, _)| at);
        if !holding.eq(self.begins.ends.iter().map(|end| end.log)) {
            let problem = "where the stream ends is not proved for every log that holds its shard";
            return self.deviate(Check::Complete, None, problem, of);
        }
        let mut stated: Vec<(usize, End)> = Vec::new();
        for StreamEnd { log, end } in &self.begins.ends {
            match end.check(&key(&self.begins.stream), &of.logs[*log].stated.map) {
                Some(Some(end)) if stated.last().is_none_or(|(_, before)| before.count < end.count) => stated.push((*log, end)),
                Some(None) => {}
                Some(Some(_)) | None => {
                    let problem = "the proof of where the stream ends does not lead to the map that the checkpoint stands for";
                    return self.deviate(Check::Complete, None, problem, of);
                }
            }
        }
        self.stated = Some(stated);
    }

    /// How many events the checkpoint covers; `None` if that cannot be believed.
    fn covered(&self) -> Option<u64> {
        self.stated.as_ref().map(|stated| stated.last().map_or(0, |(_, end)| end.count))
    }

    pub(super) fn take(&mut self, part: EventPart<'_>, of: &mut Verification) {
        let bytes = part.event.get().as_bytes();
        let own = hash(bytes);
        self.events += 1;
        let number = self.events;
        self.hold_against_log(&part, of);
        of.report.looked(Check::Chain);
        let stream = &self.begins.stream;
        let read = if self.is_policy() {
            Recorded::read_at(bytes, stream, number, &self.previous).map(|r| Read::Policy(Box::new(r)))
        } else {
            Recorded::read_at(bytes, stream, number, &self.previous).map(|r| Read::Patient(Box::new(r)))
        };
        self.previous = own;
        if self.stated.iter().flatten().any(|(_, end)| end.count == number && end.head != own) {
            self.deviate(
                Check::Chain,
                Some(number),
                "the checkpoint states another hash for this event, the last that it covers",
                of,
            );
        }
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                self.known = false;
                let check = if matches!(error, Unreadable::Kind(_) | Unreadable::Version { .. }) {
                    Check::Decisions
                } else {
                    Check::Chain
                };
                return self.deviate(check, Some(number), error.to_string(), of);
            }
        };
        if read.envelope().network != of.header.network {
            let problem = format!("it is of the network `{}`", read.envelope().network);
            self.deviate(Check::Chain, Some(number), problem, of);
        }
        match read {
            Read::Policy(recorded) => {
                of.report.looked(Check::Policies);
                if let Some(place) = &part.place {
                    // Of two with one version the first one counts, as it does for those who decide.
                    of.published_at.entry(recorded.event.version.to_string()).or_insert((place.log, place.leaf));
                }
                if let Err(error) = of.policies.evolve(*recorded) {
                    self.deviate(Check::Policies, Some(number), error.to_string(), of);
                }
            }
            Read::Patient(recorded) => {
                if self.until.is_some_and(|until| recorded.envelope.recorded_at >= until) {
                    let problem = "it was recorded when the history was to have ended already";
                    self.deviate(Check::File, Some(number), problem, of);
                }
                self.decide_again(&recorded, part.place.as_ref(), of);
                if let Event::Absorbed(e) = &recorded.event {
                    let merged = e.from.to_string();
                    if of.report.streams.iter().all(|found| found.stream != merged) && merged != self.begins.stream {
                        of.wanted.insert(merged);
                    }
                }
                evolve(&mut self.state, &recorded);
            }
        }
    }

    /// Whether the event is in its log, where it says; or behind everything that the checkpoint covers.
    fn hold_against_log(&mut self, part: &EventPart<'_>, of: &mut Verification) {
        let number = self.events;
        let Some(place) = &part.place else {
            if self.covered().is_none_or(|covered| number <= covered) {
                self.deviate(
                    Check::Inclusion,
                    Some(number),
                    "the checkpoint covers it, but its place in the log is not given",
                    of,
                );
            }
            return;
        };
        of.report.looked(Check::Inclusion);
        // It is in the first log that has so many events of the stream.
        let belongs = self.stated.as_ref().map(|stated| stated.iter().find(|(_, end)| number <= end.count).map(|(log, _)| *log));
        if belongs.is_some_and(|belongs| belongs != Some(place.log)) {
            let problem = format!("the maps of streams do not put it into log {}", place.log);
            self.deviate(Check::Inclusion, Some(number), problem, of);
        }
        let leaf = leaf_hash(part.event.get().as_bytes());
        let included = of
            .logs
            .get_mut(place.log)
            .is_some_and(|log| log.places.includes(leaf, place.leaf, log.stated.size, &log.stated.root, &place.proof.0));
        if !included {
            let problem = format!("it is not leaf {} of log {}", place.leaf, place.log);
            self.deviate(Check::Inclusion, Some(number), problem, of);
        }
        if self.last_place.is_some_and(|last| last >= (place.log, place.leaf)) {
            self.deviate(Check::Inclusion, Some(number), "it stands in the log before the event that comes before it here", of);
        }
        self.last_place = Some((place.log, place.leaf));
    }

    fn decide_again(&self, recorded: &Recorded, place: Option<&Place>, of: &mut Verification) {
        let Some(asked) = asked(&recorded.event) else { return };
        let number = Some(self.events);
        let now = recorded.envelope.recorded_at;
        of.report.looked(Check::Policies);
        of.report.looked(Check::Decisions);
        let published = match policy_of(&of.policies, asked.policy, now) {
            Ok(published) => published.policy.clone(),
            Err(problem) => return self.deviate(Check::Policies, number, problem, of),
        };
        // A policy that was dated back afterwards was in force by its own word only.
        if let (Some(place), Some((log, leaf))) = (place, of.published_at.get(asked.policy.as_str()))
            && place.log == *log
            && place.leaf < *leaf
        {
            let problem =
                format!("it was made by policy `{}`, which stands behind it in the log: it was published later", asked.policy);
            self.deviate(Check::Policies, number, problem, of);
        }
        if !self.known {
            let problem = "it cannot be made again: an event before it could not be read";
            return self.deviate(Check::Decisions, number, problem, of);
        }
        match asked.again(&self.state, &published, now) {
            Ok(again) if again == recorded.event => of.report.decided_again += 1,
            Ok(again) => {
                let told = |event: &Event| serde_json::to_string(event).unwrap_or_default();
                let problem = format!(
                    "made again it comes out as {} {}, recorded is {}",
                    again.kind(),
                    told(&again),
                    told(&recorded.event)
                );
                self.deviate(Check::Decisions, number, problem, of);
            }
            Err(unknown) => self.deviate(Check::Decisions, number, unknown.to_string(), of),
        }
    }

    /// No further event comes.
    pub(super) fn end(self, of: &mut Verification) {
        let covered = self.covered().unwrap_or_default();
        let missing = covered.saturating_sub(self.events);
        let left_out = if self.until.is_some() { missing } else { 0 };
        if missing > left_out {
            let problem =
                format!("its last {missing} events are missing: the checkpoint covers {covered}, here are {}", self.events);
            self.deviate(Check::Complete, Some(self.events + 1), problem, of);
        }
        self.found(covered, left_out, of);
    }

    /// The file could not be read on.
    pub(super) fn broken_off(self, of: &mut Verification) {
        let covered = self.covered().unwrap_or_default();
        self.found(covered, 0, of);
    }

    fn found(self, covered: u64, left_out: u64, of: &mut Verification) {
        of.report.streams.push(StreamFound {
            not_covered_yet: self.events.saturating_sub(covered),
            stream: self.begins.stream,
            events: self.events,
            covered,
            left_out,
        });
    }
}

/// The policy of a version, if it was in force at a moment.
fn policy_of<'p>(
    policies: &'p Policies,
    version: &str,
    now: DateTime<Utc>,
) -> Result<&'p tact_domain::control::Published, String> {
    let published =
        policies.version(version).ok_or_else(|| format!("it was made by policy `{version}`, which was never published"))?;
    match policies.in_force(now) {
        Some(in_force) if in_force.event.version == version => Ok(published),
        Some(in_force) => {
            Err(format!("it was made by policy `{version}`, but `{}` was in force at {now}", in_force.event.version))
        }
        None => Err(format!("it was made by policy `{version}`, but none was in force at {now}")),
    }
}
