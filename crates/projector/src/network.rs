//! What the projector knows beside patients: the published policies and the directory, each as its stream says.

use std::sync::Arc;

use chrono_tz::Tz;
use tact_domain::control::{Directory, DirectoryEvent, Policies, PolicyPublished, Published};
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::State;
use tact_domain::policy::Policy;
use tact_domain::{Branch, Recorded, Time};
use tact_event_log::{EventLog, Freshness, LogError, Position, Stored, StreamId};
use tact_read_models::set_aside::SetAsideRow;

/// The place in a stream up to which it has been read.
#[derive(Debug, Default)]
struct Place {
    position: Position,
    sequence: u64,
    last_hash: Hash,
    last_recorded_at: Option<Time>,
    /// Set when an event could not be read: the stream then says nothing more.
    broken: Option<SetAsideRow>,
}

impl Place {
    /// Notes an event that cannot be read.
    fn break_at(&mut self, stored: &Stored, reason: String) {
        let sequence = self.sequence.cast_signed() + 1;
        let position = stored.position.to_stored().cast_signed();
        self.broken =
            Some(SetAsideRow { stream: stored.stream.to_string(), position, sequence, reason, since: self.last_recorded_at });
    }

    fn passed(&mut self, stored: &Stored) {
        self.position = stored.position;
        self.sequence += 1;
        self.last_hash = hash(&stored.bytes);
    }
}

/// The policies and the directory.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// As far as the log had been read when this began, and further; which of them is in force is the clock's to say.
    policies: Policies,
    policy_place: Place,
    /// When each policy takes effect, by the position of its publication: what was known at a place in the log.
    effects: Vec<(Position, Time)>,
    /// As of the checkpoint, and no further: rows of patients without a time zone of their own follow from it.
    directory: Directory,
    directory_place: Place,
}

/// What an event outside the patients' streams means for rows.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// The stream is set aside from this event on.
    pub(crate) set_aside: Option<SetAsideRow>,
    /// The branch whose time zone is another now.
    pub(crate) zone_of: Option<Branch>,
}

impl Network {
    /// Reads all policies, and the directory up to `position`.
    pub(crate) async fn open(log: &dyn EventLog, position: Position) -> Result<Self, LogError> {
        let policies = log.read_stream(StreamId::Policy, Position::START, Freshness::Latest).await?;
        let directory = log.read_stream(StreamId::Directory, Position::START, Freshness::Latest).await?;
        Ok(Self::of(policies.iter().chain(&directory), position))
    }

    /// Takes all policies of these events, and the directory up to `position`.
    pub(crate) fn of<'a>(events: impl Iterator<Item = &'a Stored>, position: Position) -> Self {
        let mut network = Self::default();
        for stored in events {
            match stored.stream {
                StreamId::Policy => network.read_policy(stored),
                StreamId::Directory if stored.position <= position => drop(network.take(stored)),
                StreamId::Directory | StreamId::Access | StreamId::Patient(_) | StreamId::Number(_) => {}
            }
        }
        network
    }

    /// Takes an event of the policies' or the directory's stream as the log is followed.
    pub(crate) fn take(&mut self, stored: &Stored) -> Effect {
        let mut effect = Effect::default();
        let place = match stored.stream {
            StreamId::Policy => {
                if stored.position > self.policy_place.position {
                    self.read_policy(stored);
                }
                &self.policy_place
            }
            _ => {
                effect.zone_of = self.read_directory(stored);
                &self.directory_place
            }
        };
        let here = stored.position.to_stored().cast_signed();
        effect.set_aside = place.broken.clone().filter(|broken| broken.position == here);
        effect
    }

    fn read_policy(&mut self, stored: &Stored) {
        let place = &mut self.policy_place;
        if place.broken.is_none() {
            let read = Recorded::<PolicyPublished>::read_at(&stored.bytes, "policy", place.sequence + 1, &place.last_hash);
            let recorded_at = read.as_ref().ok().map(|r| r.envelope.recorded_at);
            match read.and_then(|recorded| self.policies.evolve(recorded)) {
                Ok(()) => {
                    place.last_recorded_at = recorded_at;
                    if let Some(published) = self.policies.all().last() {
                        self.effects.push((stored.position, published.effective_from()));
                    }
                }
                Err(unreadable) => place.break_at(stored, unreadable.to_string()),
            }
        }
        place.passed(stored);
    }

    fn read_directory(&mut self, stored: &Stored) -> Option<Branch> {
        let place = &mut self.directory_place;
        let mut changed = None;
        if place.broken.is_none() {
            match Recorded::<DirectoryEvent>::read_at(&stored.bytes, "directory", place.sequence + 1, &place.last_hash) {
                Ok(recorded) => {
                    if let DirectoryEvent::BranchListed(listed) = &recorded.event {
                        let known = self.directory.branches.get(&listed.branch).map(|b| &b.time_zone);
                        changed = (known != Some(&listed.time_zone)).then(|| listed.branch.clone());
                    }
                    place.last_recorded_at = Some(recorded.envelope.recorded_at);
                    self.directory.evolve(recorded.event);
                }
                Err(unreadable) => place.break_at(stored, unreadable.to_string()),
            }
        }
        place.passed(stored);
        changed
    }

    /// The policy in force at a moment.
    pub(crate) fn in_force(&self, now: Time) -> Option<Arc<Policy>> {
        self.policies.in_force(now).map(|published| published.policy.clone())
    }

    /// Whether something at `time` was before Tact, as far as the log up to `position` says: before the first policy took effect.
    pub(crate) fn is_before_tact(&self, time: Time, position: Position) -> bool {
        let first = self.effects.iter().filter(|(published, _)| *published <= position).map(|(_, effect)| *effect).min();
        first.is_none_or(|first| time < first)
    }

    /// The policies that the log holds up to a position, in the order of publication.
    pub(crate) fn published(&self, position: Position) -> &[Published] {
        &self.policies.all()[..self.effects.partition_point(|(published, _)| *published <= position)]
    }

    /// The time zone of a patient: their own, else the home branch's, else UTC.
    pub(crate) fn zone(&self, state: &State) -> Tz {
        let of_branch = || self.directory.branches.get(state.home_branch.as_ref()?)?.time_zone.parse().ok();
        state.zone().or_else(of_branch).unwrap_or(Tz::UTC)
    }
}
