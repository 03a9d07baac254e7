//! The stream of a telephone number, named by its keyed fingerprint: where those who want to ring it queue up, and where a stop waits that
//! came from a number which several people share.
//!
//! The truth about permits and contacts stays in the patients' streams; here it is only decided who goes first. What is counted for a number
//! is counted over everybody who has it, and over what was reserved here by those who had it before. It must never hold the number itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::control::{read, unknown};
use crate::envelope::{Payload, Recorded, Unreadable};
use crate::patient::Ask;
use crate::patient::admit::CLOCK_TOLERANCE;
use crate::patient::events::Override;
use crate::patient::quota::{counts_at, overall_limits};
use crate::patient::state::{Contact, Fate, Permit, State};
use crate::policy::{Limit, Measure, Per, Policy, Rule};
use crate::values::*;
use crate::{Time, Zone};

/// How long a reservation holds while its permit is not in the patient's stream.
pub const RESERVED_FOR: chrono::Duration = chrono::Duration::seconds(90);

/// For how much of that a permit may be decided on it. The rest is for the append, which may be under way for some time (20 s at the most before
/// it is given up as in doubt, and it may land a little later): a permit must not come behind the moment from which others count on its absence.
pub const USABLE_FOR: chrono::Duration = chrono::Duration::seconds(30);

/// The data of `number.reserved`: somebody is about to be permitted to ring this number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberReserved {
    /// The reservation; also the id of this event.
    pub reservation: Uuid,
    /// For a permit of this patient.
    pub patient: Uuid,
    /// The permit that it is for.
    pub permit: Uuid,
    /// What for.
    pub purpose: Purpose,
    /// How.
    pub channel: Channel,
    /// From this moment on it counts only if its permit stands in the patient's stream.
    pub lapses_at: Time,
    /// The day of the permit's occasion, by the patient's calendar, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
    /// The first reservation of those that one contact is to cover: the number is rung once for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joins: Option<Uuid>,
}

/// The data of `number.stop_asked`: whoever has this number wants no more contacts, and several people have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberStopAsked {
    /// The stop; also the id of this event.
    pub stop: Uuid,
    /// On which channel it came.
    pub channel: Channel,
    /// What it answered, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
}

/// The data of `number.stop_answered`: it is known for whom a stop was meant, and stands in their streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberStopAnswered {
    /// The stop.
    pub stop: Uuid,
    /// Those for whom it was meant.
    pub patients: Vec<Uuid>,
}

/// An event of a number's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum NumberEvent {
    /// Somebody is about to be permitted to ring it.
    Reserved(NumberReserved),
    /// A stop came from it, and it is not known from whom.
    StopAsked(NumberStopAsked),
    /// Now it is known.
    StopAnswered(NumberStopAnswered),
}

impl NumberEvent {
    /// The names of the types.
    pub const KINDS: &'static [&'static str] = &["number.reserved", "number.stop_asked", "number.stop_answered"];
}

impl Payload for NumberEvent {
    fn kind(&self) -> &'static str {
        match self {
            Self::Reserved(_) => "number.reserved",
            Self::StopAsked(_) => "number.stop_asked",
            Self::StopAnswered(_) => "number.stop_answered",
        }
    }
    fn version(&self) -> u16 {
        1
    }
    fn read(kind: &str, version: u16, data: &RawValue) -> Result<Self, Unreadable> {
        match (kind, version) {
            ("number.reserved", 1) => read(kind, data).map(Self::Reserved),
            ("number.stop_asked", 1) => read(kind, data).map(Self::StopAsked),
            ("number.stop_answered", 1) => read(kind, data).map(Self::StopAnswered),
            _ => unknown(kind, version, Self::KINDS),
        }
    }
}

/// A stop of which nobody has said yet for whom it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// As it was asked.
    pub asked: NumberStopAsked,
    /// When it came.
    pub time: Time,
}

