//! Two patients who were merged and told apart again, over random lives: neither may be contacted when they could not have been, had they never
//! been merged. Seeded: a seed that fails, fails again.
//!
//! What is not looked at, and why, is in docs/DUPLICATES.md: whether a number is right, and appointments, recommendations
//! and permits that came while both were one.

use std::collections::BTreeMap;

use chrono::Duration;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tact_domain::patient::decide::{Ask, Decision, decide};
use tact_domain::patient::events::*;
use tact_domain::patient::reaction::{Outcome as Next, reaction};
use tact_domain::patient::state::{AppointmentStatus, Standing};
use tact_domain::patient::{State, admit, evolve};
use tact_domain::policy::{self, Policy};
use tact_domain::{
    Actor, AppointmentKind, Branch, ChangedBy, Channel, DailyHours, Direction, Envelope, Outcome, Purpose, Reach, Recorded, Time,
    Window, Zone,
};
use uuid::Uuid;

use crate::network::time;

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);
const PURPOSES: [&str; 8] = [
    "appointment_reminder",
    "wellbeing_check",
    "checkup_invitation",
    "promotion",
    "feedback_request",
    "care_referral_callback",
    "callback",
    "cancellation_notice",
];
const CHANNELS: [Channel; 4] = [Channel::Phone, Channel::Sms, Channel::Email, Channel::Letter];

fn envelope(subject: Uuid, at: Time) -> Envelope {
    Envelope {
        id: Uuid::nil(),
        network: Default::default(),
        subject: subject.to_string().into(),
        time: at,
        recorded_at: at,
        actor: Actor::System("test".into()),
        branch: None,
        sequence: 0,
        cause: None,
        command: None,
        previous: Default::default(),
    }
}

/// Two streams, and what an event sets off between them.
#[derive(Default)]
struct World {
    states: BTreeMap<Uuid, State>,
}

impl World {
    fn record(&mut self, patient: Uuid, event: Event, at: Time) {
        let recorded = Recorded { envelope: envelope(patient, at), event };
        evolve(self.states.entry(patient).or_default(), &recorded);
        let Some(reaction) = reaction(&recorded, patient, &self.states[&patient]) else { return };
        let none = State::default();
        let (target, source) = (self.states.get(&reaction.target).unwrap_or(&none), &self.states[&reaction.source]);
        match reaction.outcome(target, source) {
            Next::Append(event) => self.record(reaction.target, event, at),
            Next::AppendToSource(event) => self.record(reaction.source, event, at),
            Next::Nothing => {}
        }
    }
}

struct Life {
    dice: StdRng,
    ids: u128,
    now: Time,
    policy: Policy,
}

