//! The one thread that writes the embedded event log: it takes every append that is waiting into one transaction, flushes once,
//! and answers them all.
//!
//! It must never answer before the commit has returned, and never let one append's conflict touch its neighbours.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::reader::{position, stored};
use super::schema::{StreamKey, explain};
use crate::{Append, LogError, NewEvent, Position, StreamId};

/// Appends in one transaction, at most.
const GROUP: usize = 512;
/// Streams whose last position is kept in memory, at most; some 4 MB. Beyond it all are forgotten and looked up again.
const KNOWN: usize = 65_536;

/// One append that waits for its answer.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) stream: StreamId,
    pub(super) after: Position,
    pub(super) event: NewEvent,
    pub(super) answer: oneshot::Sender<Result<Append, LogError>>,
}

/// The state of the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    head: Position,
    /// The last position of streams written or looked up lately, including the open transaction.
    known: HashMap<StreamId, Position>,
    /// Held as long as this thread may write.
    _lock: File,
}

/// Why a transaction did not take place.
enum Failed {
    /// Nothing of it was written.
    Certainly(rusqlite::Error),
    /// The commit itself failed; it may be on the disk or not.
    Perhaps(rusqlite::Error),
}

impl Writer {
    pub(super) fn new(connection: Connection, lock: File) -> Result<Self, LogError> {
        let path = PathBuf::from(connection.path().unwrap_or_default());
        let head = last_position(&connection).map_err(|error| explain(&error, &path))?;
        Ok(Self { connection, path, head, known: HashMap::new(), _lock: lock })
    }

    pub(super) fn head(&self) -> Position {
        self.head
    }

    /// Serves until every sender is gone and every append is answered.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>, head: &watch::Sender<Position>) {
        let mut group = Vec::with_capacity(GROUP);
        let mut answers = Vec::with_capacity(GROUP);
        while requests.blocking_recv_many(&mut group, GROUP) > 0 {
            answers.clear();
            match self.write(&group, &mut answers) {
                Ok(new_head) => {
                    self.head = new_head;
                    publish(head, new_head);
                    for (request, answer) in group.drain(..).zip(answers.drain(..)) {
                        // Nobody waits any more: the event is written all the same.
                        let _ = request.answer.send(Ok(answer));
                    }
                }
                Err(failed) => {
                    let error = self.recover(failed);
                    publish(head, self.head);
                    for request in group.drain(..) {
                        let _ = request.answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn write(&mut self, group: &[Request], answers: &mut Vec<Append>) -> Result<Position, Failed> {
        if self.known.len() > KNOWN {
            self.known.clear();
        }
        let mut head = self.head;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Failed::Certainly)?;
        {
            let mut insert = transaction
                .prepare_cached("insert into events (position, stream, id, body) values (?1, ?2, ?3, ?4)")
                .map_err(Failed::Certainly)?;
            let mut look_up =
                transaction.prepare_cached("select max(position) from events where stream = ?1").map_err(Failed::Certainly)?;
            for request in group {
                let last = match self.known.entry(request.stream) {
                    std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::hash_map::Entry::Vacant(entry) => {
                        let found: Option<i64> =
                            look_up.query_row([StreamKey(request.stream)], |row| row.get(0)).map_err(Failed::Certainly)?;
                        entry.insert(found.map_or(Position::START, position))
                    }
                };
                if *last != request.after {
                    answers.push(Append::Conflict);
                    continue;
                }
                let next = Position::from_stored(head.to_stored() + 1);
                insert
                    .execute(params![
                        stored(next),
                        StreamKey(request.stream),
                        request.event.id.as_bytes(),
                        &request.event.bytes[..]
                    ])
                    .map_err(Failed::Certainly)?;
                head = next;
                *last = next;
                answers.push(Append::Done(next));
            }
        }
        if head == self.head {
            // Only conflicts: there is nothing to flush.
            return Ok(head);
        }
        transaction.commit().map_err(Failed::Perhaps)?;
        Ok(head)
    }

    /// After a failed transaction: forgets what it had noted, and says what its appends are to be told.
    fn recover(&mut self, failed: Failed) -> LogError {
        self.known.clear();
        let error = match failed {
            Failed::Certainly(error) => explain(&error, &self.path),
            // No room means no commit record, and a commit record is what makes a transaction.
            Failed::Perhaps(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => explain(&error, &self.path),
            Failed::Perhaps(error) => LogError::InDoubt(format!("{}: {error}", self.path.display())),
        };
        if !self.connection.is_autocommit() {
            // SQLite has already rolled back after the worst errors; where it has not, this does.
            let _ = self.connection.execute_batch("rollback");
        }
        tracing::error!(error = %error, "a group of events was not committed");
        if let Ok(head) = last_position(&self.connection) {
            // After an InDoubt commit the events may be there after all.
            self.head = head;
        }
        error
    }
}

/// Wakes the readers, if there is something for them.
fn publish(head: &watch::Sender<Position>, new: Position) {
    head.send_if_modified(|known| std::mem::replace(known, new) != new);
}

fn last_position(connection: &Connection) -> Result<Position, rusqlite::Error> {
    let found: Option<i64> = connection.query_row("select max(position) from events", [], |row| row.get(0))?;
    Ok(found.map_or(Position::START, position))
}
