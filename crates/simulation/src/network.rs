//! The way between the services and the log, on which everything that can go wrong does, by the seed.
//!
//! An append is a message that travels: it lands when the simulation delivers it, long after the sender has died if need be, and its answer
//! may be lost or say "conflict" for what has landed. It must never break a law of the log: what it loses or doubles, a real log may.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use futures::FutureExt;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tact_domain::Time;
use tact_event_log::{Append, EventLog, Follow, Freshness, LogError, MemoryLog, NewEvent, Position, Stored, StreamId};
use tact_service::clock::Clock;
use uuid::Uuid;

use crate::report::Faults;
use crate::settings::{Bug, Rates, Settings};
use crate::world::RIGHT;

/// The log and the messages on their way to it. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    log: MemoryLog,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    rng: SmallRng,
    rates: Rates,
    bug: Option<Bug>,
    trace: bool,
    next: u64,
    flights: Vec<Flight>,
    answers: BTreeMap<u64, Answer>,
    faults: Faults,
    /// What the clocks said when an event was sent: the sender's; by event.
    sent: BTreeMap<Uuid, Sent>,
    now: Time,
}

/// The circumstances of an append.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// What the sender's clock said.
    pub(crate) clock: Time,
    /// Whether the sender's clock had been right, within what clocks may differ by, for some minutes.
    pub(crate) steady: bool,
    /// Whether the sender's clock was right then, within what clocks may differ by.
    pub(crate) right: bool,
    /// What time it really was when it landed.
    pub(crate) landed: Time,
}

#[derive(Debug, Clone)]
struct Flight {
    id: u64,
    stream: StreamId,
    after: Position,
    event: NewEvent,
    sent: Sent,
}

#[derive(Debug, Default)]
struct Answer {
    given: Option<Result<Append, LogError>>,
    waker: Option<Waker>,
}

impl Network {
    /// An empty log behind a network with these faults.
    pub(crate) fn new(seed: u64, rates: Rates, settings: Settings) -> Self {
        let Settings { bug, trace, .. } = settings;
        let shared = Shared {
            rng: SmallRng::seed_from_u64(seed ^ 0x6e65_7477_6f72_6b00),
            rates,
            bug,
            trace,
            next: 0,
            flights: Vec::new(),
            answers: BTreeMap::new(),
            faults: Faults::default(),
            sent: BTreeMap::new(),
            now: Time::MIN_UTC,
        };
        Self { log: MemoryLog::new(), shared: Arc::new(Mutex::new(shared)) }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log without the network: for checks, and for what the simulation may know.
    pub(crate) fn log(&self) -> &MemoryLog {
        &self.log
    }

    /// Sets what time it really is.
    pub(crate) fn set_now(&self, now: Time) {
        self.shared().now = now;
    }

    /// From now on this goes wrong.
    pub(crate) fn set_rates(&self, rates: Rates) {
        self.shared().rates = rates;
    }

    /// What has gone wrong so far.
    pub(crate) fn faults(&self) -> Faults {
        self.shared().faults.clone()
    }

    /// The circumstances in which each event that landed was sent.
    pub(crate) fn sent(&self) -> BTreeMap<Uuid, Sent> {
        self.shared().sent.clone()
    }

    /// How many messages are on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.shared().flights.len()
    }

    /// Every event, in order.
    pub(crate) fn everything(&self, streams: &[StreamId]) -> Vec<Stored> {
        let read = |stream: &StreamId| {
            let all = self.log.read_stream(*stream, Position::START, Freshness::Latest).now_or_never();
            all.and_then(Result::ok).unwrap_or_default()
        };
        let mut all: Vec<Stored> = streams.iter().flat_map(read).collect();
        all.sort_by_key(|stored| stored.position);
        all
    }