impl Life {
    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids << 32)
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.dice.random_range(0..list.len())].clone()
    }

    fn purpose(&mut self) -> Purpose {
        self.pick(&PURPOSES).parse().unwrap()
    }

    /// A moment within so many hours.
    fn soon(&mut self, most: i64) -> Time {
        self.now + Duration::minutes(self.dice.random_range(1..most * 60))
    }

    /// Something that happens to a patient, if it can.
    fn event(&mut self, state: &State) -> Event {
        let appointments: Vec<Uuid> = state.appointments.iter().map(|a| a.id).collect();
        let upcoming: Vec<Uuid> =
            state.appointments.iter().filter(|a| a.status == AppointmentStatus::Booked).map(|a| a.id).collect();
        let referrals: Vec<Uuid> = state.referrals.iter().filter(|r| r.closed_at.is_none()).map(|r| r.id).collect();
        let north: Branch = "north".parse().unwrap();
        let (id, channel, purpose) = (self.id(), self.pick(&CHANNELS), self.purpose());
        match self.dice.random_range(0..100) {
            0..=24 => {
                let direction = if self.dice.random_bool(0.8) { Direction::Outbound } else { Direction::Inbound };
                let outcome = self.pick(&[Outcome::Reached, Outcome::NoAnswer, Outcome::Declined, Outcome::Voicemail]);
                let about = if appointments.is_empty() { None } else { Some(self.pick(&appointments)) };
                let permit = None;
                Event::Made(Made { contact: id, direction, purpose, channel, branch: north, outcome, permit, about, note: None })
            }
            25..=32 => {
                let evidence = Evidence { method: "paper".into(), document: id };
                Event::ConsentGranted(ConsentGranted {
                    purpose: "promotion".parse().unwrap(),
                    channels: vec![channel],
                    evidence,
                    expires_at: None,
                })
            }
            33..=38 => Event::ConsentWithdrawn(ConsentWithdrawn {
                purpose: None,
                channels: self.dice.random_bool(0.5).then(|| vec![channel]),
            }),
            39..=44 => {
                let reach = Some(self.pick(&[Reach::Normal, Reach::PatientInitiated]));
                Event::PreferenceSet(PreferenceSet { reach, quiet_hours: None, preferred_channel: None })
            }
            45..=48 => {
                let clock = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
                let hours =
                    DailyHours { from: clock(self.dice.random_range(0..24)), until: clock(self.dice.random_range(0..24)) };
                Event::PreferenceSet(PreferenceSet { reach: None, quiet_hours: Some(hours), preferred_channel: None })
            }
            49..=62 => {
                let kind = self.pick(&[AppointmentKind::Consultation, AppointmentKind::Surgery]);
                let starts_at = self.soon(24 * 20);
                Event::Booked(Booked { appointment: id, branch: north, kind, starts_at, clinician: None })
            }
            63..=68 if !upcoming.is_empty() => {
                let by = self.pick(&[ChangedBy::Patient, ChangedBy::Clinic]);
                Event::Cancelled(Cancelled { appointment: self.pick(&upcoming), by })
            }
            69..=72 if !upcoming.is_empty() => {
                let (by, starts_at) = (self.pick(&[ChangedBy::Patient, ChangedBy::Clinic]), self.soon(24 * 10));
                Event::Rescheduled(Rescheduled {
                    appointment: self.pick(&upcoming),
                    starts_at,
                    by,
                    branch: None,
                    clinician: None,
                })
            }
            73..=78 if !upcoming.is_empty() => Event::Completed(AppointmentRef { appointment: self.pick(&upcoming) }),
            79..=83 => Event::Requested(Requested { request: id, channel, about: None, window: None }),
            84..=86 => Event::ReferralOpened(ReferralOpened { referral: id, need: "x_ray".parse().unwrap() }),
            87..=89 if !referrals.is_empty() => {
                Event::ReferralArranged(ReferralArranged { referral: self.pick(&referrals), provider: id, starts_at: None })
            }
            90..=91 if !referrals.is_empty() => Event::ReferralClosed(ReferralRef { referral: self.pick(&referrals) }),
            92..=95 => {
                let window = Window { from: self.now, until: self.soon(24 * 10) };
                Event::Announced(Announced { purpose: "wellbeing_check".parse().unwrap(), about: None, window })
            }
            96..=97 => Event::Credited(Credited { recommended: id }),
            98 if self.dice.random_bool(0.3) => Event::Died(Empty {}),
            _ => Event::PreferenceSet(PreferenceSet { reach: None, quiet_hours: None, preferred_channel: Some(channel) }),
        }
    }

    fn ask(&self, state: &State, purpose: &str, channel: Channel, now: Time) -> Decision {
        let ask = Ask {
            permit: Uuid::from_u128(1),
            purpose: purpose.parse().unwrap(),
            channel,
            branch: "north".parse().unwrap(),
            about: None,
            reason: None,
            number: tact_domain::patient::OnNumber::default(),
        };
        decide(state, &self.policy, &ask, now, &Zone::new(chrono_tz::Europe::Moscow))
    }

    /// Asks for a permit as somebody would, and uses it, gives it back or forgets it.
    fn permit(&mut self, world: &mut World, patient: Uuid) -> Option<Event> {
        let (purpose, channel) = (self.pick(&PURPOSES), self.pick(&CHANNELS));
        match self.ask(&world.states[&patient], purpose, channel, self.now) {
            Decision::Permitted(permitted) => Some(Event::Permitted(Permitted { permit: self.id(), ..permitted })),
            Decision::Refused(_) => None,
        }
    }
}

fn register(world: &mut World, patient: Uuid, at: Time) {
    let (home_branch, time_zone) = ("north".parse().unwrap(), "Europe/Moscow".into());
    world.record(
        patient,
        Event::Registered(Registered { home_branch, time_zone, language: None, recommended_by: None, guardian: None }),
        at,
    );
}

