//! What an audit finds and what it does not: each kind of finding on both sides of its boundary, late entries, merges, and several policies.

use super::super::events::*;
use super::super::{Ask, Decision, OnNumber, decide};
use super::*;
use crate::control::{Policies, PolicyPublished};
use crate::envelope::{Actor, Envelope, hash};

/// A day at noon in Moscow; 2 March 2026 is day 0.
fn day(day: i64) -> Time {
    let start: Time = "2026-03-02T09:00:00Z".parse().unwrap();
    start + Duration::days(day)
}

fn hours(hours: i64) -> Duration {
    Duration::hours(hours)
}

const MOMENT: Duration = Duration::milliseconds(1);

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn purpose(name: &str) -> Purpose {
    name.parse().unwrap()
}

/// Policies as they were published, each with the day from which on it holds.
fn published(policies: &[(&str, Time)]) -> Policies {
    let mut known = Policies::default();
    for (number, (text, from)) in policies.iter().enumerate() {
        let event = PolicyPublished {
            version: format_smolstr!("v{number}"),
            text: (*text).to_owned(),
            sha256: hex::encode(hash(text.as_bytes())),
            effective_from: *from,
        };
        let envelope = envelope("policy", *from - hours(1), *from - hours(1));
        known.evolve(Recorded { envelope, event }).unwrap();
    }
    known
}

fn envelope(subject: &str, time: Time, recorded_at: Time) -> Envelope {
    Envelope {
        id: id(0),
        network: "net".into(),
        subject: subject.into(),
        time,
        recorded_at,
        actor: Actor::System("test".into()),
        branch: None,
        sequence: 1,
        cause: None,
        command: None,
        previous: [0; 32],
    }
}

/// A patient, with everything that an audit looks at.
struct Story {
    state: State,
    trail: Trail,
    policies: Policies,
    subject: Uuid,
}

impl Story {
    fn new() -> Self {
        Self::under(published(&[(crate::policy::DEFAULT, day(-100))]))
    }

    fn under(policies: Policies) -> Self {
        let mut story = Self { state: State::default(), trail: Trail::default(), policies, subject: id(1) };
        story.registered(day(-90));
        story
    }

    fn registered(&mut self, at: Time) {
        let (home_branch, time_zone) = ("north".parse().unwrap(), "Europe/Moscow".into());
        let event = Registered { home_branch, time_zone, language: None, recommended_by: None, guardian: None };
        self.tell(at, Event::Registered(event));
    }

    /// Something that is recorded when it happens.
    fn tell(&mut self, time: Time, event: Event) -> &mut Self {
        self.late(time, time, event)
    }

    /// Something that is recorded later.
    fn late(&mut self, time: Time, recorded_at: Time, event: Event) -> &mut Self {
        let recorded = Recorded { envelope: envelope(&self.subject.to_string(), time, recorded_at), event };
        self.trail.evolve(&mut self.state, &recorded);
        self
    }

    fn zone(&self) -> Zone {
        Zone::new(chrono_tz::Tz::Europe__Moscow)
    }

    /// Asks for a permit and makes the contact at once.
    fn permitted(&mut self, n: u128, name: &str, channel: Channel, at: Time, outcome: Outcome) -> &mut Self {
        let permit = id(1000 + n);
        let ask = Ask {
            permit,
            purpose: purpose(name),
            channel,
            branch: "north".parse().unwrap(),
            about: None,
            reason: None,
            number: OnNumber::NotAsked,
        };
        let policy = self.policies.in_force(at).unwrap().policy.clone();
        match decide(&self.state, &policy, &ask, at, &self.zone()) {
            Decision::Permitted(e) => self.tell(at, Event::Permitted(e)),
            Decision::Refused(e) => panic!("{at}: {:?}", e.reasons),
        };
        let made = Made { permit: Some(permit), outcome, ..contact(n, name, channel) };
        self.tell(at, Event::Made(made))
    }

    fn found(&self) -> Vec<Finding> {
        audit(&self.state, &self.trail, self.policies.all(), &self.zone())
    }

    /// The kinds and contacts that were found, contacts without a permit aside.
    fn kinds(&self) -> Vec<(FindingKind, u128)> {
        let others = self.found().into_iter().filter(|found| found.kind != FindingKind::NoPermit);
        others.map(|found| (found.kind, found.contact.as_u128())).collect()
    }
}

