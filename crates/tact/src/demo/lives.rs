//! What happens to each invented patient, and when: a list of steps, made from the seed before anything is asked of the server.

use chrono::{Duration, NaiveTime, Timelike};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tact_domain::Time;

use super::{BRANCHES, DemoArgs, beginning, morning, names};

/// The slots of a day at which anything is done, in hours of Moscow: in the morning, in the afternoon, and late.
pub(super) const SLOTS: [u32; 3] = [11, 16, 21];

/// Something that happens to a patient in a slot.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Becomes known.
    Register { recommended_by: Option<usize>, name: String, phone: String },
    /// Agrees to promotions.
    Consent { channels: Vec<&'static str>, expires: Option<Time> },
    /// Withdraws that.
    Withdraw,
    /// Books; the number names the appointment.
    Book { number: usize, kind: &'static str, starts_at: Time },
    /// The patient or the clinic moves it.
    Move { number: usize, starts_at: Time, by: &'static str },
    /// The patient or the clinic cancels it.
    Cancel { number: usize, by: &'static str },
    /// It takes place.
    Complete { number: usize },
    /// The patient does not come.
    Miss { number: usize },
    /// Someone asks for a permit and, if there is one, makes the contact, which ends like this. `None`: never made.
    Contact { purpose: &'static str, channel: &'static str, about: Option<usize>, outcome: Option<&'static str> },
    /// A contact that nobody asked for, entered so many days late.
    Unasked { purpose: &'static str, channel: &'static str, outcome: &'static str, days_late: i64 },
    /// The patient is told that a call will come.
    Announce { number: usize, from: Time, until: Time },
    /// "Don't call me, I'll call you."
    DontCall,
    /// The patient asks to be called back.
    CallMe,
    /// The patient calls.
    Inbound,
    /// A new number.
    NewPhone(String),
    /// Tells what they think.
    Feedback { score: u8, strengths: Vec<&'static str>, weaknesses: Vec<&'static str> },
    /// Needs something that the network does not have.
    Refer { need: &'static str, provider: usize },
    /// The referral is arranged.
    Arrange,
    /// The referral is done with.
    CloseReferral,
    /// Has died.
    Die,
    /// Is the same person as another.
    Absorb { other: usize },
}

/// A step, with the slot in which it is done.
#[derive(Debug, Clone)]
pub(super) struct Timed {
    pub(super) at: Time,
    pub(super) step: Step,
}

/// One patient's life.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) branch: usize,
    pub(super) steps: Vec<Timed>,
}

const THEMES_GOOD: [&str; 6] = ["staff_manner", "explanations", "cleanliness", "pain", "waiting_time", "price"];
const THEMES_BAD: [&str; 5] = ["waiting_time", "contacting", "price", "location", "listening"];

/// Every patient's life, from the seed.
pub(super) fn lives(args: &DemoArgs) -> Vec<Life> {
    (0..args.patients).map(|number| life(args.seed, number)).collect()
}

/// A slot of the day that many days after another.
pub(super) fn slot(time: Time, days: i64, slot: usize) -> Time {
    // Moscow has kept UTC+3 all the while.
    let local = (time + Duration::hours(3) + Duration::days(days)).date_naive().and_time(NaiveTime::MIN);
    local.and_utc() + Duration::hours(i64::from(SLOTS[slot])) - Duration::hours(3)
}

struct Writer {
    rng: SmallRng,
    steps: Vec<Timed>,
    appointments: usize,
}

impl Writer {
    fn add(&mut self, at: Time, step: Step) {
        if at < morning() {
            self.steps.push(Timed { at, step });
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    fn outcome(&mut self) -> &'static str {
        match self.rng.random_range(0..100) {
            0..70 => "reached",
            70..88 => "no_answer",
            88..93 => "busy",
            93..97 => "voicemail",
            97..99 => "declined",
            _ => "wrong_number",
        }
    }
}

fn life(seed: u64, number: usize) -> Life {
    let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
    let branch = match rng.random_range(0..100) {
        0..45 => 0,
        45..80 => 1,
        _ => 2,
    };
    let name = names::name(&mut rng);
    let phone = names::phone(&mut rng);
    let mut w = Writer { rng, steps: Vec::new(), appointments: 0 };
    // Patients come in the order of their numbers, half of them in the first quarter of the time.
    let share = (number as f64 + 0.5) / 2000.0;
    let whole = (morning() - beginning()).num_days() as f64;
    let day = (whole * 0.98 * share.powf(1.6)) as i64;
    let came = slot(beginning(), day.min(whole as i64 - 2), 0);
    let recommended_by = (number > 50 && w.chance(0.12)).then(|| w.rng.random_range(0..number / 2));
    w.add(came, Step::Register { recommended_by, name, phone });
    if w.chance(0.3) {
        let channels: Vec<&str> = if w.chance(0.3) { vec!["sms", "phone"] } else { vec!["sms"] };
        w.add(came, Step::Consent { channels, expires: None });
        promotions(&mut w, came);
    }
    let mut at = came;
    while w.chance(0.72) && at < morning() {
        let ahead = w.rng.random_range(2..18);
        visit(&mut w, at, ahead, branch);
        at += Duration::days(ahead + w.rng.random_range(3..160));
    }
    if recommended_by.is_none() && w.chance(0.25) {
        feedback(&mut w, came);
    }
    rare(&mut w, came);
    w.steps.sort_by_key(|timed| timed.at);
    Life { branch, steps: w.steps }
}

fn promotions(w: &mut Writer, came: Time) {
    let mut day = w.rng.random_range(5..60);
    for _ in 0..w.rng.random_range(0..3) {
        w.add(slot(came, day, 0), Step::Contact { purpose: "promotion", channel: "sms", about: None, outcome: Some("reached") });
        day += w.rng.random_range(20..90);
    }
    if w.chance(0.1) {
        w.add(slot(came, day, 1), Step::Withdraw);
        w.add(
            slot(came, day + 9, 0),
            Step::Contact { purpose: "promotion", channel: "sms", about: None, outcome: Some("reached") },
        );
    }
}

fn visit(w: &mut Writer, booked: Time, ahead: i64, branch: usize) {
    let kind = *["consultation", "consultation", "consultation", "procedure", "procedure", "checkup", "surgery"]
        .choose(&mut w.rng)
        .unwrap_or(&"consultation");
    let number = w.appointments;
    w.appointments += 1;
    let day = slot(booked, ahead, 0);
    let hour = w.rng.random_range(9..18);
    let offset = if BRANCHES[branch].code == "ural" { 5 } else { 3 };
    let starts_at = day.with_hour(0).and_then(|t| t.with_minute(0)).unwrap_or(day) + Duration::hours(hour - offset);
    w.add(slot(booked, 0, 1), Step::Book { number, kind, starts_at });
    let fate = w.rng.random_range(0..100);
    if fate < 4 {
        w.add(slot(booked, ahead - 1, 0), Step::Cancel { number, by: "patient" });
        return;
    }
    if fate < 8 {
        w.add(slot(booked, ahead - 1, 0), Step::Cancel { number, by: "clinic" });
        let outcome = Some(w.outcome());
        w.add(
            slot(booked, ahead - 1, 0),
            Step::Contact { purpose: "cancellation_notice", channel: "phone", about: Some(number), outcome },
        );
        return;
    }
    if fate < 13 {
        let by = if w.chance(0.5) { "patient" } else { "clinic" };
        let later = starts_at + Duration::days(7);
        w.add(slot(booked, ahead - 1, 0), Step::Move { number, starts_at: later, by });
        if by == "clinic" {
            let outcome = Some(w.outcome());
            let step = Step::Contact { purpose: "cancellation_notice", channel: "phone", about: Some(number), outcome };
            w.add(slot(booked, ahead - 1, 1), step);
        }
        held(w, number, kind, later, slot(booked, ahead + 7, 0));
        return;
    }
    held(w, number, kind, starts_at, day);
}

/// The day before, the day itself, and what follows.
fn held(w: &mut Writer, number: usize, kind: &'static str, starts_at: Time, day: Time) {
    // Most are reminded on the day before; those of the sample's last day are left for whoever looks.
    if w.chance(0.8) && day > beginning() {
        let outcome = w.outcome();
        let reminder = |outcome| Step::Contact {
            purpose: "appointment_reminder",
            channel: "phone",
            about: Some(number),
            outcome: Some(outcome),
        };
        w.add(slot(day, -1, 1), reminder(outcome));
        if outcome != "reached" && w.chance(0.5) {
            let second = w.outcome();
            w.add(slot(day, -1, 2), reminder(second));
        }
    }
    let after = slot(starts_at, 0, 2).max(starts_at);
    if w.chance(0.1) {
        w.add(after, Step::Miss { number });
        return;
    }
    w.add(after, Step::Complete { number });
    if kind == "surgery" {
        if w.chance(0.7) {
            let from = slot(starts_at, 2, 0) - Duration::hours(1);
            w.add(after, Step::Announce { number, from, until: from + Duration::hours(7) });
        }
        let outcome = Some(w.outcome());
        w.add(
            slot(starts_at, 2, 0),
            Step::Contact { purpose: "wellbeing_check", channel: "phone", about: Some(number), outcome },
        );
    }
    if w.chance(0.15) {
        let forbidden =
            *["visit_survey", "sales_follow_up", "win_back", "how_are_you"].choose(&mut w.rng).unwrap_or(&"visit_survey");
        if w.chance(0.3) {
            let late = w.rng.random_range(0..4);
            w.add(
                slot(starts_at, 1 + late, 0),
                Step::Unasked { purpose: forbidden, channel: "phone", outcome: "reached", days_late: late },
            );
        } else {
            w.add(slot(starts_at, 1, 0), Step::Contact { purpose: forbidden, channel: "phone", about: None, outcome: None });
        }
    }
    if w.chance(0.5) {
        let outcome = Some(w.outcome());
        w.add(slot(starts_at, 190, 0), Step::Contact { purpose: "checkup_invitation", channel: "phone", about: None, outcome });
    }
}

fn feedback(w: &mut Writer, came: Time) {
    let first = w.rng.random_range(40..200);
    for at in [first, first + 95, first + 250] {
        let outcome = w.outcome();
        w.add(
            slot(came, at, 0),
            Step::Contact { purpose: "feedback_request", channel: "phone", about: None, outcome: Some(outcome) },
        );
        if outcome == "reached" && w.chance(0.7) {
            let pick = |rng: &mut SmallRng, of: &[&'static str], most| {
                let count = rng.random_range(0..most);
                of.choose_multiple(rng, count).copied().collect::<Vec<_>>()
            };
            let score = *[10, 10, 9, 9, 8, 8, 7, 6, 4].choose(&mut w.rng).unwrap_or(&9);
            let strengths = pick(&mut w.rng, &THEMES_GOOD, 4);
            let weaknesses = pick(&mut w.rng, &THEMES_BAD, 3);
            w.add(slot(came, at, 1), Step::Feedback { score, strengths, weaknesses });
        }
    }
}

/// What happens to few.
fn rare(w: &mut Writer, came: Time) {
    let day = w.rng.random_range(20..400);
    match w.rng.random_range(0..1000) {
        0..30 => {
            w.add(slot(came, day, 1), Step::DontCall);
            w.add(
                slot(came, day + 20, 0),
                Step::Contact { purpose: "checkup_invitation", channel: "phone", about: None, outcome: None },
            );
            w.add(slot(came, day + 30, 0), Step::CallMe);
            w.add(
                slot(came, day + 30, 1),
                Step::Contact { purpose: "callback", channel: "phone", about: None, outcome: Some("reached") },
            );
        }
        30..50 => {
            w.add(slot(came, day, 0), Step::Refer { need: "x_ray", provider: 0 });
            w.add(slot(came, day, 0), Step::Arrange);
            w.add(
                slot(came, day, 1),
                Step::Contact { purpose: "care_referral_callback", channel: "phone", about: None, outcome: Some("reached") },
            );
            w.add(slot(came, day + 5, 0), Step::CloseReferral);
        }
        50..60 => {
            let phone = names::phone(&mut w.rng);
            w.add(
                slot(came, day, 0),
                Step::Unasked { purpose: "checkup_invitation", channel: "phone", outcome: "wrong_number", days_late: 0 },
            );
            w.add(
                slot(came, day + 3, 0),
                Step::Contact { purpose: "checkup_invitation", channel: "phone", about: None, outcome: None },
            );
            w.add(slot(came, day + 20, 0), Step::NewPhone(phone));
        }
        60..66 => {
            w.add(slot(came, day, 1), Step::Die);
            w.add(
                slot(came, day + 40, 0),
                Step::Contact { purpose: "checkup_invitation", channel: "phone", about: None, outcome: None },
            );
        }
        66..86 => w.add(
            slot(came, day, 2),
            Step::Contact { purpose: "checkup_invitation", channel: "phone", about: None, outcome: None },
        ),
        86..120 => w.add(slot(came, day, 1), Step::Inbound),
        _ => {}
    }
}
