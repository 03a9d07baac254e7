//! Another policy over simulated histories, which have in them what no clinic's own has: merges and their undoing, late facts, wrong clocks,
//! several policies. The same policy changes nothing, and what another one leads to is a history of which it would change nothing more.

mod command;
mod http;

use std::collections::{BTreeMap, BTreeSet};

use tact_domain::control::{Policies, PolicyPublished};
use tact_domain::envelope::hash;
use tact_domain::patient::events::{Event, Made, PermitRef};
use tact_domain::patient::{Decision, State, evolve};
use tact_domain::policy::{self, Policy};
use tact_domain::{Direction, Outcome, Recorded, Time};
use tact_event_log::StreamId;
use tact_simulation::{Settings, log_of};
use tact_what_if::{Fate, Question, Replay, Report};
use uuid::Uuid;

const SEEDS: u64 = 80;

/// One event of a log, read.
#[derive(Clone)]
enum Read {
    Policy(Recorded<PolicyPublished>),
    Directory(Recorded<tact_domain::control::DirectoryEvent>),
    Patient(Uuid, Box<Recorded>),
}

fn history(seed: u64) -> Vec<Read> {
    let log = log_of(seed, Settings { commands: 400, ..Settings::default() });
    let read = log.iter().filter_map(|stored| {
        Some(match stored.stream {
            StreamId::Patient(patient) => Read::Patient(patient, Box::new(Recorded::read(&stored.bytes).unwrap())),
            StreamId::Policy => Read::Policy(Recorded::read(&stored.bytes).unwrap()),
            _ => Read::Directory(Recorded::read(&stored.bytes).ok()?),
        })
    });
    read.collect()
}

fn policies(history: &[Read]) -> Policies {
    let mut policies = Policies::default();
    for read in history {
        if let Read::Policy(published) = read {
            policies.evolve(published.clone()).unwrap();
        }
    }
    policies
}

/// Replays a history, and shows what becomes of each intention and contact.
fn replay(history: &[Read], question: Question, mut see: impl FnMut(Uuid, &Recorded, Fate, Option<&Decision>)) -> Report {
    let mut replay = Replay::new(question);
    for read in history.iter().cloned() {
        match read {
            Read::Policy(published) => replay.policy(published).unwrap(),
            Read::Directory(noted) => replay.directory(noted),
            Read::Patient(patient, recorded) => {
                replay.patient(patient, &recorded, &mut |step| see(step.patient, step.recorded, step.fate, step.now));
            }
        }
    }
    replay.finish()
}

fn always(policy: Policy) -> Question {
    Question { policy, since: None, until: None, branch: None }
}

/// By which policy a recorded decision was made.
fn decided_by(event: &Event) -> Option<&str> {
    match event {
        Event::Permitted(e) => Some(&e.policy),
        Event::Refused(e) => Some(&e.policy),
        _ => None,
    }
}

#[test]
fn the_policy_that_was_in_force_changes_nothing() {
    let (mut spans, mut decisions, mut unasked, mut merged) = (0, 0, 0, 0);
    for seed in 1..=SEEDS {
        let history = history(seed);
        let policies = policies(&history);
        let mut from: Vec<Time> = policies.all().iter().map(|published| published.effective_from()).collect();
        from.sort_unstable();
        from.dedup();
        for (at, since) in from.iter().enumerate() {
            let until = from.get(at + 1).copied();
            let published = policies.in_force(*since).unwrap();
            let inside = |time: Time| *since <= time && until.is_none_or(|until| time < until);
            // A service whose clock was wrong may have decided by the policy before, or the next one.
            let by_another = history.iter().any(|read| match read {
                Read::Patient(_, recorded) if inside(recorded.envelope.recorded_at) => {
                    decided_by(&recorded.event).is_some_and(|version| version != published.event.version)
                }
                _ => false,
            });
            if by_another {
                continue;
            }
            let question = Question { policy: (*published.policy).clone(), since: Some(*since), until, branch: None };
            let report = replay(&history, question, |patient, recorded, fate, now| {
                assert!(!fate.is_change(), "seed {seed}, {patient}, {recorded:?}: {fate:?} {now:?}");
                if let (Event::Refused(was), Some(Decision::Refused(is))) = (&recorded.event, now) {
                    assert_eq!((&was.reasons, was.next), (&is.reasons, is.next), "seed {seed}, {patient}");
                }
            });
            assert!(report.is_unchanged() && report.set_aside == 0, "seed {seed}: {report:?}");
            assert!(report.per_patient.changes.keys().all(|by| *by == 0));
            spans += 1;
            decisions += report.total.permitted + report.total.refused;
            unasked += report.total.unasked;
        }
        merged +=
            history.iter().filter(|read| matches!(read, Read::Patient(_, r) if r.event.kind() == "patient.absorbed")).count();
    }
    println!("{spans} spans, {decisions} decisions, {unasked} contacts without a permit, {merged} merges");
    assert!(spans > 60 && decisions > 5000 && unasked > 300 && merged > 50, "{spans} {decisions} {unasked} {merged}");
}

/// The patients in whose lives nobody else's are mixed.
fn unmixed(history: &[Read]) -> BTreeSet<Uuid> {
    let mut of: BTreeMap<Uuid, bool> = BTreeMap::new();
    for read in history {
        if let Read::Patient(patient, recorded) = read {
            let mixes =
                matches!(recorded.event, Event::Absorbing(_) | Event::Merged(_) | Event::Absorbed(_) | Event::Separated(_));
            *of.entry(*patient).or_default() |= mixes;
        }
    }
    of.into_iter().filter(|(_, mixes)| !mixes).map(|(patient, _)| patient).collect()
}

