//! The one who writes: adds events to the trees and maps, and signs what they have come to.

use std::collections::BTreeMap;

use chrono::{DurationRound, TimeDelta};
use tact_database::{DbError, Time, to_millis};
use tact_domain::envelope::{Hash, hash};
use tact_event_log::{Position, Stored};
use tact_evidence::checkpoint::{LogCheckpoint, LogName, NetworkCheckpoint, root_of_texts, shard};
use tact_evidence::map::{End, Key, Nodes, key};
use tact_evidence::note::{Note, PrivateKey};
use tact_evidence::tile::Edge;
use tact_evidence::tree::leaf_hash;

use crate::store::{self, CheckpointRow, LogRow, Run};
use crate::{Ledger, Published, damaged};

/// How many nodes of the maps are kept in memory, some 600 bytes each.
const CACHED: usize = 20_000;

/// Why nothing could be added.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The database could not do it.
    #[error(transparent)]
    Database(#[from] DbError),
    /// What is stored contradicts itself: nothing is signed any more until a person has looked.
    #[error("the transparency log contradicts itself: {0}")]
    Damaged(String),
}

/// What became of a batch.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// It is in the trees, and this was signed.
    Signed(Published),
    /// Somebody else has moved them: nothing was written, and this keeper is over.
    Moved,
}

/// A log that takes events.
struct Open {
    row: LogRow,
    name: LogName,
    edge: Edge,
    nodes: Nodes,
    /// The position at which leaves and positions would go on running alike.
    runs_on: Option<i64>,
}

/// Adds events and signs.
pub struct Keeper {
    ledger: Ledger,
    key: PrivateKey,
    /// Since when the key holds: nothing is signed for a moment before that, whatever the clock says.
    holds_from: Option<Time>,
    /// The notes of logs that take no more events, by their number.
    closed: BTreeMap<i64, String>,
    open: Vec<Open>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Takes the trees up where they are; begins the first one in an empty database.
    ///
    /// # Errors
    /// [`KeeperError`], also if what is stored does not lead to what was signed last.
    pub async fn open(ledger: &Ledger, key: PrivateKey) -> Result<Self, KeeperError> {
        let db = ledger.db();
        if store::logs(db).await?.is_empty() {
            let name = LogName { network: ledger.network().to_owned(), epoch: 0, first: 0, last: u8::MAX };
            let mut tx = db.begin().await?;
            store::add_log(&mut tx, &row_of(1, &name, 0)).await?;
            tx.commit().await?;
        }
        let public = key.public();
        let known = ledger.keys().await?.into_iter().find(|(known, _)| known.key == public);
        let holds_from = known.and_then(|(known, _)| known.from);
        let mut keeper = Self { ledger: ledger.clone(), key, holds_from, closed: BTreeMap::new(), open: Vec::new() };
        for row in store::logs(db).await? {
            let name = LogName::read(&row.origin).ok_or_else(|| KeeperError::Damaged(format!("{} names no log", row.origin)))?;
            if name.network != ledger.network() {
                let problem = format!("it is of the network `{}`, not of `{}`", name.network, ledger.network());
                return Err(KeeperError::Damaged(problem));
            }
            if row.last_shard < 0 {
                keeper.closed.insert(row.id, row.note);
            } else {
                keeper.open.push(keeper.take_up(row, name).await?);
            }
        }
        Ok(keeper)
    }

    async fn take_up(&self, row: LogRow, name: LogName) -> Result<Open, KeeperError> {
        let (db, size) = (self.ledger.db(), row.size.cast_unsigned());
        let tiles = store::tiles(db, row.id, Edge::tiles(size)).await?;
        let edge = Edge::read(size, &tiles).map_err(|error| KeeperError::Damaged(error.to_string()))?;
        if !row.note.is_empty() {
            let stated = LogCheckpoint::read(Note::parse(&row.note).map_err(damaged)?.text).map_err(damaged)?;
            if stated.size != size || stated.root != edge.root() {
                return Err(KeeperError::Damaged(format!("the tiles of {name} do not lead to the root that was signed last")));
            }
        }
        let run = store::run_of(db, row.id, i64::MAX).await?;
        let runs_on = run.map(|run| run.position + (row.size - run.leaf));
        Ok(Open { row, name, edge, nodes: Nodes::default(), runs_on })
    }

    /// Up to which event of the event log everything is in the trees.
    pub fn position(&self) -> Position {
        let positions = self.open.iter().map(|log| log.row.position.cast_unsigned());
        Position::from_stored(positions.min().unwrap_or(0))
    }