/// A call by `south`, which no one was asked for.
fn contact(n: u128, name: &str, channel: Channel) -> Made {
    Made {
        contact: id(n),
        direction: Direction::Outbound,
        purpose: purpose(name),
        channel,
        branch: "south".parse().unwrap(),
        outcome: Outcome::Reached,
        permit: None,
        about: None,
        note: None,
    }
}

fn made(n: u128, name: &str, channel: Channel) -> Event {
    Event::Made(contact(n, name, channel))
}

fn about(n: u128, name: &str, occasion: u128, outcome: Outcome) -> Event {
    Event::Made(Made { about: Some(id(occasion)), outcome, ..contact(n, name, Channel::Letter) })
}

fn granted(channel: Channel, expires_at: Option<Time>) -> Event {
    let evidence = Evidence { method: "paper".into(), document: id(77) };
    Event::ConsentGranted(ConsentGranted { purpose: purpose("promotion"), channels: vec![channel], evidence, expires_at })
}

fn withdrawn() -> Event {
    Event::ConsentWithdrawn(ConsentWithdrawn { purpose: None, channels: None })
}

fn booked(appointment: u128, kind: AppointmentKind, starts_at: Time) -> Event {
    let branch = "north".parse().unwrap();
    Event::Booked(Booked { appointment: id(appointment), branch, kind, starts_at, clinician: None })
}

fn announced(about: Option<u128>, from: Time, until: Time) -> Event {
    let window = Window { from, until };
    Event::Announced(Announced { purpose: purpose("wellbeing_check"), window, about: about.map(id) })
}

use FindingKind::{LimitExceeded, NoConsent, NoPermit, OutsideAnnouncement, OverallLimitExceeded, PurposeForbidden};

#[test]
fn a_contact_with_a_permit_is_nothing_and_one_without_is_found() {
    let mut story = Story::new();
    story.tell(day(-1), granted(Channel::Sms, None));
    story.permitted(1, "promotion", Channel::Sms, day(0), Outcome::Reached);
    assert_eq!(story.found(), []);
    // The permit of another day, named in vain; and the patient's own call, which is no breach.
    story.tell(day(40), Event::Made(Made { permit: Some(id(1001)), ..contact(2, "promotion", Channel::Sms) }));
    story.tell(day(41), Event::Made(Made { direction: Direction::Inbound, ..contact(3, "callback", Channel::Phone) }));
    let found = story.found();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].contact, found[0].detail.permit), (NoPermit, id(2), Some(id(1001))));
    assert_eq!((found[0].branch.as_str(), found[0].policy.as_str()), ("south", "v0"));
}

#[test]
fn what_was_before_the_first_policy_is_no_breach_of_it() {
    for (at, expected) in [(day(-100) - MOMENT, 0), (day(-100), 1)] {
        let mut story = Story::new();
        story.tell(at, made(1, "checkup_invitation", Channel::Letter));
        assert_eq!(story.found().len(), expected, "{at}");
    }
}

#[test]
fn a_contact_is_held_against_the_policy_of_its_own_time() {
    let strict = crate::policy::DEFAULT.replace("{ attempts = 8, per = \"30 days\" }", "{ attempts = 0, per = \"30 days\" }");
    assert_ne!(strict, crate::policy::DEFAULT);
    let mut story = Story::under(published(&[(crate::policy::DEFAULT, day(-100)), (&strict, day(10))]));
    story.tell(day(10) - MOMENT, made(1, "checkup_invitation", Channel::Letter));
    // Written down when the stricter one is long in force, and made before.
    story.late(day(9), day(20), made(2, "checkup_invitation", Channel::Letter));
    assert_eq!(story.kinds(), []);
    story.tell(day(10), made(3, "checkup_invitation", Channel::Letter));
    assert_eq!(story.kinds(), [(OverallLimitExceeded, 3)]);
    assert_eq!(story.found().last().map(|found| found.policy.as_str()), Some("v1"));
}

