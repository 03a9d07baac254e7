//! The embedded event log: one SQLite file, one thread that writes it, and a few connections that read it.
//!
//! It must never answer an append before the transaction that holds it is on the disk (`synchronous=FULL`), and never let a
//! second process write the same file: positions are handed out here, from memory.

mod read_only;
mod reader;
mod schema;
mod writer;

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Append, Batch, EventLog, Follow, Freshness, LogError, NewEvent, Position, Stored, StreamId, check_follow_start,
    check_reader_name, check_size,
};
pub use read_only::SqliteReadLog;
use reader::Readers;
use writer::{Request, Writer};

/// Appends that may wait for the writer before callers have to.
const QUEUE: usize = 4096;

/// An event log in one file. Dropping it waits until everything it accepted is on the disk, and lets go of the file.
pub struct SqliteLog {
    path: PathBuf,
    queue: Option<mpsc::Sender<Request>>,
    head: watch::Receiver<Position>,
    readers: Arc<Readers>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl fmt::Debug for SqliteLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLog").field("path", &self.path).field("head", &*self.head.borrow()).finish_non_exhaustive()
    }
}

impl SqliteLog {
    /// Opens the log of `network` at `path`, and makes it if it is not there; its folder must exist.
    ///
    /// # Errors
    /// [`LogError::Misfit`] if the file holds another network's log, a newer format, or no event log at all;
    /// [`LogError::Damaged`] if SQLite cannot make sense of it; [`LogError::Full`] if there is no room to make it;
    /// [`LogError::InUse`] if another process has it open, [`LogError::Unavailable`] if the file cannot be used.
    pub fn open(path: &Path, network: &str) -> Result<Self, LogError> {
        Self::open_limited(path, network, None)
    }

    /// As [`Self::open`], but the file never grows beyond `max_bytes` (rounded down to pages of 4096): an append that would
    /// need more is answered with [`LogError::Full`].
    pub fn open_limited(path: &Path, network: &str, max_bytes: Option<u64>) -> Result<Self, LogError> {
        let lock = lock(path)?;
        let connection = schema::open_for_writing(path, network, max_bytes)?;
        let writer = Writer::new(connection, lock)?;
        let (head_sender, head) = watch::channel(writer.head());
        let (queue, requests) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("event-log-writer".into())
            .spawn(move || writer.run(requests, &head_sender))
            .map_err(|error| LogError::Unavailable(format!("the writer thread cannot be started: {error}")))?;
        Ok(Self { path: path.to_owned(), queue: Some(queue), head, readers: Arc::new(Readers::new(path)), writer: Some(writer) })
    }
}

/// Takes the lock that lets only one process write. The operating system lets go of it when the process ends, however it ends.
fn lock(path: &Path) -> Result<File, LogError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let unusable = |error: std::io::Error| LogError::Unavailable(format!("{}: {error}", lock_path.display()));
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&lock_path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(unusable)?;
            file.rewind().map_err(unusable)?;
            // Only for the message below; a full disk must not keep the log from opening.
            let _ = write!(file, "{}", std::process::id());
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.is_empty() { "another process".to_owned() } else { format!("process {holder}") };
            Err(LogError::InUse(format!("{} is already open in {holder}; stop that one first", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

impl Drop for SqliteLog {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // It ends with the flush it is in, some milliseconds. A panic in it was already answered with InDoubt.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl EventLog for SqliteLog {
    async fn append(&self, stream: StreamId, after: Position, event: NewEvent) -> Result<Append, LogError> {
        check_size(&event)?;
        let (answer, answered) = oneshot::channel();
        let stopped = || LogError::Unavailable("its writer has stopped".into());
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Request { stream, after, event, answer }).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(LogError::InDoubt("its writer stopped before it answered".into())))
    }

    async fn read_stream(&self, stream: StreamId, after: Position, _fresh: Freshness) -> Result<Vec<Stored>, LogError> {
        // A reader sees every transaction that was committed before its own began, so every read is the latest.
        self.readers.run(move |connection| reader::stream(connection, stream, after)).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(*self.head.borrow())
    }

    async fn follow(&self, name: &str, after: Position) -> Result<Box<dyn Follow>, LogError> {
        check_reader_name(name)?;
        check_follow_start(after, *self.head.borrow())?;
        Ok(Box::new(SqliteFollow { head: self.head.clone(), readers: self.readers.clone(), last: after }))
    }
}

struct SqliteFollow {
    head: watch::Receiver<Position>,
    readers: Arc<Readers>,
    last: Position,
}

#[async_trait]
impl Follow for SqliteFollow {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError> {
        let last = self.last;
        // Ends when the log has grown beyond what was read, when the time is up, or when the log is closed.
        let closed = {
            let grown = self.head.wait_for(|head| *head > last);
            matches!(tokio::time::timeout(wait, grown).await, Ok(Err(_closed)))
        };
        if closed {
            return Err(LogError::Unavailable("the log was closed".into()));
        }
        let head = *self.head.borrow();
        if head <= last || max == 0 {
            return Ok(Batch { events: Vec::new(), head });
        }
        let events = self.readers.run(move |connection| reader::all(connection, last, max)).await?;
        if let Some(event) = events.last() {
            self.last = event.position;
        }
        // The read may have seen what was committed since.
        Ok(Batch { events, head: head.max(self.last) })
    }

    async fn done(&mut self, _position: Position) -> Result<(), LogError> {
        Ok(())
    }
}
