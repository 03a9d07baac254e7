//! The streams beside the patients': the published policies and the directory, which every service must know, and the record of access,
//! which is only written.
//!
//! A policy takes effect at least a minute after it was published. So a service that has read the policies within that minute knows every
//! one in force, and one that has not grants nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::Duration;
use chrono_tz::Tz;
use smol_str::SmolStr;
use tact_domain::control::{BranchListed, Directory, DirectoryEvent, POLICY_NOTICE, Policies, PolicyPublished, Published};
use tact_domain::disclosure::{AccessEvent, HistoryExported, PersonalErased};
use tact_domain::envelope::{Hash, Payload, hash};
use tact_domain::patient::State;
use tact_domain::{Branch, Envelope, Recorded, Time, Unreadable, Zone};
use tact_event_log::{Append, EventLog, Freshness, LogError, NewEvent, Position, StreamId};
use uuid::Uuid;

use crate::clock::Clock;
use crate::transact::{Command, Failure};

/// How long a reading of the policies is good for: [`POLICY_NOTICE`] less what clocks may differ by, and as much again for slow answers.
const LEASE: Duration = Duration::seconds(60 - 5 - 10);

/// One stream outside the patients', as far as it has been read.
#[derive(Debug, Default)]
struct Stream<T> {
    value: Arc<T>,
    position: Position,
    sequence: u64,
    last_hash: Hash,
    /// Every event's id with its command's fingerprint.
    seen: Vec<(Uuid, Option<u64>, Position)>,
    unreadable: Option<Arc<str>>,
}

impl<T: Clone> Stream<T> {
    fn take<E: Payload>(
        &mut self,
        id: StreamId,
        stored: &tact_event_log::Stored,
        evolve: fn(&mut T, Recorded<E>) -> Result<(), Unreadable>,
    ) {
        if stored.position <= self.position {
            return;
        }
        let read = Recorded::<E>::read_at(&stored.bytes, &id.to_string(), self.sequence + 1, &self.last_hash);
        let command = read.as_ref().ok().and_then(|r| r.envelope.command);
        if self.unreadable.is_none()
            && let Err(unreadable) = read.and_then(|recorded| evolve(Arc::make_mut(&mut self.value), recorded))
        {
            let decides = id != StreamId::Access;
            tracing::error!(stream = %id, position = %stored.position, %unreadable, no_permits = decides, "an event cannot be read: a person must look");
            self.unreadable = Some(unreadable.to_string().into());
        }
        self.position = stored.position;
        self.sequence += 1;
        self.last_hash = hash(&stored.bytes);
        self.seen.push((stored.id, command, stored.position));
    }
}

fn evolve_policies(policies: &mut Policies, recorded: Recorded<PolicyPublished>) -> Result<(), Unreadable> {
    policies.evolve(recorded)
}

