//! What a number counts, held against a plain recount of all that happened on it.

use std::collections::BTreeSet;

use chrono::Duration;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tact_domain::number::{Answer, Number, NumberReserved, Party, Wanted, With, answer};
use tact_domain::patient::state::{Contact, Fate, Permit};
use tact_domain::patient::{Ask, OnNumber, State};
use tact_domain::policy::text::parse;
use tact_domain::{Channel, Direction, Outcome, Purpose, Time, Zone};
use uuid::Uuid;

use crate::network::{NOON, time};

const POLICY: &str = r#"
[network]
permit_valid_for = "30 minutes"
overall = [{ attempts = 3, per = "10 days" }]

[purpose.news]
basis = "care"
channels = ["phone", "sms", "email"]
limits = [{ attempts = 2, per = "5 days" }]

[purpose.call]
basis = "care"
channels = ["phone", "sms", "email"]
limits = [{ attempts = 9, per = "5 days" }]
"#;

/// One thing that happened: who, when, what for, by which channel.
struct Made {
    who: usize,
    id: Uuid,
    time: Time,
    purpose: &'static str,
    channel: Channel,
    outcome: Outcome,
    permit: Option<Uuid>,
}

#[test]
fn the_count_over_everybody_is_that_of_a_plain_recount() {
    let policy = parse(POLICY, "1").unwrap();
    let zone = || Zone::new(chrono_tz::Europe::Moscow);
    let now = time(NOON);
    let (mut free, mut busy) = (0, 0);
    for seed in 0..3000 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let id = |rng: &mut SmallRng| Uuid::from_u128(rng.random());
        // The last one has left the number: only what was reserved on it counts.
        let (mut states, mut number, mut all) = (vec![State::default(); 4], Number::default(), Vec::new());
        for _ in 0..rng.random_range(0..14) {
            let made = Made {
                who: rng.random_range(0..4),
                id: id(&mut rng),
                time: now - Duration::hours(rng.random_range(1..15 * 24)),
                purpose: ["news", "call"][rng.random_range(0..2)],
                channel: [Channel::Phone, Channel::Sms, Channel::Email][rng.random_range(0..3)],
                outcome: [Outcome::Reached, Outcome::NoAnswer, Outcome::Failed][rng.random_range(0..3)],
                permit: rng.random_bool(0.5).then(|| id(&mut rng)),
            };
            if let Some(permit) = made.permit {
                number.reservations.push(reserved(permit, &made, now));
            }
            states[made.who].contacts.push(contact(&made));
            if rng.random_bool(0.2) {
                // The same contact was for somebody else as well.
                let other = (made.who + 1) % 3;
                states[other].contacts.push(contact(&made));
            }
            all.push(made);
        }
        // A permit that was used is not one more.
        for made in all.iter().filter(|made| made.permit.is_some()) {
            let permit = permit(made, Fate::Used { contact: made.id }, now);
            states[made.who].permits.push(permit);
        }
        let purpose: Purpose = ["news", "call"][rng.random_range(0..2)].parse().unwrap();
        let ask = Ask {
            permit: Uuid::from_u128(1),
            purpose: purpose.clone(),
            channel: [Channel::Phone, Channel::Sms][rng.random_range(0..2)],
            branch: "north".parse().unwrap(),
            about: None,
            reason: None,
            number: OnNumber::NotAsked,
        };
        let parties: Vec<Party<'_>> = states
            .iter()
            .enumerate()
            .map(|(who, state)| Party { person: Uuid::from_u128(10 + who as u128), state, has_it: who < 3 })
            .collect();
        let rule = policy.rule(&purpose).unwrap();
        let wanted = Wanted { ask: &ask, rule, person: Uuid::from_u128(10), day: None, with: With::Nobody };
        let said = answer(&number, &parties, &wanted, &policy, now, &zone());
        let counted = |days: i64, only: Option<&str>| {
            let counts = all.iter().filter(|made| {
                // Recorded with one who has it as well, it counts whoever left.
                let here = made.who < 3
                    || made.permit.is_some()
                    || states[..3].iter().any(|s| s.contacts.iter().any(|c| c.id == made.id));
                here && made.channel != Channel::Email
                    && made.outcome != Outcome::Failed
                    && made.time + Duration::days(days) > now
                    && only.is_none_or(|only| only == made.purpose)
            });
            counts.map(|made| made.id).collect::<BTreeSet<_>>().len()
        };
        let own = if purpose.as_str() == "news" { 2 } else { 9 };
        let expected = counted(5, Some(purpose.as_str())) < own && counted(10, None) < 3;
        assert_eq!(said == Answer::Free { joins: None }, expected, "seed {seed}: {said:?}");
        match said {
            Answer::Free { .. } => free += 1,
            Answer::Busy { next } => {
                busy += 1;
                // At the time that it names it is free, and a moment before it is not.
                let next = next.unwrap();
                let at = |at: Time| answer(&number, &parties, &wanted, &policy, at, &zone()) == Answer::Free { joins: None };
                assert!(at(next) && !at(next - Duration::milliseconds(1)), "seed {seed}");
            }
        }
    }
    assert!(free > 500 && busy > 300, "{free} and {busy}");
}

fn reserved(permit: Uuid, made: &Made, now: Time) -> NumberReserved {
    NumberReserved {
        reservation: Uuid::from_u128(!permit.as_u128()),
        patient: Uuid::from_u128(10 + made.who as u128),
        permit,
        purpose: made.purpose.parse().unwrap(),
        channel: made.channel,
        lapses_at: now - Duration::hours(1),
        day: None,
        joins: None,
    }
}

fn contact(made: &Made) -> Contact {
    Contact {
        id: made.id,
        time: made.time,
        direction: Direction::Outbound,
        purpose: made.purpose.parse().unwrap(),
        channel: made.channel,
        branch: "north".parse().unwrap(),
        outcome: made.outcome,
        about: None,
        permit: made.permit,
        claimed: None,
        breach: false,
    }
}

fn permit(made: &Made, fate: Fate, now: Time) -> Permit {
    Permit {
        id: made.permit.unwrap(),
        purpose: made.purpose.parse().unwrap(),
        channel: made.channel,
        branch: "north".parse().unwrap(),
        granted_at: made.time,
        expires_at: now + Duration::minutes(10),
        occasion: None,
        consent: None,
        overrides: Vec::new(),
        quiet_lifted: None,
        offset: 0,
        fate,
    }
}
