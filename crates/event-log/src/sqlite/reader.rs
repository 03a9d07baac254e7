//! Reads of the embedded event log, on blocking threads with connections of their own.
//!
//! They must never hold a read transaction open longer than one batch: the writer could not reuse its journal behind it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rusqlite::{Connection, params};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::schema::{self, StreamKey};
use crate::{BATCH_BYTES, LogError, Position, Stored, StreamId};

/// Connections that read at the same time; each holds a page cache of up to 2 MB.
const CONNECTIONS: usize = 4;

/// A small pool of reading connections, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: Arc::new(path.to_owned()), idle: Arc::default(), permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// Runs `work` on a blocking thread with a connection that nobody else uses.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, LogError> {
        let stopped = |error: &dyn std::fmt::Display| LogError::Unavailable(format!("a read did not finish: {error}"));
        let permit = self.permits.clone().acquire_owned().await.map_err(|error| stopped(&error))?;
        let (path, idle) = (self.path.clone(), self.idle.clone());
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let kept = idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => schema::open_for_reading(&path)?,
            };
            let answer = work(&connection).map_err(|error| schema::explain(&error, &path));
            // After an error the connection is not worth keeping.
            if answer.is_ok() {
                idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(connection);
            }
            answer
        });
        read.await.map_err(|error| stopped(&error))?
    }
}

/// A stream's events behind `after`.
pub(super) fn stream(connection: &Connection, stream: StreamId, after: Position) -> Result<Vec<Stored>, rusqlite::Error> {
    let mut statement = connection
        .prepare_cached("select position, id, body from events where stream = ?1 and position > ?2 order by position")?;
    let mut rows = statement.query(params![StreamKey(stream), stored(after)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(Stored { stream, position: position(row.get(0)?), id: id(row, 1)?, bytes: body(row, 2)? });
    }
    Ok(events)
}

/// The whole log's events behind `after`: at most `max`, and not more than [`BATCH_BYTES`] except for a single event.
pub(super) fn all(connection: &Connection, after: Position, max: usize) -> Result<Vec<Stored>, rusqlite::Error> {
    let mut statement = connection
        .prepare_cached("select position, id, body, stream from events where position > ?1 order by position limit ?2")?;
    let mut rows = statement.query(params![stored(after), i64::try_from(max).unwrap_or(i64::MAX)])?;
    let mut events = Vec::new();
    let (mut expected, mut size) = (after.to_stored(), 0);
    while let Some(row) = rows.next()? {
        expected += 1;
        let position = position(row.get(0)?);
        if position.to_stored() != expected {
            let gap = format!("event {expected} is missing, the next one is {position}");
            return Err(rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Integer, gap.into()));
        }
        let StreamKey(stream) = row.get(3)?;
        let bytes = body(row, 2)?;
        size += bytes.len();
        if size > BATCH_BYTES && !events.is_empty() {
            break;
        }
        events.push(Stored { stream, position, id: id(row, 1)?, bytes });
    }
    Ok(events)
}

/// The position as SQLite's signed integer; one beyond its range finds nothing, as it should.
pub(super) fn stored(position: Position) -> i64 {
    i64::try_from(position.to_stored()).unwrap_or(i64::MAX)
}

/// The position that SQLite returned; the schema keeps them from 1 upwards.
pub(super) fn position(value: i64) -> Position {
    Position::from_stored(value.unsigned_abs())
}

fn id(row: &rusqlite::Row<'_>, column: usize) -> Result<Uuid, rusqlite::Error> {
    let blob = row.get_ref(column)?.as_blob().map_err(|error| unreadable(column, error))?;
    Uuid::from_slice(blob).map_err(|error| unreadable(column, error))
}

fn body(row: &rusqlite::Row<'_>, column: usize) -> Result<Bytes, rusqlite::Error> {
    let blob = row.get_ref(column)?.as_blob().map_err(|error| unreadable(column, error))?;
    Ok(Bytes::copy_from_slice(blob))
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
}
