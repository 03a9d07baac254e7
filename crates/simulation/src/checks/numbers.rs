//! What must hold of telephone numbers: no two people are permitted to be rung on one at the same time, unless one contact covers both; and
//! what was reserved on a number keeps within the limits, whoever of those who share it was rung. From the clerk's books, not from the domain.

use std::collections::{BTreeMap, BTreeSet};

use tact_domain::number::{NumberEvent, NumberReserved};
use tact_domain::patient::events::{Event, Override};
use tact_domain::policy::{Measure, Per, Policy, PurposeRule};
use tact_domain::{Code, Recorded};
use tact_event_log::Position;
use uuid::Uuid;

use super::book::Book;
use super::log::History;
use super::verdict::{self, measured, of_channel};
use crate::report::Report;
use crate::world::{Aftermath, short};

/// What was reserved, by permit.
pub(super) struct Numbers<'a> {
    aftermath: &'a Aftermath,
    reserved: BTreeMap<Uuid, (Uuid, &'a NumberReserved)>,
    by_id: BTreeMap<Uuid, &'a NumberReserved>,
}

impl<'a> Numbers<'a> {
    pub(super) fn new(history: &'a History, aftermath: &'a Aftermath) -> Self {
        let (mut reserved, mut by_id) = (BTreeMap::new(), BTreeMap::new());
        for (_, number, recorded) in &history.numbers {
            if let NumberEvent::Reserved(r) = &recorded.event {
                reserved.insert(r.permit, (*number, r));
                by_id.insert(r.reservation, r);
            }
        }
        Self { aftermath, reserved, by_id }
    }

    /// One contact covers all that were reserved in one group.
    fn group(&self, permit: Uuid) -> Uuid {
        self.reserved.get(&permit).map_or(permit, |(_, r)| r.joins.unwrap_or(r.reservation))
    }

    /// Whoever a patient is by now: the survivor, if they were merged.
    fn person(books: &BTreeMap<Uuid, Book>, mut patient: Uuid) -> Uuid {
        for _ in 0..16 {
            match books.get(&patient).and_then(|book| book.merged_into) {
                Some(into) => patient = into,
                None => break,
            }
        }
        patient
    }

    /// Holds a decision against all that was reserved on the number so far. `books` are as before it.
    #[expect(clippy::too_many_arguments, reason = "a decision with its circumstances")]
    pub(super) fn judge(
        &self,
        books: &BTreeMap<Uuid, Book>,
        patient: Uuid,
        policy: &Policy,
        position: Position,
        recorded: &Recorded,
        zone: chrono_tz::Tz,
        report: &mut Report,
    ) {
        let e = match &recorded.event {
            Event::Permitted(e) => e,
            Event::Refused(e) => {
                report.figures.number_busy += u64::from(e.reasons.iter().any(|r| r.code == Code::NumberBusy));
                return;
            }
            _ => return,
        };
        let (Some(reservation), Some(PurposeRule::Allowed(rule))) = (e.basis.reservation, policy.purposes.get(&e.purpose)) else {
            return;
        };
        let (Some(own), Some((number, _))) = (self.by_id.get(&reservation), self.reserved.get(&e.permit)) else {
            return report.find("number", format!("the permit at {position} names a reservation that is in no number's stream"));
        };
        if own.permit != e.permit || own.patient != patient || own.purpose != e.purpose || own.channel != e.channel {
            report.find("number", format!("the permit at {position} rests on a reservation for something else"));
        }
        report.figures.reserved += 1;
        report.figures.joined += u64::from(own.joins.is_some());
        // Clocks that are wrong, or were a moment ago, see permits end sooner or later than they do.
        let steady = |event: Uuid| self.aftermath.sent.get(&event).is_some_and(|sent| sent.steady);
        if !steady(recorded.envelope.id) || !steady(reservation) {
            return;
        }
        let (now, person, group) = (recorded.envelope.recorded_at, Self::person(books, patient), self.group(e.permit));
        let here = |permit: Uuid| self.reserved.get(&permit).is_some_and(|(other, r)| other == number && steady(r.reservation));
        let used: BTreeSet<Uuid> = books.values().flat_map(|book| &book.contacts).filter_map(|c| c.under).collect();
        let mut held = BTreeMap::new();
        for (of, book) in books {
            for permit in book.permits.iter().filter(|p| p.holds_room(now) && here(p.granted.permit)) {
                let id = permit.granted.permit;
                // A margin for clocks that are right: they differ.
                let ending = permit.started.is_none() && permit.expires <= now + chrono::Duration::seconds(10);
                if used.contains(&id) || ending {
                    continue;
                }
                held.insert(id, permit);
                if Self::person(books, *of) != person && self.group(id) != group {
                    report.find(
                        "number",
                        format!("the permit at {position} was granted while {} held one for the same number", short(*of)),
                    );
                }
            }
        }
        let overall = policy.overall.iter().map(|limit| (limit, true));
        let overall = overall.filter(|_| !verdict::overrides(rule, Override::OverallLimits));
        for (limit, overall) in rule.limits.iter().map(|limit| (limit, false)).chain(overall) {
            if limit.measure == Measure::Feedback || limit.per == Per::Occasion || !of_channel(limit, e.channel) {
                continue;
            }
            let mut groups = BTreeSet::new();
            for contact in books.values().flat_map(|book| &book.contacts) {
                let Some(under) = contact.under.filter(|under| contact.on_time && here(*under)) else { continue };
                let ours = overall || contact.purpose == e.purpose;
                if ours
                    && measured(limit, contact.outcome)
                    && of_channel(limit, contact.channel)
                    && verdict::counts(limit, contact.time, now, zone)
                {
                    groups.insert(self.group(under));
                }
            }
            let ours = held.iter().filter(|(_, p)| overall || p.granted.purpose == e.purpose);
            groups.extend(ours.filter(|(_, p)| of_channel(limit, p.granted.channel)).map(|(id, _)| self.group(*id)));
            groups.remove(&group);
            if groups.len() >= usize::try_from(limit.max).unwrap_or(usize::MAX) {
                let (count, max) = (groups.len() + 1, limit.max);
                report.find(
                    "number",
                    format!("with the permit at {position} the number is rung {count} times by `{limit}`, {max} are allowed"),
                );
            }
        }
    }
}
