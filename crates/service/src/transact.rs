//! The only loop that reads, decides, appends and, when somebody was faster, does it again.
//!
//! It knows streams of patients and nothing of HTTP. What it appends was decided on exactly the events that stand before it: the log
//! refuses it otherwise, and then only what is new is read and the decision is made again.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use smol_str::SmolStr;
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::events::Event;
use tact_domain::patient::state::Standing;
use tact_domain::patient::{State, Untrue, evolve};
use tact_domain::{Actor, Branch, Envelope, Recorded, Time, to_millis};
use tact_event_log::{Append, EventLog, Freshness, LogError, NewEvent, Position, StreamId};
use uuid::Uuid;

use crate::clock::Clock;

/// How often a command is decided again because somebody was faster, before the caller is told to come back.
const ATTEMPTS: usize = 100;

/// How many patients in a row a command may be sent on to, because each was merged into the next.
const MERGES: usize = 16;

/// A command's own particulars: everything that an event records beside what was decided.
#[derive(Debug, Clone)]
pub struct Command {
    /// The id that its event will have.
    pub event: Uuid,
    /// Its fingerprint, to tell a repetition from another command under the same key.
    pub fingerprint: Option<u64>,
    /// When it happened; absent: now.
    pub time: Option<Time>,
    /// Who did it.
    pub actor: Actor,
    /// At which branch.
    pub branch: Option<Branch>,
    /// The event that set it off.
    pub cause: Option<Uuid>,
}

/// What a command has led to.
#[derive(Debug, Clone)]
pub struct Done {
    /// The patient in whose stream it stands: the survivor, if the one named was merged.
    pub patient: Uuid,
    /// The event.
    pub recorded: Recorded,
    /// Where it stands in the log.
    pub position: Position,
    /// Whether it was there already: the same command, asked again.
    pub repeated: bool,
}

/// Why a command has led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It cannot be true.
    #[error(transparent)]
    Untrue(#[from] Untrue),
    /// Its idempotency key was used for another command.
    #[error("this idempotency key was used for another command")]
    KeyReused,
    /// An event of this patient cannot be read; no permits until a person has looked.
    #[error("patient {patient} is set aside: {reason}")]
    SetAside {
        /// The patient.
        patient: Uuid,
        /// What cannot be read.
        reason: Arc<str>,
    },
    /// This service's clock is more than 5 s behind the patient's last event: no permits from here.
    #[error("this service's clock ({clock}) is behind the patient's last event ({last})")]
    ClockBehind {
        /// What the clock says.
        clock: Time,
        /// When the last event was recorded.
        last: Time,
    },
    /// No policy is in force that this service could decide by.
    #[error("no permit can be decided: {0}")]
    NoPolicy(String),
    /// Others were faster too often.
    #[error("the patient's stream is too busy")]
    Busy,
    /// The log could not do it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The personal data could not be read, and with it who has which number.
    #[error(transparent)]
    Database(#[from] tact_database::DbError),
}

/// Where in its stream, and when, a decision is made.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// In whose stream: the survivor's, if the patient named was merged.
    pub patient: Uuid,
    /// Where that stream ends.
    pub position: Position,
    /// The moment of the decision: the later of the service's clock and the stream's last recording.
    pub now: Time,
    /// What the service's clock says.
    pub clock: Time,
    /// Whether an event before it cannot be read, so that the state says too little.
    blind: bool,
}

impl Moment {
    /// Whether a permit may be decided here: not by a clock that is more than 5 s behind (it would live too long).
    ///
    /// # Errors
    /// [`Failure::ClockBehind`]
    pub fn fit_for_permits(&self) -> Result<(), Failure> {
        if self.clock + tact_domain::patient::admit::CLOCK_TOLERANCE < self.now {
            return Err(Failure::ClockBehind { clock: self.clock, last: self.now });
        }
        Ok(())
    }
}

/// A patient as far as their stream has been read.
#[derive(Debug, Clone)]
pub struct Patient {
    /// What is known.
    pub state: State,
    /// The position of the last event read.
    pub position: Position,
    sequence: u64,
    last_hash: Hash,
    /// The first halves of the ids of all events, to know a repeated command; a hit is looked up in the log.
    seen: Vec<u64>,
    set_aside: Option<Arc<str>>,
}

impl Default for Patient {
    fn default() -> Self {
        Self {
            state: State::default(),
            position: Position::START,
            sequence: 0,
            last_hash: Hash::default(),
            seen: Vec::new(),
            set_aside: None,
        }
    }
}

fn short(id: Uuid) -> u64 {
    id.as_u64_pair().0
}