    /// Delivers a message, any of those under way, or lets it go wrong. Says what has happened.
    pub(crate) fn deliver(&self) -> Option<String> {
        let mut shared = self.shared();
        let shared = &mut *shared;
        if shared.flights.is_empty() {
            return None;
        }
        let at = shared.rng.random_range(0..shared.flights.len());
        let rates = shared.rates;
        if shared.rng.random_bool(rates.timed_out) {
            // The sender gives up; the message is still under way and may land later.
            let id = shared.flights[at].id;
            if shared.answer(id, Err(LogError::InDoubt("simulated: no answer in time".to_owned()))) {
                shared.faults.timed_out += 1;
                return Some(format!("message {id}: no answer in time, still under way"));
            }
        }
        let flight = shared.flights.swap_remove(at);
        let id = flight.id;
        shared.faults.overtaken += u64::from(shared.flights.iter().any(|other| other.id < id));
        if shared.rng.random_bool(rates.unavailable) {
            shared.faults.unavailable += 1;
            shared.answer(id, Err(LogError::Unavailable("simulated".to_owned())));
            return Some(format!("message {id}: turned away, nothing written"));
        }
        if shared.rng.random_bool(rates.lost_message) {
            shared.faults.lost_messages += 1;
            shared.answer(id, Err(LogError::InDoubt("simulated: lost on the way".to_owned())));
            return Some(format!("message {id}: lost, nothing written"));
        }
        if shared.rng.random_bool(rates.doubled) {
            // It arrives, and a copy of it will arrive again.
            shared.faults.doubled += 1;
            shared.flights.push(flight.clone());
        }
        let (stream, event) = (flight.stream, flight.event.id);
        let kind = if shared.trace { kind(&flight.event.bytes) } else { String::new() };
        let after = match shared.bug {
            // A log that does not look: what the checker must notice.
            Some(Bug::NoConcurrencyCheck) => {
                let last = self.log.read_stream(stream, Position::START, Freshness::Latest).now_or_never();
                last.and_then(Result::ok).and_then(|all| all.last().map(|s| s.position)).unwrap_or_default()
            }
            _ => flight.after,
        };
        let result = self.log.append(stream, after, flight.event).now_or_never().unwrap_or(Ok(Append::Conflict));
        match result {
            Ok(Append::Done(position)) => {
                shared.sent.insert(event, Sent { landed: shared.now, ..flight.sent });
                shared.faults.skewed += u64::from(!flight.sent.right);
                let answer = if shared.rng.random_bool(rates.lost_ack) {
                    shared.faults.lost_acks += 1;
                    Err(LogError::InDoubt("simulated: the acknowledgement was lost".to_owned()))
                } else if shared.rng.random_bool(rates.false_conflict) {
                    shared.faults.false_conflicts += 1;
                    Ok(Append::Conflict)
                } else {
                    Ok(Append::Done(position))
                };
                let told = format!("{answer:?}");
                if !shared.answer(id, answer) {
                    shared.faults.landed_unheard += 1;
                }
                Some(format!("message {id}: {kind} {event} landed at {position} in {stream}; the answer: {told}"))
            }
            other => {
                shared.faults.conflicts += u64::from(matches!(other, Ok(Append::Conflict)));
                let told = format!("{other:?}");
                shared.answer(id, other);
                Some(format!("message {id}: {kind} {event} not written in {stream}: {told}"))
            }
        }
    }

    /// One service's way to the log.
    pub(crate) fn line(&self, clock: Clock, steady: Arc<std::sync::atomic::AtomicBool>) -> Line {
        Line { network: self.clone(), clock, steady }
    }
}

impl Shared {
    /// Gives an answer to whoever waits for it; false if nobody does any more.
    fn answer(&mut self, id: u64, given: Result<Append, LogError>) -> bool {
        let Some(answer) = self.answers.get_mut(&id) else { return false };
        if answer.given.is_some() {
            return false;
        }
        answer.given = Some(given);
        if let Some(waker) = answer.waker.take() {
            waker.wake();
        }
        true
    }
}