#[expect(clippy::unnecessary_wraps, reason = "the policies' counterpart can fail")]
fn evolve_directory(directory: &mut Directory, recorded: Recorded<DirectoryEvent>) -> Result<(), Unreadable> {
    directory.evolve(recorded.event);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the policies' counterpart can fail")]
fn evolve_access(erased: &mut Destroyed, recorded: Recorded<AccessEvent>) -> Result<(), Unreadable> {
    if let AccessEvent::PersonalErased(event) = recorded.event {
        erased.insert(event.erasure, Arc::new(Recorded { envelope: recorded.envelope, event }));
    }
    Ok(())
}

/// What the record of access says was destroyed, by the `patient.erased` that it was destroyed for.
type Destroyed = BTreeMap<Uuid, Arc<Recorded<PersonalErased>>>;

/// The policies and the directory as this service knows them.
#[derive(Debug)]
pub struct Control {
    log: Arc<dyn EventLog>,
    network: SmolStr,
    clock: Clock,
    policies: Mutex<Stream<Policies>>,
    directory: Mutex<Stream<Directory>>,
    /// The record of access, as far as it has been read: only when something is added to it or asked of it.
    access: Mutex<Stream<Destroyed>>,
    /// A copy to read without waiting, with the moment before which the policies were read.
    known: RwLock<Known>,
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    policies: Arc<Policies>,
    directory: Arc<Directory>,
    unreadable: Option<Arc<str>>,
    read_at: Option<Time>,
}

impl Known {
    /// A clock that was set back makes a reading no fresher than it was.
    fn is_fresh(&self, now: Time) -> bool {
        self.read_at.is_some_and(|read| (now - LEASE..=now).contains(&read))
    }
}

/// An event appended outside the patients' streams.
#[derive(Debug, Clone, Copy)]
pub struct Noted {
    /// Its id.
    pub event: Uuid,
    /// Where it stands in the log.
    pub position: Position,
    /// Whether it was there already: the same command, asked again.
    pub repeated: bool,
}

impl Control {
    /// Knows nothing yet; [`Control::refresh`] reads.
    pub fn new(log: Arc<dyn EventLog>, network: &str, clock: Clock) -> Self {
        Self {
            log,
            network: network.into(),
            clock,
            policies: Mutex::default(),
            directory: Mutex::default(),
            access: Mutex::default(),
            known: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Reads what is new in both streams.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read; what was known stays known, and its lease runs out.
    pub async fn refresh(&self) -> Result<(), LogError> {
        let _one_at_a_time = self.reading.lock().await;
        self.read().await
    }

    async fn read(&self) -> Result<(), LogError> {
        let begun = self.clock.now();
        let at = lock(&self.policies).position;
        let policies = self.log.read_stream(StreamId::Policy, at, Freshness::Latest).await?;
        let at = lock(&self.directory).position;
        let directory = self.log.read_stream(StreamId::Directory, at, Freshness::Latest).await?;
        let mut known = Known { read_at: Some(begun), ..Known::default() };
        {
            let mut stream = lock(&self.policies);
            policies.iter().for_each(|stored| stream.take(StreamId::Policy, stored, evolve_policies));
            known.policies = stream.value.clone();
            known.unreadable = stream.unreadable.clone();
        }
        {
            let mut stream = lock(&self.directory);
            directory.iter().for_each(|stored| stream.take(StreamId::Directory, stored, evolve_directory));
            known.directory = stream.value.clone();
            known.unreadable = known.unreadable.or_else(|| stream.unreadable.clone());
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The policies as last read.
    pub fn policies(&self) -> Arc<Policies> {
        self.known().policies
    }

    /// The directory as last read.
    pub fn directory(&self) -> Arc<Directory> {
        self.known().directory
    }

    /// A branch, looked up again in the log if it is not known yet.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub async fn branch(&self, code: &Branch) -> Result<Option<BranchListed>, LogError> {
        if let Some(branch) = self.directory().branches.get(code) {
            return Ok(Some(branch.clone()));
        }
        self.refresh().await?;
        Ok(self.directory().branches.get(code).cloned())
    }

    /// Sees to it that the policies were read recently enough to decide by them.
    ///
    /// # Errors
    /// [`Failure::NoPolicy`] if they cannot be read, hold something unreadable, or none was ever published.
    pub async fn ready_to_decide(&self) -> Result<Arc<Policies>, Failure> {
        let mut known = self.known();
        if !known.is_fresh(self.clock.now()) {
            self.refresh().await.map_err(|error| Failure::NoPolicy(format!("the policies cannot be read: {error}")))?;
            known = self.known();
        }
        if let Some(unreadable) = known.unreadable {
            return Err(Failure::NoPolicy(format!("a published policy or the directory cannot be read: {unreadable}")));
        }
        if known.policies.all().is_empty() {
            return Err(Failure::NoPolicy("no policy was ever published".to_owned()));
        }
        Ok(known.policies)
    }

    /// The policies, if they were read recently enough to decide by them at this moment of this service's clock. A command that had to wait
    /// asks again: what was fresh when it began may not be any more.
    pub fn decidable_at(&self, clock: Time) -> Option<Arc<Policies>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.is_fresh(clock) && known.unreadable.is_none()).then(|| known.policies.clone())
    }

    /// The time zone to decide by: the patient's, else the home branch's, else UTC.
    pub fn zone(&self, state: &State) -> Zone {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Zone::new(zone_of(state, &known.directory))
    }

    /// Publishes a policy. Its text must have been checked.
    ///
    /// # Errors
    /// [`Failure`]: the version is taken, the notice is too short, or the log could not do it.
    pub async fn publish(&self, command: &Command, policy: PolicyPublished) -> Result<Noted, Failure> {
        let check = |policies: &Policies, now: Time| {
            if policies.version(&policy.version).is_some() {
                return untrue(
                    "version",
                    format!("`{}` is already published; a policy is never changed, publish another", policy.version),
                );
            }
            if policy.effective_from < now + POLICY_NOTICE {
                let earliest = now + POLICY_NOTICE;
                return untrue(
                    "effective_from",
                    format!("{} is less than a minute ahead; the earliest is {earliest}", policy.effective_from),
                );
            }
            Ok(())
        };
        self.append(&self.policies, StreamId::Policy, command, &policy, check, evolve_policies).await
    }

    /// Notes something in the directory.
    ///
    /// # Errors
    /// [`Failure`] if the log could not do it or the key was used for another command.
    pub async fn note(&self, command: &Command, event: DirectoryEvent) -> Result<Noted, Failure> {
        self.append(&self.directory, StreamId::Directory, command, &event, |_, _| Ok(()), evolve_directory).await
    }

    /// Records that a patient's history is handed out, and where that record stands in the log. To be called before anything is handed out:
    /// what cannot be recorded must not leave.
    ///
    /// # Errors
    /// [`Failure`]: a range that ends before it begins, a key that was used for another command, or the log could not do it.
    pub async fn record_export(&self, command: &Command, export: HistoryExported) -> Result<Noted, Failure> {
        if let (Some(from), Some(until)) = (export.from, export.until)
            && until <= from
        {
            return untrue(
                "until",
                format!("{until} is not after `from`, {from}; name a later moment, or leave one of them out"),
            );
        }
        let event = AccessEvent::HistoryExported(export);
        self.append(&self.access, StreamId::Access, command, &event, |_, _| Ok(()), evolve_access).await
    }

    /// Records that a patient's personal data is gone.
    ///
    /// # Errors
    /// [`Failure`] if the log could not do it.
    pub async fn record_erasure(&self, command: &Command, erased: PersonalErased) -> Result<Noted, Failure> {
        let event = AccessEvent::PersonalErased(erased);
        self.append(&self.access, StreamId::Access, command, &event, |_, _| Ok(()), evolve_access).await
    }

    /// What is recorded of the destruction that a `patient.erased` led to, and where that stands; `None` if it is not recorded yet.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub async fn erasure(&self, erasure: Uuid) -> Result<Option<(Arc<Recorded<PersonalErased>>, Position)>, LogError> {
        let _one_at_a_time = self.reading.lock().await;
        self.read_access().await?;
        let stream = lock(&self.access);
        let Some(recorded) = stream.value.get(&erasure).cloned() else { return Ok(None) };
        let at = stream.seen.iter().find(|(seen, ..)| *seen == recorded.envelope.id).map(|(_, _, position)| *position);
        Ok(at.map(|position| (recorded, position)))
    }

    async fn read_access(&self) -> Result<(), LogError> {
        let at = lock(&self.access).position;
        let new = self.log.read_stream(StreamId::Access, at, Freshness::Latest).await?;
        let mut stream = lock(&self.access);
        new.iter().for_each(|stored| stream.take(StreamId::Access, stored, evolve_access));
        Ok(())
    }

    async fn read_for(&self, id: StreamId) -> Result<(), LogError> {
        if id == StreamId::Access { self.read_access().await } else { self.read().await }
    }

    async fn append<T: Clone, E: Payload>(
        &self,
        stream: &Mutex<Stream<T>>,
        id: StreamId,
        command: &Command,
        event: &E,
        check: impl Fn(&T, Time) -> Result<(), Failure>,
        evolve: fn(&mut T, Recorded<E>) -> Result<(), Unreadable>,
    ) -> Result<Noted, Failure> {
        let _one_at_a_time = self.reading.lock().await;
        for _ in 0..20 {
            self.read_for(id).await?;
            let now = self.clock.now();
            let (bytes, after) = {
                let stream = lock(stream);
                if let Some((event, fingerprint, position)) = stream.seen.iter().find(|(seen, ..)| *seen == command.event) {
                    if *fingerprint != command.fingerprint {
                        return Err(Failure::KeyReused);
                    }
                    return Ok(Noted { event: *event, position: *position, repeated: true });
                }
                // What was handed out is recorded whatever cannot be read before it: a fact is never refused.
                if let Some(unreadable) = stream.unreadable.as_ref().filter(|_| id != StreamId::Access) {
                    return Err(Failure::NoPolicy(format!(
                        "the stream of {id} holds an event that cannot be read: {unreadable}"
                    )));
                }
                check(&stream.value, now)?;
                let envelope = Envelope {
                    id: command.event,
                    network: self.network.clone(),
                    subject: SmolStr::from(id.to_string()),
                    time: command.time.unwrap_or(now),
                    recorded_at: now,
                    actor: command.actor.clone(),
                    branch: command.branch.clone(),
                    sequence: stream.sequence + 1,
                    cause: command.cause,
                    command: command.fingerprint,
                    previous: stream.last_hash,
                };
                (envelope.write(event), stream.position)
            };
            let new = NewEvent { id: command.event, bytes: bytes.clone().into() };
            if let Append::Done(position) = self.log.append(id, after, new).await? {
                let stored = tact_event_log::Stored { stream: id, position, id: command.event, bytes: bytes.into() };
                lock(stream).take(id, &stored, evolve);
                self.read_for(id).await?;
                return Ok(Noted { event: command.event, position, repeated: false });
            }
        }
        Err(Failure::Busy)
    }
}

/// The time zone to decide by: the patient's, else the home branch's, else UTC.
pub fn zone_of(state: &State, directory: &Directory) -> Tz {
    let home = || {
        let branch = directory.branches.get(state.home_branch.as_ref()?)?;
        branch.time_zone.parse().ok()
    };
    state.zone().or_else(home).unwrap_or(Tz::UTC)
}

/// The policy in force, or why there is none.
///
/// # Errors
/// [`Failure::NoPolicy`] if none is in effect yet.
pub fn in_force(policies: &Policies, now: Time) -> Result<&Published, Failure> {
    policies.in_force(now).ok_or_else(|| {
        let first = policies.first_effect().map(|at| format!("; the first takes effect at {at}")).unwrap_or_default();
        Failure::NoPolicy(format!("no policy is in effect yet{first}"))
    })
}

fn untrue<T>(field: &'static str, problem: String) -> Result<T, Failure> {
    Err(Failure::Untrue(tact_domain::patient::Untrue::Field { field, problem }))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while the lock was held leaves at worst a stream read half: the chain check would find it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tact_domain::disclosure::{ExportFormat, ExportPurpose};
    use tact_domain::{Actor, to_millis};
    use tact_event_log::MemoryLog;

    use super::*;

    fn now() -> Time {
        to_millis("2026-03-02T09:00:00Z".parse().unwrap())
    }

    fn service(log: &Arc<dyn EventLog>) -> Control {
        Control::new(log.clone(), "test", Clock::by_hand(now()))
    }

    fn command(event: u128, fingerprint: u64) -> Command {
        let event = Uuid::from_u128(event);
        let actor = Actor::Staff(Uuid::from_u128(7));
        Command { event, fingerprint: Some(fingerprint), time: None, actor, branch: "north".parse().ok(), cause: None }
    }

    fn export() -> HistoryExported {
        HistoryExported {
            patient: Uuid::from_u128(1),
            format: ExportFormat::Tact,
            purpose: ExportPurpose::Complaint,
            personal: false,
            events: 12,
            from: None,
            until: Some(now()),
        }
    }

    async fn recorded(log: &Arc<dyn EventLog>) -> Vec<Recorded<AccessEvent>> {
        let stored = log.read_stream(StreamId::Access, Position::START, Freshness::Latest).await.unwrap();
        let mut last = Hash::default();
        let read = stored.iter().zip(1..).map(|(stored, number)| {
            let read = Recorded::read_at(&stored.bytes, "access", number, &last).unwrap();
            last = hash(&stored.bytes);
            read
        });
        read.collect()
    }

    #[tokio::test]
    async fn an_export_is_recorded_once_whoever_is_asked_again() {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let (one, other) = (service(&log), service(&log));
        let first = one.record_export(&command(1, 5), export()).await.unwrap();
        let second = other.record_export(&command(2, 6), export()).await.unwrap();
        assert!(!first.repeated && !second.repeated && first.position < second.position);
        for service in [&one, &other] {
            let again = service.record_export(&command(1, 5), export()).await.unwrap();
            assert!(again.repeated && again.position == first.position, "{again:?}");
            let another = service.record_export(&command(1, 6), export()).await;
            assert!(matches!(another, Err(Failure::KeyReused)), "{another:?}");
        }
        let recorded = recorded(&log).await;
        assert_eq!(recorded.len(), 2);
        assert_eq!(recorded[0].event, AccessEvent::HistoryExported(export()));
        assert_eq!(recorded[0].envelope.actor, Actor::Staff(Uuid::from_u128(7)));
        assert_eq!(recorded[0].envelope.branch, "north".parse().ok());
    }

    #[tokio::test]
    async fn exports_of_many_services_at_once_are_all_recorded_in_one_chain() {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let services: Vec<_> = (0..4).map(|_| Arc::new(service(&log))).collect();
        let tasks: Vec<_> = (0..20)
            .map(|number: u64| {
                let service = services[usize::try_from(number % 4).unwrap()].clone();
                tokio::spawn(async move { service.record_export(&command(u128::from(number), number), export()).await })
            })
            .collect();
        for task in tasks {
            assert!(!task.await.unwrap().unwrap().repeated);
        }
        assert_eq!(recorded(&log).await.len(), 20);
    }

    #[tokio::test]
    async fn an_export_is_recorded_behind_an_event_that_cannot_be_read() {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let strange = NewEvent { id: Uuid::from_u128(9), bytes: bytes::Bytes::from_static(b"{}") };
        let _ = log.append(StreamId::Access, Position::START, strange).await.unwrap();
        let noted = service(&log).record_export(&command(1, 5), export()).await.unwrap();
        let stored = log.read_stream(StreamId::Access, Position::START, Freshness::Latest).await.unwrap();
        assert_eq!(stored.last().map(|stored| stored.position), Some(noted.position));
        Recorded::<AccessEvent>::read_at(&stored[1].bytes, "access", 2, &hash(b"{}")).unwrap();
    }

    #[tokio::test]
    async fn a_range_that_ends_before_it_begins_is_refused() {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let refused = service(&log).record_export(&command(1, 5), HistoryExported { from: Some(now()), ..export() }).await;
        assert!(refused.unwrap_err().to_string().contains("is not after `from`"));
        assert!(recorded(&log).await.is_empty());
    }
}