/// The history that a policy would have led to, written as one that was recorded under it.
struct Led {
    events: Vec<Read>,
    states: BTreeMap<Uuid, (State, u64)>,
}

impl Led {
    fn record(&mut self, patient: Uuid, recorded: &Recorded, event: Event) {
        let (state, sequence) = self.states.entry(patient).or_default();
        *sequence += 1;
        let mut envelope = recorded.envelope.clone();
        envelope.sequence = *sequence;
        let recorded = Recorded { envelope, event };
        evolve(state, &recorded);
        self.events.push(Read::Patient(patient, Box::new(recorded)));
    }

    /// Records what the policy makes of a recorded event.
    fn take(&mut self, patient: Uuid, recorded: &Recorded, became: Option<&(Fate, Option<Decision>)>) {
        let time = recorded.envelope.time;
        match (&recorded.event, became) {
            (Event::Permitted(_) | Event::Refused(_), Some((fate, Some(decision)))) => {
                let id = recorded.envelope.id;
                match decision {
                    Decision::Refused(e) => self.record(patient, recorded, Event::Refused(e.clone())),
                    Decision::Permitted(e) => {
                        self.record(patient, recorded, Event::Permitted(e.clone()));
                        if *fate == Fate::RefusalPermitted {
                            let made = Made {
                                contact: id,
                                direction: Direction::Outbound,
                                purpose: e.purpose.clone(),
                                channel: e.channel,
                                branch: e.branch.clone(),
                                outcome: Outcome::NoAnswer,
                                permit: Some(id),
                                about: e.about,
                                note: None,
                            };
                            self.record(patient, recorded, Event::Made(made));
                        }
                    }
                }
            }
            (Event::Made(_), Some((fate, _))) if fate.leaves() => {}
            (Event::Made(e), Some((Fate::ContactKeptAnew, _))) => {
                if let Some(permit) = e.permit {
                    self.record(patient, recorded, Event::Released(PermitRef { permit }));
                }
                self.record(patient, recorded, recorded.event.clone());
            }
            (Event::Started(e), _)
                if !self.states.get(&patient).is_some_and(|(s, _)| s.permit(e.permit).is_some_and(|p| p.is_live(time))) => {}
            _ => self.record(patient, recorded, recorded.event.clone()),
        }
    }
}

#[test]
fn what_a_policy_leads_to_is_a_history_in_which_it_changes_nothing_more() {
    let (mut changed, mut contacts, mut added, mut left) = (0, 0, 0, 0);
    for seed in 1..=SEEDS {
        let history = history(seed);
        let patients = unmixed(&history);
        let history: Vec<Read> = history
            .into_iter()
            .filter(|read| !matches!(read, Read::Patient(patient, _) if !patients.contains(patient)))
            .collect();
        // The last policy of another run.
        let other = policies(&self::history(seed + SEEDS));
        let other = &other.all().last().unwrap().event.text;
        let parsed = || policy::text::parse(other, "other").unwrap();
        let mut led = Led { events: Vec::new(), states: BTreeMap::new() };
        let sha256 = hash(other.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let long_ago: Time = "2000-01-01T00:00:00Z".parse().unwrap();
        let envelope = history.iter().find_map(|read| match read {
            Read::Policy(published) => Some(published.envelope.clone()),
            _ => None,
        });
        let mut envelope = envelope.unwrap();
        (envelope.time, envelope.recorded_at) = (long_ago, long_ago);
        let event = PolicyPublished { version: "other".into(), text: other.clone(), sha256, effective_from: long_ago };
        led.events.push(Read::Policy(Recorded { envelope, event }));
        let mut became: BTreeMap<Uuid, (Fate, Option<Decision>)> = BTreeMap::new();
        let first = replay(&history, always(parsed()), |_, recorded, fate, now| {
            became.insert(recorded.envelope.id, (fate, now.cloned()));
        });
        for read in &history {
            match read {
                Read::Policy(_) => {}
                Read::Directory(noted) => led.events.push(Read::Directory(noted.clone())),
                Read::Patient(patient, recorded) => led.take(*patient, recorded, became.get(&recorded.envelope.id)),
            }
        }
        let second = replay(&led.events, always(parsed()), |patient, recorded, fate, now| {
            assert!(!fate.is_change(), "seed {seed}, {patient}, {recorded:?}: {fate:?} {now:?}");
        });
        assert!(second.is_unchanged());
        assert_eq!(second.total.contacts, first.total.contacts_simulated, "seed {seed}");
        let spread = |report: &Report, of: fn(&tact_what_if::Spread) -> u64| -> Vec<(u32, u64)> {
            let counted = report.per_patient.spread.iter().map(|s| (s.contacts, of(s)));
            counted.filter(|(contacts, patients)| *contacts > 0 && *patients > 0).collect()
        };
        assert_eq!(spread(&second, |s| s.recorded), spread(&first, |s| s.simulated), "seed {seed}");
        changed += u64::from(!first.is_unchanged());
        contacts += first.total.contacts;
        added += first.total.now_permitted;
        left += first.total.left_out;
    }
    println!("{changed} of {SEEDS} histories change: of {contacts} contacts {left} leave, {added} are added");
    assert!(changed > SEEDS / 2 && left > 100 && added > 50, "{changed} {contacts} {left} {added}");
}