#[test]
fn a_forbidden_purpose_is_said_with_the_policys_words_and_counts_towards_what_holds_for_all() {
    let mut story = Story::new();
    story.tell(day(0), made(1, "win_back", Channel::Phone)).tell(day(0) + hours(1), made(2, "win_back", Channel::Phone));
    assert_eq!(story.kinds(), [(PurposeForbidden, 1), (PurposeForbidden, 2), (OverallLimitExceeded, 2)]);
    let words = story.found().into_iter().find_map(|found| found.detail.text).unwrap();
    assert!(words.starts_with("Nobody is dragged back."), "{words}");
}

#[test]
fn a_rolling_limit_ends_exactly_with_its_period() {
    for (after, expected) in [(hours(24) - MOMENT, vec![(OverallLimitExceeded, 2)]), (hours(24), vec![])] {
        let mut story = Story::new();
        story.tell(day(0), made(1, "unknown_to_all", Channel::Phone));
        story.tell(day(0) + after, made(2, "unknown_to_all", Channel::AutoCall));
        assert_eq!(story.kinds(), expected, "{after}");
    }
}

#[test]
fn what_did_not_reach_the_patient_does_not_count_and_a_reminder_is_not_held_to_what_it_overrides() {
    let mut story = Story::new();
    for (n, outcome) in [(1, Outcome::WrongNumber), (2, Outcome::Failed), (3, Outcome::Reached)] {
        let made = Made { outcome, ..contact(n, "unknown_to_all", Channel::Phone) };
        story.tell(day(0) + hours(i64::try_from(n).unwrap()), Event::Made(made));
    }
    story.tell(day(0) + hours(5), made(4, "callback", Channel::Phone));
    assert_eq!(story.kinds(), []);
    story.tell(day(0) + hours(6), made(5, "unknown_to_all", Channel::Phone));
    assert_eq!(story.kinds(), [(OverallLimitExceeded, 5)]);
    let found = story.found();
    let detail = &found.iter().find(|found| found.kind == OverallLimitExceeded).unwrap().detail;
    let counted: Vec<_> = detail.counted.iter().filter_map(|item| item.contact).collect();
    assert_eq!((detail.max, detail.count, counted), (Some(1), Some(3), vec![id(3), id(4), id(5)]));
    assert_eq!(detail.limit.as_deref(), Some("1 attempt per 24 hours by phone"));
}

#[test]
fn a_paper_entry_that_comes_late_pushes_a_contact_with_a_permit_over_a_limit() {
    let mut story = Story::new();
    story.tell(day(-1), granted(Channel::Phone, None));
    story.permitted(2, "promotion", Channel::Phone, day(0), Outcome::Reached);
    assert_eq!(story.found(), []);
    story.late(day(0) - hours(2), day(3), made(1, "checkup_invitation", Channel::Phone));
    let found = story.found();
    let over: Vec<_> = found.iter().filter(|found| found.kind == OverallLimitExceeded).collect();
    assert_eq!(over.len(), 1, "{found:?}");
    assert_eq!((over[0].contact, over[0].detail.permit), (id(2), Some(id(1002))));
    // The one that was written down late was the first of the day: it exceeds nothing itself.
    assert_eq!(found.iter().filter(|found| found.contact == id(1)).map(|found| found.kind).collect::<Vec<_>>(), [NoPermit]);
    // Entered with a time behind the other, it is the one too many.
    let mut story = Story::new();
    story.tell(day(-1), granted(Channel::Phone, None));
    story.permitted(2, "promotion", Channel::Phone, day(0), Outcome::Reached);
    story.late(day(0) + hours(2), day(3), made(1, "checkup_invitation", Channel::Phone));
    assert_eq!(story.kinds(), [(OverallLimitExceeded, 1)]);
}

#[test]
fn a_contact_that_began_and_never_ended_counts_for_others_and_is_not_judged() {
    let mut story = Story::new();
    story.tell(day(-1), granted(Channel::Phone, None));
    let permit = id(1001);
    let branch: Branch = "north".parse().unwrap();
    let ask = Ask {
        permit,
        purpose: purpose("promotion"),
        channel: Channel::Phone,
        branch,
        about: None,
        reason: None,
        number: OnNumber::NotAsked,
    };
    let policy = story.policies.in_force(day(0)).unwrap().policy.clone();
    let Decision::Permitted(e) = decide(&story.state, &policy, &ask, day(0), &story.zone()) else { panic!("refused") };
    story.tell(day(0), Event::Permitted(e));
    story.tell(day(0), made(2, "unknown_to_all", Channel::Phone));
    // A permit that nobody used is no contact.
    assert_eq!(story.kinds(), []);
    story.tell(day(0) + MOMENT, Event::Started(Started { permit, contact: id(1) }));
    story.tell(day(1), made(3, "unknown_to_all", Channel::Phone));
    assert_eq!(story.kinds(), [(OverallLimitExceeded, 3)]);
    story.tell(day(2) + MOMENT, made(4, "unknown_to_all", Channel::Phone));
    assert_eq!(story.kinds(), [(OverallLimitExceeded, 3)]);
}

