//! Proofs as a history carries them, against one checkpoint.

use std::collections::BTreeSet;

use tact_database::DbError;
use tact_event_log::{Position, Stored};
use tact_evidence::checkpoint::{LogCheckpoint, shard};
use tact_evidence::file::{Place, Proof, StreamEnd};
use tact_evidence::map::{End, Nodes, key};
use tact_evidence::tile::{TileId, Tiles};
use tact_evidence::tree::{consistency, consistency_parts, inclusion, inclusion_parts};

use crate::store;
use crate::{Ledger, Published};

/// Why a proof could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The logs have grown since the checkpoint was read: read the newest one and begin again.
    #[error("the logs have grown in the meantime")]
    Grown,
    /// What is stored does not lead to what was signed.
    #[error("the transparency log contradicts itself: {0}")]
    Damaged(String),
}

impl From<tact_evidence::tile::Missing> for ProofError {
    fn from(missing: tact_evidence::tile::Missing) -> Self {
        Self::Damaged(missing.to_string())
    }
}

/// What the maps of the logs say of a stream's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) proofs: Vec<StreamEnd>,
    /// The logs that hold events of it, in order, with the count that each has come to.
    stated: Vec<(usize, End)>,
}

/// The logs of a checkpoint with their numbers in the tables.
async fn numbered(ledger: &Ledger, published: &Published) -> Result<Vec<(i64, LogCheckpoint)>, ProofError> {
    let rows = store::logs(ledger.db()).await?;
    let stated = published.logs_stated()?;
    let number = |stated: LogCheckpoint| {
        let origin = stated.log.to_string();
        let row = rows.iter().find(|row| row.origin == origin);
        row.map(|row| (row.id, stated)).ok_or_else(|| ProofError::Damaged(format!("there is no log {origin}")))
    };
    stated.into_iter().map(number).collect()
}

impl Ledger {
    async fn ends(&self, logs: &[(i64, LogCheckpoint)], stream: &str) -> Result<Ends, ProofError> {
        let (name, shard) = (key(stream), shard(stream));
        let mut ends = Ends { proofs: Vec::new(), stated: Vec::new() };
        for (log, (id, stated)) in logs.iter().enumerate().filter(|(_, (_, stated))| stated.log.holds(shard)) {
            let mut nodes = Nodes::default();
            loop {
                let wanted = nodes.wanted([&name]);
                if wanted.is_empty() {
                    break;
                }
                store::read_nodes(self.db(), *id, wanted, &mut nodes).await?;
            }
            let end = nodes.prove(&name).map_err(|error| ProofError::Damaged(error.to_string()))?;
            // Read while they were written, or written since: the proof does not lead to what the checkpoint states.
            let found = end.check(&name, &stated.map).ok_or(ProofError::Grown)?;
            ends.stated.extend(found.map(|found| (log, found)));
            ends.proofs.push(StreamEnd { log, end });
        }
        Ok(ends)
    }

    /// The proofs of a stream's end, and the places of its events: as many as the checkpoint covers, counted from the first.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn prove(
        &self,
        published: &Published,
        stream: &str,
        events: &[Stored],
    ) -> Result<(Vec<StreamEnd>, Vec<Place>), ProofError> {
        let logs = numbered(self, published).await?;
        let ends = self.ends(&logs, stream).await?;
        let mut leaves = Vec::new();
        for (event, number) in events.iter().zip(1u64..) {
            let Some((log, _)) = ends.stated.iter().find(|(_, end)| number <= end.count) else { break };
            leaves.push((*log, self.leaf(logs[*log].0, event.position).await?));
        }
        let mut places = Vec::with_capacity(leaves.len());
        for (at, (id, stated)) in logs.iter().enumerate() {
            let own = leaves.iter().filter(|(log, _)| *log == at).map(|(_, leaf)| *leaf);
            let mut tiles = self.tiles_for(*id, own.clone().flat_map(|leaf| inclusion_parts(leaf, stated.size))).await?;
            for leaf in own {
                if leaf >= stated.size {
                    return Err(ProofError::Damaged(format!("leaf {leaf} lies behind the {} of {}", stated.size, stated.log)));
                }
                places.push(Place { log: at, leaf, proof: Proof(inclusion(&mut tiles, leaf, stated.size)?) });
            }
        }
        Ok((ends.proofs, places))
    }

    async fn tiles_for(&self, log: i64, nodes: impl Iterator<Item = tact_evidence::tree::Node>) -> Result<Tiles, DbError> {
        let wanted: BTreeSet<TileId> = nodes.map(TileId::of).collect();
        store::tiles(self.db(), log, wanted).await
    }

    /// Which leaf of a log an event is, by its position.
    async fn leaf(&self, log: i64, position: Position) -> Result<u64, ProofError> {
        let at = position.to_stored().cast_signed();
        let run = store::run_of(self.db(), log, at).await?;
        let run = run.ok_or_else(|| ProofError::Damaged(format!("no leaf is known for position {position}")))?;
        Ok((run.leaf + (at - run.position)).cast_unsigned())
    }

    /// The proof that a log of the checkpoint continues what it was at `size`.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn prove_consistency(&self, published: &Published, log: usize, size: u64) -> Result<Proof, ProofError> {
        let logs = numbered(self, published).await?;
        let (id, stated) = logs.get(log).ok_or_else(|| ProofError::Damaged(format!("there is no log {log}")))?;
        let mut tiles = self.tiles_for(*id, consistency_parts(size, stated.size).into_iter()).await?;
        Ok(Proof(consistency(&mut tiles, size, stated.size)?))
    }
}
