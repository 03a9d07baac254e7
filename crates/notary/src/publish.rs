//! Where checkpoints go, so that others can keep them: to whoever listens beside the log, and into a file. Over HTTP they are in [`crate::open`].
//!
//! Publishing never holds up signing: what could not be published is in the ledger all the same, and the next one goes out.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tact_event_log::EventLog;
use tact_ledger::Published;

/// Publishes checkpoints.
#[derive(Debug)]
pub struct Publisher {
    log: Arc<dyn EventLog>,
    /// Appended to once an hour, a line of JSON each time.
    file: Option<PathBuf>,
    /// The hour, since 1970, of the last one that was written there.
    hour: AtomicI64,
}

impl Publisher {
    /// Publishes beside this log, and once an hour into a file.
    pub fn new(log: Arc<dyn EventLog>, file: Option<PathBuf>) -> Self {
        Self { log, file, hour: AtomicI64::new(i64::MIN) }
    }

    pub(crate) async fn publish(&self, published: &Published) {
        let Ok(line) = serde_json::to_vec(published) else { return };
        if let Err(error) = self.log.announce("checkpoint", line.clone().into()).await {
            tracing::warn!(%error, number = published.number, "a checkpoint could not be announced");
        }
        let (Some(file), Ok(stated)) = (&self.file, published.stated()) else { return };
        let hour = stated.time.timestamp().div_euclid(3600);
        if self.hour.swap(hour, Ordering::Relaxed) != hour
            && let Err(error) = append(file, &line)
        {
            self.hour.store(i64::MIN, Ordering::Relaxed);
            tracing::warn!(%error, file = %file.display(), number = published.number, "a checkpoint could not be written to its file");
        }
    }
}

fn append(file: &std::path::Path, line: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(&[line, b"\n"].concat())?;
    file.sync_all()
}
