//! Streams of events as a network of clinics would write them, from a seed: each event is one that could have been recorded, appended under
//! the log's own concurrency check, with its place and the hash of the event before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Duration;
use tact_domain::control::{BranchListed, DirectoryEvent, PolicyPublished};
use tact_domain::envelope::{Hash, Payload, hash};
use tact_domain::patient::events::*;
use tact_domain::patient::state::{AppointmentStatus, Fate, Standing};
use tact_domain::patient::{Ask, Decision, Event, OnNumber, State, decide, evolve};
use tact_domain::policy::{self, Policy};
use tact_domain::*;
use tact_event_log::{Append, EventLog, Freshness, NewEvent, Position, StreamId};
use uuid::Uuid;

/// When the stories begin.
pub(crate) fn start() -> Time {
    "2026-01-05T09:00:00Z".parse().unwrap()
}

/// A small generator of numbers: one seed, one sequence (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
    pub(crate) fn id(&mut self) -> Uuid {
        uuid::Builder::from_custom_bytes((u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()).into_uuid()
    }
}

pub(crate) fn branch(n: u64) -> Branch {
    ["north", "south", "quay"][usize::try_from(n % 3).unwrap()].parse().unwrap()
}

pub(crate) fn patient(n: u64) -> Uuid {
    Dice(n.wrapping_mul(7919)).id()
}

/// Writes to one log.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) log: Arc<dyn EventLog>,
    policy: Arc<Policy>,
}

/// A stream as far as it has been read.
#[derive(Default)]
struct Tail {
    position: Position,
    sequence: u64,
    last: Hash,
    state: State,
}

impl Book {
    pub(crate) fn new(log: Arc<dyn EventLog>) -> Self {
        let policy = policy::text::parse(policy::DEFAULT, "1").map_err(|m| format!("{:?}", m.first())).unwrap();
        Self { log, policy: Arc::new(policy) }
    }

    /// Publishes a policy's text.
    pub(crate) async fn publish(&self, version: &str, text: &str, recorded_at: Time, effective_from: Time) -> Position {
        let sha256 = hex(&hash(text.as_bytes()));
        let event = PolicyPublished { version: version.into(), text: text.to_owned(), sha256, effective_from };
        self.append(StreamId::Policy, recorded_at, recorded_at, &event).await
    }

    /// Lists a branch.
    pub(crate) async fn list(&self, branch: Branch, time_zone: &str, at: Time) -> Position {
        let listed = BranchListed {
            name: branch.to_string(),
            branch,
            time_zone: time_zone.into(),
            place: None,
            hours: BTreeMap::new(),
            services: Vec::new(),
        };
        self.append(StreamId::Directory, at, at, &DirectoryEvent::BranchListed(listed)).await
    }

    /// Places someone whom no writer knows elsewhere, so that there is always somebody to forget, whoever of the writers comes first.
    pub(crate) async fn refer_a_stranger(&self, at: Time) {
        let stream = StreamId::Patient(patient(u64::MAX));
        let referral = Dice(u64::MAX).id();
        for event in [
            registered(branch(0), "Europe/Moscow"),
            Event::ReferralOpened(ReferralOpened { referral, need: "x_ray".parse().unwrap() }),
            Event::ReferralArranged(ReferralArranged { referral, provider: referral, starts_at: None }),
            Event::ReferralClosed(ReferralRef { referral }),
        ] {
            self.append(stream, at, at, &event).await;
        }
    }

    /// Appends one event whatever the stream holds, as long as nobody is faster.
    pub(crate) async fn append<E: Payload>(&self, stream: StreamId, time: Time, recorded_at: Time, event: &E) -> Position {
        loop {
            let stored = self.log.read_stream(stream, Position::START, Freshness::Latest).await.unwrap();
            let (after, last) = stored.last().map_or((Position::START, Hash::default()), |s| (s.position, hash(&s.bytes)));
            let envelope = envelope(
                stream,
                time,
                recorded_at,
                stored.len() as u64 + 1,
                last,
                Uuid::from_u128(u128::from_be_bytes(
                    hash(format!("{stream} {} {}", stored.len(), event.kind()).as_bytes())[..16].try_into().unwrap(),
                )),
            );
            let new = NewEvent { id: envelope.id, bytes: envelope.write(event).into() };
            if let Append::Done(position) = self.log.append(stream, after, new).await.unwrap() {
                return position;
            }
        }
    }