impl Patient {
    /// Why the patient is set aside, if they are: an event of theirs cannot be read.
    pub fn set_aside(&self) -> Option<&Arc<str>> {
        self.set_aside.as_ref()
    }

    /// Whether an event of this id has been read. Half of the id is compared: enough for ids that are random or keyed hashes.
    pub fn holds(&self, event: Uuid) -> bool {
        self.seen.contains(&short(event))
    }

    fn take(&mut self, recorded: &Recorded, position: Position, last_hash: Hash) {
        evolve(&mut self.state, recorded);
        self.note(recorded.envelope.id, position, last_hash);
    }

    fn note(&mut self, id: Uuid, position: Position, last_hash: Hash) {
        self.position = position;
        self.sequence += 1;
        self.last_hash = last_hash;
        self.seen.push(short(id));
    }

    fn read(&mut self, patient: Uuid, stored: &tact_event_log::Stored) {
        if self.set_aside.is_none() {
            match Recorded::<Event>::read_at(&stored.bytes, &patient.to_string(), self.sequence + 1, &self.last_hash) {
                Ok(recorded) => return self.take(&recorded, stored.position, hash(&stored.bytes)),
                Err(unreadable) => {
                    tracing::error!(%patient, position = %stored.position, %unreadable, "patient set aside: an event cannot be read");
                    self.set_aside = Some(unreadable.to_string().into());
                }
            }
        }
        self.note(stored.id, stored.position, hash(&stored.bytes));
    }
}

const SHARDS: usize = 16;

/// Appends what is decided on the state of a patient. Cheap to share; any number may run against one log, in any number of processes.
#[derive(Debug)]
pub struct Transactor {
    log: Arc<dyn EventLog>,
    network: SmolStr,
    clock: Clock,
    cache: Vec<Mutex<LruCache<Uuid, Arc<Patient>>>>,
}

impl Transactor {
    /// A transactor that keeps at most so many patients in memory (at least one in each of 16 parts).
    pub fn new(log: Arc<dyn EventLog>, network: &str, clock: Clock, cached_patients: usize) -> Self {
        let part = NonZeroUsize::new(cached_patients / SHARDS).unwrap_or(NonZeroUsize::MIN);
        // Grown as needed: an idle server holds no empty tables.
        let part = || {
            let mut cache = LruCache::unbounded();
            cache.resize(part);
            Mutex::new(cache)
        };
        Self { log, network: network.into(), clock, cache: (0..SHARDS).map(|_| part()).collect() }
    }

    /// The log that it appends to.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// The clock that it decides by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    fn part(&self, patient: Uuid) -> MutexGuard<'_, LruCache<Uuid, Arc<Patient>>> {
        let part = &self.cache[patient.as_bytes()[15] as usize % SHARDS];
        // A panic while the lock was held cannot leave half an entry: entries are replaced whole.
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The patient as this service last saw them, read from the log if it never did. May lag; an append would tell.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub async fn patient(&self, patient: Uuid) -> Result<Arc<Patient>, LogError> {
        if let Some(known) = self.part(patient).get(&patient) {
            return Ok(known.clone());
        }
        self.catch_up(patient, Arc::default(), Freshness::Any).await
    }