/// Forgets an awaited answer when the one who waits is dropped: a crash, or a caller who hangs up.
struct Waiting<'a> {
    network: &'a Network,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.network.shared().answers.remove(&self.id);
    }
}

/// One service's way to the log.
#[derive(Debug)]
pub(crate) struct Line {
    network: Network,
    clock: Clock,
    steady: Arc<std::sync::atomic::AtomicBool>,
}

impl Line {
    /// Lets others go first, as often as the seed says.
    async fn dawdle(&self) {
        let times = {
            let mut shared = self.network.shared();
            let most = shared.rates.slow;
            let times = if most == 0 { 0 } else { shared.rng.random_range(0..=most) };
            shared.faults.delays += u64::from(times > 0);
            times
        };
        for _ in 0..times {
            step().await;
        }
    }
}

/// Lets the simulation choose who goes on.
pub(crate) async fn step() {
    let mut first = true;
    poll_fn(|context| {
        if !first {
            return Poll::Ready(());
        }
        first = false;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl EventLog for Line {
    async fn append(&self, stream: StreamId, after: Position, event: NewEvent) -> Result<Append, LogError> {
        let id = {
            let mut shared = self.network.shared();
            let id = shared.next;
            shared.next += 1;
            let steady = self.steady.load(std::sync::atomic::Ordering::Relaxed);
            let clock = self.clock.now();
            let right = (clock - shared.now).num_milliseconds().abs() <= RIGHT;
            let sent = Sent { clock, steady, right, landed: Time::MIN_UTC };
            shared.flights.push(Flight { id, stream, after, event, sent });
            shared.answers.insert(id, Answer::default());
            id
        };
        let waiting = Waiting { network: &self.network, id };
        let answer = poll_fn(|context| {
            let mut shared = waiting.network.shared();
            let Some(answer) = shared.answers.get_mut(&id) else { return Poll::Pending };
            match answer.given.take() {
                Some(given) => Poll::Ready(given),
                None => {
                    answer.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
        drop(waiting);
        answer
    }

    async fn read_stream(&self, stream: StreamId, after: Position, fresh: Freshness) -> Result<Vec<Stored>, LogError> {
        self.dawdle().await;
        let mut read = self.network.log.read_stream(stream, after, fresh).await?;
        {
            let mut shared = self.network.shared();
            let rates = shared.rates;
            if shared.rng.random_bool(rates.read_failed) {
                shared.faults.failed_reads += 1;
                return Err(LogError::Unavailable("simulated: the read failed".to_owned()));
            }
            if fresh == Freshness::Any && !read.is_empty() && shared.rng.random_bool(rates.stale_read) {
                shared.faults.stale_reads += 1;
                let keep = shared.rng.random_range(0..read.len());
                read.truncate(keep);
            }
            if stream == StreamId::Policy && shared.bug == Some(Bug::LooserLimit) {
                read.iter_mut().for_each(loosen);
            }
        }
        self.dawdle().await;
        Ok(read)
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.network.log.head().await
    }

    async fn follow(&self, name: &str, after: Position) -> Result<Box<dyn Follow>, LogError> {
        self.network.log.follow(name, after).await
    }
}

/// The type of an event, for whoever reads the steps of a run.
fn kind(bytes: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    json.and_then(|json| json["type"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// Swaps the policy for one in which every second attempt is free.
fn loosen(stored: &mut Stored) {
    use tact_domain::Recorded;
    use tact_domain::control::PolicyPublished;
    let Ok(mut recorded) = Recorded::<PolicyPublished>::read(&stored.bytes) else { return };
    for most in (1..10).rev() {
        let more = format!("attempts = {}", most + 1);
        recorded.event.text = recorded.event.text.replace(&format!("attempts = {most}"), &more);
    }
    recorded.event.sha256 = hex::encode(tact_domain::envelope::hash(recorded.event.text.as_bytes()));
    stored.bytes = recorded.envelope.write(&recorded.event).into();
}
