//! The file of the embedded event log: its one schema, and what a file must be to be opened.
//!
//! It must never change a file that holds something else, another network's log or a newer format.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use uuid::Uuid;

use crate::{LogError, StreamId};

/// The format that this version writes and reads.
const FORMAT: u32 = 1;
/// In the file's header, so that `file` and we can tell an event log from any other database: "Tact" in ASCII.
const APPLICATION_ID: i32 = 0x5461_6374;
const PAGE_BYTES: u64 = 4096;

// A rowid table whose positions run without gaps from 1; an index on `stream` holds the position too, so it is all that
// reading a stream and finding its last position need.
const SCHEMA: &str = "
    create table meta (key text primary key, value text not null) strict;
    create table events (position integer primary key, stream blob not null, id blob not null, body blob not null) strict;
    create index events_of_stream on events (stream);
";

/// Opens the one connection that writes.
pub(super) fn open_for_writing(path: &Path, network: &str, max_bytes: Option<u64>) -> Result<Connection, LogError> {
    let mut connection = Connection::open(path).map_err(|error| explain(&error, path))?;
    let prepare = |connection: &mut Connection| -> Result<(), rusqlite::Error> {
        connection.busy_timeout(Duration::from_secs(5))?;
        // Before anything is written, since the mode of an existing file of someone else must not change.
        connection.query_row("select count(*) from sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok(())
    };
    prepare(&mut connection).map_err(|error| explain(&error, path))?;
    check_or_create(&mut connection, path, network)?;
    let tune = || -> Result<(), rusqlite::Error> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // After a large import its journal does not stay large.
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        if let Some(max_bytes) = max_bytes {
            connection.pragma_update(None, "max_page_count", i64::try_from(max_bytes / PAGE_BYTES).unwrap_or(i64::MAX))?;
        }
        connection.set_prepared_statement_cache_capacity(16);
        Ok(())
    };
    tune().map_err(|error| explain(&error, path))?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, LogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| explain(&error, path))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(|error| explain(&error, path))?;
    Ok(connection)
}

fn check_or_create(connection: &mut Connection, path: &Path, network: &str) -> Result<(), LogError> {
    let failed = |error: rusqlite::Error| explain(&error, path);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let application: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    let tables: i64 = transaction.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if tables == 0 && application == 0 {
        transaction.execute_batch(SCHEMA).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        let insert = "insert into meta (key, value) values ('network', ?1), ('format', ?2)";
        transaction.execute(insert, params![network, FORMAT.to_string()]).map_err(failed)?;
        return transaction.commit().map_err(failed);
    }
    drop(transaction);
    check(connection, path, network)
}

/// Sees to it that a file is the log of this network, in a format that this version reads.
pub(super) fn check(connection: &Connection, path: &Path, network: &str) -> Result<(), LogError> {
    let failed = |error: rusqlite::Error| explain(&error, path);
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if application != APPLICATION_ID {
        return Err(LogError::Misfit(format!("{} is a database, but not an event log; choose another file", path.display())));
    }
    let value = |key: &str| -> Result<String, LogError> {
        let found =
            connection.query_row("select value from meta where key = ?1", [key], |row| row.get(0)).optional().map_err(failed)?;
        found.ok_or_else(|| LogError::Damaged(format!("{}: table meta lacks {key:?}", path.display())))
    };
    let format = value("format")?;
    match format.parse::<u32>() {
        Ok(format) if format <= FORMAT => {}
        Ok(format) => {
            let path = path.display();
            return Err(LogError::Misfit(format!(
                "{path} has format {format}, written by a newer version; this one reads up to {FORMAT}"
            )));
        }
        Err(_) => return Err(LogError::Damaged(format!("{}: format {format:?} is not a number", path.display()))),
    }
    let found = value("network")?;
    if found != network {
        return Err(LogError::Misfit(format!("{} is the log of network {found:?}, not of {network:?}", path.display())));
    }
    Ok(())
}

/// A stream's name as the file stores it: a patient's 16 bytes, a number's 16 behind a 4, or one byte.
#[derive(Debug)]
pub(super) struct StreamKey(pub(super) StreamId);

impl ToSql for StreamKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let bytes: &[u8] = match &self.0 {
            StreamId::Patient(patient) => patient.as_bytes(),
            StreamId::Number(number) => return Ok([&[4], number.as_bytes().as_slice()].concat().into()),
            StreamId::Policy => &[1],
            StreamId::Directory => &[2],
            StreamId::Access => &[3],
        };
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(bytes)))
    }
}

impl FromSql for StreamKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_blob()? {
            [1] => Ok(Self(StreamId::Policy)),
            [2] => Ok(Self(StreamId::Directory)),
            [3] => Ok(Self(StreamId::Access)),
            [4, number @ ..] if number.len() == 16 => {
                Uuid::from_slice(number).map(|number| Self(StreamId::Number(number))).map_err(FromSqlError::other)
            }
            bytes => Uuid::from_slice(bytes).map(|patient| Self(StreamId::Patient(patient))).map_err(FromSqlError::other),
        }
    }
}

/// What an error of SQLite means to a caller of whom nothing was written.
pub(super) fn explain(error: &rusqlite::Error, path: &Path) -> LogError {
    let text = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LogError::Full(text),
        // The index of what is not merged yet cannot grow: with no room left, opening ends here.
        _ if error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
            LogError::Full(text)
        }
        Some(ErrorCode::NotADatabase) => LogError::Misfit(format!("{} is not an event log; choose another file", path.display())),
        Some(ErrorCode::DatabaseCorrupt) => LogError::Damaged(text),
        _ if matches!(error, rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)) => {
            LogError::Damaged(text)
        }
        _ => LogError::Unavailable(text),
    }
}
