//! The work that is measured: patients with a consent, and commands that ask, make and ask again.
//!
//! Every event is first made once in memory, so that the bare loops write the very bytes that ours writes.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use tact_domain::control::{BranchListed, DirectoryEvent, PolicyPublished};
use tact_domain::patient::events::{ConsentGranted, Event, Evidence, Made, Registered};
use tact_domain::patient::{Ask, Decision, OnNumber, decide};
use tact_domain::{Actor, Channel, Direction, Outcome, Time, policy};
use tact_event_log::{EventLog, Freshness, MemoryLog, Position, StreamId};
use tact_service::clock::Clock;
use tact_service::control::{Control, in_force};
use tact_service::transact::{Command, Failure, Transactor};
use uuid::Uuid;

/// How many measured commands each patient gets.
pub(crate) const COMMANDS: usize = 4;

/// How many events each patient has before.
pub(crate) const BEFORE: usize = 2;

/// The network that every event says it is of.
pub(crate) const NETWORK: &str = "bench";

/// The work.
pub(crate) struct Work {
    pub(crate) patients: Vec<Uuid>,
    /// Each patient's events in order, those before the measured ones included.
    pub(crate) events: Vec<Vec<(Uuid, Bytes)>>,
}

/// The moment at which everything happens: a Tuesday noon in Moscow.
pub(crate) fn noon() -> Time {
    "2026-03-03T09:00:00Z".parse().expect("a valid time")
}

/// Ids whose every byte is as good as random, as those of a real network are.
fn id(patient: usize, what: u64) -> Uuid {
    let seed = ((patient as u64) << 16) | what;
    let bits = u128::from(mixed(seed)) << 64 | u128::from(mixed(!seed));
    uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid()
}

/// SplitMix64's finalizer: neighbouring numbers come out far apart.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

fn command(patient: usize, step: u64) -> Command {
    Command {
        event: id(patient, 100 + step),
        fingerprint: Some(step),
        time: None,
        actor: Actor::Staff(Uuid::from_u128(7)),
        branch: Some("north".parse().expect("a code")),
        cause: None,
    }
}

/// The policies and the directory that the commands need.
pub(crate) async fn prepare(log: &Arc<dyn EventLog>, network: &str) -> Result<(Control, Clock)> {
    let clock = Clock::by_hand(noon() - chrono::Duration::hours(2));
    let control = Control::new(log.clone(), network, clock.clone());
    let setup = |n: u128| Command { event: Uuid::from_u128(n), branch: None, ..command(0, 0) };
    let branch = BranchListed {
        branch: "north".parse()?,
        name: "North".to_owned(),
        time_zone: "Europe/Moscow".into(),
        place: None,
        hours: Default::default(),
        services: Vec::new(),
    };
    control.note(&setup(1), DirectoryEvent::BranchListed(branch)).await?;
    let published = PolicyPublished {
        version: "default".into(),
        text: policy::DEFAULT.to_owned(),
        sha256: tact_domain::envelope::hash(policy::DEFAULT.as_bytes()).iter().map(|b| format!("{b:02x}")).collect(),
        effective_from: noon() - chrono::Duration::hours(1),
    };
    control.publish(&setup(2), published).await?;
    clock.set(noon());
    control.refresh().await?;
    Ok((control, clock))
}

/// Registers a patient with a consent.
pub(crate) async fn before(transactor: &Transactor, patients: &[Uuid], at: usize) -> Result<()> {
    let registered = Event::Registered(Registered {
        home_branch: "north".parse()?,
        time_zone: "Europe/Moscow".into(),
        language: None,
        recommended_by: None,
        guardian: None,
    });
    let consent = Event::ConsentGranted(ConsentGranted {
        purpose: "promotion".parse()?,
        channels: vec![Channel::Sms],
        evidence: Evidence { method: "paper".into(), document: id(at, 1) },
        expires_at: None,
    });
    transactor.record(patients[at], &command(at, 0), &registered).await?;
    transactor.record(patients[at], &command(at, 1), &consent).await?;
    Ok(())
}

/// One measured command: ask for a permit, use it, ask twice more and be refused.
pub(crate) async fn step(transactor: &Transactor, control: &Control, patients: &[Uuid], at: usize, step: usize) -> Result<()> {
    let permit = id(at, 2);
    let number = 2 + step as u64;
    if step == 1 {
        let made = Event::Made(Made {
            contact: id(at, 3),
            direction: Direction::Outbound,
            purpose: "promotion".parse()?,
            channel: Channel::Sms,
            branch: "north".parse()?,
            outcome: Outcome::Reached,
            permit: Some(permit),
            about: None,
            note: None,
        });
        transactor.record(patients[at], &command(at, number), &made).await?;
        return Ok(());
    }
    let policies = control.ready_to_decide().await?;
    let ask = Ask {
        permit: if step == 0 { permit } else { id(at, 10 + number) },
        purpose: "promotion".parse()?,
        channel: Channel::Sms,
        branch: "north".parse()?,
        about: None,
        reason: None,
        number: OnNumber::NotAsked,
    };
    transactor
        .transact(patients[at], &command(at, number), |state, moment| {
            moment.fit_for_permits()?;
            let policy = &in_force(&policies, moment.now)?.policy;
            Ok::<_, Failure>(match decide(state, policy, &ask, moment.now, &control.zone(state)) {
                Decision::Permitted(permitted) => Event::Permitted(permitted),
                Decision::Refused(refused) => Event::Refused(refused),
            })
        })
        .await?;
    Ok(())
}

impl Work {
    /// Makes every event once, in memory.
    pub(crate) async fn new(count: usize) -> Result<Self> {
        let patients: Vec<Uuid> = (0..count).map(|at| id(at, 0)).collect();
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let (control, clock) = prepare(&log, NETWORK).await?;
        let transactor = Transactor::new(log.clone(), NETWORK, clock, count * 2);
        let mut events = Vec::with_capacity(count);
        for at in 0..count {
            before(&transactor, &patients, at).await?;
            for k in 0..COMMANDS {
                step(&transactor, &control, &patients, at, k).await?;
            }
            let stored = log.read_stream(StreamId::Patient(patients[at]), Position::START, Freshness::Latest).await?;
            events.push(stored.into_iter().map(|stored| (stored.id, stored.bytes)).collect());
        }
        let bytes: usize = events.iter().flatten().map(|(_, bytes): &(Uuid, Bytes)| bytes.len()).sum();
        println!(
            "{count} patients, {COMMANDS} measured commands each; an event has {} bytes on average",
            bytes / events.iter().map(Vec::len).sum::<usize>()
        );
        Ok(Self { patients, events })
    }
}

/// The numbers `worker`, `worker + of`, `worker + 2 of`, ... below `count`: one worker's patients.
pub(crate) fn share(worker: usize, of: usize, count: usize) -> impl Iterator<Item = usize> + Clone {
    (worker..count).step_by(of)
}
