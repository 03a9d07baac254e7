//! The tables of the transparency logs, and every SQL text about them.

use std::collections::HashMap;

use tact_database::{Component, Db, DbError, Time, Tx, all, bulk, one, one_in, run_in, table};
use tact_domain::envelope::Hash;
use tact_evidence::map::{Node, Nodes, Prefix};
use tact_evidence::tile::{TileId, Tiles};

/// The tables.
pub static TABLES: Component = Component {
    name: "evidence",
    postgres: &[include_str!("../../../migrations/postgres/evidence/0001_tables.sql")],
    sqlite: &[include_str!("../../../migrations/sqlite/evidence/0001_tables.sql")],
    durable: true,
};

/// A log, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct LogRow {
    pub(crate) id: i64,
    pub(crate) origin: String,
    pub(crate) first_shard: i64,
    pub(crate) last_shard: i64,
    /// The position of the last event of the event log that was looked at.
    pub(crate) position: i64,
    pub(crate) size: i64,
    pub(crate) streams: i64,
    /// Its checkpoint.
    pub(crate) note: String,
}

/// From which leaf on leaves and positions run alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Run {
    pub(crate) leaf: i64,
    pub(crate) position: i64,
}

table! {
    /// A tile of hashes.
    pub(crate) struct TileRow = "tiles" key(log, level, number) {
        log: i64,
        level: i64,
        number: i64,
        hashes: Vec<u8>,
    }
}

table! {
    /// A node of a map of streams.
    pub(crate) struct NodeRow = "nodes" key(id) {
        id: Vec<u8>,
        node: Vec<u8>,
    }
}

/// A checkpoint of the network as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct CheckpointRow {
    pub(crate) number: i64,
    pub(crate) made_at: Time,
    pub(crate) hourly: bool,
    pub(crate) note: String,
    pub(crate) logs: String,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct KeyRow {
    pub(crate) number: i64,
    pub(crate) public_key: String,
    pub(crate) valid_from: Time,
    pub(crate) valid_until: Option<Time>,
    pub(crate) succession: Option<String>,
}

const LOGS: &str = "SELECT id, origin, first_shard, last_shard, position, size, streams, note FROM logs ORDER BY id";
const ADD_LOG: &str = "INSERT INTO logs (id, origin, first_shard, last_shard, position, size, streams, note)
    VALUES ($1, $2, $3, $4, $5, 0, 0, '') ON CONFLICT (id) DO NOTHING";
const MOVE_LOG: &str =
    "UPDATE logs SET position = $2, size = $3, streams = $4, note = $5 WHERE id = $1 AND position = $6 AND size = $7";
const CLOSE_LOG: &str = "UPDATE logs SET first_shard = 0, last_shard = -1 WHERE id = $1 AND last_shard >= 0";
const ADD_RUN: &str = "INSERT INTO runs (log, leaf, position) VALUES ($1, $2, $3)";
const RUN_OF: &str = "SELECT leaf, position FROM runs WHERE log = $1 AND position <= $2 ORDER BY position DESC LIMIT 1";
const TILE: &str = "SELECT hashes FROM tiles WHERE log = $1 AND level = $2 AND number = $3";
const LAST: &str = "SELECT number, made_at, hourly, note, logs FROM checkpoints ORDER BY number DESC LIMIT 1";
const BY_NUMBER: &str = "SELECT number, made_at, hourly, note, logs FROM checkpoints WHERE number = $1";
const LAST_HOUR: &str = "SELECT made_at FROM checkpoints WHERE hourly ORDER BY number DESC LIMIT 1";
const ADD: &str = "INSERT INTO checkpoints (number, made_at, hourly, note, logs) VALUES ($1, $2, $3, $4, $5)";
const THIN: &str = "DELETE FROM checkpoints WHERE NOT hourly AND number < $1";
const KEYS: &str = "SELECT number, public_key, valid_from, valid_until, succession FROM keys ORDER BY number";
const ADD_KEY: &str =
    "INSERT INTO keys (number, public_key, valid_from, succession) VALUES ($1, $2, $3, $4) ON CONFLICT (number) DO NOTHING";
const END_KEY: &str = "UPDATE keys SET valid_until = $2 WHERE number = $1 AND valid_until IS NULL";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] =
    &[LOGS, ADD_LOG, MOVE_LOG, CLOSE_LOG, ADD_RUN, RUN_OF, TILE, LAST, BY_NUMBER, LAST_HOUR, ADD, THIN, KEYS, ADD_KEY, END_KEY];

/// The texts that are made for the tables, for the same test.
pub fn statements(db: &Db) -> Vec<String> {
    [bulk::statements::<TileRow>(db, "number"), bulk::statements::<NodeRow>(db, "id")].concat()
}

pub(crate) async fn logs(db: &Db) -> Result<Vec<LogRow>, DbError> {
    all!(db, LOGS)
}

pub(crate) async fn add_log(tx: &mut Tx, log: &LogRow) -> Result<bool, DbError> {
    let LogRow { id, origin, first_shard, last_shard, position, .. } = log;
    Ok(run_in!(tx, ADD_LOG, id, origin, first_shard, last_shard, position)? == 1)
}