    /// Appends bytes that may be no event at all.
    pub(crate) async fn append_raw(&self, stream: StreamId, id: Uuid, bytes: Vec<u8>) -> Position {
        loop {
            let stored = self.log.read_stream(stream, Position::START, Freshness::Latest).await.unwrap();
            let after = stored.last().map_or(Position::START, |s| s.position);
            let new = NewEvent { id, bytes: bytes.clone().into() };
            if let Append::Done(position) = self.log.append(stream, after, new).await.unwrap() {
                return position;
            }
        }
    }

    /// One writer: `count` events on patients below `patients`, the clock going on from `from`. Several may run at once. The last position.
    pub(crate) async fn write(&self, seed: u64, patients: u64, count: u64, from: Time) -> Position {
        let mut dice = Dice(seed);
        let mut tails: BTreeMap<Uuid, Tail> = BTreeMap::new();
        let mut now = from;
        let mut last = Position::START;
        for _ in 0..count {
            now += Duration::milliseconds(dice.below(20_000_000).cast_signed());
            let number = dice.below(patients);
            let id = patient(number);
            let stream = StreamId::Patient(id);
            let tail = tails.entry(id).or_default();
            loop {
                let (time, event) = act(&tail.state, &self.policy, &mut dice, now, number, patients);
                let envelope = envelope(stream, time, now, tail.sequence + 1, tail.last, dice.id());
                let bytes = envelope.write(&event);
                let new = NewEvent { id: envelope.id, bytes: bytes.clone().into() };
                match self.log.append(stream, tail.position, new).await.unwrap() {
                    Append::Done(position) => {
                        take(tail, id, position, &bytes);
                        last = position;
                        break;
                    }
                    Append::Conflict => {
                        for stored in self.log.read_stream(stream, tail.position, Freshness::Latest).await.unwrap() {
                            take(tail, id, stored.position, &stored.bytes);
                        }
                    }
                }
            }
        }
        last
    }
}

fn take(tail: &mut Tail, id: Uuid, position: Position, bytes: &[u8]) {
    let recorded = Recorded::<Event>::read_at(bytes, &id.to_string(), tail.sequence + 1, &tail.last).unwrap();
    evolve(&mut tail.state, &recorded);
    tail.sequence += 1;
    tail.position = position;
    tail.last = hash(bytes);
}