    /// The patient as everything acknowledged so far has left them.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub async fn patient_now(&self, patient: Uuid) -> Result<Arc<Patient>, LogError> {
        let known = self.part(patient).get(&patient).cloned().unwrap_or_default();
        self.catch_up(patient, known, Freshness::Latest).await
    }

    async fn catch_up(&self, patient: Uuid, mut known: Arc<Patient>, fresh: Freshness) -> Result<Arc<Patient>, LogError> {
        let new = self.log.read_stream(StreamId::Patient(patient), known.position, fresh).await?;
        if !new.is_empty() {
            let state = Arc::make_mut(&mut known);
            for stored in &new {
                state.read(patient, stored);
            }
        }
        if known.sequence > 0 {
            let mut part = self.part(patient);
            if part.get(&patient).is_none_or(|cached| cached.position < known.position) {
                part.put(patient, known.clone());
            }
        }
        Ok(known)
    }

    /// Decides on the patient's state and appends the one event that comes of it. `decide` may be called several times.
    ///
    /// # Errors
    /// [`Failure`]; nothing was appended, unless it is [`LogError::InDoubt`].
    pub async fn transact<F>(&self, patient: Uuid, command: &Command, decide: F) -> Result<Done, Failure>
    where
        F: Fn(&State, Moment) -> Result<Event, Failure>,
    {
        self.run(patient, command, false, decide).await
    }

    /// The loop. `blindly`: even if an event before cannot be read.
    async fn run<F>(&self, patient: Uuid, command: &Command, blindly: bool, decide: F) -> Result<Done, Failure>
    where
        F: Fn(&State, Moment) -> Result<Event, Failure>,
    {
        let mut target = patient;
        let mut merges = 0;
        // The stream that sent the command on to this one, because it was merged into it.
        let mut sent_by: Option<Uuid> = None;
        let mut parted = Vec::new();
        let mut known = self.patient(target).await?;
        // What is appended, the log checks. What is refused, nobody would: it must rest on everything that was acknowledged.
        let mut fresh = false;
        for _ in 0..ATTEMPTS {
            if known.seen.contains(&short(command.event))
                && let Some(done) = self.repeated(target, command).await?
            {
                return Ok(done);
            }
            if let Some(from) = sent_by
                && !known.state.holds(from)
            {
                // Taken apart again meanwhile: this stream says so at its end, which the append will be held against.
                merges += 1;
                if merges >= MERGES {
                    return Err(Failure::Busy);
                }
                sent_by = None;
                target = from;
                known = self.patient_now(target).await?;
                continue;
            }
            // What was recorded while the patient was merged stands in the survivor's stream, and must not come here a second time.
            for survivor in known.state.merged_before.iter().copied() {
                if parted.contains(&survivor) {
                    continue;
                }
                parted.push(survivor);
                if let Some(done) = self.recorded_with(survivor, command).await? {
                    return Ok(done);
                }
            }
            let clock = self.clock.now();
            let now = known.state.last_recorded_at.map_or(clock, |last| last.max(clock));
            if let Some(reason) = known.set_aside.as_ref().filter(|_| !blindly) {
                return Err(Failure::SetAside { patient: target, reason: reason.clone() });
            }
            let event = match decide(
                &known.state,
                Moment { patient: target, position: known.position, now, clock, blind: known.set_aside.is_some() },
            ) {
                Err(Failure::Untrue(_)) if !fresh => {
                    known = self.catch_up(target, known, Freshness::Latest).await?;
                    fresh = true;
                    continue;
                }
                Err(Failure::Untrue(Untrue::MergedInto(survivor))) if merges < MERGES => {
                    merges += 1;
                    sent_by = Some(target);
                    target = survivor;
                    known = self.patient_now(target).await?;
                    fresh = true;
                    continue;
                }
                decided => decided?,
            };
            if let Event::Absorbing(merge) = &event
                && merge.from == target
            {
                // The one named first was merged into the other: its commands come here, where they would merge the other into itself.
                let problem = format!("{} is this very patient, or the other was already merged into it", merge.from);
                return Err(Untrue::Field { field: "from", problem }.into());
            }
            let envelope = Envelope {
                id: command.event,
                network: self.network.clone(),
                subject: SmolStr::new(target.as_hyphenated().encode_lower(&mut [0; 36])),
                time: to_millis(command.time.unwrap_or(now)),
                recorded_at: now,
                actor: command.actor.clone(),
                branch: command.branch.clone(),
                sequence: known.sequence + 1,
                cause: command.cause,
                command: command.fingerprint,
                previous: known.last_hash,
            };
            let bytes = envelope.write(&event);
            let last_hash = hash(&bytes);
            let new = NewEvent { id: command.event, bytes: bytes.into() };
            let after = known.position;
            match self.log.append(StreamId::Patient(target), after, new).await {
                Ok(Append::Done(position)) => {
                    let recorded = Recorded { envelope, event };
                    self.appended(target, known, &recorded, position, last_hash);
                    return Ok(Done { patient: target, recorded, position, repeated: false });
                }
                Ok(Append::Conflict) => {
                    known = self.catch_up(target, known, Freshness::Latest).await?;
                    fresh = true;
                }
                Err(error) => {
                    // What this service believes of the patient may be wrong now: the next command reads afresh.
                    self.part(target).pop(&target);
                    return Err(error.into());
                }
            }
        }
        Err(Failure::Busy)
    }

    /// Appends a fact, unless it cannot be true.
    ///
    /// # Errors
    /// [`Failure`]; nothing was appended, unless it is [`LogError::InDoubt`].
    pub async fn record(&self, patient: Uuid, command: &Command, event: &Event) -> Result<Done, Failure> {
        // What has happened is recorded whatever is known.
        self.run(patient, command, event.is_always_recorded(), |state, moment| {
            let time = command.time.unwrap_or(moment.now);
            if moment.blind {
                // Nothing is known that it could contradict, but the calendar.
                tact_domain::patient::admit::admit_time(time, moment.now)?;
            } else {
                tact_domain::patient::admit(state, event, time, moment.now)?;
            }
            Ok(event.clone())
        })
        .await
    }

    fn appended(&self, patient: Uuid, known: Arc<Patient>, recorded: &Recorded, position: Position, last_hash: Hash) {
        let after = known.position;
        let mut part = self.part(patient);
        match part.get_mut(&patient) {
            Some(cached) if cached.position == after => {
                // Let go of this reference first, so that the state is changed in place and not copied.
                drop(known);
                Arc::make_mut(cached).take(recorded, position, last_hash);
            }
            Some(_) => {}
            None => {
                let mut known = known;
                Arc::make_mut(&mut known).take(recorded, position, last_hash);
                part.put(patient, known);
            }
        }
    }

    /// The event that this very command has appended to the stream of a survivor, or of whom the survivor was merged into.
    async fn recorded_with(&self, survivor: Uuid, command: &Command) -> Result<Option<Done>, Failure> {
        let mut next = vec![survivor];
        let mut asked = Vec::new();
        while let Some(patient) = next.pop() {
            if asked.contains(&patient) || asked.len() >= MERGES {
                continue;
            }
            asked.push(patient);
            let known = self.patient_now(patient).await?;
            if known.seen.contains(&short(command.event))
                && let Some(done) = self.repeated(patient, command).await?
            {
                return Ok(Some(done));
            }
            next.extend(known.state.merged_before.iter().copied());
            if let Standing::Merged { into, .. } = known.state.standing {
                next.push(into);
            }
        }
        Ok(None)
    }

    /// What this very command has led to, if it was carried out before: for those that change something beside the log first.
    ///
    /// # Errors
    /// [`Failure::KeyReused`] if its key was used for another command, or the log cannot be read.
    pub async fn carried_out(&self, patient: Uuid, command: &Command) -> Result<Option<Done>, Failure> {
        let known = self.patient_now(patient).await?;
        if known.seen.contains(&short(command.event)) { self.repeated(patient, command).await } else { Ok(None) }
    }

    /// The event that this very command has appended before, read from the log.
    async fn repeated(&self, patient: Uuid, command: &Command) -> Result<Option<Done>, Failure> {
        let events = self.log.read_stream(StreamId::Patient(patient), Position::START, Freshness::Latest).await?;
        let Some(stored) = events.iter().find(|stored| stored.id == command.event) else { return Ok(None) };
        let recorded = Recorded::read(&stored.bytes)
            .map_err(|unreadable| Failure::SetAside { patient, reason: unreadable.to_string().into() })?;
        if recorded.envelope.command != command.fingerprint {
            return Err(Failure::KeyReused);
        }
        Ok(Some(Done { patient, recorded, position: stored.position, repeated: true }))
    }

    /// Forgets what is known of a patient; the next command reads their stream from the log.
    pub fn forget(&self, patient: Uuid) {
        self.part(patient).pop(&patient);
    }
}

