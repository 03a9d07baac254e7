//! The projector: follows the event log and keeps the read models true.
//!
//! A batch of events is folded in memory, patient by patient, into the rows that it changes ([`fold`], [`derive`]); then one transaction
//! writes them in bulk and moves the checkpoint, on condition that it is where this projector left it. So however many projectors run,
//! and wherever one of them dies, every event is applied exactly once. What an event cannot tell - the purposes and windows by which a
//! contact is owed - comes from the policy in force, and is computed anew for everybody when another one comes into force.
//!
//! It must never write to the log, skip an event in silence, or write anything that depends on where a batch began.

mod audit;
mod cache;
mod derive;
mod fold;
mod memory;
mod network;
mod rebuild;
mod rows;
mod session;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tact_database::DbError;
use tact_domain::Time;
use tact_event_log::{EventLog, LogError};
use tact_read_models::ReadDb;

pub use audit::{LogAudit, audit_log};
pub use memory::{Clash, Memory, Prepared};
pub use rebuild::Progress;
use session::{Session, Step, Tables};

/// A source of the present moment. Only to know which policy is in force, and for the checkpoint's bookkeeping.
pub type Now = Arc<dyn Fn() -> Time + Send + Sync>;

/// How a projector works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name to the log: letters, digits and `-`. A projector that comes under the name of another takes over from it.
    pub name: String,
    /// At most so many events in one transaction.
    pub batch: usize,
    /// At most so many patients kept in memory, about 3 KB each.
    pub cache: usize,
    /// How long it goes on trying while the log or the database is away, before it gives up.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { name: "projector".to_owned(), batch: 2000, cache: 20_000, patience: Duration::from_secs(120) }
    }
}

/// Why a projector ended.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    /// The log could not do what was asked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The read database could not do what was asked.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The read models know events that the log does not hold: they belong to another log.
    #[error("the read models are true up to {read}, but the log ends at {head}: they belong to another log; rebuild them")]
    AheadOfLog {
        /// The read models' position.
        read: u64,
        /// The log's last position.
        head: u64,
    },
}

impl ProjectorError {
    /// Whether trying again may help without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Log(error) => matches!(error, LogError::Unavailable(_) | LogError::InDoubt(_)),
            Self::Database(error) => error.is_passing(),
            Self::AheadOfLog { .. } => false,
        }
    }
}

/// Keeps the read models true to the log.
#[derive(Clone)]
pub struct Projector {
    log: Arc<dyn EventLog>,
    read: ReadDb,
    now: Now,
    settings: Settings,
}

impl fmt::Debug for Projector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How long one wait for events lasts; a policy that comes into force is noticed no later than this.
const IDLE: Duration = Duration::from_secs(1);
/// The waits between attempts while something is away: from the first to the last, each twice the one before.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl Projector {
    /// Knows where to read and where to write; does nothing yet.
    pub fn new(log: Arc<dyn EventLog>, read: ReadDb, now: Now, settings: Settings) -> Self {
        Self { log, read, now, settings }
    }

    /// Follows the log until `shutdown` is ready, and then ends behind the batch at hand. Dropping the future instead loses nothing.
    ///
    /// # Errors
    /// What does not pass by itself, or has not passed for [`Settings::patience`].
    pub async fn run(&self, shutdown: impl Future<Output = ()>) -> Result<(), ProjectorError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut session: Option<Session> = None;
        let mut trouble: Option<Trouble> = None;
        loop {
            let result = match session.take() {
                None => {
                    tokio::select! {
                        biased;
                        () = &mut shutdown => return Ok(()),
                        opened = self.open(Tables::Live(self.read.clone()), &self.settings.name) => opened.map(|opened| session = Some(opened)),
                    }
                }
                Some(mut current) => {
                    let batch = tokio::select! {
                        biased;
                        () = &mut shutdown => return current.settle().await.map(drop),
                        batch = current.next(self.settings.batch, IDLE) => batch,
                    };
                    match batch {
                        Err(error) => Err(error),
                        // Not given up half-way when the shutdown comes: a batch that has begun is finished.
                        Ok(batch) => match current.apply(batch).await {
                            Ok(Step::Applied) => {
                                session = Some(current);
                                Ok(())
                            }
                            Ok(Step::Moved) => {
                                tracing::info!("another projector or a rebuild has moved the checkpoint; reading it again");
                                Ok(())
                            }
                            Err(error) => Err(error),
                        },
                    }
                }
            };
            match result {
                Ok(()) => {
                    if session.as_ref().is_some_and(|s| s.works())
                        && let Some(over) = trouble.take()
                    {
                        tracing::info!(attempts = over.attempts, "the projector goes on");
                    }
                }
                Err(error) => {
                    let trouble = trouble.get_or_insert_with(Trouble::begin);
                    if !error.is_passing() || trouble.begun.elapsed() >= self.settings.patience {
                        return Err(error);
                    }
                    if trouble.attempts == 0 {
                        tracing::warn!(%error, "the projector waits and tries again");
                    }
                    trouble.attempts += 1;
                    tokio::select! {
                        biased;
                        () = &mut shutdown => return Ok(()),
                        () = tokio::time::sleep(trouble.wait) => trouble.wait = (trouble.wait * 2).min(BACKOFF.1),
                    }
                }
            }
        }
    }

    /// Applies everything that is in the log now, and ends: for tests, simulations and commands. The position reached.
    ///
    /// # Errors
    /// The first thing that goes wrong.
    pub async fn catch_up(&self) -> Result<u64, ProjectorError> {
        let head = self.log.head().await?;
        loop {
            let mut session = self.open(Tables::Live(self.read.clone()), &self.settings.name).await?;
            loop {
                if session.position() >= head && !session.recomputing() {
                    if session.settle().await? == Step::Moved {
                        break;
                    }
                    return Ok(session.position().to_stored());
                }
                let wait = if session.position() >= head { Duration::ZERO } else { IDLE };
                let batch = session.next(self.settings.batch, wait).await?;
                if session.apply(batch).await? == Step::Moved {
                    break;
                }
            }
        }
    }

    async fn open(&self, tables: Tables, name: &str) -> Result<Session, ProjectorError> {
        Session::open(self.log.clone(), tables, self.now.clone(), name, self.settings.cache, self.settings.batch).await
    }
}

#[derive(Debug)]
struct Trouble {
    begun: tokio::time::Instant,
    attempts: u32,
    wait: Duration,
}

impl Trouble {
    fn begin() -> Self {
        Self { begun: tokio::time::Instant::now(), attempts: 0, wait: BACKOFF.0 }
    }
}