/// What a number's stream says after the events so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Number {
    /// Every reservation, in their order.
    pub reservations: Vec<NumberReserved>,
    /// The stops that are open.
    pub stops: Vec<Stop>,
    /// When its last event was recorded; nothing is reserved before it.
    pub last_recorded_at: Option<Time>,
}

impl Number {
    /// The number after one more event.
    pub fn evolve(&mut self, recorded: Recorded<NumberEvent>) {
        self.last_recorded_at = self.last_recorded_at.max(Some(recorded.envelope.recorded_at));
        match recorded.event {
            NumberEvent::Reserved(reserved) => self.reservations.push(reserved),
            NumberEvent::StopAsked(asked) => self.stops.push(Stop { asked, time: recorded.envelope.time }),
            NumberEvent::StopAnswered(answered) => self.stops.retain(|stop| stop.asked.stop != answered.stop),
        }
    }

    /// The reservation of a permit, if one may be decided on it still.
    pub fn reservation(&self, permit: Uuid, now: Time) -> Option<&NumberReserved> {
        let usable = |r: &&NumberReserved| now < r.lapses_at - (RESERVED_FOR - USABLE_FOR);
        self.reservations.iter().rev().find(|r| r.permit == permit && usable(r))
    }

    /// What one contact under this permit is counted as: the first reservation of those that it covers together, else the permit.
    fn group(&self, permit: Uuid) -> Uuid {
        let reserved = self.reservations.iter().rev().find(|r| r.permit == permit);
        reserved.map_or(permit, |r| r.joins.unwrap_or(r.reservation))
    }

    /// Everybody for whom the number was ever reserved, once each.
    pub fn reserved_for(&self) -> BTreeSet<Uuid> {
        self.reservations.iter().map(|r| r.patient).collect()
    }
}

/// One of those whom a number concerns.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// The person: the survivor of those who were merged.
    pub person: Uuid,
    /// What their stream says.
    pub state: &'a State,
    /// Whether they have the number now. Of others counts only what was reserved on it.
    pub has_it: bool,
}

/// What a number says to an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may be rung; with `joins`, as part of the contact that is reserved there.
    Free {
        /// The first reservation of those that the contact covers.
        joins: Option<Uuid>,
    },
    /// It may not be rung now.
    Busy {
        /// When it may be, as far as is known.
        next: Option<Time>,
    },
}

/// An ask as a number looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What is asked.
    pub ask: &'a Ask,
    /// By what rule.
    pub rule: &'a Rule,
    /// Whom it is for.
    pub person: Uuid,
    /// The day of its occasion.
    pub day: Option<NaiveDate>,
    /// With whom it is to be rung.
    pub with: With,
}

/// With whom a number is to be rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// For this person alone.
    Nobody,
    /// One contact is to be made for this person and for another, whose permit this is.
    Permit(Uuid),
    /// The permit was granted and left out of the person's state: it is asked whether it would be again. What was joined with it is one
    /// contact with it, however far that has come.
    Granted,
}

impl From<Option<Uuid>> for With {
    fn from(permit: Option<Uuid>) -> Self {
        permit.map_or(Self::Nobody, Self::Permit)
    }
}