#[cfg(test)]
mod tests {
    use tact_domain::patient::events::{AppointmentRef, Booked, Registered};
    use tact_domain::{AppointmentKind, to_millis};
    use tact_event_log::MemoryLog;

    use super::*;

    fn command(event: u128) -> Command {
        // The first halves tell commands apart.
        let event = Uuid::from_u128(event << 64);
        Command { event, fingerprint: Some(1), time: None, actor: Actor::System("test".into()), branch: None, cause: None }
    }

    #[tokio::test]
    async fn what_another_service_has_recorded_is_not_refused_here() {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let now = to_millis("2026-03-02T09:00:00Z".parse().unwrap());
        let service = || Transactor::new(log.clone(), "test", Clock::by_hand(now), 100);
        let (one, other) = (service(), service());
        let (patient, appointment) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let branch: Branch = "north".parse().unwrap();
        let registered = Registered {
            home_branch: branch.clone(),
            time_zone: "Europe/Moscow".into(),
            language: None,
            recommended_by: None,
            guardian: None,
        };
        one.record(patient, &command(1), &Event::Registered(registered)).await.unwrap();
        assert!(other.patient(patient).await.unwrap().state.is_open(), "the other service knows the patient now");
        let booked = Booked { appointment, branch, kind: AppointmentKind::Checkup, starts_at: now, clinician: None };
        one.record(patient, &command(2), &Event::Booked(booked)).await.unwrap();
        let completed = Event::Completed(AppointmentRef { appointment });
        let done = other.record(patient, &command(3), &completed).await.unwrap();
        assert!(!done.repeated);
        // And the other way round: asked again where the answer is not known yet, it is the same answer and not "completed again".
        let again = one.record(patient, &command(3), &completed).await.unwrap();
        assert!(again.repeated);
        let another = one.record(patient, &command(4), &completed).await;
        assert!(matches!(another, Err(Failure::Untrue(_))), "{another:?}");
    }
}
