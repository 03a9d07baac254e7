//! One run of a projector from a checkpoint on: as long as nobody else moves that checkpoint and nothing fails. Whatever goes wrong, the session is
//! thrown away and the next one begins with what the database says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tact_database::{Db, DbError};
use tact_domain::envelope::Hash;
use tact_domain::policy::Policy;
use tact_event_log::{Batch, EventLog, Follow, Position, StreamId};
use tact_read_models::checkpoint::{self, Checkpoint};
use tact_read_models::patients::{self, PatientRow};
use tact_read_models::{ReadDb, set_aside};
use uuid::Uuid;

use crate::cache::{Cache, Patient};
use crate::derive::{Derived, derive};
use crate::fold::{fold, patient_row};
use crate::network::Network;
use crate::rows::Rows;
use crate::{Now, ProjectorError};

/// How many patients' rows are computed anew in one transaction when another policy comes into force.
const PAGE: u32 = 500;

/// The tables that a session writes to.
#[derive(Debug, Clone)]
pub(crate) enum Tables {
    /// Those that everybody reads.
    Live(ReadDb),
    /// Those that a rebuild is making.
    Next(Db),
}

impl Tables {
    fn db(&self) -> Db {
        match self {
            Self::Live(read) => read.db(),
            Self::Next(db) => db.clone(),
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Step {
    /// Its rows and the checkpoint are in the database.
    Applied,
    /// Somebody else has moved the checkpoint, or the tables have been replaced: nothing was written, and this session is over.
    Moved,
}

pub(crate) struct Session {
    tables: Tables,
    now: Now,
    follow: Box<dyn Follow>,
    checkpoint: Checkpoint,
    network: Network,
    cache: Cache,
    set_aside: HashSet<Uuid>,
    /// Behind which patient rows are still to be computed by the policy in force; `None`: all are.
    recompute: Option<Recompute>,
    head: Position,
    worked: bool,
}

struct Recompute {
    version: Option<String>,
    after: Uuid,
}

impl Session {
    pub(crate) async fn open(
        log: Arc<dyn EventLog>,
        tables: Tables,
        now: Now,
        name: &str,
        cache: usize,
    ) -> Result<Self, ProjectorError> {
        let db = tables.db();
        let checkpoint = checkpoint::read(&db).await?;
        let position = position_of(&checkpoint);
        let head = log.head().await?;
        if position > head {
            return Err(ProjectorError::AheadOfLog { read: position.to_stored(), head: head.to_stored() });
        }
        let network = Network::open(&*log, position).await?;
        let set_aside = set_aside::list(&db).await?;
        let ids = set_aside.iter().filter_map(|row| row.stream.parse().ok()).collect();
        if !set_aside.is_empty() {
            tracing::warn!(streams = set_aside.len(), first = %set_aside[0].stream, "streams are set aside: an event of each cannot be read");
        }
        let follow = log.follow(name, position).await?;
        Ok(Self { tables, now, follow, checkpoint, network, cache: Cache::new(cache), set_aside: ids, recompute: None, head, worked: false })
    }

    /// The position that the rows are true up to.
    pub(crate) fn position(&self) -> Position {
        position_of(&self.checkpoint)
    }

    /// The last position of the log, as last heard.
    pub(crate) fn head(&self) -> Position {
        self.head.max(self.position())
    }

    pub(crate) fn generation(&self) -> i64 {
        self.checkpoint.generation
    }

    /// Whether the log and the database have answered in this session.
    pub(crate) fn works(&self) -> bool {
        self.worked
    }

    /// Whether rows are still to be computed by the policy in force.
    pub(crate) fn recomputing(&self) -> bool {
        self.recompute.is_some() || self.version_in_force() != self.checkpoint.policy
    }

    fn version_in_force(&self) -> Option<String> {
        self.network.in_force((self.now)()).map(|policy| policy.version.to_string())
    }

    /// The next events; does not wait while there is other work. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, max: usize, wait: Duration) -> Result<Batch, ProjectorError> {
        let wait = if self.recomputing() { Duration::ZERO } else { wait };
        let mut batch = self.follow.next(max, wait).await?;
        self.head = self.head.max(batch.head);
        let done = self.position();
        batch.events.retain(|event| event.position > done);
        Ok(batch)
    }

    /// Applies a batch, and one page of what a new policy changes.
    pub(crate) async fn apply(&mut self, batch: Batch) -> Result<Step, ProjectorError> {
        if let Some(last) = batch.events.last().map(|event| event.position) {
            if self.apply_events(batch).await? == Step::Moved {
                return Ok(Step::Moved);
            }
            // A hint that costs no event if it is lost.
            if let Err(error) = self.follow.done(last).await {
                tracing::debug!(%error, "the log did not hear how far the projector is");
            }
        }
        self.worked = true;
        self.apply_policy().await
    }

    async fn apply_events(&mut self, batch: Batch) -> Result<Step, ProjectorError> {
        let db = self.tables.db();
        let last = batch.events.last().map_or(self.position(), |event| event.position);
        let mut patients = self.load(&db, &batch).await?;
        let mut rows = Rows::default();
        let mut zones = Vec::new();
        for stored in &batch.events {
            match stored.stream {
                StreamId::Patient(id) => {
                    let Some(patient) = patients.get_mut(&id) else { continue };
                    let network = &self.network;
                    fold(&mut rows, patient, id, stored, |time| network.is_before_tact(time, stored.position));
                }
                StreamId::Policy | StreamId::Directory => {
                    let effect = self.network.take(stored);
                    rows.set_aside.extend(effect.set_aside);
                    zones.extend(effect.zone_of);
                }
            }
        }
        drop(batch);
        for row in &rows.set_aside {
            tracing::error!(
                alarm = "stream_set_aside", stream = %row.stream, position = row.position, sequence = row.sequence, reason = %row.reason,
                "an event cannot be read: its stream is set aside until a person has looked"
            );
        }
        let policy = self.network.in_force((self.now)());
        for (id, patient) in &mut patients {
            rows.patients.push(patient_row(*id, patient));
            self.renew(&mut rows, *id, patient, policy.as_deref());
        }
        // Rows are written in one order, whatever the order in memory: pages stay together and two writers would not lock each other out.
        rows.patients.sort_unstable_by_key(|row| row.patient);
        for branch in zones {
            self.renew_branch(&db, &mut rows, &mut patients, &branch, policy.as_deref()).await?;
        }
        let to = last.to_stored().cast_signed();
        if self.write(&db, rows, to, self.checkpoint.policy.clone()).await? == Step::Moved {
            return Ok(Step::Moved);
        }
        for (id, patient) in patients {
            if patient.set_aside {
                self.set_aside.insert(id);
            }
            self.cache.put(id, patient);
        }
        Ok(Step::Applied)
    }

    /// The batch's patients as they were before it: from memory, and those that are not there in one go from the database.
    async fn load(&mut self, db: &Db, batch: &Batch) -> Result<HashMap<Uuid, Patient>, DbError> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for event in &batch.events {
            if let StreamId::Patient(id) = event.stream
                && !found.contains_key(&id)
            {
                let known = self.cache.take(id);
                if known.is_none() {
                    missing.push(id);
                }
                // Who is not in the database has no rows there.
                let fresh = || Patient { written: Some(Derived::default()), ..Patient::default() };
                found.insert(id, known.unwrap_or_else(fresh));
            }
        }
        for row in patients::many(db, &missing).await? {
            let id = row.patient;
            found.insert(id, self.patient(row)?);
        }
        Ok(found)
    }

    fn patient(&self, row: PatientRow) -> Result<Patient, DbError> {
        Ok(Patient {
            state: row.state()?,
            version: row.version.cast_unsigned(),
            position: row.position.cast_unsigned(),
            last_hash: Hash::try_from(row.last_hash.as_slice()).unwrap_or_default(),
            registered_at: row.registered_at,
            set_aside: self.set_aside.contains(&row.patient),
            written: None,
        })
    }

    /// Computes what follows from a patient's state, and notes what has changed.
    fn renew(&self, rows: &mut Rows, id: Uuid, patient: &mut Patient, policy: Option<&Policy>) {
        let new = if patient.set_aside {
            Derived::default()
        } else {
            derive(id, &patient.state, policy, self.network.zone(&patient.state))
        };
        rows.replace(id, patient.written.as_ref(), &new);
        patient.written = Some(new);
    }

    /// Computes anew what follows from the state of patients who take their time zone from this branch.
    async fn renew_branch(
        &mut self,
        db: &Db,
        rows: &mut Rows,
        touched: &mut HashMap<Uuid, Patient>,
        branch: &tact_domain::Branch,
        policy: Option<&Policy>,
    ) -> Result<(), DbError> {
        let mut after = Uuid::nil();
        loop {
            let page = patients::page_of_branch(db, branch, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.patient;
            for row in page {
                let id = row.patient;
                if touched.contains_key(&id) {
                    continue;
                }
                let mut patient = self.patient(row)?;
                if patient.state.zone().is_none() {
                    drop(self.cache.take(id));
                    self.renew(rows, id, &mut patient, policy);
                    touched.insert(id, patient);
                }
            }
        }
    }

    /// When another policy is in force than the rows were computed by: computes one page of patients anew.
    async fn apply_policy(&mut self) -> Result<Step, ProjectorError> {
        let policy = self.network.in_force((self.now)());
        let version = policy.as_ref().map(|p| p.version.to_string());
        match &self.recompute {
            None if version == self.checkpoint.policy => return Ok(Step::Applied),
            Some(begun) if begun.version == version => {}
            _ => {
                tracing::info!(policy = version.as_deref().unwrap_or("none"), "a policy came into force: what is due is computed anew");
                self.recompute = Some(Recompute { version: version.clone(), after: Uuid::nil() });
            }
        }
        let after = self.recompute.as_ref().map_or(Uuid::nil(), |r| r.after);
        let db = self.tables.db();
        let page = patients::page(&db, after, PAGE).await?;
        let position = self.checkpoint.position;
        let Some(last) = page.last().map(|row| row.patient) else {
            if self.write(&db, Rows::default(), position, version).await? == Step::Moved {
                return Ok(Step::Moved);
            }
            self.recompute = None;
            return Ok(Step::Applied);
        };
        let mut rows = Rows::default();
        let mut renewed = Vec::new();
        for row in page {
            let id = row.patient;
            let known = self.cache.take(id);
            let was_known = known.is_some();
            let mut patient = known.map_or_else(|| self.patient(row), Ok)?;
            self.renew(&mut rows, id, &mut patient, policy.as_deref());
            if was_known {
                renewed.push((id, patient));
            }
        }
        if self.write(&db, rows, position, self.checkpoint.policy.clone()).await? == Step::Moved {
            return Ok(Step::Moved);
        }
        for (id, patient) in renewed {
            self.cache.put(id, patient);
        }
        self.recompute = Some(Recompute { version, after: last });
        Ok(Step::Applied)
    }

    /// Rows and checkpoint in one transaction, the checkpoint first: whoever is too late waits there and then writes nothing.
    async fn write(&mut self, db: &Db, rows: Rows, position: i64, policy: Option<String>) -> Result<Step, DbError> {
        let mut tx = db.begin().await?;
        if !checkpoint::advance(&mut tx, &self.checkpoint, position, policy.as_deref(), (self.now)()).await? {
            return Ok(Step::Moved);
        }
        rows.write(&mut tx).await?;
        tx.commit().await?;
        self.checkpoint.position = position;
        self.checkpoint.policy = policy;
        if let Tables::Live(read) = &self.tables {
            read.tell(position);
        }
        Ok(Step::Applied)
    }
}

fn position_of(checkpoint: &Checkpoint) -> Position {
    Position::from_stored(checkpoint.position.cast_unsigned())
}
