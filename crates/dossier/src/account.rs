//! The events read in order, each with what was known when it came: the ground on which every form is told.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use tact_domain::control::{Policies, Published};
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::events::{ConsentGranted, ConsentUsed, Event, Made, Permitted};
use tact_domain::patient::{State, evolve};
use tact_domain::{Direction, Outcome, Recorded, Time};
use uuid::Uuid;

use crate::Material;
use tact_words::Clock;

/// One stream, read.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    /// Whose.
    pub(crate) patient: Uuid,
    /// Its events, in order.
    pub(crate) steps: Vec<Step<'a>>,
    /// What they lead to.
    pub(crate) state: State,
}

/// One event and what follows from its place.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// The event.
    pub(crate) recorded: &'a Recorded,
    /// The SHA-256 of its stored bytes.
    pub(crate) hash: Hash,
    /// By which clock its times are shown.
    pub(crate) clock: Clock,
    /// For contacts: by what right.
    pub(crate) right: Option<Right>,
}

/// By what right a contact was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// The patient's own contact needs none.
    Inbound,
    /// Under this permit.
    Permit(Uuid),
    /// None, before the network had a policy.
    BeforeTact,
    /// None: a breach. It may have named a permit that did not hold.
    Breach {
        /// The permit that it named.
        named: Option<Uuid>,
    },
}

/// Every stream of a patient, and what they share.
#[derive(Debug)]
pub(crate) struct Accounts<'a> {
    /// The patient's own, and those of the merged.
    pub(crate) all: Vec<Account<'a>>,
    /// Every permit, by id.
    permits: BTreeMap<Uuid, (&'a Recorded, &'a Permitted)>,
}

impl<'a> Accounts<'a> {
    /// Reads all of them.
    pub(crate) fn read(material: &Material<'a>) -> Self {
        Self::of(material.patient, material.events, material.merged, material.policies, &|branch| {
            material.directory.branches.get(branch)?.time_zone.parse().ok()
        })
    }

    pub(crate) fn of(
        patient: Uuid,
        events: &'a [Recorded],
        merged: &'a [(Uuid, Vec<Recorded>)],
        policies: &Policies,
        zone_of: &dyn Fn(&tact_domain::Branch) -> Option<Tz>,
    ) -> Self {
        let others = merged.iter().map(|(patient, events)| (*patient, events.as_slice()));
        let all: Vec<Account<'a>> = std::iter::once((patient, events))
            .chain(others)
            .map(|(patient, events)| Account::read(patient, events, policies, zone_of))
            .collect();
        let permits = all.iter().flat_map(|account| &account.steps).filter_map(|step| match &step.recorded.event {
            Event::Permitted(e) => Some((e.permit, (step.recorded, e))),
            _ => None,
        });
        let permits = permits.collect();
        Self { all, permits }
    }

    /// How a contact ended, by all that is known: it may have been recorded otherwise at first.
    pub(crate) fn outcome(&self, made: &Made) -> Outcome {
        let known = self.all.iter().find_map(|account| account.state.contacts.iter().find(|c| c.id == made.contact));
        known.map_or(made.outcome, |contact| contact.outcome)
    }

    /// The patient's own.
    pub(crate) fn own(&self) -> &Account<'a> {
        // `of` begins with it.
        &self.all[0]
    }

    /// Every event of every stream.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step<'a>> {
        self.all.iter().flat_map(|account| &account.steps)
    }

    /// A permit by its id.
    pub(crate) fn permit(&self, id: Uuid) -> Option<(&'a Recorded, &'a Permitted)> {
        self.permits.get(&id).copied()
    }

    /// The event of the consent that a decision rested on.
    pub(crate) fn consent(&self, used: &ConsentUsed) -> Option<(&'a Recorded, &'a ConsentGranted)> {
        self.steps().find_map(|step| match &step.recorded.event {
            Event::ConsentGranted(e)
                if e.evidence.document == used.document && step.recorded.envelope.time == used.granted_at =>
            {
                Some((step.recorded, e))
            }
            _ => None,
        })
    }

    /// The announcement that a decision rested on: the last one of its window that was recorded before it.
    pub(crate) fn announcement(&self, decided: &Recorded, permitted: &Permitted) -> Option<&'a Recorded> {
        let window = permitted.basis.announcement?;
        let fits = |recorded: &&Recorded| match &recorded.event {
            Event::Announced(e) => {
                e.purpose == permitted.purpose
                    && e.window == window
                    && recorded.envelope.recorded_at <= decided.envelope.recorded_at
                    && e.about.is_none_or(|about| permitted.about.is_none_or(|of| of == about))
            }
            _ => false,
        };
        self.steps().map(|step| step.recorded).filter(fits).max_by_key(|recorded| recorded.envelope.recorded_at)
    }
}