    /// Adds events, which follow on [`Keeper::position`] without a gap, and signs what the trees have come to. Events that are in the trees
    /// already come from a reader who is behind: nothing is added twice.
    ///
    /// # Errors
    /// [`KeeperError`]; this keeper is then of no more use.
    pub async fn add(&mut self, events: &[Stored], now: Time) -> Result<Step, KeeperError> {
        let Some(last) = events.last() else { return Err(KeeperError::Damaged("nothing to add".to_owned())) };
        if events[0].position <= self.position() {
            return Ok(Step::Moved);
        }
        let position = last.position.to_stored().cast_signed();
        let mut changes = Vec::new();
        for log in &mut self.open {
            let own: Vec<&Stored> = events.iter().filter(|event| log.name.holds(shard(&event.stream.to_string()))).collect();
            changes.push(log.grow(&self.ledger, &own, position).await?);
        }
        self.write(changes, now).await
    }

    async fn write(&mut self, changes: Vec<Change>, now: Time) -> Result<Step, KeeperError> {
        let mut tx = self.ledger.db().begin().await?;
        let mut notes = self.closed.clone();
        for (log, change) in self.open.iter_mut().zip(changes) {
            let text = change.stated.to_string();
            let mut to = change.row;
            to.note = self.key.sign(&text);
            if !store::move_log(&mut tx, &to, &log.row).await? {
                return Ok(Step::Moved);
            }
            for run in change.runs {
                store::add_run(&mut tx, to.id, run).await?;
            }
            store::write_tiles(&mut tx, to.id, change.tiles).await?;
            store::write_nodes(&mut tx, to.id, &change.nodes, &log.nodes).await?;
            notes.insert(to.id, to.note.clone());
            log.row = to;
            if log.nodes.0.len() > CACHED {
                log.nodes.0.clear();
            }
        }
        let notes: Vec<String> = notes.into_values().collect();
        let published = self.sign(&mut tx, notes, now).await?;
        tx.commit().await?;
        Ok(Step::Signed(published))
    }

    async fn sign(&self, tx: &mut tact_database::Tx, notes: Vec<String>, now: Time) -> Result<Published, KeeperError> {
        let before = store::last_checkpoint_in(tx).await?;
        let stated_before = match &before {
            Some(row) => Some(NetworkCheckpoint::read(Note::parse(&row.note).map_err(damaged)?.text).map_err(damaged)?),
            None => None,
        };
        let texts =
            notes.iter().map(|note| Note::parse(note).map(|note| note.text)).collect::<Result<Vec<_>, _>>().map_err(damaged)?;
        let stated = NetworkCheckpoint {
            network: self.ledger.network().to_owned(),
            logs: notes.len() as u64,
            root: root_of_texts(texts),
            number: before.as_ref().map_or(1, |row| row.number.cast_unsigned() + 1),
            previous: stated_before.as_ref().map_or(Hash::default(), NetworkCheckpoint::hash),
            // A clock that was set back does not make a later statement an earlier one, nor one of before the key held.
            time: stated_before.as_ref().map(|before| before.time).max(self.holds_from).max(Some(to_millis(now))).unwrap_or(now),
        };
        let hour = |time: Time| time.duration_trunc(TimeDelta::hours(1)).unwrap_or(time);
        let hourly = store::last_hour(tx).await?.is_none_or(|last| hour(last) < hour(stated.time));
        let row = CheckpointRow {
            number: stated.number.cast_signed(),
            made_at: stated.time,
            hourly,
            note: self.key.sign(&stated.to_string()),
            logs: serde_json::to_string(&notes).map_err(damaged)?,
        };
        store::add_checkpoint(tx, &row).await?;
        Ok(Published::of(row)?)
    }

    /// Divides the network anew, each range of shards a log of its own from now on. The logs that were open take no more events; each
    /// new one has the checkpoint of the one before it as its first leaf, and begins where that ended.
    ///
    /// # Errors
    /// [`KeeperError::Damaged`] if the ranges do not make up all shards, or nothing has been signed yet.
    pub async fn divide(mut self, ranges: &[(u8, u8)], now: Time) -> Result<Step, KeeperError> {
        let shards = ranges.iter().map(|(first, last)| *first..=*last);
        if !shards.flatten().eq(0..=u8::MAX) {
            return Err(KeeperError::Damaged("the ranges do not hold each shard once, in order".to_owned()));
        }
        if self.open.iter().any(|log| log.row.note.is_empty()) {
            return Err(KeeperError::Damaged("nothing has been signed yet that could be followed".to_owned()));
        }
        let db = self.ledger.db().clone();
        let rows = store::logs(&db).await?;
        let position = self.position().to_stored().cast_signed();
        let epoch = self.open.iter().map(|log| log.name.epoch).max().unwrap_or(0) + 1;
        let mut tx = db.begin().await?;
        for log in &self.open {
            if !store::close_log(&mut tx, log.row.id).await? {
                return Ok(Step::Moved);
            }
            self.closed.insert(log.row.id, log.row.note.clone());
        }
        let mut notes = self.closed.clone();
        for (id, (first, last)) in (rows.len() as i64 + 1..).zip(ranges) {
            let name = LogName { network: self.ledger.network().to_owned(), epoch, first: *first, last: *last };
            let before = self.open.iter().filter(|log| log.name.holds(*first) || name.holds(log.name.first));
            let leaves: Vec<Hash> = before.map(|log| leaf_hash(log.row.note.as_bytes())).collect();
            let mut row = row_of(id, &name, position);
            let mut edge = Edge::default();
            if !store::add_log(&mut tx, &row).await? {
                return Ok(Step::Moved);
            }
            store::write_tiles(&mut tx, id, edge.push(leaves)).await?;
            let stated =
                LogCheckpoint { log: name, size: edge.size(), root: edge.root(), streams: 0, map: tact_evidence::map::NOTHING };
            let empty = row.clone();
            row.size = edge.size().cast_signed();
            row.note = self.key.sign(&stated.to_string());
            if !store::move_log(&mut tx, &row, &empty).await? {
                return Ok(Step::Moved);
            }
            notes.insert(id, row.note);
        }
        let published = self.sign(&mut tx, notes.into_values().collect(), now).await?;
        tx.commit().await?;
        Ok(Step::Signed(published))
    }
}

