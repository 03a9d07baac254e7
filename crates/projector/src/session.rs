//! One run of a projector from a checkpoint on: as long as nobody else moves that checkpoint and nothing fails. Whatever goes wrong, the session is
//! thrown away and the next one begins with what the database says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tact_database::{Db, DbError};
use tact_domain::Time;
use tact_domain::policy::Policy;
use tact_event_log::{Batch, EventLog, Follow, Position, StreamId};
use tact_read_models::checkpoint::{self, Checkpoint};
use tact_read_models::patients::{self, PatientRow};
use tact_read_models::{ReadDb, set_aside};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::cache::{Cache, Patient};
use crate::derive::renew;
use crate::fold::{fold, patient_row};
use crate::network::Network;
use crate::rows::Rows;
use crate::{Now, ProjectorError};

/// How many patients' rows are computed anew in one transaction when another policy comes into force.
const PAGE: u32 = 500;

/// After so many events or patients the thread is offered to others.
const BREATH: usize = 200;

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
    /// Its rows and the checkpoint are in the database, or on their way; [`Session::settle`] knows.
    Applied,
    /// Somebody else has moved the checkpoint, or the tables have been replaced: nothing was written, and this session is over.
    Moved,
}

pub(crate) struct Session {
    tables: Tables,
    now: Now,
    follow: Box<dyn Follow>,
    /// As it is in the database, or will be when what is being written is there.
    checkpoint: Checkpoint,
    /// The batch before, on its way into the database while the next one is folded.
    writing: Option<JoinHandle<Result<Written, DbError>>>,
    network: Network,
    cache: Cache,
    set_aside: HashSet<Uuid>,
    /// Behind which patient rows are still to be computed by the policy in force; `None`: all are.
    recompute: Option<Recompute>,
    head: Position,
    worked: bool,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy)]
enum Written {
    /// It is in the database.
    Upto(Position),
    /// The checkpoint was not where it was expected: nothing was written.
    Nothing,
}

