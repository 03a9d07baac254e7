//! Telephone numbers as a service asks them: who has one, what was reserved on it, whether it may be rung, and whose stop came from it.
//!
//! It appends to numbers' streams and to nobody else's. It must never say of a number whom else it belongs to, nor what was done there.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::NaiveDate;
use lru::LruCache;
use smol_str::SmolStr;
use tact_database::DbError;
use tact_domain::envelope::{Hash, hash};
use tact_domain::number::{Answer, Number, NumberEvent, NumberReserved, Party, RESERVED_FOR, Wanted, answer, day_of};
use tact_domain::patient::admit::CLOCK_TOLERANCE;
use tact_domain::patient::state::{Fate, Permit, Standing};
use tact_domain::patient::{Entry, State, agenda};
use tact_domain::policy::Policy;
use tact_domain::{Envelope, Purpose, Recorded, Time, Zone, to_millis};
use tact_event_log::{Append, EventLog, Freshness, LogError, NewEvent, Position, Stored, StreamId};
use tact_personal::Personal;
use tact_personal::number::Shared;
use uuid::Uuid;

use crate::clock::Clock;
use crate::control::Control;
use crate::ids::IdKey;
use crate::transact::{Command, Failure, Patient, Transactor};

/// How many numbers a service keeps in memory.
const CACHED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// How many patients in a row are followed from one who was merged to the next.
const MERGES: usize = 16;

/// How often an event for a number is appended again because somebody was faster.
const ATTEMPTS: usize = 100;

/// Knows who has which number.
#[async_trait]
pub trait Holders: std::fmt::Debug + Send + Sync {
    /// The number of a patient and everybody who has it; `None` if none is known.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    async fn who_shares(&self, patient: Uuid) -> Result<Option<Shared>, DbError>;
}

#[async_trait]
impl Holders for Personal {
    async fn who_shares(&self, patient: Uuid) -> Result<Option<Shared>, DbError> {
        Self::who_shares(self, patient).await
    }
}

/// A number as far as its stream has been read.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What is known.
    pub number: Number,
    position: Position,
    sequence: u64,
    last_hash: Hash,
    /// Every event's id with its command's fingerprint.
    seen: Vec<(Uuid, Option<u64>, Position)>,
    unreadable: Option<Arc<str>>,
}

impl Known {
    fn read(&mut self, id: Uuid, stored: &Stored) {
        let subject = StreamId::Number(id).to_string();
        let read = Recorded::<NumberEvent>::read_at(&stored.bytes, &subject, self.sequence + 1, &self.last_hash);
        let command = read.as_ref().ok().and_then(|recorded| recorded.envelope.command);
        match read {
            Ok(recorded) if self.unreadable.is_none() => self.number.evolve(recorded),
            Ok(_) => {}
            Err(unreadable) => {
                if self.unreadable.is_none() {
                    tracing::error!(stream = %subject, position = %stored.position, %unreadable, "a number's event cannot be read: it is not rung until a person has looked");
                }
                self.unreadable = Some(unreadable.to_string().into());
            }
        }
        self.position = stored.position;
        self.sequence += 1;
        self.last_hash = hash(&stored.bytes);
        self.seen.push((stored.id, command, stored.position));
    }
}

/// One of the streams that a number concerns.
#[derive(Debug, Clone)]
struct Other {
    stream: Uuid,
    person: Uuid,
    patient: Arc<Patient>,
    has_it: bool,
}

/// A number as it was looked at for one patient, at one place of that patient's stream.
#[derive(Debug, Clone)]
pub struct Sight {
    patient: Uuid,
    position: Position,
    number: Option<(Uuid, Arc<Known>)>,
    others: Vec<Other>,
    /// Somebody's stream cannot be read, so that nothing can be said.
    blind: bool,
}

impl Sight {
    /// Whether it was looked at for this patient, and nothing has been recorded of them since.
    pub fn is_of(&self, patient: Uuid, position: Position) -> bool {
        self.patient == patient && self.position == position
    }

    /// For whom it was looked at.
    pub fn patient(&self) -> Uuid {
        self.patient
    }

    /// Whether the patient has a number at all.
    pub fn is_any(&self) -> bool {
        self.number.is_some()
    }

    /// Whether the number concerns anybody but the patient.
    pub fn is_shared(&self) -> bool {
        !self.others.is_empty()
    }

