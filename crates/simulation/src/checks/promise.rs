//! The promise itself, on the raw list of events: no permit that the contract would not grant, none that outlives what allowed it, and in the end
//! no more contacts under permits than the policy allows. A clerk's books ([`super::book`]) stand in for the domain's state.

use std::collections::BTreeMap;

use tact_domain::patient::events::Event;
use tact_domain::patient::{Asked, asked};
use tact_domain::policy::{Limit, Measure, Per, Policy, PurposeRule};
use tact_domain::{Code, Recorded};
use tact_event_log::Position;
use uuid::Uuid;

use super::book::{Book, Contact, Permit};
use super::log::History;
use super::numbers::Numbers;
use super::verdict::{self, measured, of_channel};
use crate::report::Report;
use crate::world::{Aftermath, short};

pub(super) fn check(history: &History, aftermath: &Aftermath, report: &mut Report) {
    let numbers = Numbers::new(history, aftermath);
    let policies: BTreeMap<&str, &Policy> =
        history.policies.iter().map(|p| (p.recorded.event.version.as_str(), &*p.policy)).collect();
    let mut books: BTreeMap<Uuid, Book> = BTreeMap::new();
    for (position, patient, recorded) in &history.events {
        books.entry(*patient).or_default();
        let Some(book) = books.get(patient) else { continue };
        let home = book.home.as_ref().and_then(|home| history.branches.get(home)).copied();
        let zone = book.zone.parse().ok().or(home).unwrap_or(chrono_tz::Tz::UTC);
        let mut policy = None;
        if let Some(Asked { policy: version, .. }) = asked(&recorded.event) {
            policy = policies.get(version.as_str()).copied();
            if let Some(policy) = policy {
                judge(book, policy, *position, recorded, zone, report);
                numbers.judge(&books, *patient, policy, *position, recorded, zone, report);
            }
        }
        if let Some(book) = books.get_mut(patient) {
            book.write(recorded, policy, zone);
        }
        match &recorded.event {
            Event::Absorbed(e) => absorbed(&mut books, *patient, e, *position, report),
            Event::Separated(e) => separated(&mut books, *patient, e, *position, report),
            _ => {}
        }
        if let Some(book) = books.get_mut(patient) {
            book.lose_occasions(recorded.envelope.time);
        }
    }
    for (patient, book) in &books {
        figures(book, report);
        kept(*patient, book, &policies, report);
        ended(*patient, book, &books, report);
    }
}

/// Holds a recorded decision against the clerk's.
fn judge(book: &Book, policy: &Policy, position: Position, recorded: &Recorded, zone: chrono_tz::Tz, report: &mut Report) {
    let Some(Asked { ask, .. }) = asked(&recorded.event) else { return };
    let now = recorded.envelope.recorded_at;
    let said = verdict::verdict(book, policy, &ask, now, zone);
    report.figures.judged += 1;
    match &recorded.event {
        Event::Permitted(e) => {
            if !said.codes.is_empty() {
                report.find("promise", format!("{} was permitted at {position} although: {:?}", e.purpose, words(&said.codes)));
            }
            let counts: Vec<(String, u32)> = e.basis.limits.iter().map(|l| (l.limit.to_string(), l.count)).collect();
            if said.codes.is_empty() && counts != said.counts {
                report.find("counts", format!("the permit at {position} counted {counts:?}, it should be {:?}", said.counts));
            }
            if said.until.is_some_and(|until| e.expires_at > until) {
                report.find(
                    "life",
                    format!("the permit at {position} lives until {}, what allowed it ends at {:?}", e.expires_at, said.until),
                );
            }
        }
        Event::Refused(e) => {
            let mut codes: Vec<Code> = e.reasons.iter().map(|r| r.code).collect();
            codes.sort_unstable();
            // What the number said, its own check looks at: it is said only where nothing else stands in the way.
            if codes == [Code::NumberBusy] {
                codes.clear();
            }
            if codes != said.codes {
                let (was, is) = (words(&codes), words(&said.codes));
                report.find(
                    "reasons",
                    format!("{} by {} was refused at {position} because {was:?}, it should be {is:?}", e.purpose, e.channel),
                );
            }
            for reason in &e.reasons {
                let Some(limit) = &reason.limit else { continue };
                if !said.counts.iter().any(|(words, count)| words == limit && Some(*count) == reason.count) {
                    let (count, should) = (reason.count, &said.counts);
                    report.find(
                        "counts",
                        format!("the refusal at {position} counted {count:?} for {limit}, it should be {should:?}"),
                    );
                }
            }
        }
        _ => {}
    }
}

fn words(codes: &[Code]) -> Vec<&'static str> {
    codes.iter().map(|code| code.as_str()).collect()
}

