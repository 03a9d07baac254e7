//! The embedded event log for those who only look into it, beside the process that writes it or without one.
//!
//! It must never take the writer's lock, and never change the file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::reader::{self, Readers, position};
use super::schema;
use crate::{
    Append, Batch, EventLog, Follow, Freshness, LogError, NewEvent, Position, Stored, StreamId, check_follow_start,
    check_reader_name,
};

/// How often a reader that waits looks for new events: nobody tells it that another process has written some.
const LOOK: Duration = Duration::from_millis(50);

/// The embedded event log, for reading only. Any number of processes may have it open, also while another one writes.
#[derive(Debug)]
pub struct SqliteReadLog {
    readers: Arc<Readers>,
}

impl SqliteReadLog {
    /// Opens the log of `network` at `path`.
    ///
    /// # Errors
    /// [`LogError::Misfit`] if the file holds another network's log, a newer format, or no event log at all, which is also said of one that has
    /// just been made and is still empty; [`LogError::Unavailable`] if there is no such file or it cannot be used.
    pub fn open(path: &Path, network: &str) -> Result<Self, LogError> {
        let connection = schema::open_for_reading(path)?;
        schema::check(&connection, path, network)?;
        Ok(Self { readers: Arc::new(Readers::new(path)) })
    }
}

async fn head(readers: &Readers) -> Result<Position, LogError> {
    let last = "select coalesce(max(position), 0) from events";
    readers.run(move |connection| connection.query_row(last, [], |row| row.get(0)).map(position)).await
}

#[async_trait]
impl EventLog for SqliteReadLog {
    async fn append(&self, _stream: StreamId, _after: Position, _event: NewEvent) -> Result<Append, LogError> {
        Err(LogError::Unavailable("it was opened for reading only".into()))
    }

    async fn read_stream(&self, stream: StreamId, after: Position, _fresh: Freshness) -> Result<Vec<Stored>, LogError> {
        self.readers.run(move |connection| reader::stream(connection, stream, after)).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        head(&self.readers).await
    }

    async fn follow(&self, name: &str, after: Position) -> Result<Box<dyn Follow>, LogError> {
        check_reader_name(name)?;
        let head = self.head().await?;
        check_follow_start(after, head)?;
        Ok(Box::new(SqliteReadFollow { readers: self.readers.clone(), last: after, head }))
    }
}

struct SqliteReadFollow {
    readers: Arc<Readers>,
    last: Position,
    /// Where the log ended when it was last looked at.
    head: Position,
}

#[async_trait]
impl Follow for SqliteReadFollow {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError> {
        let until = Instant::now() + wait;
        while self.head <= self.last {
            self.head = head(&self.readers).await?;
            if self.head > self.last {
                break;
            }
            if Instant::now() >= until {
                return Ok(Batch { events: Vec::new(), head: self.head });
            }
            tokio::time::sleep_until(until.min(Instant::now() + LOOK)).await;
        }
        let last = self.last;
        let events =
            if max == 0 { Vec::new() } else { self.readers.run(move |connection| reader::all(connection, last, max)).await? };
        if let Some(event) = events.last() {
            self.last = event.position;
        }
        self.head = self.head.max(self.last);
        Ok(Batch { events, head: self.head })
    }

    async fn done(&mut self, _position: Position) -> Result<(), LogError> {
        Ok(())
    }
}