/// Which of what happened while both were one is not held against the other: what makes an occasion stays with the survivor, on whose stream
/// it stands.
fn stays_with_the_survivor(event: &Event, known: &State) -> bool {
    match event {
        Event::Booked(_) | Event::Credited(_) | Event::Permitted(_) => true,
        Event::Completed(e) => known.appointment(e.appointment).is_none(),
        _ => false,
    }
}

fn live(seed: u64) -> Result<u32, String> {
    let policy = policy::text::parse(policy::DEFAULT, "default").unwrap();
    let mut life = Life { dice: StdRng::seed_from_u64(seed), ids: 0x100, now: time("2025-01-10T09:00:00Z"), policy };
    let mut world = World::default();
    register(&mut world, A, life.now);
    register(&mut world, B, life.now);
    let happen = |life: &mut Life, world: &mut World, patient: Uuid| -> Option<Event> {
        life.now = life.soon(60);
        let event = if life.dice.random_bool(0.2) { life.permit(world, patient)? } else { life.event(&world.states[&patient]) };
        admit(&world.states[&patient], &event, life.now, life.now).ok()?;
        world.record(patient, event.clone(), life.now);
        Some(event)
    };
    for _ in 0..life.dice.random_range(0..25) {
        let patient = life.pick(&[A, B]);
        happen(&mut life, &mut world, patient);
    }
    let before = world.states.clone();
    let began = Event::Absorbing(MergeFrom { from: B });
    if admit(&world.states[&A], &began, life.now, life.now).is_err() {
        return Ok(0);
    }
    world.record(A, began, life.now);
    assert!(matches!(world.states[&B].standing, Standing::Merged { into: A, .. }), "seed {seed}");
    let mut during = Vec::new();
    for _ in 0..life.dice.random_range(0..15) {
        if let Some(event) = happen(&mut life, &mut world, A) {
            during.push((event, life.now));
        }
    }
    // An unused permit runs out, so that nothing is under way.
    life.now += Duration::hours(1);
    world.record(A, Event::Separated(Separated { from: B, facts: None }), life.now);
    assert!(!matches!(world.states[&B].standing, Standing::Merged { .. }), "seed {seed}");
    // Each as they would be, had what happened to both happened to them alone.
    let alone = |patient: Uuid| {
        let mut state = before[&patient].clone();
        let own = state.clone();
        for (event, at) in &during {
            if patient == A || !stays_with_the_survivor(event, &own) {
                evolve(&mut state, &Recorded { envelope: envelope(patient, *at), event: event.clone() });
            }
        }
        state
    };
    let mut permitted = 0;
    for patient in [A, B] {
        let (now, alone, own) = (&world.states[&patient], alone(patient), &before[&patient]);
        for hours in [0, 1, 5, 23, 26, 50, 100, 170, 400, 720, 1500, 4400, 5000, 8000] {
            let at = life.now + Duration::hours(hours);
            for (purpose, channel) in PURPOSES.iter().flat_map(|purpose| CHANNELS.map(|channel| (purpose, channel))) {
                if !life.ask(now, purpose, channel, at).is_permitted() {
                    continue;
                }
                permitted += 1;
                let say = |what: &str, reference: &State| {
                    let refused = life.ask(reference, purpose, channel, at);
                    let codes: Vec<&str> = refused.reasons().iter().map(|reason| reason.code.as_str()).collect();
                    format!("seed {seed}: {patient} may be contacted for {purpose} by {channel} at {at}, {what} {codes:?}")
                };
                if !life.ask(&alone, purpose, channel, at).is_permitted() {
                    return Err(say("and could not have been without the merge:", &alone));
                }
                // With nothing new meanwhile, nobody is looser than before.
                if during.is_empty() && !life.ask(own, purpose, channel, at).is_permitted() {
                    return Err(say("and could not be before it:", own));
                }
            }
        }
    }
    Ok(permitted)
}

#[test]
fn whoever_was_merged_and_told_apart_is_never_looser_than_without_it() {
    let (mut wrong, mut permitted) = (Vec::new(), 0);
    for seed in 0..3000 {
        match live(seed) {
            Ok(count) => permitted += count,
            Err(said) => wrong.push(said),
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(permitted > 10_000, "only {permitted} permits were looked at");
}