pub(crate) fn envelope(stream: StreamId, time: Time, recorded_at: Time, sequence: u64, previous: Hash, id: Uuid) -> Envelope {
    Envelope {
        id,
        network: "net".into(),
        subject: stream.to_string().into(),
        time,
        recorded_at,
        actor: Actor::System("book".into()),
        branch: Some(branch(sequence)),
        sequence,
        cause: None,
        command: None,
        previous,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn registered(home: Branch, time_zone: &str) -> Event {
    Event::Registered(Registered {
        home_branch: home,
        time_zone: time_zone.into(),
        language: None,
        recommended_by: None,
        guardian: None,
    })
}

/// Something that may happen to a patient in this state.
fn act(state: &State, policy: &Policy, dice: &mut Dice, now: Time, number: u64, patients: u64) -> (Time, Event) {
    if state.standing == Standing::Unknown && dice.below(20) > 0 {
        // Some have a time zone that nobody knows: their home branch's holds.
        let zone = *dice.one(&["Europe/Moscow", "Asia/Yekaterinburg", "America/Sao_Paulo", "Nowhere/Land"]);
        return (now, registered(branch(number), zone));
    }
    let purposes: Vec<&Purpose> = policy.purposes.keys().collect();
    let purpose = (*dice.one(&purposes)).clone();
    let channel = *dice.one(Channel::ALL);
    let here = branch(dice.next());
    let late = now - Duration::hours(dice.below(30).cast_signed());
    let booked: Vec<_> = state.appointments.iter().filter(|a| a.status == AppointmentStatus::Booked).collect();
    // Some are known through a care referral and nothing else.
    let only_referred = number % 10 == 7 && state.standing == Standing::Open;
    match if only_referred { 96 } else { dice.below(100) } {
        0..20 => {
            let starts_at = now + Duration::hours(dice.below(900).cast_signed() - 20);
            let kind = *dice.one(AppointmentKind::ALL);
            (now, Event::Booked(Booked { appointment: dice.id(), branch: here, kind, starts_at, clinician: None }))
        }
        20..40 if !booked.is_empty() => {
            let appointment = dice.one(&booked).id;
            match dice.below(8) {
                0 => (now, Event::Missed(AppointmentRef { appointment })),
                1 => (now, Event::Cancelled(Cancelled { appointment, by: *dice.one(ChangedBy::ALL) })),
                2 => {
                    let starts_at = now + Duration::hours(dice.below(500).cast_signed());
                    let by = *dice.one(ChangedBy::ALL);
                    (now, Event::Rescheduled(Rescheduled { appointment, starts_at, by, branch: Some(here), clinician: None }))
                }
                _ => (now, Event::Completed(AppointmentRef { appointment })),
            }
        }
        40..60 => {
            let ask = Ask {
                permit: dice.id(),
                purpose,
                channel,
                branch: here,
                about: None,
                reason: Some(dice.id()),
                number: OnNumber::NotAsked,
            };
            let zone = Zone::new(state.zone().unwrap_or(chrono_tz::UTC));
            let now = now.max(state.last_recorded_at.unwrap_or(now));
            match decide(state, policy, &ask, now, &zone) {
                Decision::Permitted(e) => (now, Event::Permitted(e)),
                Decision::Refused(e) => (now, Event::Refused(e)),
            }
        }
        60..80 => {
            let open = state.permits.iter().find(|p| p.fate == Fate::Open);
            let outcome = *dice.one(Outcome::ALL);
            let direction = if dice.below(5) == 0 { Direction::Inbound } else { Direction::Outbound };
            let mut made = Made {
                contact: dice.id(),
                direction,
                purpose,
                channel,
                branch: here,
                outcome,
                permit: None,
                about: None,
                note: None,
            };
            if let Some(permit) = open {
                (made.purpose, made.channel, made.permit) = (permit.purpose.clone(), permit.channel, Some(permit.id));
            }
            (if made.permit.is_some() { now } else { late }, Event::Made(made))
        }
        80..84 => {
            let evidence = Evidence { method: "paper".into(), document: dice.id() };
            (now, Event::ConsentGranted(ConsentGranted { purpose, channels: vec![channel], evidence, expires_at: None }))
        }
        84..86 => (now, Event::ConsentWithdrawn(ConsentWithdrawn { purpose: Some(purpose), channels: None })),
        86..88 => {
            let reach = Some(*dice.one(Reach::ALL));
            (now, Event::PreferenceSet(PreferenceSet { reach, quiet_hours: None, preferred_channel: None }))
        }
        88..90 => (now, Event::Requested(Requested { request: dice.id(), channel, about: None, window: None })),
        90..92 => {
            let window = Window { from: now, until: now + Duration::days(14) };
            (now, Event::Announced(Announced { purpose, window, about: None }))
        }
        92..94 => (now, Event::Credited(Credited { recommended: patient(dice.below(patients)) })),
        94..96 => {
            let theme = |dice: &mut Dice| dice.one(&["waiting_time", "kindness", "clean"]).parse().unwrap();
            let score = Score::try_from(u8::try_from(dice.below(11)).unwrap()).unwrap();
            let (strengths, weaknesses) = (Some(vec![theme(dice), theme(dice)]), Some(vec![theme(dice)]));
            let given =
                FeedbackGiven { feedback: dice.id(), branch: here, score, clinician: None, strengths, weaknesses, text: None };
            (now, Event::FeedbackGiven(given))
        }
        96..98 => match state.referrals.iter().find(|r| r.closed_at.is_none()) {
            None => (now, Event::ReferralOpened(ReferralOpened { referral: dice.id(), need: "x_ray".parse().unwrap() })),
            Some(open) if open.arranged.is_none() => {
                (now, Event::ReferralArranged(ReferralArranged { referral: open.id, provider: dice.id(), starts_at: None }))
            }
            Some(open) => (now, Event::ReferralClosed(ReferralRef { referral: open.id })),
        },
        98 => {
            let home_branch = Some(branch(dice.next()));
            let changed =
                ProfileChanged { home_branch, time_zone: None, language: None, guardian: None, channels: Some(vec![channel]) };
            (now, Event::ProfileChanged(changed))
        }
        _ => match state.standing {
            Standing::Died => (now, Event::Restored(Empty {})),
            _ => (now, Event::Died(Empty {})),
        },
    }
}
