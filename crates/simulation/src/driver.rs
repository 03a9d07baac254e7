//! What people and programs do with the services: commands, sensible ones and others, from what they have been told.
//!
//! It must never look into the log: like everyone else it knows only what it was answered, and guesses the rest.

mod company;

use std::collections::BTreeMap;

use chrono::Duration;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use smol_str::SmolStr;
use tact_domain::control::PolicyPublished;
use tact_domain::patient::events::*;
use tact_domain::patient::{Ask, OnNumber};
use tact_domain::{Actor, AppointmentKind, Branch, ChangedBy, Channel, DailyHours, Direction, Purpose, Reach, Time, Window};
use tact_service::transact::Command;
use uuid::Uuid;

use crate::policies;

/// What is asked of a service.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "few of them live at once, and none for long")]
pub(crate) enum What {
    /// A permit, for a contact that may cover another patient's permit as well.
    Ask(Ask, Option<Uuid>),
    /// To record a fact.
    Record(Event),
    /// To publish a policy.
    Publish(PolicyPublished),
}

/// A command, which may be given several times under its id.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    /// What is asked.
    pub(crate) what: What,
    /// Of whom; nil for policies.
    pub(crate) patient: Uuid,
    /// Its particulars.
    pub(crate) command: Command,
}

/// What people know of a patient, or think they do.
#[derive(Debug, Default)]
struct Known {
    appointments: Vec<Uuid>,
    surgeries: Vec<Uuid>,
    requests: Vec<Uuid>,
    referrals: Vec<Uuid>,
    recommended: Vec<Uuid>,
    permits: Vec<Permitted>,
    started: Vec<(Permitted, Uuid)>,
    contacts: Vec<Uuid>,
}

/// Gives the commands of one seed.
#[derive(Debug)]
pub(crate) struct Driver {
    rng: SmallRng,
    /// The patients that everything is about now: few, so that they are fought over.
    patients: Vec<Uuid>,
    /// Those whom little is heard of any more.
    former: Vec<Uuid>,
    branches: Vec<Branch>,
    known: BTreeMap<Uuid, Known>,
    /// What somebody means to do at some time.
    todo: Vec<(Time, Uuid, What)>,
    policies: u32,
    count: u64,
    /// How much this seed likes each group of commands.
    taste: [u32; 8],
    several_policies: bool,
}

const PURPOSES: [(&str, u32); 15] = [
    ("appointment_reminder", 22),
    ("promotion", 20),
    ("feedback_request", 10),
    ("checkup_invitation", 8),
    ("wellbeing_check", 14),
    ("care_referral_callback", 10),
    ("callback", 12),
    ("cancellation_notice", 10),
    ("emergency", 6),
    ("visit_survey", 1),
    ("sales_follow_up", 1),
    ("win_back", 1),
    ("how_are_you", 1),
    ("newsletter", 1),
    ("satisfaction", 1),
];