/// Moves a log on, if it is where the caller knows it to be.
pub(crate) async fn move_log(tx: &mut Tx, to: &LogRow, from: &LogRow) -> Result<bool, DbError> {
    let LogRow { id, position, size, streams, note, .. } = to;
    Ok(run_in!(tx, MOVE_LOG, id, position, size, streams, note, from.position, from.size)? == 1)
}

/// From now on a log takes no more events.
pub(crate) async fn close_log(tx: &mut Tx, id: i64) -> Result<bool, DbError> {
    Ok(run_in!(tx, CLOSE_LOG, id)? == 1)
}

pub(crate) async fn add_run(tx: &mut Tx, log: i64, run: Run) -> Result<(), DbError> {
    run_in!(tx, ADD_RUN, log, run.leaf, run.position).map(|_| ())
}

/// The run in which a position of a log lies.
pub(crate) async fn run_of(db: &Db, log: i64, position: i64) -> Result<Option<Run>, DbError> {
    one!(db, RUN_OF, log, position)
}

/// Tiles of a log, as many as are there.
pub(crate) async fn tiles(db: &Db, log: i64, wanted: impl IntoIterator<Item = TileId>) -> Result<Tiles, DbError> {
    let mut found = Tiles::default();
    for tile in wanted {
        let (level, number) = (i64::from(tile.level), tile.number.cast_signed());
        let row: Option<(Vec<u8>,)> = one!(db, TILE, log, level, number)?;
        if let Some((bytes,)) = row {
            let hashes = bytes.chunks_exact(32).filter_map(|chunk| Hash::try_from(chunk).ok()).collect();
            found.0.insert(tile, hashes);
        }
    }
    Ok(found)
}

pub(crate) async fn write_tiles(tx: &mut Tx, log: i64, tiles: HashMap<TileId, Vec<Hash>>) -> Result<(), DbError> {
    let row = |(tile, hashes): (TileId, Vec<Hash>)| TileRow {
        log,
        level: i64::from(tile.level),
        number: tile.number.cast_signed(),
        hashes: hashes.concat(),
    };
    bulk::write(tx, tiles.into_iter().map(row).collect(), bulk::OnConflict::Replace).await
}

fn node_id(log: i64, prefix: &Prefix) -> Vec<u8> {
    [&log.to_be_bytes()[..], &prefix.stored()].concat()
}

/// Nodes of a log's map; those that are not there yet are empty.
pub(crate) async fn read_nodes(db: &Db, log: i64, wanted: Vec<Prefix>, into: &mut Nodes) -> Result<(), DbError> {
    let ids: Vec<Vec<u8>> = wanted.iter().map(|prefix| node_id(log, prefix)).collect();
    let found: Vec<NodeRow> = bulk::read_by_bytes(db, "id", &ids).await?;
    let mut found: HashMap<Vec<u8>, Vec<u8>> = found.into_iter().map(|row| (row.id, row.node)).collect();
    for (prefix, id) in wanted.into_iter().zip(ids) {
        let node = match found.remove(&id) {
            None => Node::default(),
            Some(bytes) => Node::read(&bytes)
                .ok_or_else(|| DbError::Refused(sqlx::Error::Decode("a node of the map of streams is damaged".into())))?,
        };
        into.0.insert(prefix, node);
    }
    Ok(())
}

pub(crate) async fn write_nodes(tx: &mut Tx, log: i64, changed: &[Prefix], nodes: &Nodes) -> Result<(), DbError> {
    let row = |prefix: &Prefix| Some(NodeRow { id: node_id(log, prefix), node: nodes.0.get(prefix)?.stored() });
    bulk::write(tx, changed.iter().filter_map(row).collect(), bulk::OnConflict::Replace).await
}

pub(crate) async fn last_checkpoint(db: &Db) -> Result<Option<CheckpointRow>, DbError> {
    one!(db, LAST)
}

pub(crate) async fn last_checkpoint_in(tx: &mut Tx) -> Result<Option<CheckpointRow>, DbError> {
    one_in!(tx, LAST)
}

pub(crate) async fn checkpoint(db: &Db, number: i64) -> Result<Option<CheckpointRow>, DbError> {
    one!(db, BY_NUMBER, number)
}

pub(crate) async fn last_hour(tx: &mut Tx) -> Result<Option<Time>, DbError> {
    let row: Option<(Time,)> = one_in!(tx, LAST_HOUR)?;
    Ok(row.map(|(time,)| time))
}

/// How many checkpoints are kept beside the hourly ones.
const KEPT: i64 = 1000;

pub(crate) async fn add_checkpoint(tx: &mut Tx, row: &CheckpointRow) -> Result<(), DbError> {
    run_in!(tx, ADD, row.number, row.made_at, row.hourly, &row.note, &row.logs)?;
    run_in!(tx, THIN, row.number - KEPT).map(|_| ())
}

pub(crate) async fn keys(db: &Db) -> Result<Vec<KeyRow>, DbError> {
    all!(db, KEYS)
}

pub(crate) async fn add_key(tx: &mut Tx, row: &KeyRow) -> Result<bool, DbError> {
    Ok(run_in!(tx, ADD_KEY, row.number, &row.public_key, row.valid_from, row.succession.as_deref())? == 1)
}

pub(crate) async fn end_key(tx: &mut Tx, number: i64, until: Time) -> Result<(), DbError> {
    run_in!(tx, END_KEY, number, until).map(|_| ())
}
