//! Each rule of a replay on the smallest history that shows it. The histories are made by deciding, as a service does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its own body or in what it calls")]

use std::collections::BTreeMap;

use tact_domain::control::PolicyPublished;
use tact_domain::patient::events::*;
use tact_domain::patient::{Ask, Decision, OnNumber, State, decide, evolve};
use tact_domain::policy::{Policy, text};
use tact_domain::{Actor, AppointmentKind, Channel, Code, Direction, Envelope, Outcome, Recorded, Time, Zone};
use uuid::Uuid;

use super::*;

const ANNA: Uuid = Uuid::from_u128(0xA);
const BORIS: Uuid = Uuid::from_u128(0xB);

/// A policy that lets `call` be made so many times in so long, and `remind` once for an appointment.
fn rules(calls: &str) -> String {
    format!(
        "[network]\nquiet_hours = {{ from = \"20:00\", until = \"09:00\" }}\npermit_valid_for = \"30 minutes\"\n\
         [purpose.call]\nbasis = \"care\"\nlimits = [{{ {calls} }}]\nchannels = [\"phone\", \"sms\"]\nagenda = false\n\
         [purpose.remind]\nbasis = \"care\"\noccasion = \"upcoming_appointment\"\nlimits = [{{ attempts = 1, per = \"occasion\" }}]\n\
         channels = [\"phone\"]\nagenda = true\n"
    )
}

const THREE: &str = "attempts = 3, per = \"30 days\"";

fn policy(text: &str) -> Policy {
    text::parse(text, "x").unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"))
}

/// A moment of March 2026, `day` and `HH:MM` in Moscow.
fn at(day: u32, clock: &str) -> Time {
    format!("2026-03-{day:02}T{clock}:00+03:00").parse().unwrap()
}

/// A network that decides by one policy, and keeps what it recorded.
struct Network {
    policy: Option<Policy>,
    text: String,
    states: BTreeMap<Uuid, (State, u64)>,
    log: Vec<(Uuid, Recorded)>,
    ids: u128,
}

impl Network {
    fn new(calls: &str) -> Self {
        let mut network = Self::without_policy();
        network.text = rules(calls);
        network.policy = Some(policy(&network.text));
        network
    }