#[test]
fn a_limit_per_occasion_counts_each_time_of_an_appointment_apart() {
    let reminder = |n, outcome| about(n, "appointment_reminder", 50, outcome);
    let mut story = Story::new();
    story.tell(day(0), booked(50, AppointmentKind::Checkup, day(10)));
    story.tell(day(1), reminder(1, Outcome::NoAnswer)).tell(day(2), reminder(2, Outcome::Reached));
    assert_eq!(story.kinds(), []);
    let moved = Rescheduled { appointment: id(50), starts_at: day(20), by: ChangedBy::Patient, branch: None, clinician: None };
    story.tell(day(3), Event::Rescheduled(moved));
    // About the new time, which nobody has reminded of yet; then, on paper, a third time about the old one.
    story.tell(day(4), reminder(3, Outcome::Reached));
    assert_eq!(story.kinds(), []);
    story.late(day(2) + hours(1), day(5), reminder(4, Outcome::NoAnswer));
    assert_eq!(story.kinds(), [(LimitExceeded, 4)]);
    let found = story.found();
    let detail = &found.iter().find(|found| found.kind == LimitExceeded).unwrap().detail;
    assert_eq!((detail.limit.as_deref(), detail.count), (Some("2 attempts per occasion"), Some(3)));
    // Reached twice about one time: the other limit. One that does not say what it is about is about the nearest.
    story.tell(day(5), Event::Made(Made { about: None, ..contact(5, "appointment_reminder", Channel::Letter) }));
    assert_eq!(story.kinds(), [(LimitExceeded, 4), (LimitExceeded, 5)]);
    assert_eq!(story.found().last().unwrap().detail.limit.as_deref(), Some("1 reached per occasion"));
}

#[test]
fn times_and_changes_that_are_no_more_are_told_apart() {
    let moved =
        |starts_at, by| Event::Rescheduled(Rescheduled { appointment: id(50), starts_at, by, branch: None, clinician: None });
    // Two attempts for each of three times of one appointment; then one more for the second of them, named and not.
    for named in [Some(id(50)), None] {
        let reminder = |n| {
            let made = Made { about: named, outcome: Outcome::NoAnswer, ..contact(n, "appointment_reminder", Channel::Letter) };
            Event::Made(made)
        };
        let mut story = Story::new();
        story.tell(day(0), booked(50, AppointmentKind::Checkup, day(10)));
        for round in 0..3 {
            let at = day(3 * round);
            let n = u128::try_from(2 * round).unwrap();
            story.tell(at + hours(1), reminder(n + 1)).tell(at + hours(2), reminder(n + 2));
            story.tell(at + hours(60), moved(day(20 + round), ChangedBy::Patient));
        }
        assert_eq!(story.kinds(), [], "{named:?}");
        story.late(day(3) + hours(50), day(9), reminder(9));
        assert_eq!(story.kinds(), [(LimitExceeded, 9)], "{named:?}");
    }
    // Four attempts to tell of each of two changes, and a fifth for the first.
    let notice = |n| {
        let outcome = Outcome::Busy;
        Event::Made(Made { about: Some(id(50)), outcome, ..contact(n, "cancellation_notice", Channel::Letter) })
    };
    let mut story = Story::new();
    story.tell(day(0), booked(50, AppointmentKind::Checkup, day(10)));
    for round in 0..2 {
        story.tell(day(1 + round), moved(day(11 + round), ChangedBy::Clinic));
        for n in 1..=4 {
            story.tell(day(1 + round) + hours(n), notice(u128::try_from(4 * round + n).unwrap()));
        }
    }
    story.tell(day(4), Event::Cancelled(Cancelled { appointment: id(50), by: ChangedBy::Patient }));
    assert_eq!(story.kinds(), []);
    story.late(day(1) + hours(9), day(5), notice(9));
    assert_eq!(story.kinds(), [(LimitExceeded, 9)]);
}