impl Driver {
    /// A driver for this seed.
    pub(crate) fn new(seed: u64, patients: usize, branches: Vec<Branch>, several_policies: bool) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x6472_6976_6572_0000);
        let patients = (0..patients).map(|_| id(&mut rng)).collect();
        let taste = std::array::from_fn(|_| rng.random_range(1..=10));
        Self {
            rng,
            patients,
            former: Vec::new(),
            branches,
            known: BTreeMap::new(),
            todo: Vec::new(),
            policies: 0,
            count: 0,
            taste,
            several_policies,
        }
    }

    fn id(&mut self) -> Uuid {
        id(&mut self.rng)
    }

    fn chance(&mut self, p: f64) -> bool {
        self.rng.random_bool(p)
    }

    fn branch(&mut self) -> Branch {
        self.branches.choose(&mut self.rng).expect("there are branches").clone()
    }

    fn channel(&mut self) -> Channel {
        const OFTEN: [Channel; 10] = [
            Channel::Phone,
            Channel::Phone,
            Channel::Phone,
            Channel::AutoCall,
            Channel::Sms,
            Channel::Sms,
            Channel::Email,
            Channel::Email,
            Channel::Messenger,
            Channel::Letter,
        ];
        *OFTEN.choose(&mut self.rng).expect("not empty")
    }

    fn purpose(&mut self) -> Purpose {
        let (word, _) = PURPOSES.choose_weighted(&mut self.rng, |(_, w)| *w).expect("weights are positive");
        purpose(word)
    }

    fn known(&mut self, patient: Uuid) -> &mut Known {
        self.known.entry(patient).or_default()
    }

    /// A command that records `event`.
    fn record(&mut self, patient: Uuid, event: Event, time: Option<Time>) -> Issue {
        self.issue(patient, What::Record(event), time)
    }

    fn issue(&mut self, patient: Uuid, what: What, time: Option<Time>) -> Issue {
        self.count += 1;
        let branch = match &what {
            What::Ask(ask, _) => Some(ask.branch.clone()),
            What::Record(Event::Made(made)) => Some(made.branch.clone()),
            _ => None,
        };
        let command = Command {
            event: self.id(),
            fingerprint: Some(self.count),
            time,
            actor: Actor::System("simulation".into()),
            branch,
            cause: None,
        };
        Issue { what, patient, command }
    }

    /// The commands with which the network begins, apart from branches.
    pub(crate) fn begin(&mut self, now: Time) -> Vec<Issue> {
        let mut issues = vec![self.publish(now)];
        for patient in self.patients.clone() {
            issues.push(self.register(patient, None));
        }
        issues
    }

    fn register(&mut self, patient: Uuid, recommended_by: Option<Uuid>) -> Issue {
        let zones =
            ["Europe/Moscow", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Atlantis/Capital", "America/New_York"];
        let time_zone = SmolStr::from(*zones.choose(&mut self.rng).expect("not empty"));
        let home_branch = self.branch();
        let event = Event::Registered(Registered { home_branch, time_zone, language: None, recommended_by, guardian: None });
        self.record(patient, event, None)
    }

    /// A policy to publish, in effect soon.
    pub(crate) fn publish(&mut self, now: Time) -> Issue {
        self.policies += 1;
        let text = policies::text(&mut self.rng);
        let ahead = if self.policies == 1 { 61 } else { self.rng.random_range(55..400) };
        let policy = PolicyPublished {
            version: format!("p{}", self.policies).into(),
            sha256: hex::encode(tact_domain::envelope::hash(text.as_bytes())),
            text,
            effective_from: now + Duration::seconds(ahead),
        };
        self.issue(Uuid::nil(), What::Publish(policy), None)
    }

    /// How far it really is until the next command.
    pub(crate) fn pause(&mut self) -> Duration {
        let millis = match self.rng.random_range(0..1000) {
            0..=549 => self.rng.random_range(0..3_000),
            550..=829 => self.rng.random_range(0..300_000),
            830..=949 => self.rng.random_range(0..3 * 3_600_000),
            950..=994 => self.rng.random_range(0..30 * 3_600_000),
            _ => self.rng.random_range(0..200 * 24 * 3_600_000_i64),
        };
        Duration::milliseconds(millis)
    }

    /// What is done next: mostly one thing, sometimes the same by several at once.
    pub(crate) fn next(&mut self, now: Time) -> Vec<Issue> {
        if let Some(at) = self.todo.iter().position(|(due, ..)| *due <= now)
            && self.chance(0.8)
        {
            let (_, patient, what) = self.todo.swap_remove(at);
            return vec![self.issue(patient, what, None)];
        }
        if self.chance(0.012) {
            // Streams stay short and somebody is always alive: one patient gives way to another.
            let newcomer = self.id();
            let at = self.rng.random_range(0..self.patients.len());
            let gone = std::mem::replace(&mut self.patients[at], newcomer);
            self.former.push(gone);
            return vec![self.register(newcomer, Some(gone))];
        }
        let former = self.former.choose(&mut self.rng).copied().filter(|_| self.rng.random_bool(0.04));
        let patient = former.unwrap_or_else(|| *self.patients.choose(&mut self.rng).expect("there are patients"));
        let [asks, facts, wishes, visits, contacts, news, merges, ends] = self.taste;
        let groups = [asks * 40, facts * 8, wishes * 8, visits * 16, contacts * 12, news * 8, merges * 2, ends];
        let which =
            (0..8).collect::<Vec<_>>().choose_weighted(&mut self.rng, |g| groups[*g]).copied().expect("weights are positive");
        match which {
            0 => self.asks(patient, now),
            1 => vec![self.told(patient, now)],
            2 => vec![self.wish(patient, now)],
            3 => vec![self.visit(patient, now)],
            4 => vec![self.contact(patient, now)],
            5 => vec![self.news(patient, now)],
            6 => vec![self.merge(patient, now)],
            _ => vec![self.end(patient, now)],
        }
    }

    /// One ask, or the same race by two or three.
    fn asks(&mut self, patient: Uuid, _now: Time) -> Vec<Issue> {
        let times = if self.chance(0.35) { self.rng.random_range(2..=4) } else { 1 };
        let purpose = self.purpose();
        let about = self.about(patient, &purpose);
        let channel = self.channel();
        (0..times)
            .map(|_| {
                let reason = (purpose.as_str() == "emergency" && self.chance(0.9)).then(|| self.id());
                let channel = if self.chance(0.7) { channel } else { self.channel() };
                let (permit, branch) = (self.id(), self.branch());
                let (purpose, number) = (purpose.clone(), OnNumber::NotAsked);
                let with = self.together(patient, &purpose);
                let ask = Ask { permit, purpose, channel, branch, about, reason, number };
                self.issue(patient, What::Ask(ask, with), None)
            })
            .collect()
    }

    fn about(&mut self, patient: Uuid, purpose: &Purpose) -> Option<Uuid> {
        if self.chance(0.6) {
            return None;
        }
        if self.chance(0.05) {
            return Some(self.id());
        }
        let any = self.chance(0.1);
        let known = self.known.entry(patient).or_default();
        let list = match purpose.as_str() {
            _ if any => &known.appointments,
            "appointment_reminder" | "checkup_invitation" | "cancellation_notice" => &known.appointments,
            "wellbeing_check" => &known.surgeries,
            "feedback_request" => &known.recommended,
            "care_referral_callback" => &known.referrals,
            "callback" => &known.requests,
            _ => return None,
        };
        let recent = &list[list.len().saturating_sub(4)..];
        recent.choose(&mut self.rng).copied()
    }

    /// Now, or earlier if it is written down late.
    fn when(&mut self, now: Time) -> Option<Time> {
        match self.rng.random_range(0..20) {
            0..=14 => None,
            15 | 16 => Some(now - Duration::seconds(self.rng.random_range(0..3_600))),
            17 | 18 => Some(now - Duration::seconds(self.rng.random_range(0..30 * 86_400))),
            _ => Some(now + Duration::seconds(self.rng.random_range(0..9))),
        }
    }

    /// The patient was told something, or tells us.
    fn told(&mut self, patient: Uuid, now: Time) -> Issue {
        let time = self.when(now);
        let event = match self.rng.random_range(0..4) {
            0 | 1 => {
                let purpose = if self.chance(0.85) { purpose("wellbeing_check") } else { self.purpose() };
                let known = self.known.entry(patient).or_default();
                let about = if self.rng.random_bool(0.3) { None } else { known.surgeries.last().copied() };
                let from = now + Duration::minutes(self.rng.random_range(-600..4_000));
                let length = self.rng.random_range(-5..3_000);
                Event::Announced(Announced { purpose, window: Window { from, until: from + Duration::minutes(length) }, about })
            }
            2 => {
                let request = self.id();
                let from = now + Duration::minutes(self.rng.random_range(-60..900));
                let window =
                    self.chance(0.5).then(|| Window { from, until: from + Duration::minutes(self.rng.random_range(1..300)) });
                self.known(patient).requests.push(request);
                Event::Requested(Requested { request, channel: self.channel(), about: None, window })
            }
            _ => {
                let made = self.made(None, Direction::Inbound);
                Event::Made(made)
            }
        };
        self.record(patient, event, time)
    }

    fn channels(&mut self) -> Vec<Channel> {
        let mut channels = vec![self.channel()];
        for _ in 0..self.rng.random_range(0..3) {
            let channel = self.channel();
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        channels
    }

    /// Consents, withdrawals and preferences.
    fn wish(&mut self, patient: Uuid, now: Time) -> Issue {
        let time = self.when(now);
        let event = match self.rng.random_range(0..20) {
            0..=9 => Event::ConsentGranted(ConsentGranted {
                purpose: if self.chance(0.95) { purpose("promotion") } else { self.purpose() },
                channels: self.channels(),
                evidence: Evidence { method: "paper".into(), document: self.id() },
                expires_at: self.chance(0.3).then(|| now + Duration::minutes(self.rng.random_range(-10..4_000))),
            }),
            10..=13 => Event::ConsentWithdrawn(ConsentWithdrawn {
                purpose: self.chance(0.7).then(|| purpose("promotion")),
                channels: if self.chance(0.6) { None } else { Some(self.channels()) },
            }),
            14 => Event::ProfileChanged(ProfileChanged {
                home_branch: self.chance(0.3).then(|| self.branch()),
                time_zone: self.chance(0.3).then(|| "Asia/Tokyo".into()),
                language: None,
                guardian: None,
                channels: Some(self.channels()),
            }),
            15 => Event::ProfileChanged(ProfileChanged {
                home_branch: None,
                time_zone: None,
                language: None,
                guardian: None,
                channels: Some(vec![Channel::Phone, Channel::Email]),
            }),
            _ => {
                let hour =
                    |rng: &mut SmallRng| chrono::NaiveTime::from_hms_opt(rng.random_range(0..24), 15 * rng.random_range(0..4), 0);
                let quiet = self.chance(0.3).then(|| DailyHours {
                    from: hour(&mut self.rng).unwrap_or_default(),
                    until: hour(&mut self.rng).unwrap_or_default(),
                });
                let reach = match self.rng.random_range(0..10) {
                    0 | 1 => Some(Reach::PatientInitiated),
                    2..=6 => Some(Reach::Normal),
                    _ => None,
                };
                Event::PreferenceSet(PreferenceSet {
                    reach,
                    quiet_hours: quiet,
                    preferred_channel: self.chance(0.2).then(|| self.channel()),
                })
            }
        };
        self.record(patient, event, time)
    }

    /// Appointments of all kinds.
    fn visit(&mut self, patient: Uuid, now: Time) -> Issue {
        let time = self.when(now);
        let ahead = match self.rng.random_range(0..10) {
            0..=4 => self.rng.random_range(60..30 * 60),
            5..=7 => self.rng.random_range(24 * 60..10 * 24 * 60),
            8 => self.rng.random_range(-3_000..60),
            _ => self.rng.random_range(0..100 * 24 * 60),
        };
        let starts_at = now + Duration::minutes(ahead);
        let appointments = &self.known.entry(patient).or_default().appointments;
        let recent = &appointments[appointments.len().saturating_sub(5)..];
        let Some(appointment) = recent.choose(&mut self.rng).copied().filter(|_| self.rng.random_bool(0.6)) else {
            let appointment = self.id();
            let kind =
                *[AppointmentKind::Surgery, AppointmentKind::Consultation, AppointmentKind::Surgery, AppointmentKind::Checkup]
                    .choose(&mut self.rng)
                    .expect("not empty");
            let branch = self.branch();
            let known = self.known(patient);
            known.appointments.push(appointment);
            if kind == AppointmentKind::Surgery {
                known.surgeries.push(appointment);
            }
            let event = Event::Booked(Booked { appointment, branch, kind, starts_at, clinician: None });
            return self.record(patient, event, time);
        };
        let by = if self.chance(0.6) { ChangedBy::Clinic } else { ChangedBy::Patient };
        let event = match self.rng.random_range(0..10) {
            0..=2 => Event::Rescheduled(Rescheduled { appointment, starts_at, by, branch: None, clinician: None }),
            3 => {
                let branch = Some(self.branch());
                Event::Rescheduled(Rescheduled { appointment, starts_at, by, branch, clinician: Some(self.id()) })
            }
            4 | 5 => Event::Cancelled(Cancelled { appointment, by }),
            6..=8 => Event::Completed(AppointmentRef { appointment }),
            _ => Event::Missed(AppointmentRef { appointment }),
        };
        self.record(patient, event, time)
    }

    fn made(&mut self, permit: Option<&Permitted>, direction: Direction) -> Made {
        use tact_domain::Outcome::*;
        let outcomes = [Reached, Reached, Reached, NoAnswer, NoAnswer, Voicemail, Busy, WrongNumber, Declined, Failed];
        Made {
            contact: self.id(),
            direction,
            purpose: permit.map_or_else(|| self.purpose(), |p| p.purpose.clone()),
            channel: permit.map_or_else(|| self.channel(), |p| p.channel),
            branch: permit.map_or_else(|| self.branch(), |p| p.branch.clone()),
            outcome: *outcomes.choose(&mut self.rng).expect("not empty"),
            permit: permit.map(|p| p.permit),
            about: permit.filter(|_| self.rng.random_bool(0.5)).and_then(|p| p.about),
            note: None,
        }
    }

    /// A contact, with a permit or without, right or wrong; or what is done with permits otherwise.
    fn contact(&mut self, patient: Uuid, now: Time) -> Issue {
        let time = self.when(now);
        let whose = if self.chance(0.05) { *self.patients.choose(&mut self.rng).expect("there are patients") } else { patient };
        let known = self.known.entry(whose).or_default();
        let recent = &known.permits[known.permits.len().saturating_sub(6)..];
        let permit = recent.choose(&mut self.rng).cloned();
        let started = known.started.choose(&mut self.rng).cloned();
        let event = match (self.rng.random_range(0..10), permit, started) {
            (0..=3, _, Some((permit, contact))) => {
                let mut made = self.made(Some(&permit), Direction::Outbound);
                made.contact = contact;
                Event::Made(made)
            }
            (0..=4, Some(permit), _) => {
                let mut made = self.made(Some(&permit), Direction::Outbound);
                match self.rng.random_range(0..12) {
                    0 => made.purpose = self.purpose(),
                    1 => made.channel = self.channel(),
                    2 => made.about = self.about(patient, &permit.purpose),
                    3 => made.contact = self.known.get(&patient).and_then(|k| k.contacts.last().copied()).unwrap_or(made.contact),
                    _ => {}
                }
                Event::Made(made)
            }
            (5..=6, Some(permit), _) => {
                let contact = self.id();
                self.known(whose).started.push((permit.clone(), contact));
                Event::Started(Started { permit: permit.permit, contact })
            }
            (7, Some(permit), _) => Event::Released(PermitRef { permit: permit.permit }),
            (8, Some(_), _) if self.chance(0.7) => match self.known(patient).contacts.last().copied() {
                Some(contact) => Event::Corrected(Corrected { contact, outcome: self.made(None, Direction::Outbound).outcome }),
                None => Event::Made(self.made(None, Direction::Outbound)),
            },
            _ => {
                let purpose = self.purpose();
                let mut made = self.made(None, Direction::Outbound);
                made.about = self.about(patient, &purpose);
                made.purpose = purpose;
                Event::Made(made)
            }
        };
        if let Event::Made(made) = &event {
            self.known.entry(patient).or_default().contacts.push(made.contact);
        }
        self.record(patient, event, time)
    }

    /// Recommendations, referrals, feedback.
    fn news(&mut self, patient: Uuid, now: Time) -> Issue {
        let time = self.when(now);
        let referral = self.known.entry(patient).or_default().referrals.last().copied();
        let event = match (self.rng.random_range(0..10), referral) {
            (0..=2, _) => {
                let newcomer = self.id();
                self.known(patient).recommended.push(newcomer);
                return self.register(newcomer, Some(patient));
            }
            (3, _) => Event::FeedbackGiven(FeedbackGiven {
                feedback: self.id(),
                branch: self.branch(),
                score: Score::try_from(self.rng.random_range(0..=10u8)).expect("in range"),
                clinician: None,
                strengths: None,
                weaknesses: None,
                text: None,
            }),
            (4..=6, Some(referral)) => {
                Event::ReferralArranged(ReferralArranged { referral, provider: self.id(), starts_at: None })
            }
            (7, Some(referral)) => Event::ReferralClosed(ReferralRef { referral }),
            _ => {
                let referral = self.id();
                self.known(patient).referrals.push(referral);
                Event::ReferralOpened(ReferralOpened { referral, need: "x_ray".parse().expect("a code") })
            }
        };
        self.record(patient, event, time)
    }

    fn merge(&mut self, patient: Uuid, now: Time) -> Issue {
        let other = *self.patients.choose(&mut self.rng).expect("there are patients");
        let event = match self.rng.random_range(0..10) {
            0..=3 if other != patient => Event::Absorbing(MergeFrom { from: other }),
            4 => Event::Separated(Separated { from: patient, facts: None }),
            _ => Event::Separated(Separated { from: other, facts: None }),
        };
        let time = self.when(now);
        self.record(patient, event, time)
    }

    fn end(&mut self, patient: Uuid, now: Time) -> Issue {
        let event = match self.rng.random_range(0..100) {
            0..=24 => {
                if self.chance(0.85) {
                    // Most deaths are somebody else's, and are corrected.
                    let soon = Duration::minutes(self.rng.random_range(1..120));
                    self.todo.push((now + soon, patient, What::Record(Event::Restored(Empty {}))));
                }
                Event::Died(Empty {})
            }
            25..=79 => Event::Restored(Empty {}),
            // Erasure is for good: rare, or there would soon be nobody left.
            80 => Event::Erased(Empty {}),
            _ if self.several_policies => return self.publish(now),
            _ => return self.visit(patient, now),
        };
        let time = self.when(now);
        self.record(patient, event, time)
    }

    /// What somebody does with a permit that they were just given.
    pub(crate) fn granted(&mut self, patient: Uuid, permitted: &Permitted, now: Time) {
        self.known(patient).permits.push(permitted.clone());
        self.joins(patient, permitted, now);
        let soon = Duration::seconds(self.rng.random_range(0..2_400));
        match self.rng.random_range(0..10) {
            0..=4 => {
                let made = self.made(Some(permitted), Direction::Outbound);
                self.todo.push((now + soon, patient, What::Record(Event::Made(made))));
            }
            5 | 6 => {
                let mut made = self.made(Some(permitted), Direction::Outbound);
                let started = Started { permit: permitted.permit, contact: made.contact };
                made.permit = Some(permitted.permit);
                self.todo.push((now + soon / 2, patient, What::Record(Event::Started(started))));
                if self.chance(0.8) {
                    self.todo.push((now + soon, patient, What::Record(Event::Made(made))));
                }
            }
            7 => self.todo.push((now + soon, patient, What::Record(Event::Released(PermitRef { permit: permitted.permit })))),
            _ => {}
        }
    }
}

/// A random id.
pub(crate) fn id(rng: &mut SmallRng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}

fn purpose(word: &str) -> Purpose {
    word.parse().expect("a code")
}