    /// One that published none.
    fn without_policy() -> Self {
        let mut network = Self { policy: None, text: String::new(), states: BTreeMap::new(), log: Vec::new(), ids: 0x1000 };
        for patient in [ANNA, BORIS] {
            let (home_branch, time_zone) = ("north".parse().unwrap(), "Europe/Moscow".into());
            let registered = Registered { home_branch, time_zone, language: None, recommended_by: None, guardian: None };
            network.record(patient, at(1, "09:00"), Event::Registered(registered));
        }
        network
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn record(&mut self, patient: Uuid, time: Time, event: Event) -> Uuid {
        self.record_late(patient, time, time, event)
    }

    fn record_late(&mut self, patient: Uuid, time: Time, recorded_at: Time, event: Event) -> Uuid {
        let id = self.id();
        let (state, sequence) = self.states.entry(patient).or_default();
        *sequence += 1;
        let envelope = Envelope {
            id,
            network: "test".into(),
            subject: patient.to_string().into(),
            time,
            recorded_at,
            actor: Actor::Patient,
            branch: None,
            sequence: *sequence,
            cause: None,
            command: None,
            previous: [0; 32],
        };
        let recorded = Recorded { envelope, event };
        evolve(state, &recorded);
        self.log.push((patient, recorded));
        id
    }

    /// Asks by phone; the permit, if it is granted.
    fn ask(&mut self, patient: Uuid, time: Time, purpose: &str) -> Option<Uuid> {
        let permit = self.id();
        let (purpose, branch) = (purpose.parse().unwrap(), "north".parse().unwrap());
        let ask = Ask { permit, purpose, channel: Channel::Phone, branch, about: None, reason: None, number: OnNumber::NotAsked };
        let zone = Zone::new(chrono_tz::Europe::Moscow);
        let decision = decide(&self.states[&patient].0, self.policy.as_ref().unwrap(), &ask, time, &zone);
        let granted = decision.is_permitted();
        let event = match decision {
            Decision::Permitted(e) => Event::Permitted(e),
            Decision::Refused(e) => Event::Refused(e),
        };
        self.record(patient, time, event);
        granted.then_some(permit)
    }

    fn contact(&mut self, purpose: &str, permit: Option<Uuid>, outcome: Outcome) -> Event {
        Event::Made(Made {
            contact: self.id(),
            direction: Direction::Outbound,
            purpose: purpose.parse().unwrap(),
            channel: Channel::Phone,
            branch: "north".parse().unwrap(),
            outcome,
            permit,
            about: None,
            note: None,
        })
    }

    /// Asks, and calls a minute later if it may; whether it might.
    fn call(&mut self, patient: Uuid, time: Time) -> bool {
        let Some(permit) = self.ask(patient, time, "call") else { return false };
        self.makes(patient, time + chrono::Duration::minutes(1), Some(permit));
        true
    }

    fn makes(&mut self, patient: Uuid, time: Time, permit: Option<Uuid>) -> Uuid {
        let made = self.contact("call", permit, Outcome::NoAnswer);
        self.record(patient, time, made)
    }

    fn books(&mut self, patient: Uuid, time: Time, starts_at: Time) {
        let (appointment, branch) = (self.id(), "north".parse().unwrap());
        let kind = AppointmentKind::Consultation;
        self.record(patient, time, Event::Booked(Booked { appointment, branch, kind, starts_at, clinician: None }));
    }

    fn question(&self, text: &str) -> Question {
        Question { policy: policy(text), since: None, until: None, branch: None }
    }

    fn asked(&self, question: Question) -> (Report, Vec<Change>) {
        let mut replay = Replay::new(question);
        if !self.text.is_empty() {
            let sha256 = tact_domain::envelope::hash(self.text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
            let effective_from = at(1, "08:00");
            let event = PolicyPublished { version: "x".into(), text: self.text.clone(), sha256, effective_from };
            let recorded_at = effective_from - chrono::Duration::hours(1);
            let envelope = Envelope { time: recorded_at, recorded_at, ..self.log[0].1.envelope.clone() };
            replay.policy(Recorded { envelope, event }).unwrap();
        }
        let mut changes = Vec::new();
        for (patient, recorded) in &self.log {
            replay.patient(*patient, recorded, &mut |step| changes.extend(step.change()));
        }
        (replay.finish(), changes)
    }

    /// What becomes of every intention and contact if calls are limited otherwise.
    fn if_calls(&self, calls: &str) -> (Report, Vec<Change>) {
        self.asked(self.question(&rules(calls)))
    }
}

fn fates(changes: &[Change]) -> Vec<Fate> {
    changes.iter().map(|change| change.what).collect()
}

fn codes(change: &Change) -> Vec<Code> {
    change.reasons.iter().map(|reason| reason.code).collect()
}

#[test]
fn a_stricter_cap_leaves_out_a_contact_and_frees_a_later_one() {
    let mut network = Network::new(THREE);
    for day in [2, 3, 5] {
        assert!(network.call(ANNA, at(day, "12:00")), "{day}");
    }
    let (report, changes) = network.if_calls("attempts = 1, per = \"2 days\"");
    use Fate::*;
    // The second leaves, and so the third is a day later than it would be allowed at the earliest: had the second stayed, it would not be.
    assert_eq!(fates(&changes), [PermitKept, ContactKept, PermitRefused, ContactLeftWithPermit, PermitKept, ContactKept]);
    assert_eq!(codes(&changes[2]), [Code::LimitReached]);
    assert_eq!(changes[2].reasons[0].counted[0].contact, changes[1].contact);
    let total = report.total;
    assert_eq!((total.permitted, total.now_refused, total.contacts, total.left_out), (3, 1, 3, 1));
    assert_eq!((total.contacts_simulated, total.left_out_reached), (2, 0));
    let why = &report.reasons[0];
    assert_eq!(
        (why.code, why.limit.as_deref(), why.permits, why.contacts),
        (Code::LimitReached, Some("1 attempt per 2 days"), 1, 0)
    );
    assert_eq!((report.per_patient.patients, report.per_patient.changes.clone()), (1, [(-1, 1)].into()));
    assert_eq!((report.per_patient.mean_recorded, report.per_patient.mean_simulated), (3.0, 2.0));
    assert_eq!(report.rows[0].month, "2026-03");
}

#[test]
fn what_a_refusal_would_have_permitted_counts_as_an_unanswered_attempt_and_refuses_a_later_one() {
    let mut network = Network::new("attempts = 1, per = \"3 days\"");
    assert!(network.call(ANNA, at(2, "12:00")));
    assert!(!network.call(ANNA, at(3, "12:00")));
    assert!(network.call(ANNA, at(6, "12:00")));
    let (report, changes) = network.if_calls("attempts = 2, per = \"5 days\"");
    use Fate::*;
    assert_eq!(fates(&changes), [PermitKept, ContactKept, RefusalPermitted, PermitRefused, ContactLeftWithPermit]);
    // The refusal's own event stands for the attempt that would have been made.
    let counted: Vec<_> = changes[3].reasons[0].counted.iter().map(|counted| counted.contact.unwrap()).collect();
    assert_eq!(counted, [changes[1].contact.unwrap(), changes[2].event]);
    assert_eq!((report.total.now_permitted, report.total.left_out, report.total.contacts_simulated), (1, 1, 2));
    assert_eq!(report.per_patient.changes, [(0, 1)].into());
}

#[test]
fn the_same_policy_changes_nothing() {
    let mut network = Network::new("attempts = 1, per = \"3 days\"");
    for day in 2..9 {
        network.call(ANNA, at(day, "12:00"));
        // Nobody asked for these, by day and by night.
        network.makes(ANNA, at(day, "18:00"), None);
        network.makes(ANNA, at(day, "23:00"), None);
    }
    let (report, changes) = network.if_calls("attempts = 1, per = \"3 days\"");
    assert!(report.is_unchanged(), "{changes:?}");
    assert!(changes.iter().all(|change| !change.what.is_change()));
    let total = report.total;
    assert_eq!((total.contacts, total.contacts_simulated), (15, 15), "{total:?}");
    assert_eq!((total.unasked, total.unasked_against_both), (14, 14), "{total:?}");
}

#[test]
fn a_contact_without_a_permit_leaves_only_if_the_policy_of_its_day_would_have_permitted_it() {
    let mut network = Network::new(THREE);
    for (day, clock) in [(2, "12:00"), (3, "12:00"), (3, "23:00")] {
        network.makes(ANNA, at(day, clock), None);
    }
    let (report, changes) = network.if_calls("attempts = 1, per = \"2 days\"");
    use Fate::*;
    // The last was against the quiet hours of both.
    assert_eq!(fates(&changes), [UnaskedKept, UnaskedLeft, UnaskedAgainstBoth]);
    assert_eq!((codes(&changes[1]), codes(&changes[2])), (vec![Code::LimitReached], vec![Code::QuietHours, Code::LimitReached]));
    assert_eq!((report.reasons[0].permits, report.reasons[0].contacts), (0, 1));
    // The one that left no longer stands in the way.
    let mut network = Network::new("attempts = 9, per = \"30 days\"");
    network.makes(ANNA, at(2, "12:00"), None);
    network.makes(ANNA, at(3, "12:00"), None);
    assert!(network.call(ANNA, at(5, "11:00")));
    let (_, changes) = network.if_calls("attempts = 1, per = \"2 days\"");
    assert_eq!(fates(&changes), [UnaskedKept, UnaskedLeft, PermitKept, ContactKept]);
    // And the other way round.
    let mut network = Network::new("attempts = 0, per = \"2 days\"");
    network.makes(ANNA, at(2, "12:00"), None);
    let (report, changes) = network.if_calls(THREE);
    assert_eq!(fates(&changes), [UnaskedNowRight]);
    assert_eq!((report.total.unasked_now_right, report.total.contacts_simulated), (1, 1));
}

#[test]
fn before_the_first_policy_nothing_stood_in_the_way() {
    let mut network = Network::without_policy();
    network.makes(ANNA, at(2, "12:00"), None);
    network.makes(ANNA, at(3, "23:00"), None);
    let (_, changes) = network.if_calls(THREE);
    assert_eq!(fates(&changes), [Fate::UnaskedKept, Fate::UnaskedLeft]);
    assert!(changes.iter().all(|change| change.policy_then.is_none()));
}

#[test]
fn a_contact_that_is_written_down_late_is_decided_by_what_was_before_it() {
    let mut network = Network::without_policy();
    network.makes(ANNA, at(10, "12:00"), None);
    let late = network.contact("call", None, Outcome::NoAnswer);
    network.record_late(ANNA, at(9, "12:00"), at(20, "12:00"), late);
    let late = network.contact("call", None, Outcome::NoAnswer);
    network.record_late(ANNA, at(10, "13:00"), at(20, "12:00"), late);
    let (_, changes) = network.if_calls("attempts = 1, per = \"2 days\"");
    // The first of the two knows nothing of the call a day later; the second knows both.
    assert_eq!(fates(&changes), [Fate::UnaskedKept, Fate::UnaskedKept, Fate::UnaskedLeft]);
    assert_eq!(changes[2].reasons[0].count, Some(2));
}

#[test]
fn a_permit_that_is_given_back_or_lapses_leaves_room_under_both_policies() {
    let mut network = Network::new(THREE);
    let permit = network.ask(ANNA, at(2, "12:00"), "call").unwrap();
    network.record(ANNA, at(2, "12:05"), Event::Released(PermitRef { permit }));
    network.ask(ANNA, at(2, "12:10"), "call").unwrap();
    assert!(network.call(ANNA, at(2, "12:41")));
    let (report, changes) = network.if_calls("attempts = 1, per = \"30 days\"");
    assert!(report.is_unchanged(), "{changes:?}");
    // While one is out, the second is refused under either; given back later, it would not have been.
    let mut network = Network::new(THREE);
    let permit = network.ask(ANNA, at(2, "12:00"), "call").unwrap();
    assert_eq!(network.ask(ANNA, at(2, "12:01"), "call"), None);
    network.record(ANNA, at(2, "12:02"), Event::Released(PermitRef { permit }));
    assert!(network.call(ANNA, at(2, "12:03")));
    let (report, _) = network.if_calls("attempts = 2, per = \"30 days\"");
    assert!(report.is_unchanged());
}

#[test]
fn a_contact_whose_permit_would_have_run_out_is_decided_anew() {
    let late = |outcome| {
        let mut network = Network::new(THREE);
        let permit = network.ask(ANNA, at(2, "19:35"), "call").unwrap();
        network.record(ANNA, at(2, "19:59"), Event::Started(Started { permit, contact: Uuid::from_u128(7) }));
        let Event::Made(made) = network.contact("call", None, outcome) else { unreachable!() };
        network.record(ANNA, at(2, "19:59"), Event::Made(Made { contact: Uuid::from_u128(7), ..made }));
        network
    };
    let network = late(Outcome::Reached);
    let shorter = rules(THREE).replace("30 minutes", "5 minutes");
    let (report, changes) = network.asked(network.question(&shorter));
    assert_eq!(fates(&changes), [Fate::PermitKept, Fate::ContactKeptAnew]);
    assert!(report.is_unchanged());
    let earlier = shorter.replace("from = \"20:00\"", "from = \"19:45\"");
    let (report, changes) = network.asked(network.question(&earlier));
    assert_eq!(fates(&changes), [Fate::PermitKept, Fate::ContactLeftAnew]);
    assert_eq!((codes(&changes[1]), report.total.left_out_reached), (vec![Code::QuietHours], 1));
}

#[test]
fn only_the_span_is_under_the_other_policy_and_contacts_follow_their_permits_out_of_it() {
    let mut network = Network::new(THREE);
    for day in [2, 12, 22] {
        assert!(network.call(ANNA, at(day, "12:00")));
    }
    let none = rules("attempts = 0, per = \"30 days\"");
    let question = network.question(&none);
    let (_, changes) = network.asked(Question { since: Some(at(12, "12:00")), until: Some(at(12, "12:01")), ..question.clone() });
    // The permit lies inside, its contact already outside: it leaves, and is not counted.
    assert_eq!(fates(&changes), [Fate::PermitRefused]);
    let (report, changes) = network.asked(Question { since: Some(at(12, "12:00")), ..question.clone() });
    use Fate::*;
    assert_eq!(fates(&changes), [PermitRefused, ContactLeftWithPermit, PermitRefused, ContactLeftWithPermit]);
    assert_eq!((report.total.permitted, report.total.contacts), (2, 2));
    // A contact outside stays what it is, and counts for what comes inside.
    let two = Question { policy: policy(&rules("attempts = 2, per = \"30 days\"")), since: Some(at(22, "12:00")), ..question };
    assert_eq!(fates(&network.asked(two).1), [PermitRefused, ContactLeftWithPermit]);
}

#[test]
fn a_permit_for_another_occasion_does_not_stand_in_the_way_of_its_own_contact() {
    let mut network = Network::new(THREE);
    network.books(ANNA, at(2, "09:30"), at(5, "12:00"));
    network.books(ANNA, at(2, "09:31"), at(8, "12:00"));
    let later = network.states[&ANNA].0.appointments[1].id;
    let permit = network.ask(ANNA, at(4, "12:00"), "call").unwrap();
    let Event::Made(made) = network.contact("call", Some(permit), Outcome::Reached) else { unreachable!() };
    network.record(ANNA, at(4, "12:01"), Event::Made(Made { about: Some(later), ..made }));
    assert!(!network.states[&ANNA].0.contacts[0].breach);
    // Under a policy in which calls are about appointments, the permit would have been for the first of them.
    let about = rules("attempts = 1, per = \"30 days\"").replacen(
        "basis = \"care\"",
        "basis = \"care\"\noccasion = \"upcoming_appointment\"",
        1,
    );
    let (report, changes) = network.asked(network.question(&about));
    assert_eq!(fates(&changes), [Fate::PermitKept, Fate::ContactKeptAnew]);
    assert!(report.is_unchanged());
}

#[test]
fn a_contact_without_a_permit_outside_the_span_stays_and_counts() {
    let mut network = Network::new(THREE);
    network.makes(ANNA, at(2, "19:00"), None);
    assert!(network.call(ANNA, at(12, "12:00")));
    // Quiet at seven, it would leave if it lay inside.
    let quiet = rules("attempts = 1, per = \"30 days\"").replace("from = \"20:00\"", "from = \"18:00\"");
    let question = network.question(&quiet);
    let (_, changes) = network.asked(Question { since: Some(at(12, "12:00")), ..question.clone() });
    assert_eq!(fates(&changes), [Fate::PermitRefused, Fate::ContactLeftWithPermit]);
    assert_eq!(fates(&network.asked(question).1), [Fate::UnaskedLeft, Fate::PermitKept, Fate::ContactKept]);
}

#[test]
fn a_branch_is_counted_and_every_branch_is_replayed() {
    let mut network = Network::new(THREE);
    assert!(network.call(ANNA, at(2, "12:00")));
    for (_, recorded) in network.log.iter_mut().skip(2) {
        match &mut recorded.event {
            Event::Permitted(e) => e.branch = "south".parse().unwrap(),
            Event::Made(e) => e.branch = "south".parse().unwrap(),
            _ => {}
        }
    }
    assert!(network.call(ANNA, at(3, "12:00")));
    let question = network.question(&rules("attempts = 1, per = \"30 days\""));
    let (report, changes) = network.asked(Question { branch: Some("north".parse().unwrap()), ..question });
    assert_eq!(fates(&changes), [Fate::PermitRefused, Fate::ContactLeftWithPermit]);
    assert_eq!((report.rows.len(), report.rows[0].branch.as_str()), (1, "north"));
    assert_eq!((report.per_patient.most_recorded, report.per_patient.most_simulated), (1, 0));
}

#[test]
fn an_occasion_and_its_appointment_are_the_recorded_ones() {
    let mut network = Network::new(THREE);
    network.books(ANNA, at(2, "09:30"), at(5, "12:00"));
    let permit = network.ask(ANNA, at(4, "12:00"), "remind").unwrap();
    let reminded = network.contact("remind", Some(permit), Outcome::Reached);
    network.record(ANNA, at(4, "12:01"), reminded);
    let announced =
        rules(THREE).replace("occasion = \"upcoming_appointment\"", "occasion = \"upcoming_appointment\"\nannounced = true");
    let (_, changes) = network.asked(network.question(&announced));
    assert_eq!(fates(&changes), [Fate::PermitRefused, Fate::ContactLeftWithPermit]);
    assert_eq!(codes(&changes[0]), [Code::NotAnnounced]);
}

/// Boris turns out to be Anna.
fn merge(network: &mut Network, time: Time) {
    network.record(ANNA, time, Event::Absorbing(MergeFrom { from: BORIS }));
    network.record(BORIS, time, Event::Merged(Merged { into: ANNA }));
    let boris = &network.states[&BORIS].0;
    let facts = Carried { contacts: boris.contacts.clone(), permits: boris.permits.clone(), ..Carried::default() };
    network.record(ANNA, time, Event::Absorbed(Absorbed { from: BORIS, facts: Box::new(facts) }));
}

#[test]
fn a_merge_brings_what_the_other_policy_would_have_left_and_added() {
    let cap = "attempts = 1, per = \"30 days\"";
    // A contact that left does not come back with the merge.
    let mut network = Network::new(THREE);
    assert!(network.call(BORIS, at(2, "12:00")) && network.call(BORIS, at(3, "12:00")));
    merge(&mut network, at(4, "12:00"));
    assert!(network.call(ANNA, at(5, "12:00")));
    let (_, changes) = network.if_calls("attempts = 1, per = \"2 days\"");
    use Fate::*;
    assert_eq!(fates(&changes), [PermitKept, ContactKept, PermitRefused, ContactLeftWithPermit, PermitKept, ContactKept]);
    // And what stayed counts for the survivor.
    let (_, changes) = network.if_calls(cap);
    assert_eq!(fates(&changes)[4..], [PermitRefused, ContactLeftWithPermit]);
    // An attempt that was added comes along.
    let mut network = Network::new(cap);
    assert!(network.call(BORIS, at(2, "12:00")) && !network.call(BORIS, at(3, "12:00")));
    merge(&mut network, at(4, "12:00"));
    assert!(!network.call(ANNA, at(5, "12:00")));
    let (_, changes) = network.if_calls("attempts = 2, per = \"30 days\"");
    assert_eq!(fates(&changes), [PermitKept, ContactKept, RefusalPermitted, RefusalKept]);
    assert_eq!(changes[3].reasons[0].count, Some(2));
}

#[test]
fn an_undone_merge_leaves_with_both_what_the_other_policy_would_have_left() {
    let mut network = Network::new(THREE);
    merge(&mut network, at(2, "09:00"));
    assert!(network.call(ANNA, at(2, "12:00")) && network.call(ANNA, at(3, "12:00")));
    let time = at(4, "09:00");
    network.record(ANNA, time, Event::Separated(Separated { from: BORIS, facts: None }));
    let facts = network.states[&ANNA].0.parted_facts(BORIS);
    assert_eq!(facts.contacts.len(), 2);
    network.record(BORIS, time, Event::Separated(Separated { from: BORIS, facts: Some(Box::new(facts)) }));
    assert!(network.call(BORIS, at(5, "12:00")));
    let (_, changes) = network.if_calls("attempts = 1, per = \"2 days\"");
    use Fate::*;
    // The second call left with Anna's, so it does not stand in the way of Boris's either.
    assert_eq!(fates(&changes), [PermitKept, ContactKept, PermitRefused, ContactLeftWithPermit, PermitKept, ContactKept]);
}

#[test]
fn a_stream_that_cannot_be_read_is_set_aside_with_whoever_takes_it_in() {
    let mut network = Network::new(THREE);
    assert!(network.call(BORIS, at(2, "12:00")));
    merge(&mut network, at(4, "12:00"));
    assert!(network.call(ANNA, at(5, "12:00")));
    // One of Boris's events is missing.
    let gone = network.log.iter().position(|(patient, r)| *patient == BORIS && matches!(r.event, Event::Made(_))).unwrap();
    network.log.remove(gone);
    let (report, changes) = network.if_calls(THREE);
    assert_eq!(fates(&changes), [Fate::PermitKept]);
    assert_eq!(report.set_aside, 2);
    assert_eq!(report.set_aside_because[&BORIS], "event 4 stands where 3 should");
    assert_eq!(report.set_aside_because[&ANNA], format!("holds facts of {BORIS}, who was set aside"));
}
