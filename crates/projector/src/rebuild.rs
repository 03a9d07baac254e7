//! The rebuild: the read models made anew from the whole log beside the live ones, which then take their place.
//!
//! Nothing that is interrupted here harms the live ones: what is left behind is cleared away by the next rebuild, which begins at the beginning.

use std::time::Duration;

use tact_database::Swap;
use tact_read_models::checkpoint;

use crate::session::{Session, Step, Tables};
use crate::{Projector, ProjectorError};

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The position that the new tables are true up to.
    pub done: u64,
    /// The last position of the log, as last heard.
    pub head: u64,
}

/// A rebuild at the end of the log waits so long for what comes next before it tries to swap.
const SETTLE: Duration = Duration::from_millis(20);

impl Projector {
    /// Builds the read models anew and puts them in place of the live ones. Reads go on all the while, and so may another projector on the
    /// live ones. `progress` is told after each batch.
    ///
    /// # Errors
    /// The first thing that goes wrong; the live ones are then as they were.
    pub async fn rebuild(&self, mut progress: impl FnMut(Progress)) -> Result<Progress, ProjectorError> {
        let live = self.read.checkpoint().await?;
        let next = self.read.begin_next().await?;
        checkpoint::number(&next.db, live.generation + 1).await?;
        let name = format!("{}-rebuild", self.settings.name);
        let tables = Tables::Next(next.db.clone());
        let mut session =
            Session::open(self.log.clone(), tables, self.now.clone(), &name, self.settings.cache, self.settings.batch).await?;
        loop {
            let wait = if session.position() < session.head() { crate::IDLE } else { SETTLE };
            let batch = session.next(self.settings.batch, wait).await?;
            let at_end = batch.events.last().is_none_or(|event| event.position >= batch.head);
            if session.apply(batch).await? == Step::Moved {
                // Only another rebuild could have moved it, and the lock keeps those out: somebody has meddled with the tables.
                return Err(tact_database::DbError::RebuildRunning("read").into());
            }
            let so_far = Progress { done: session.position().to_stored(), head: session.head().to_stored() };
            progress(so_far);
            if at_end && !session.recomputing() && session.settle().await? == Step::Applied {
                match self.read.swap(&next, session.position().to_stored().cast_signed()).await? {
                    Swap::Done => {
                        tracing::info!(
                            position = so_far.done,
                            generation = session.generation(),
                            "the read models have been rebuilt"
                        );
                        next.end().await;
                        return Ok(so_far);
                    }
                    Swap::Behind => {}
                }
            }
        }
    }
}