#[test]
fn feedback_that_was_given_stands_in_the_way_of_asking_for_it_for_its_period() {
    let given: Time = "2026-03-31T09:00:00Z".parse().unwrap();
    // Six calendar months after the 31st is the last day of September.
    let ends: Time = "2026-09-30T09:00:00Z".parse().unwrap();
    for (at, expected) in [(ends - MOMENT, vec![(LimitExceeded, 1)]), (ends, vec![]), (given - MOMENT, vec![])] {
        let mut story = Story::new();
        let score = Score::try_from(9).unwrap();
        let branch = "north".parse().unwrap();
        let (strengths, weaknesses) = (None, None);
        let feedback = FeedbackGiven { feedback: id(5), branch, score, clinician: None, strengths, weaknesses, text: None };
        story.tell(given, Event::FeedbackGiven(feedback));
        story.late(at, at.max(given), made(1, "feedback_request", Channel::Letter));
        assert_eq!(story.kinds(), expected, "{at}");
    }
}

#[test]
fn a_promotion_needs_a_consent_that_held_at_its_time() {
    type Case<'a> = (&'a str, &'a [(Time, Event)], Option<Code>);
    let cases: &[Case<'_>] = &[
        ("never", &[], Some(Code::ConsentMissing)),
        ("before", &[(day(0), granted(Channel::Sms, None))], None),
        ("after", &[(day(0) + MOMENT, granted(Channel::Sms, None))], Some(Code::ConsentMissing)),
        ("another channel", &[(day(0), granted(Channel::Email, None))], Some(Code::ConsentMissing)),
        ("run out", &[(day(-9), granted(Channel::Sms, Some(day(0))))], Some(Code::ConsentExpired)),
        ("running out", &[(day(-9), granted(Channel::Sms, Some(day(0) + MOMENT)))], None),
        ("withdrawn", &[(day(-9), granted(Channel::Sms, None)), (day(0), withdrawn())], Some(Code::ConsentWithdrawn)),
        ("withdrawn later", &[(day(-9), granted(Channel::Sms, None)), (day(0) + MOMENT, withdrawn())], None),
        (
            "given anew",
            &[(day(-9), granted(Channel::Sms, None)), (day(-8), withdrawn()), (day(-7), granted(Channel::Sms, None))],
            None,
        ),
    ];
    for (name, words, expected) in cases {
        let mut story = Story::new();
        for (time, event) in *words {
            story.late(*time, (*time).max(day(0)), event.clone());
        }
        story.late(day(0), day(1), made(1, "promotion", Channel::Sms));
        let found = story.found();
        let code = found.iter().find(|found| found.kind == NoConsent).and_then(|found| found.detail.code);
        assert_eq!(code, *expected, "{name}: {found:?}");
    }
}

#[test]
fn a_withdrawal_that_is_written_down_late_shows_that_a_permit_was_wrong() {
    let mut story = Story::new();
    story.tell(day(-9), granted(Channel::Sms, None));
    story.permitted(1, "promotion", Channel::Sms, day(0), Outcome::Reached);
    story.late(day(-1), day(2), withdrawn());
    let found = story.found();
    assert_eq!(story.kinds(), [(NoConsent, 1)]);
    assert_eq!((found[0].detail.since, found[0].detail.permit), (Some(day(-1)), Some(id(1001))));
    // What never left us needed no consent.
    let mut story = Story::new();
    story.tell(day(0), Event::Made(Made { outcome: Outcome::Failed, ..contact(1, "promotion", Channel::Sms) }));
    assert_eq!(story.kinds(), []);
}

