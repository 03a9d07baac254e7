//! Follows the log and signs what it has come to, at most once an interval while little happens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tact_database::DbError;
use tact_event_log::{EventLog, LogError, Position};
use tact_ledger::keys::{self, KeyError};
use tact_ledger::{Keeper, KeeperError, Ledger, Step};
use tact_service::clock::Clock;
use tokio::sync::watch;

use crate::publish::Publisher;

/// How many events are added at once, at most: of many that come together, what they share of the map is written once.
const BATCH: usize = 20_000;
/// How long it waits for the next event.
const WAIT: Duration = Duration::from_secs(2);

/// The notary.
#[derive(Debug)]
pub struct Notary {
    log: Arc<dyn EventLog>,
    ledger: Ledger,
    clock: Clock,
    key_file: PathBuf,
    publisher: Publisher,
    /// The least time between two checkpoints while little happens.
    every: Duration,
}

/// Why following has come to an end without anything going wrong.
enum Ended {
    /// It was told to stop.
    Told,
    /// Somebody else has signed: what is known of the ledger is to be read again.
    Moved,
}

/// Why it stopped for a while, or for good.
#[derive(Debug, thiserror::Error)]
pub enum NotaryError {
    /// The log could not do what was asked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The ledger could not do what was asked.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The ledger knows events that the log does not hold.
    #[error(
        "the ledger has signed up to {signed}, but the log ends at {head}: this is another log, or it has lost events; nothing more is signed"
    )]
    AheadOfLog {
        /// Up to where it has signed.
        signed: Position,
        /// Where the log ends.
        head: Position,
    },
}

impl From<DbError> for NotaryError {
    fn from(error: DbError) -> Self {
        Self::Keeper(error.into())
    }
}

impl NotaryError {
    /// Whether trying again may help without anybody changing anything.
    fn is_passing(&self) -> bool {
        match self {
            Self::Log(error) => matches!(error, LogError::Unavailable(_) | LogError::InDoubt(_)),
            Self::Keeper(KeeperError::Database(error)) | Self::Key(KeyError::Database(error)) => error.is_passing(),
            Self::Keeper(KeeperError::Damaged(_)) | Self::Key(_) | Self::AheadOfLog { .. } => false,
        }
    }
}

impl Notary {
    /// Knows what to follow and where to sign; does nothing yet.
    pub fn new(log: Arc<dyn EventLog>, ledger: Ledger, clock: Clock, key_file: PathBuf, publisher: Publisher) -> Self {
        Self { log, ledger, clock, key_file, publisher, every: Duration::from_secs(1) }
    }

    /// Another least time between two checkpoints.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Runs until told to stop. What passes is tried again, with one line in the log.
    ///
    /// # Errors
    /// What does not pass by itself: a key that is not the network's, or a ledger or log that contradicts what was signed.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) -> Result<(), NotaryError> {
        let mut troubled = false;
        loop {
            match self.follow(&mut stop, &mut troubled).await {
                Ok(Ended::Told) => return Ok(()),
                Ok(Ended::Moved) => tracing::info!("another notary has signed; reading again"),
                Err(error) if error.is_passing() => {
                    if !troubled {
                        tracing::warn!(%error, "the notary waits and tries again");
                    }
                    troubled = true;
                    if tokio::time::timeout(WAIT, stop.wait_for(|stop| *stop)).await.is_ok() {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Signs everything that is in the log now, and ends: for tests and commands.
    ///
    /// # Errors
    /// The first thing that goes wrong.
    pub async fn catch_up(&self) -> Result<Position, NotaryError> {
        let head = self.log.head().await?;
        loop {
            let mut keeper = self.keeper(head).await?;
            let mut follow = self.log.follow("notary", keeper.position()).await?;
            loop {
                if keeper.position() >= head {
                    return Ok(keeper.position());
                }
                let batch = follow.next(BATCH, WAIT).await?;
                if batch.events.is_empty() {
                    continue;
                }
                match keeper.add(&batch.events, self.clock.now()).await? {
                    Step::Signed(published) => self.publisher.publish(&published).await,
                    Step::Moved => break,
                }
            }
        }
    }

    async fn keeper(&self, head: Position) -> Result<Keeper, NotaryError> {
        let key = keys::read(&self.key_file, self.ledger.network())?;
        keys::establish(self.ledger.db(), &self.key_file, &key, self.clock.now()).await?;
        let keeper = Keeper::open(&self.ledger, key).await?;
        if keeper.position() > head {
            return Err(NotaryError::AheadOfLog { signed: keeper.position(), head });
        }
        Ok(keeper)
    }

    async fn follow(&self, stop: &mut watch::Receiver<bool>, troubled: &mut bool) -> Result<Ended, NotaryError> {
        let head = self.log.head().await?;
        let mut keeper = self.keeper(head).await?;
        let mut keys_known = self.ledger.keys().await?.len();
        let mut follow = self.log.follow("notary", keeper.position()).await?;
        loop {
            let batch = tokio::select! {
                batch = follow.next(BATCH, WAIT) => batch?,
                _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Told),
            };
            if batch.events.is_empty() {
                continue;
            }
            // The key may have been changed by a command beside this process.
            let keys_now = self.ledger.keys().await?.len();
            if keys_now != keys_known {
                keys_known = keys_now;
                keeper = self.keeper(batch.head).await?;
            }
            let begun = tokio::time::Instant::now();
            match keeper.add(&batch.events, self.clock.now()).await? {
                Step::Signed(published) => self.publisher.publish(&published).await,
                Step::Moved => return Ok(Ended::Moved),
            }
            if std::mem::take(troubled) {
                tracing::info!("the notary goes on");
            }
            follow.done(keeper.position()).await?;
            if batch.events.len() < BATCH {
                tokio::select! {
                    () = tokio::time::sleep_until(begun + self.every) => {}
                    _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Told),
                }
            }
        }
    }
}