    /// Whether nothing can be said, because a stream that concerns the number cannot be read.
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// What the number says. `state` is that of the patient for whom it was looked at.
    pub fn answer(&self, state: &State, wanted: &Wanted<'_>, policy: &Policy, now: Time, zone: &Zone) -> Answer {
        let Some((_, known)) = &self.number else { return Answer::Free { joins: None } };
        if self.blind {
            return Answer::Busy { next: None };
        }
        let own = Party { person: self.patient, state, has_it: true };
        let others = self.others.iter().map(|o| Party { person: o.person, state: &o.patient.state, has_it: o.has_it });
        let parties: Vec<Party<'_>> = std::iter::once(own).chain(others).collect();
        answer(&known.number, &parties, wanted, policy, now, zone)
    }

    /// The reservation of a permit of this patient that has not lapsed.
    pub fn reservation(&self, permit: Uuid, now: Time) -> Option<&NumberReserved> {
        let (_, known) = self.number.as_ref()?;
        known.number.reservation(permit, now).filter(|reserved| reserved.patient == self.patient)
    }

    /// Those who have the number beside the patient, each person once, with what is known of them.
    pub fn others(&self) -> impl Iterator<Item = (Uuid, &State)> {
        let open = self.others.iter().filter(|o| o.has_it && o.person != self.patient && o.stream == o.person);
        open.filter(|o| o.patient.state.is_open() && o.patient.set_aside().is_none()).map(|o| (o.person, &o.patient.state))
    }

    /// What the others who have the number are owed of a purpose on a day of their calendar, due now or later: of each the earliest.
    pub fn owed(&self, control: &Control, policy: &Policy, purpose: &Purpose, day: NaiveDate) -> Vec<(Uuid, Entry)> {
        let mut found = Vec::new();
        for (other, state) in self.others() {
            let zone = control.zone(state);
            let owed = agenda(state, policy, &zone).into_iter();
            found.extend(owed.filter(|e| e.purpose == *purpose && day_of(e.at, &zone) == day).map(|e| (other, e)).take(1));
        }
        found
    }

    /// The permits that one contact is to cover together with this one, with the patients whose they are.
    pub fn together(&self, permit: Uuid) -> Vec<(Uuid, Uuid)> {
        // Each permit once, however often it was reserved.
        let members: BTreeMap<Uuid, Uuid> = self.members(permit).map(|r| (r.permit, r.patient)).collect();
        members.into_iter().map(|(permit, of)| (of, permit)).collect()
    }

    /// The permit that this one joined, the first of those that one contact is to cover, and how it stands; `None`: it joined none. Its stream
    /// is where it is decided which contact that is.
    pub fn leader(&self, permit: Uuid) -> Option<(Uuid, Option<&Permit>)> {
        let (_, known) = self.number.as_ref()?;
        let reserved = &known.number.reservations;
        let joins = reserved.iter().rev().find(|r| r.permit == permit)?.joins?;
        let leader = reserved.iter().find(|r| r.reservation == joins)?.permit;
        Some((leader, self.permit(leader)))
    }

    /// The contact that has begun for those whom one is to cover, this permit among them.
    pub fn begun_as(&self, permit: Uuid) -> Option<Uuid> {
        self.members(permit).find_map(|r| contact_of(self.permit(r.permit)?))
    }

    /// The other reservations of the contact that is to cover this permit.
    fn members(&self, permit: Uuid) -> impl Iterator<Item = &NumberReserved> {
        let reserved = self.number.iter().flat_map(|(_, known)| &known.number.reservations);
        let group = |r: &NumberReserved| r.joins.unwrap_or(r.reservation);
        let own = reserved.clone().rfind(|r| r.permit == permit).map(group);
        reserved.filter(move |r| r.permit != permit && Some(group(r)) == own)
    }

    /// Another patient's permit. With a merge it may stand in two streams: what has begun in one has begun.
    fn permit(&self, permit: Uuid) -> Option<&Permit> {
        let found = self.others.iter().filter_map(|other| other.patient.state.permit(permit));
        found.max_by_key(|permit| contact_of(permit).is_some())
    }
}

/// The contact that has begun under a permit.
pub fn contact_of(permit: &Permit) -> Option<Uuid> {
    match permit.fate {
        Fate::Started { contact, .. } | Fate::Used { contact } => Some(contact),
        Fate::Open | Fate::Ended(_) => None,
    }
}

