//! Simulating another policy over a year of decisions, against reading the same events from the same log: the bare bytes, and read and decoded.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chrono::TimeDelta;
use futures::future::try_join_all;
use tact::import::Progress;
use tact::simulate::{Wanted, simulate};
use tact_domain::control::PolicyPublished;
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::events::*;
use tact_domain::patient::{Ask, Decision, OnNumber, State, decide, evolve};
use tact_domain::policy::{self, Policy};
use tact_domain::{Actor, AppointmentKind, Channel, Direction, Envelope, Outcome, Purpose, Recorded, Time, Zone};
use tact_event_log::{Append, EventLog, NewEvent, Position, SqliteLog, SqliteReadLog, StreamId};
use tact_what_if::Question;
use uuid::Uuid;

use crate::jetstream::{network, server};
use crate::measure::{Sample, report, sample};

/// How many decisions one patient's year has.
const DECISIONS: usize = 28;
/// How many patients' events are appended at once, and how many events are read at once.
const AT_ONCE: usize = 512;
const BATCH: usize = 4000;

pub(crate) async fn run(pairs: usize, decisions: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.db");
    let events = {
        let log = SqliteLog::open(&path, "bench")?;
        year(&log, "bench", decisions).await?
    };
    let log: Arc<dyn EventLog> = Arc::new(SqliteReadLog::open(&path, "bench")?);
    measure("embedded SQLite", &log, events, pairs).await?;
    drop(folder);
    let nats = server(false).await?;
    let (name, log) = network(&nats).await?;
    let events = year(&*log, &name, decisions).await?;
    measure("JetStream", &log, events, pairs).await
}

async fn measure(place: &str, log: &Arc<dyn EventLog>, events: usize, pairs: usize) -> Result<()> {
    let same = policy::text::parse(policy::DEFAULT, "default").ok().context("the policy that ships can be read")?;
    let text = policy::DEFAULT.replace("attempts = 1, per = \"30 days\"", "attempts = 1, per = \"2 months\"");
    let stricter = policy::text::parse(&text, "stricter").ok().context("a stricter one too")?;
    let (mut bare, mut decoded, mut differing) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..pairs {
        let read = sample(read(&**log, false)).await?;
        let read_and_decoded = sample(self::read(&**log, true)).await?;
        let ours = simulated(log, &same, events, false).await?;
        let other = simulated(log, &stricter, events, true).await?;
        bare.push((read, ours));
        decoded.push((read_and_decoded, ours));
        differing.push((read_and_decoded, other));
    }
    report(&format!("simulating on {place}, events, against reading their bytes"), 0.5, &bare);
    report("the same, against reading and decoding them", 0.5, &decoded);
    report("the same, under a stricter policy", 0.5, &differing);
    Ok(())
}

async fn simulated(log: &Arc<dyn EventLog>, policy: &Policy, events: usize, differs: bool) -> Result<Sample> {
    let question = Question { policy: policy.clone(), since: None, until: None, branch: None };
    sample(async {
        let out = Box::new(std::io::sink());
        let answer = simulate(log.clone(), question, Wanted::Figures, out, Progress::hidden()).await?;
        ensure!(answer.report.is_unchanged() != differs, "{:?}", answer.report.total);
        ensure!(answer.report.events == events as u64 && answer.report.set_aside == 0);
        Ok(events)
    })
    .await
}

/// Follows the log to its end, as a cold projector does, and does nothing with what it reads.
async fn read(log: &dyn EventLog, decode: bool) -> Result<usize> {
    let head = log.head().await?;
    let mut follow = log.follow("bare", Position::START).await?;
    let (mut at, mut events) = (Position::START, 0);
    while at < head {
        let batch = follow.next(BATCH, Duration::from_secs(10)).await?;
        at = batch.events.last().context("the log goes on")?.position;
        events += batch.events.len();
        if decode {
            for stored in batch.events.iter().filter(|stored| matches!(stored.stream, StreamId::Patient(_))) {
                std::hint::black_box(Recorded::<Event>::read(&stored.bytes)?);
            }
        }
    }
    Ok(events)
}

/// One patient whose year is told.
struct Told {
    id: Uuid,
    state: State,
    sequence: u64,
    position: Position,
    last: Hash,
}