/// Whether a number may be rung at `now`. `parties` are all whom it concerns, the asking person included; `zone` is that of the asking person,
/// and what is looked up in it is no part of the decision.
///
/// Another person's live permit stands in the way, unless one contact covers both; and so do the limits over all purposes and the purpose's
/// own over rolling periods, counted over everybody.
pub fn answer(number: &Number, parties: &[Party<'_>], wanted: &Wanted<'_>, policy: &Policy, now: Time, zone: &Zone) -> Answer {
    let seen = Seen::of(number, parties, wanted, now);
    let rule = wanted.rule;
    if !number.stops.is_empty() && !rule.overrides(Override::PatientInitiatedOnly) {
        return Answer::Busy { next: None };
    }
    let joins = match wanted.with {
        With::Nobody => None,
        With::Permit(with) => seen.joinable(with),
        With::Granted => Some(number.group(wanted.ask.permit)),
    };
    let others: Vec<&Held> = seen.held.iter().filter(|h| h.person != wanted.person && Some(h.group) != joins).collect();
    // Each `Some` is a moment at which something has passed, as far as is known.
    let mut waits: Vec<Option<Time>> = others.iter().map(|held| held.frees_at).collect();
    let own = rule.limits.iter().map(|limit| (limit, false));
    let overall = overall_limits(policy, rule).map(|limit| (limit, true));
    for (limit, overall) in own.chain(overall) {
        waits.extend(seen.wait(limit, overall, joins, now, zone));
    }
    if waits.is_empty() {
        return Answer::Free { joins };
    }
    let known: Option<Vec<Time>> = waits.into_iter().collect();
    Answer::Busy { next: known.and_then(|known| known.into_iter().max()) }
}

/// A live permit, or a reservation whose permit may still come.
struct Held {
    person: Uuid,
    group: Uuid,
    purpose: Purpose,
    channel: Channel,
    frees_at: Option<Time>,
    /// The permit, if it has come.
    open: Option<(Uuid, Branch)>,
}

struct Seen<'a> {
    number: &'a Number,
    wanted: &'a Wanted<'a>,
    contacts: BTreeMap<Uuid, Vec<&'a Contact>>,
    held: Vec<Held>,
}