#[test]
fn a_wellbeing_call_lies_inside_an_announcement_of_its_surgery() {
    let (from, until) = (day(3), day(4));
    let inside = announced(Some(50), from, until);
    type Case<'a> = (&'a str, Option<(Time, &'a Event)>, Time, Option<Code>);
    let cases: &[Case<'_>] = &[
        ("nobody said a word", None, day(3), Some(Code::NotAnnounced)),
        ("its first moment", Some((day(1), &inside)), from, None),
        ("its last moment", Some((day(1), &inside)), until - MOMENT, None),
        ("before it", Some((day(1), &inside)), from - MOMENT, Some(Code::OutsideAnnouncedWindow)),
        ("behind it", Some((day(1), &inside)), until, Some(Code::OutsideAnnouncedWindow)),
        ("any of its purpose", Some((day(1), &announced(None, from, until))), from, None),
        ("any before there was a surgery", Some((day(1), &announced(None, day(-5), day(0)))), from, Some(Code::NotAnnounced)),
        (
            "any until after it",
            Some((day(1), &announced(None, day(-5), day(0) + MOMENT))),
            from,
            Some(Code::OutsideAnnouncedWindow),
        ),
        ("another surgery", Some((day(1), &announced(Some(51), from, until))), from, Some(Code::NotAnnounced)),
        ("written down in time", Some((from, &inside)), from, None),
        ("written down too late", Some((from + MOMENT, &inside)), from, Some(Code::NotAnnounced)),
    ];
    for (name, announcement, at, expected) in cases {
        let mut story = Story::new();
        story.tell(day(-2), booked(50, AppointmentKind::Surgery, day(0)));
        story.tell(day(0), Event::Completed(AppointmentRef { appointment: id(50) }));
        if let Some((written, event)) = announcement {
            story.late(day(1), *written, (*event).clone());
        }
        story.late(*at, day(9), about(1, "wellbeing_check", 50, Outcome::Reached));
        let found = story.found();
        let code = found.iter().find(|found| found.kind == OutsideAnnouncement).and_then(|found| found.detail.code);
        assert_eq!(code, *expected, "{name}: {found:?}");
    }
}

#[test]
fn the_month_is_that_of_the_patients_calendar() {
    let mut story = Story::new();
    let night: Time = "2026-03-31T21:00:00Z".parse().unwrap();
    story.tell(night - MOMENT, made(1, "checkup_invitation", Channel::Letter));
    story.tell(night, made(2, "checkup_invitation", Channel::Letter));
    let months: Vec<_> = story.found().into_iter().map(|found| found.month).collect();
    assert_eq!(months, ["2026-03", "2026-04"]);
}

#[test]
fn of_merged_patients_the_survivor_is_held_to_what_both_were_told() {
    let mut other = Story::new();
    other.subject = id(2);
    other.tell(day(0), made(1, "unknown_to_all", Channel::Phone));
    let carried = Carried { contacts: other.state.contacts.clone(), ..Carried::default() };
    let mut story = Story::new();
    story.tell(day(0) + hours(3), made(2, "unknown_to_all", Channel::Phone));
    assert_eq!((story.kinds(), other.kinds()), (vec![], vec![]));
    story.tell(day(1), Event::Absorbing(MergeFrom { from: id(2) }));
    other.tell(day(1), Event::Merged(Merged { into: id(1) }));
    story.tell(day(1), Event::Absorbed(Absorbed { from: id(2), facts: Box::new(carried) }));
    assert_eq!(other.found(), [], "the survivor's audit says it");
    assert_eq!(story.kinds(), [(OverallLimitExceeded, 2)]);
    assert_eq!(story.found().iter().filter(|found| found.kind == NoPermit).count(), 2);
    // Taken apart, counts stay with both.
    let facts = Some(Box::new(Carried { contacts: story.state.contacts.clone(), ..Carried::default() }));
    story.tell(day(2), Event::Separated(Separated { from: id(2), facts: None }));
    other.tell(day(2), Event::Separated(Separated { from: id(2), facts }));
    assert_eq!((story.kinds(), other.kinds()), (vec![(OverallLimitExceeded, 2)], vec![(OverallLimitExceeded, 2)]));
}

#[test]
fn what_led_up_to_a_wish_is_every_outbound_contact_of_ninety_days() {
    let mut story = Story::new();
    let said = day(0);
    for (n, at) in [(1, said - LED_UP - MOMENT), (2, said - LED_UP), (3, said), (4, said + MOMENT)] {
        story.late(at, day(9), made(n, "unknown_to_all", Channel::Sms));
    }
    let inbound = Made { direction: Direction::Inbound, ..contact(5, "callback", Channel::Phone) };
    story.late(said - hours(1), day(9), Event::Made(inbound));
    let contacts: Vec<_> = led_up(&story.state, said).into_iter().map(|contact| contact.id.as_u128()).collect();
    assert_eq!(contacts, [2, 3]);
}
