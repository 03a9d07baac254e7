//! A handle on the read models that everybody holds: it survives a rebuild's swap and can wait until the rows know an event.

use std::sync::Arc;
use std::time::Duration;

use tact_database::{Db, DbError, Next, Swap, Swappable, Target};
use tokio::sync::watch;

use crate::TABLES;
use crate::checkpoint::{self, Checkpoint};

/// How often the checkpoint is looked at for a projector that runs in another process.
const LOOK: Duration = Duration::from_millis(20);

/// The read models. Cheap to clone; clones of one handle tell each other when the rows move on.
#[derive(Debug, Clone)]
pub struct ReadDb {
    tables: Swappable,
    moved: Arc<watch::Sender<i64>>,
}

impl ReadDb {
    /// Connects and makes the tables if they are not there, waiting at most `wait` for a database that is not there yet.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when `wait` is over, [`DbError::Newer`] for tables of a newer version.
    pub async fn open(target: &Target, wait: Duration) -> Result<Self, DbError> {
        let tables = Swappable::open(target, &TABLES, wait).await?;
        Ok(Self { tables, moved: Arc::new(watch::Sender::new(0)) })
    }

    /// The tables that count now. Take it anew for each request, since a rebuild may have replaced them.
    pub fn db(&self) -> Db {
        self.tables.db()
    }

    /// Up to which event the rows are true.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn checkpoint(&self) -> Result<Checkpoint, DbError> {
        checkpoint::read(&self.db()).await
    }

    /// Waits until the rows know the event at `position`, at most for `timeout`; the last checkpoint seen, which is behind `position` if the
    /// time ran out.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn wait_for(&self, position: i64, timeout: Duration) -> Result<Checkpoint, DbError> {
        let mut moved = self.moved.subscribe();
        let mut seen = self.checkpoint().await?;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.tick().await;
        let waiting = async {
            while seen.position < position {
                tokio::select! {
                    _ = moved.changed() => {}
                    _ = look.tick() => {}
                }
                seen = self.checkpoint().await?;
            }
            Ok(())
        };
        match tokio::time::timeout(timeout, waiting).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Ok(seen),
        }
    }

    /// Tells every clone of this handle that the rows have moved on to `position`.
    pub fn tell(&self, position: i64) {
        self.moved.send_replace(position);
    }

    /// Empty tables beside the live ones, for a rebuild.
    ///
    /// # Errors
    /// [`DbError::RebuildRunning`] while another one goes on.
    pub async fn begin_next(&self) -> Result<Next, DbError> {
        self.tables.begin_next().await
    }

    /// Puts rebuilt tables, which are true up to `position`, in place of the live ones, if those are not ahead.
    ///
    /// # Errors
    /// Whatever keeps the database from it; the live tables then stay.
    pub async fn swap(&self, next: &Next, position: i64) -> Result<Swap, DbError> {
        let swapped = self.tables.swap(next, position).await?;
        if swapped == Swap::Done {
            self.tell(position);
        }
        Ok(swapped)
    }
}
