//! The transparency logs as they are kept: over the event log grow one or more Merkle trees and the maps of their streams, and over all
//! of them stands what the network has signed.
//!
//! One writer, the [`Keeper`], moves everything in one transaction, on condition that nobody else has moved it. Everybody else reads
//! through the [`Ledger`]. It must never look into an event: leaves are the stored bytes, whatever they are.

mod keeper;
pub mod keys;
pub mod layout;
mod prove;
pub mod store;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tact_database::{Db, DbError, Target};
use tact_event_log::Position;
use tact_evidence::checkpoint::{LogCheckpoint, NetworkCheckpoint};
use tact_evidence::note::Note;
use tact_evidence::tile::TileId;
use tact_evidence::trust::TrustedKey;

pub use keeper::{Keeper, KeeperError, Step};
pub use prove::ProofError;

/// What everybody reads: checkpoints, tiles, proofs and public keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    db: Db,
    network: String,
}

/// What the network has signed at a moment, as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Which of the network's checkpoints it is, from 1.
    pub number: u64,
    /// The network's checkpoint, a signed note.
    pub network: String,
    /// The checkpoints of its logs, signed notes each, in the order in which the network's stands over them.
    pub logs: Vec<String>,
}

impl Published {
    fn of(row: store::CheckpointRow) -> Result<Self, DbError> {
        Ok(Self {
            number: row.number.cast_unsigned(),
            network: row.note,
            logs: serde_json::from_str(&row.logs).map_err(damaged)?,
        })
    }

    /// What the network's checkpoint states.
    ///
    /// # Errors
    /// If what is stored is not one.
    pub fn stated(&self) -> Result<NetworkCheckpoint, DbError> {
        NetworkCheckpoint::read(Note::parse(&self.network).map_err(damaged)?.text).map_err(damaged)
    }

    /// What the logs' checkpoints state.
    ///
    /// # Errors
    /// If what is stored is not one.
    pub fn logs_stated(&self) -> Result<Vec<LogCheckpoint>, DbError> {
        let read = |note: &String| LogCheckpoint::read(Note::parse(note).map_err(damaged)?.text).map_err(damaged);
        self.logs.iter().map(read).collect()
    }
}

/// What is stored and cannot be read back.
fn damaged(error: impl std::fmt::Display) -> DbError {
    DbError::Refused(sqlx::Error::Decode(format!("the ledger is damaged: {error}").into()))
}

impl Ledger {
    /// Opens it, waiting at most `wait` for a database that is not there yet.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when `wait` is over, [`DbError::Newer`] for tables of a newer version.
    pub async fn open(target: &Target, network: &str, wait: Duration) -> Result<Self, DbError> {
        Ok(Self { db: target.open(&store::TABLES, wait).await?, network: network.to_owned() })
    }

    /// Its database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The network's code.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Up to which position of the event log everything is covered by the newest checkpoint.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn covered(&self) -> Result<Position, DbError> {
        let logs = store::logs(&self.db).await?;
        let open = logs.iter().filter(|log| log.last_shard >= 0 && !log.note.is_empty());
        Ok(Position::from_stored(open.map(|log| log.position.cast_unsigned()).min().unwrap_or(0)))
    }

    /// Waits until everything up to a position is covered, for at most so long. `false`: it is not yet.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn wait_for(&self, position: Position, wait: Duration) -> Result<bool, DbError> {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let waited = tokio::time::timeout(wait, async {
            loop {
                tick.tick().await;
                if self.covered().await? >= position {
                    return Ok::<_, DbError>(());
                }
            }
        });
        match waited.await {
            Ok(result) => result.map(|()| true),
            Err(_late) => Ok(false),
        }
    }

    /// The newest checkpoint, if there is one.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn latest(&self) -> Result<Option<Published>, DbError> {
        store::last_checkpoint(&self.db).await?.map(Published::of).transpose()
    }

    /// A checkpoint by its number, if it is still kept.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn checkpoint(&self, number: u64) -> Result<Option<Published>, DbError> {
        store::checkpoint(&self.db, number.cast_signed()).await?.map(Published::of).transpose()
    }

    /// The hashes of a tile, as many as the log has by now, or of one that is full.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn tile(&self, origin: &str, tile: TileId) -> Result<Option<Vec<u8>>, DbError> {
        let logs = store::logs(&self.db).await?;
        let Some(log) = logs.iter().find(|log| log.origin == origin) else { return Ok(None) };
        let found = store::tiles(&self.db, log.id, [tile]).await?;
        Ok(found.0.get(&tile).map(|hashes| hashes.concat()))
    }

    /// The network's public keys, in the order in which they followed one another, each with the note by which it did.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn keys(&self) -> Result<Vec<(TrustedKey, Option<String>)>, DbError> {
        keys::list(&self.db).await
    }
}