fn row_of(id: i64, name: &LogName, position: i64) -> LogRow {
    let (first_shard, last_shard) = (i64::from(name.first), i64::from(name.last));
    LogRow { id, origin: name.to_string(), first_shard, last_shard, position, size: 0, streams: 0, note: String::new() }
}

/// What a batch comes to in one log, before it is written.
struct Change {
    row: LogRow,
    stated: LogCheckpoint,
    tiles: std::collections::HashMap<tact_evidence::tile::TileId, Vec<Hash>>,
    nodes: Vec<tact_evidence::map::Prefix>,
    runs: Vec<Run>,
}

impl Open {
    async fn grow(&mut self, ledger: &Ledger, events: &[&Stored], position: i64) -> Result<Change, KeeperError> {
        let names: Vec<Key> = events.iter().map(|event| key(&event.stream.to_string())).collect();
        loop {
            let mut wanted = self.nodes.wanted(&names);
            if names.is_empty() && !self.nodes.0.contains_key(&tact_evidence::map::Prefix::ROOT) {
                wanted.push(tact_evidence::map::Prefix::ROOT);
            }
            if wanted.is_empty() {
                break;
            }
            store::read_nodes(ledger.db(), self.row.id, wanted, &mut self.nodes).await?;
        }
        let damaged = |error: &dyn std::fmt::Display| KeeperError::Damaged(error.to_string());
        let mut ends: BTreeMap<Key, End> = BTreeMap::new();
        let mut new = 0;
        let mut runs = Vec::new();
        for (event, (name, leaf)) in events.iter().zip(names.iter().zip(self.row.size..)) {
            let known = match ends.get(name) {
                Some(end) => Some(*end),
                None => self.nodes.get(name).map_err(|error| damaged(&error))?,
            };
            let before = match known {
                Some(end) => end.count,
                None => {
                    new += 1;
                    self.counted_before(ledger, name).await?
                }
            };
            ends.insert(*name, End { count: before + 1, head: hash(&event.bytes) });
            let at = event.position.to_stored().cast_signed();
            if self.runs_on != Some(at) {
                runs.push(Run { leaf, position: at });
            }
            self.runs_on = Some(at + 1);
        }
        let tiles = self.edge.push(events.iter().map(|event| leaf_hash(&event.bytes)));
        let (nodes, map) = if ends.is_empty() {
            (Vec::new(), self.nodes.root().map_err(|error| damaged(&error))?)
        } else {
            self.nodes.set(&ends).map_err(|error| damaged(&error))?
        };
        let mut row = self.row.clone();
        row.position = position;
        row.size = self.edge.size().cast_signed();
        row.streams += new;
        let stated = LogCheckpoint {
            log: self.name.clone(),
            size: self.edge.size(),
            root: self.edge.root(),
            streams: row.streams.cast_unsigned(),
            map,
        };
        Ok(Change { row, stated, tiles, nodes, runs })
    }

    /// How many events a stream has in the logs before this one, which the network's division has closed.
    async fn counted_before(&self, ledger: &Ledger, name: &Key) -> Result<u64, KeeperError> {
        let mut count = 0;
        if self.name.epoch == 0 {
            return Ok(count);
        }
        for log in store::logs(ledger.db()).await?.iter().filter(|log| log.last_shard < 0) {
            let mut nodes = Nodes::default();
            loop {
                let wanted = nodes.wanted([name]);
                if wanted.is_empty() {
                    break;
                }
                store::read_nodes(ledger.db(), log.id, wanted, &mut nodes).await?;
            }
            let found = nodes.get(name).map_err(|error| KeeperError::Damaged(error.to_string()))?;
            count = count.max(found.map_or(0, |end| end.count));
        }
        Ok(count)
    }
}