/// Asks numbers and reserves them. Any number may run against one log.
#[derive(Debug)]
pub struct Numbers {
    log: Arc<dyn EventLog>,
    network: SmolStr,
    clock: Clock,
    keys: IdKey,
    holders: Arc<dyn Holders>,
    cache: Mutex<LruCache<Uuid, Arc<Known>>>,
}

impl Numbers {
    /// Numbers of a network, with whoever knows who has them.
    pub fn new(log: Arc<dyn EventLog>, network: &str, clock: Clock, keys: IdKey, holders: Arc<dyn Holders>) -> Self {
        let mut cache = LruCache::unbounded();
        cache.resize(CACHED);
        Self { log, network: network.into(), clock, keys, holders, cache: Mutex::new(cache) }
    }

    fn cache(&self) -> MutexGuard<'_, LruCache<Uuid, Arc<Known>>> {
        // Entries are replaced whole: a panic leaves no half one.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number as everything acknowledged so far has left it.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub async fn number(&self, id: Uuid) -> Result<Arc<Known>, LogError> {
        let mut known = self.cache().get(&id).cloned().unwrap_or_default();
        let new = self.log.read_stream(StreamId::Number(id), known.position, Freshness::Latest).await?;
        if !new.is_empty() {
            let state = Arc::make_mut(&mut known);
            new.iter().for_each(|stored| state.read(id, stored));
            self.keep(id, &known);
        }
        Ok(known)
    }

    fn keep(&self, id: Uuid, known: &Arc<Known>) {
        let mut cache = self.cache();
        if cache.get(&id).is_none_or(|cached| cached.position < known.position) {
            cache.put(id, known.clone());
        }
    }

    /// Looks at the number of a patient whose stream ends at `position`: what was reserved on it, and everybody whom it concerns.
    ///
    /// # Errors
    /// [`Failure`] if the personal data or the log cannot be read: then nothing can be permitted.
    pub async fn look(&self, transactor: &Transactor, patient: Uuid, position: Position) -> Result<Sight, Failure> {
        let mut sight = Sight { patient, position, number: None, others: Vec::new(), blind: false };
        let Some(shared) = self.holders.who_shares(patient).await? else { return Ok(sight) };
        let known = self.number(shared.number).await?;
        sight.blind = known.unreadable.is_some();
        let mut concerned: BTreeMap<Uuid, bool> = known.number.reserved_for().into_iter().map(|of| (of, false)).collect();
        concerned.extend(shared.patients.iter().map(|holder| (*holder, true)));
        concerned.remove(&patient);
        for (id, has_it) in concerned {
            sight.blind |= !self.follow(transactor, id, has_it, &mut sight.others).await?;
        }
        sight.others.retain(|other| other.stream != patient);
        sight.number = Some((shared.number, known));
        Ok(sight)
    }

    /// Adds a patient's stream and those of whoever they were merged into: one person. False if one of them cannot be read.
    async fn follow(&self, transactor: &Transactor, id: Uuid, has_it: bool, to: &mut Vec<Other>) -> Result<bool, Failure> {
        let (mut streams, mut next, mut readable) = (Vec::new(), Some(id), true);
        while let Some(stream) = next.take().filter(|_| streams.len() < MERGES) {
            let patient = transactor.patient_now(stream).await?;
            readable &= patient.set_aside().is_none();
            if let Standing::Merged { into, .. } = patient.state.standing {
                next = Some(into);
            }
            streams.push((stream, patient));
        }
        let Some(person) = streams.last().map(|(stream, _)| *stream) else { return Ok(true) };
        for (stream, patient) in streams {
            match to.iter_mut().find(|other| other.stream == stream) {
                Some(other) => other.has_it |= has_it,
                None => to.push(Other { stream, person, patient, has_it }),
            }
        }
        Ok(readable)
    }

    /// Reserves the number for a permit, if nothing was recorded of the number since it was looked at. False: somebody was faster, look again.
    ///
    /// # Errors
    /// [`Failure`]: this service's clock is behind the number's last event, or the log could not do it.
    pub async fn reserve(&self, sight: &mut Sight, command: &Command, wanted: Reserve) -> Result<bool, Failure> {
        let Some((id, known)) = &sight.number else { return Ok(false) };
        let (id, mut known) = (*id, known.clone());
        let clock = self.clock.now();
        let now = known.number.last_recorded_at.map_or(clock, |last| last.max(clock));
        if clock + CLOCK_TOLERANCE < now {
            return Err(Failure::ClockBehind { clock, last: now });
        }
        // One permit may be reserved again once its reservation has lapsed, or on another number.
        let before = known.number.reservations.iter().filter(|r| r.permit == wanted.permit).count();
        let reservation =
            self.keys.derive(&[b"number.reserved", id.as_bytes(), wanted.permit.as_bytes(), &(before as u64).to_be_bytes()]);
        let event = NumberEvent::Reserved(NumberReserved {
            reservation,
            patient: sight.patient,
            permit: wanted.permit,
            purpose: wanted.purpose,
            channel: wanted.channel,
            lapses_at: now + RESERVED_FOR,
            day: wanted.day,
            joins: wanted.joins,
        });
        let own = Command { event: reservation, fingerprint: None, time: None, ..command.clone() };
        let Some(_) = self.append(id, &mut known, &own, &event, now).await? else { return Ok(false) };
        sight.number = Some((id, known));
        Ok(true)
    }

    /// The contact that has begun for those whom one is to cover, a patient's permit among them.
    ///
    /// # Errors
    /// [`Failure`] if the personal data or the log cannot be read.
    pub async fn begun_as(&self, transactor: &Transactor, patient: Uuid, permit: Uuid) -> Result<Option<Uuid>, Failure> {
        let known = transactor.patient_now(patient).await?;
        if known.state.permit(permit).is_none_or(|permit| !permit.channel.uses_number()) {
            return Ok(None);
        }
        Ok(self.look(transactor, patient, known.position).await?.begun_as(permit))
    }

    async fn append(
        &self,
        id: Uuid,
        known: &mut Arc<Known>,
        command: &Command,
        event: &NumberEvent,
        now: Time,
    ) -> Result<Option<Position>, Failure> {
        let stream = StreamId::Number(id);
        let envelope = Envelope {
            id: command.event,
            network: self.network.clone(),
            subject: SmolStr::from(stream.to_string()),
            time: to_millis(command.time.unwrap_or(now)),
            recorded_at: now,
            actor: command.actor.clone(),
            branch: command.branch.clone(),
            sequence: known.sequence + 1,
            cause: command.cause,
            command: command.fingerprint,
            previous: known.last_hash,
        };
        let bytes: bytes::Bytes = envelope.write(event).into();
        let new = NewEvent { id: command.event, bytes: bytes.clone() };
        match self.log.append(stream, known.position, new).await? {
            Append::Done(position) => {
                Arc::make_mut(known).read(id, &Stored { stream, position, id: command.event, bytes });
                self.keep(id, known);
                Ok(Some(position))
            }
            Append::Conflict => Ok(None),
        }
    }

    /// Records a stop of a number, or the answer to one; once for one command. `check` says whether it is still to be recorded.
    ///
    /// # Errors
    /// [`Failure`]: what `check` says, a key that was used for another command, or the log could not do it.
    pub async fn record(
        &self,
        id: Uuid,
        command: &Command,
        event: &NumberEvent,
        check: impl Fn(&Number) -> Result<(), Failure>,
    ) -> Result<(Position, bool), Failure> {
        for _ in 0..ATTEMPTS {
            let mut known = self.number(id).await?;
            if let Some((_, fingerprint, position)) = known.seen.iter().find(|(seen, ..)| *seen == command.event) {
                if *fingerprint != command.fingerprint {
                    return Err(Failure::KeyReused);
                }
                return Ok((*position, true));
            }
            if let Some(unreadable) = &known.unreadable {
                return Err(Failure::NoPolicy(format!("the number's stream holds an event that cannot be read: {unreadable}")));
            }
            check(&known.number)?;
            let clock = self.clock.now();
            let now = known.number.last_recorded_at.map_or(clock, |last| last.max(clock));
            if let Some(position) = self.append(id, &mut known, command, event, now).await? {
                return Ok((position, false));
            }
        }
        Err(Failure::Busy)
    }
}

/// What is to be reserved.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// The permit that it is for.
    pub permit: Uuid,
    /// What for.
    pub purpose: tact_domain::Purpose,
    /// How.
    pub channel: tact_domain::Channel,
    /// The day of its occasion.
    pub day: Option<chrono::NaiveDate>,
    /// The contact that it joins.
    pub joins: Option<Uuid>,
}