fn absorbed(
    books: &mut BTreeMap<Uuid, Book>,
    patient: Uuid,
    e: &tact_domain::patient::events::Absorbed,
    position: Position,
    report: &mut Report,
) {
    let other = books.get(&e.from).cloned().unwrap_or_default();
    let mut carried: Vec<Uuid> = e.facts.contacts.iter().map(|c| c.id).collect();
    let mut known: Vec<Uuid> = other.contacts.iter().map(|c| c.id).collect();
    carried.sort_unstable();
    known.sort_unstable();
    if carried != known {
        let (carried, known) = (carried.len(), known.len());
        report.find("merge", format!("the merge at {position} carries {carried} contacts of {}, who has {known}", short(e.from)));
    }
    if let Some(book) = books.get_mut(&patient) {
        book.absorb(patient, e.from, &other);
    }
}

fn separated(
    books: &mut BTreeMap<Uuid, Book>,
    patient: Uuid,
    e: &tact_domain::patient::events::Separated,
    position: Position,
    report: &mut Report,
) {
    let Some(facts) = &e.facts else {
        if let Some(book) = books.get_mut(&patient) {
            book.let_go(e.from);
        }
        return;
    };
    let survivor = books.get(&patient).and_then(|book| book.merged_into);
    if let Some(survivor) = survivor.and_then(|survivor| books.get(&survivor))
        && let Some(shared) = survivor.let_go_of.get(&patient)
    {
        let lost = shared.iter().filter(|id| facts.contacts.iter().all(|c| c.id != **id)).count();
        if lost > 0 {
            report.find("merge", format!("the parting at {position} carries {lost} contacts too few"));
        }
    }
    let survivor = survivor.and_then(|survivor| books.get(&survivor)).cloned();
    if let Some(book) = books.get_mut(&patient) {
        book.part(facts, survivor.as_ref(), patient);
    }
}

fn figures(book: &Book, report: &mut Report) {
    for contact in book.contacts.iter().filter(|c| c.outbound && c.own) {
        let figure = match (contact.under, contact.on_time) {
            (None, _) => &mut report.figures.breaches,
            (_, true) => &mut report.figures.under_permit,
            (_, false) => &mut report.figures.late,
        };
        *figure += 1;
    }
}

/// The sum at the end: behind each permit that was used, the contacts that it had to reckon with, and itself, keep within each limit.
fn kept(patient: Uuid, book: &Book, policies: &BTreeMap<&str, &Policy>, report: &mut Report) {
    for permit in book.permits.iter().filter(|p| p.own) {
        let Some(policy) = policies.get(permit.granted.policy.as_str()) else { continue };
        let Some(PurposeRule::Allowed(rule)) = policy.purposes.get(&permit.granted.purpose) else { continue };
        let mut made = book.contacts.iter().filter(|c| c.under == Some(permit.granted.permit) && c.on_time);
        let Some(own) = made.next() else { continue };
        if let Some(second) = made.next() {
            report.find("promise", format!("permit {} was used by {} and {}", permit.granted.permit, own.id, second.id));
        }
        let overall = policy.overall.iter().map(|limit| (limit, true));
        let overall = overall.filter(|_| !verdict::overrides(rule, tact_domain::patient::events::Override::OverallLimits));
        for (limit, overall) in rule.limits.iter().map(|limit| (limit, false)).chain(overall) {
            if limit.measure == Measure::Feedback || !of_channel(limit, own.channel) || !measured(limit, own.outcome) {
                continue;
            }
            let before =
                book.contacts.iter().filter(|c| c.id != own.id && reckoned_with(book, permit, c, limit, overall)).count();
            if before >= usize::try_from(limit.max).unwrap_or(usize::MAX) {
                let (contact, max) = (short(own.id), limit.max);
                report.find(
                    "promise",
                    format!(
                        "patient {}: contact {contact} is number {} of `{limit}`, {max} are allowed",
                        short(patient),
                        before + 1
                    ),
                );
            }
        }
    }
}

/// Whether a contact was known, or its permit was, when `permit` was granted, and counted against the limit from then on.
fn reckoned_with(book: &Book, permit: &Permit, contact: &Contact, limit: &Limit, overall: bool) -> bool {
    let own_permit = contact.under.and_then(|under| book.permits.iter().find(|p| p.granted.permit == under));
    let (true, Some(other)) = (contact.on_time, own_permit) else { return false };
    other.order < permit.order
        && measured(limit, contact.outcome)
        && of_channel(limit, contact.channel)
        && (overall || contact.purpose == permit.granted.purpose)
        && match limit.per {
            Per::Occasion => other.occasion() == permit.occasion(),
            Per::Rolling(_) => verdict::counts(limit, contact.time, permit.at, permit.zone),
        }
}

/// When everything has come to rest, no merge is half done.
fn ended(patient: Uuid, book: &Book, books: &BTreeMap<Uuid, Book>, report: &mut Report) {
    if let Some(from) = book.absorbing {
        report.find("merge", format!("{} waits for ever for {} to be merged into it", short(patient), short(from)));
    }
    if let Some(into) = book.merged_into
        && !books.get(&into).is_some_and(|survivor| survivor.has_absorbed(patient))
    {
        report.find("merge", format!("{} says it was merged into {}, which does not know of it", short(patient), short(into)));
    }
}