/// Tells a year of so many decisions, everybody's event by event in turn, so that the streams lie in the log as they do in life. The number
/// of events.
async fn year(log: &dyn EventLog, network: &str, decisions: usize) -> Result<usize> {
    let beginning: Time = "2025-03-04T09:00:00Z".parse()?;
    let published = PolicyPublished {
        version: "default".into(),
        text: policy::DEFAULT.to_owned(),
        sha256: hash(policy::DEFAULT.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        effective_from: beginning - TimeDelta::hours(1),
    };
    let before = beginning - TimeDelta::hours(2);
    let first = envelope(network, "policy", Uuid::from_u128(1), before, 1, Hash::default());
    let bytes = first.write(&published);
    let Append::Done(_) = log.append(StreamId::Policy, Position::START, NewEvent { id: first.id, bytes: bytes.into() }).await?
    else {
        anyhow::bail!("the log is not empty")
    };
    let policy = policy::text::parse(policy::DEFAULT, "default").ok().context("the policy that ships can be read")?;
    let mut patients: Vec<Told> = (0..decisions.div_ceil(DECISIONS))
        .map(|number| Told {
            id: id(Uuid::nil(), number as u64, 0),
            state: State::default(),
            sequence: 0,
            position: Position::START,
            last: Hash::default(),
        })
        .collect();
    let story = story()?;
    for (hours, scene) in &story {
        for group in patients.chunks_mut(AT_ONCE) {
            let appended = group.iter_mut().enumerate().map(|(seconds, told)| {
                let time = beginning + TimeDelta::hours(*hours) + TimeDelta::seconds(seconds as i64);
                let event = scene.event(told, &policy, time);
                append(log, network, told, time, event)
            });
            try_join_all(appended).await?;
        }
    }
    let events = story.len() * patients.len() + 1;
    println!("{} patients, {events} events, {} decisions", patients.len(), patients.len() * DECISIONS);
    Ok(events)
}

async fn append(log: &dyn EventLog, network: &str, told: &mut Told, time: Time, event: Event) -> Result<()> {
    told.sequence += 1;
    let id = id(told.id, told.sequence, 0);
    let envelope = envelope(network, &told.id.to_string(), id, time, told.sequence, told.last);
    let bytes = Bytes::from(envelope.write(&event));
    told.last = hash(&bytes);
    evolve(&mut told.state, &Recorded { envelope, event });
    match log.append(StreamId::Patient(told.id), told.position, NewEvent { id, bytes }).await? {
        Append::Done(position) => told.position = position,
        Append::Conflict => anyhow::bail!("nobody else appends"),
    }
    Ok(())
}

/// An id whose every byte is as good as random.
fn id(patient: Uuid, sequence: u64, what: u8) -> Uuid {
    let hash = hash(&[patient.as_bytes().as_slice(), &sequence.to_le_bytes(), &[what]].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn envelope(network: &str, subject: &str, id: Uuid, time: Time, sequence: u64, previous: Hash) -> Envelope {
    Envelope {
        id,
        network: network.into(),
        subject: subject.into(),
        time,
        recorded_at: time,
        actor: Actor::Staff(Uuid::from_u128(7)),
        branch: "north".parse().ok(),
        sequence,
        cause: None,
        command: Some(sequence),
        previous,
    }
}

/// What happens to everybody at some hour of the year.
enum Scene {
    Registered,
    Consent(Purpose),
    Booked(i64),
    Ask(Purpose, Channel),
    /// Under the last permit.
    Contact(Outcome),
    Completed,
}

/// A year: a promotion and one too many each month, and a visit with its reminder each quarter.
fn story() -> Result<Vec<(i64, Scene)>> {
    let (promotion, reminder): (Purpose, Purpose) = ("promotion".parse()?, "appointment_reminder".parse()?);
    let mut story = vec![(0, Scene::Registered), (1, Scene::Consent(promotion.clone()))];
    for month in 0..12 {
        let day = 24 * (31 * month + 1);
        if month % 3 == 0 {
            story.push((day, Scene::Booked(24 * 8)));
        }
        story.push((day + 1, Scene::Ask(promotion.clone(), Channel::Sms)));
        story.push((day + 1, Scene::Contact(Outcome::Reached)));
        story.push((day + 24, Scene::Ask(promotion.clone(), Channel::Sms)));
        if month % 3 == 0 {
            story.push((day + 24 * 7 + 1, Scene::Ask(reminder.clone(), Channel::Phone)));
            story.push((day + 24 * 7 + 1, Scene::Contact(Outcome::NoAnswer)));
            story.push((day + 24 * 8, Scene::Completed));
        }
    }
    Ok(story)
}

impl Scene {
    fn event(&self, told: &Told, policy: &Policy, time: Time) -> Event {
        let state = &told.state;
        let branch = || "north".parse().expect("a code");
        let id = |what| id(told.id, told.sequence, what);
        match self {
            Self::Registered => Event::Registered(Registered {
                home_branch: branch(),
                time_zone: "Europe/Moscow".into(),
                language: None,
                recommended_by: None,
                guardian: None,
            }),
            Self::Consent(purpose) => Event::ConsentGranted(ConsentGranted {
                purpose: purpose.clone(),
                channels: vec![Channel::Sms],
                evidence: Evidence { method: "paper".into(), document: id(1) },
                expires_at: None,
            }),
            Self::Booked(hours) => Event::Booked(Booked {
                appointment: id(2),
                branch: branch(),
                kind: AppointmentKind::Consultation,
                starts_at: time + TimeDelta::hours(*hours),
                clinician: None,
            }),
            Self::Ask(purpose, channel) => {
                let (purpose, channel) = (purpose.clone(), *channel);
                let ask = Ask {
                    permit: id(3),
                    purpose,
                    channel,
                    branch: branch(),
                    about: None,
                    reason: None,
                    number: OnNumber::NotAsked,
                };
                match decide(state, policy, &ask, time, &Zone::new(chrono_tz::Europe::Moscow)) {
                    Decision::Permitted(e) => Event::Permitted(e),
                    Decision::Refused(e) => Event::Refused(e),
                }
            }
            Self::Contact(outcome) => {
                let permit = state.permits.last();
                Event::Made(Made {
                    contact: id(4),
                    direction: Direction::Outbound,
                    purpose: permit.map(|p| p.purpose.clone()).expect("it was granted"),
                    channel: permit.map_or(Channel::Phone, |p| p.channel),
                    branch: branch(),
                    outcome: *outcome,
                    permit: permit.map(|p| p.id),
                    about: None,
                    note: None,
                })
            }
            Self::Completed => {
                let appointment = state.appointments.last().map(|a| a.id).expect("it was booked");
                Event::Completed(AppointmentRef { appointment })
            }
        }
    }
}