impl<'a> Account<'a> {
    fn read(
        patient: Uuid,
        events: &'a [Recorded],
        policies: &Policies,
        zone_of: &dyn Fn(&tact_domain::Branch) -> Option<Tz>,
    ) -> Self {
        let mut state = State::default();
        let first_policy = policies.first_effect();
        let mut steps = Vec::with_capacity(events.len());
        for (at, recorded) in events.iter().enumerate() {
            evolve(&mut state, recorded);
            let zone = state.zone().or_else(|| state.home_branch.as_ref().and_then(zone_of)).unwrap_or(Tz::UTC);
            let clock = match &recorded.event {
                Event::Permitted(e) => Clock::recorded(e.zone.offset),
                Event::Refused(e) => Clock::recorded(e.zone.offset),
                _ => Clock::Zone(zone),
            };
            steps.push(Step { recorded, hash: stored_hash(events, at), clock, right: right(&state, first_policy, recorded) });
        }
        // A permit that a contact named may have come later, with a merge: what is known in the end holds.
        for step in steps.iter_mut().filter(|step| matches!(step.right, Some(Right::Breach { .. }))) {
            step.right = right(&state, first_policy, step.recorded);
        }
        Self { patient, steps, state }
    }

    /// The clock of the patient after everything that is known.
    pub(crate) fn clock(&self, zone_of: &dyn Fn(&tact_domain::Branch) -> Option<Tz>) -> Clock {
        let home = || self.state.home_branch.as_ref().and_then(zone_of);
        Clock::Zone(self.state.zone().or_else(home).unwrap_or(Tz::UTC))
    }
}

/// By what right a contact was made, as far as this state knows; nothing for other events.
fn right(state: &State, first_policy: Option<Time>, recorded: &Recorded) -> Option<Right> {
    let Event::Made(e) = &recorded.event else { return None };
    if e.direction == Direction::Inbound {
        return Some(Right::Inbound);
    }
    let contact = state.contacts.iter().rev().find(|c| c.id == e.contact);
    Some(match contact.and_then(|c| c.permit) {
        Some(permit) => Right::Permit(permit),
        None if first_policy.is_none_or(|first| recorded.envelope.time < first) => Right::BeforeTact,
        None => Right::Breach { named: contact.and_then(|c| c.claimed).or(e.permit) },
    })
}

/// The hash of an event's stored bytes: as the event behind it carries it, else from the bytes as they are written.
fn stored_hash(events: &[Recorded], at: usize) -> Hash {
    let Recorded { envelope, event } = &events[at];
    match events.get(at + 1) {
        Some(next) if next.envelope.sequence == envelope.sequence + 1 => next.envelope.previous,
        _ => hash(&envelope.write(event)),
    }
}

/// Whether a moment lies in the part that is told of.
pub(crate) fn is_told(material: &Material<'_>, recorded: &Recorded) -> bool {
    let at = recorded.envelope.recorded_at;
    material.from.is_none_or(|from| from <= at) && material.until.is_none_or(|until| at < until)
}

/// A policy with the moment at which the next one replaced it, if one did.
pub(crate) fn in_force_until(policies: &Policies, policy: &Published) -> Option<Time> {
    let from = policy.effective_from();
    let later = policies.all().iter().map(Published::effective_from).filter(|other| *other > from);
    later.min()
}
