//! Decide and append on the embedded log, against a loop that only inserts the same events into SQLite, one flush for all that wait.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use rusqlite::{Connection, TransactionBehavior, params};
use tact_event_log::{EventLog, SqliteLog};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::jetstream::transact_all;
use crate::measure::{Sample, report, sample};
use crate::work::{BEFORE, COMMANDS, Work, share};

/// How many commands one flush takes at most, as in the log.
const GROUP: usize = 512;

pub(crate) async fn run(work: &Work, pairs: usize) -> Result<()> {
    let work = Arc::new(Work { patients: work.patients.clone(), events: work.events.clone() });
    for in_flight in [64, 512] {
        let mut samples = Vec::new();
        for _ in 0..pairs {
            let folder = tempfile::tempdir()?;
            let bare = bare(&work, &folder.path().join("bare.db"), in_flight).await?;
            let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&folder.path().join("events.db"), "bench")?);
            let ours = transact_all(&work, log, "bench", in_flight).await?;
            samples.push((bare, ours));
        }
        report(&format!("transact on embedded SQLite, synchronous=FULL, {in_flight} in flight"), 0.7, &samples);
    }
    Ok(())
}

struct Insert {
    stream: Uuid,
    version: i64,
    id: Uuid,
    body: Bytes,
    done: oneshot::Sender<()>,
}

async fn bare(work: &Arc<Work>, path: &Path, in_flight: usize) -> Result<Sample> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE events (position INTEGER PRIMARY KEY, stream BLOB NOT NULL, version INTEGER NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL,
         UNIQUE (stream, version)) STRICT",
    )?;
    let (sender, mut waiting) = mpsc::channel::<Insert>(4096);
    let writer = std::thread::spawn(move || -> rusqlite::Result<()> {
        let mut group = Vec::with_capacity(GROUP);
        while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut insert =
                    transaction.prepare_cached("INSERT INTO events (stream, version, id, body) VALUES (?1, ?2, ?3, ?4)")?;
                for event in &group {
                    insert.execute(params![event.stream.as_bytes(), event.version, event.id.as_bytes(), &event.body[..]])?;
                }
            }
            transaction.commit()?;
            for event in group.drain(..) {
                let _ = event.done.send(());
            }
        }
        Ok(())
    });
    insert_all(work, &sender, in_flight, 0..BEFORE).await?;
    let measured = sample(insert_all(work, &sender, in_flight, BEFORE..BEFORE + COMMANDS)).await?;
    drop(sender);
    writer.join().ok().context("the writer has ended")??;
    Ok(measured)
}

async fn insert_all(
    work: &Arc<Work>,
    sender: &mpsc::Sender<Insert>,
    in_flight: usize,
    steps: std::ops::Range<usize>,
) -> Result<usize> {
    let mut workers = Vec::new();
    for worker in 0..in_flight {
        let (work, sender, steps) = (work.clone(), sender.clone(), steps.clone());
        workers.push(tokio::spawn(async move {
            let mut inserted = 0;
            for step in steps {
                for at in share(worker, in_flight, work.patients.len()) {
                    let (id, body) = work.events[at][step].clone();
                    let (done, landed) = oneshot::channel();
                    let insert = Insert { stream: work.patients[at], version: step as i64 + 1, id, body, done };
                    sender.send(insert).await.ok().context("the writer has ended")?;
                    landed.await?;
                    inserted += 1;
                }
            }
            Ok::<_, anyhow::Error>(inserted)
        }));
    }
    let mut inserted = 0;
    for worker in workers {
        inserted += worker.await??;
    }
    Ok(inserted)
}