/// What a batch comes to, before it is written.
pub(crate) struct Prepared {
    rows: Rows,
    to: Position,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Broken off in the middle, a transaction leaves no trace; and nobody writes for a session that is no more.
        if let Some(writing) = &self.writing {
            writing.abort();
        }
    }
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
        batch: usize,
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
        Ok(Self {
            tables,
            now,
            follow,
            checkpoint,
            network,
            cache: Cache::new(cache, batch),
            set_aside: ids,
            writing: None,
            recompute: None,
            head,
            worked: false,
        })
    }

    /// The position that the rows are true up to, once everything is settled.
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

    /// Applies a batch, and one page of what a new policy changes. The batch is folded while the one before it is being written.
    pub(crate) async fn apply(&mut self, batch: Batch) -> Result<Step, ProjectorError> {
        if !batch.events.is_empty() {
            let prepared = self.prepare(batch).await?;
            if self.settle().await? == Step::Moved {
                return Ok(Step::Moved);
            }
            let policy = self.checkpoint.policy.clone();
            let from = self.checkpoint.clone();
            self.checkpoint.position = stored(prepared.to);
            let (tables, now) = (self.tables.clone(), (self.now)());
            self.writing = Some(tokio::spawn(write(tables, from, prepared, policy, now)));
        }
        self.apply_policy().await
    }

    /// Waits until what is being written is in the database.
    pub(crate) async fn settle(&mut self) -> Result<Step, ProjectorError> {
        let Some(writing) = self.writing.as_mut() else { return Ok(Step::Applied) };
        let written = writing.await;
        self.writing = None;
        match written {
            Ok(Ok(Written::Upto(position))) => {
                self.worked = true;
                // A hint that costs no event if it is lost.
                if let Err(error) = self.follow.done(position).await {
                    tracing::debug!(%error, "the log did not hear how far the projector is");
                }
                Ok(Step::Applied)
            }
            Ok(Ok(Written::Nothing)) => Ok(Step::Moved),
            Ok(Err(error)) => Err(error.into()),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Folds a batch. Once this has begun, the session must not be used again unless it ends well.
    pub(crate) async fn prepare(&mut self, batch: Batch) -> Result<Prepared, ProjectorError> {
        let db = self.tables.db();
        let to = batch.events.last().map_or(self.position(), |event| event.position);
        let mut patients = self.load(&db, &batch).await?;
        let mut rows = Rows::default();
        let mut zones = Vec::new();
        for (number, stored) in batch.events.iter().enumerate() {
            if number % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
            match stored.stream {
                StreamId::Patient(id) => {
                    let Some(patient) = patients.get_mut(&id) else { continue };
                    fold(&mut rows, patient, id, stored, &self.network);
                }
                StreamId::Policy | StreamId::Directory => {
                    let effect = self.network.take(stored);
                    rows.set_aside.extend(effect.set_aside);
                    zones.extend(effect.zone_of);
                }
                // No row follows from what was handed out or destroyed, nor from who queued up for a number.
                StreamId::Access | StreamId::Number(_) => {}
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
        for (number, (id, patient)) in patients.iter_mut().enumerate() {
            if number % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
            rows.patients.push(patient_row(*id, patient));
            self.renew(&mut rows, *id, patient, policy.as_deref());
        }
        // Rows are written in one order, whatever the order in memory: pages stay together and two writers would not lock each other out.
        rows.patients.sort_unstable_by_key(|row| row.patient);
        if !zones.is_empty() {
            // What is read now must hold the batch before. If that was too late, so will be this one: its condition is that one's end.
            let _ = self.settle().await?;
        }
        for branch in zones {
            self.renew_branch(&db, &mut rows, &patients, &branch, policy.as_deref()).await?;
        }
        // Kept before they are written: whoever reads one of them for the next batch must not see it as it was.
        for (id, patient) in patients {
            if patient.set_aside {
                self.set_aside.insert(id);
            }
            self.cache.put(id, patient);
        }
        Ok(Prepared { rows, to })
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
                found.insert(id, known.unwrap_or_else(Patient::without_rows));
            }
        }
        for row in patients::many(db, &missing).await? {
            let id = row.patient;
            found.insert(id, self.patient(row)?);
        }
        Ok(found)
    }

    fn patient(&self, row: PatientRow) -> Result<Patient, DbError> {
        let set_aside = self.set_aside.contains(&row.patient);
        Patient::from_row(&row, set_aside)
    }

    /// Computes what follows from a patient's state, and notes what has changed.
    fn renew(&self, rows: &mut Rows, id: Uuid, patient: &mut Patient, policy: Option<&Policy>) {
        renew(rows, id, patient, policy, &self.network);
    }

    /// Computes anew what follows from the state of patients who take their time zone from this branch.
    async fn renew_branch(
        &mut self,
        db: &Db,
        rows: &mut Rows,
        touched: &HashMap<Uuid, Patient>,
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
                    // Read again when it is needed again: these may be more than fit into memory.
                    drop(self.cache.take(id));
                    self.renew(rows, id, &mut patient, policy);
                }
            }
        }
    }

    /// When another policy is in force than the rows were computed by: computes one page of patients anew.
    async fn apply_policy(&mut self) -> Result<Step, ProjectorError> {
        if !self.recomputing() {
            return Ok(Step::Applied);
        }
        // The pages that are read must hold what was folded before.
        if self.settle().await? == Step::Moved {
            return Ok(Step::Moved);
        }
        let policy = self.network.in_force((self.now)());
        let version = policy.as_ref().map(|p| p.version.to_string());
        match &self.recompute {
            None if version == self.checkpoint.policy => return Ok(Step::Applied),
            Some(begun) if begun.version == version => {}
            _ => {
                tracing::info!(
                    policy = version.as_deref().unwrap_or("none"),
                    "a policy came into force: what is due is computed anew"
                );
                self.recompute = Some(Recompute { version: version.clone(), after: Uuid::nil() });
            }
        }
        let after = self.recompute.as_ref().map_or(Uuid::nil(), |r| r.after);
        let db = self.tables.db();
        let page = patients::page(&db, after, PAGE).await?;
        let Some(last) = page.last().map(|row| row.patient) else {
            if self.write(Rows::default(), version).await? == Step::Moved {
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
        if self.write(rows, self.checkpoint.policy.clone()).await? == Step::Moved {
            return Ok(Step::Moved);
        }
        for (id, patient) in renewed {
            self.cache.put(id, patient);
        }
        self.recompute = Some(Recompute { version, after: last });
        Ok(Step::Applied)
    }

    /// Writes at once what a policy has changed.
    async fn write(&mut self, rows: Rows, policy: Option<String>) -> Result<Step, DbError> {
        let prepared = Prepared { rows, to: self.position() };
        match write(self.tables.clone(), self.checkpoint.clone(), prepared, policy.clone(), (self.now)()).await? {
            Written::Nothing => Ok(Step::Moved),
            Written::Upto(_) => {
                self.worked = true;
                self.checkpoint.policy = policy;
                Ok(Step::Applied)
            }
        }
    }
}

/// Rows and checkpoint in one transaction, the checkpoint first: whoever is too late waits there and then writes nothing.
async fn write(
    tables: Tables,
    from: Checkpoint,
    prepared: Prepared,
    policy: Option<String>,
    now: Time,
) -> Result<Written, DbError> {
    let position = stored(prepared.to);
    let mut tx = tables.db().begin().await?;
    if !checkpoint::advance(&mut tx, &from, position, policy.as_deref(), now).await? {
        return Ok(Written::Nothing);
    }
    prepared.rows.write(&mut tx).await?;
    tx.commit().await?;
    if let Tables::Live(read) = &tables {
        read.tell(position);
    }
    Ok(Written::Upto(prepared.to))
}

fn stored(position: Position) -> i64 {
    position.to_stored().cast_signed()
}

fn position_of(checkpoint: &Checkpoint) -> Position {
    Position::from_stored(checkpoint.position.cast_unsigned())
}