impl<'a> Seen<'a> {
    fn of(number: &'a Number, parties: &[Party<'a>], wanted: &'a Wanted<'a>, now: Time) -> Self {
        let reserved: BTreeMap<Uuid, &NumberReserved> = number.reservations.iter().map(|r| (r.permit, r)).collect();
        let mut contacts: BTreeMap<Uuid, Vec<&Contact>> = BTreeMap::new();
        let mut permits: BTreeMap<Uuid, (Uuid, &Permit)> = BTreeMap::new();
        let mut used = BTreeSet::new();
        for party in parties {
            let concerns = |permit: Option<Uuid>| party.has_it || permit.is_some_and(|permit| reserved.contains_key(&permit));
            for contact in party.state.contacts.iter().filter(|c| c.direction == Direction::Outbound) {
                used.extend(contact.permit);
                if contact.channel.uses_number() && concerns(contact.permit) {
                    contacts.entry(contact.id).or_default().push(contact);
                }
            }
            for permit in &party.state.permits {
                if matches!(permit.fate, Fate::Used { .. }) {
                    used.insert(permit.id);
                }
                if permit.channel.uses_number() && concerns(Some(permit.id)) {
                    // Of what came to two streams with a merge, that which still counts does.
                    let known = permits.entry(permit.id).or_insert((party.person, permit));
                    if permit.counts(now) && !known.1.counts(now) {
                        *known = (party.person, permit);
                    }
                }
            }
        }
        let mut held = Vec::new();
        for (id, (person, permit)) in &permits {
            if !permit.counts(now) || used.contains(id) {
                continue;
            }
            held.push(Held {
                person: *person,
                group: number.group(*id),
                purpose: permit.purpose.clone(),
                channel: permit.channel,
                frees_at: permit.frees_at(),
                open: (permit.fate == Fate::Open).then(|| (*id, permit.branch.clone())),
            });
        }
        // Whoever a reservation is for may have been merged since.
        let person_of = |r: &NumberReserved| {
            let known = |p: &&Party<'_>| p.person == r.patient || p.state.holds(r.patient);
            parties.iter().find(known).map_or(r.patient, |p| p.person)
        };
        for r in &number.reservations {
            // Whoever reserved it may look at a clock that is a little behind this one.
            let lapses_at = r.lapses_at + CLOCK_TOLERANCE;
            let coming = now < lapses_at && r.permit != wanted.ask.permit && !permits.contains_key(&r.permit);
            let person = person_of(r);
            // A permit that is coming to the person's own stream meets this one there.
            if coming && person != wanted.person {
                held.push(Held {
                    person,
                    group: r.joins.unwrap_or(r.reservation),
                    purpose: r.purpose.clone(),
                    channel: r.channel,
                    frees_at: Some(lapses_at),
                    open: None,
                });
            }
        }
        Self { number, wanted, contacts, held }
    }

    /// The contact that would cover this permit of another person and the one asked for, if one could: the same purpose and channel, an
    /// occasion on the same day, and nobody has begun it. Of calls, only those from one desk.
    fn joinable(&self, with: Uuid) -> Option<Uuid> {
        let Wanted { ask, person, day, .. } = *self.wanted;
        let first = self.number.reservations.iter().rev().find(|r| r.permit == with)?;
        let group = first.joins.unwrap_or(first.reservation);
        let fits = first.purpose == ask.purpose && first.channel == ask.channel && first.day.is_some() && first.day == day;
        let one_desk = |branch: &Branch| ask.channel != Channel::Phone || *branch == ask.branch;
        let there = |h: &Held| h.person != person && h.open.as_ref().is_some_and(|(id, branch)| *id == with && one_desk(branch));
        // A member that has begun is held and not open; one that is over is neither.
        let members = self.number.reservations.iter().filter(|r| r.reservation == group || r.joins == Some(group));
        let over = |r: &NumberReserved| self.contacts.values().flatten().any(|c| c.permit == Some(r.permit));
        let begun = self.held.iter().any(|h| h.group == group && h.open.is_none() && h.frees_at.is_none());
        (fits && !begun && self.held.iter().any(there) && !members.into_iter().any(over)).then_some(group)
    }

    /// If this limit leaves no room: when it does, as far as is known.
    fn wait(&self, limit: &Limit, overall: bool, joins: Option<Uuid>, now: Time, zone: &Zone) -> Option<Option<Time>> {
        let ask = self.wanted.ask;
        let Per::Rolling(period) = limit.per else { return None };
        if limit.measure == Measure::Feedback || !limit.holds_for(ask.channel) {
            return None;
        }
        let in_scope = |purpose: &Purpose| overall || *purpose == ask.purpose;
        let measured = |outcome: Outcome| match limit.measure {
            Measure::Attempts => outcome.is_attempt(),
            _ => outcome.is_reached(),
        };
        let mut ends: BTreeMap<Uuid, Option<Time>> = BTreeMap::new();
        // One contact may stand in the streams of all whom it was for: it is one.
        for (id, told) in &self.contacts {
            let counting = told.iter().filter(|c| {
                measured(c.outcome)
                    && in_scope(&c.purpose)
                    && limit.counts_channel(c.channel)
                    && counts_at(limit, c.time, now, zone)
            });
            if let Some(latest) = counting.map(|c| c.time).max() {
                ends.insert(*id, Some(period.after(latest, zone)));
            }
        }
        for held in self.held.iter().filter(|h| in_scope(&h.purpose) && limit.counts_channel(h.channel)) {
            let end = ends.entry(held.group).or_insert(held.frees_at);
            *end = end.zip(held.frees_at).map(|(one, other)| one.max(other));
        }
        let max = usize::try_from(limit.max).unwrap_or(usize::MAX);
        // With its own place among them, which is that of the contact it joins.
        let count = ends.len() + usize::from(joins.is_none_or(|joins| !ends.contains_key(&joins)));
        if count <= max {
            return None;
        }
        let mut known: Vec<Time> = ends.into_values().flatten().collect();
        known.sort_unstable();
        Some(known.get(count - max - 1).copied())
    }
}

/// The day of an occasion at this moment, by a patient's calendar.
pub fn day_of(at: Time, zone: &Zone) -> NaiveDate {
    zone.local(at).date()
}
