//! The event log in memory: for tests, and for simulations in which one seed must replay a whole run.
//!
//! It must never start a task, ask a clock or draw a random number: what it answers follows from the order of the calls alone.
//! Only [`Follow::next`] waits, on a notification and on tokio's own (pausable) time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    Append, BATCH_BYTES, Batch, EventLog, Follow, Freshness, LogError, NewEvent, Position, Stored, StreamId, check_follow_start,
    check_reader_name, check_size,
};

/// An event log that lives and dies with this value. Clones share one log.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    events: Mutex<Events>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct Events {
    /// The event at position `n` is at index `n - 1`.
    all: Vec<Stored>,
    /// The indices of each stream's events, ascending. Never iterated over, so its order cannot leak into a simulation.
    streams: HashMap<StreamId, Vec<usize>>,
}

impl Events {
    fn head(&self) -> Position {
        Position::from_stored(self.all.len() as u64)
    }

    fn last_of(&self, stream: StreamId) -> Position {
        self.streams.get(&stream).and_then(|indices| indices.last()).map_or(Position::START, |index| self.all[*index].position)
    }
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        // No code panics while it holds the lock, so a poisoned one still holds consistent events.
        self.shared.events.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, stream: StreamId, after: Position, event: NewEvent) -> Result<Append, LogError> {
        check_size(&event)?;
        let position = {
            let mut events = self.events();
            if events.last_of(stream) != after {
                return Ok(Append::Conflict);
            }
            let index = events.all.len();
            let position = Position::from_stored(index as u64 + 1);
            events.all.push(Stored { stream, position, id: event.id, bytes: event.bytes });
            events.streams.entry(stream).or_default().push(index);
            position
        };
        self.shared.grown.notify_waiters();
        Ok(Append::Done(position))
    }

    async fn read_stream(&self, stream: StreamId, after: Position, _fresh: Freshness) -> Result<Vec<Stored>, LogError> {
        let events = self.events();
        let Some(indices) = events.streams.get(&stream) else { return Ok(Vec::new()) };
        let first = indices.partition_point(|index| events.all[*index].position <= after);
        Ok(indices[first..].iter().map(|index| events.all[*index].clone()).collect())
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(self.events().head())
    }

    async fn follow(&self, name: &str, after: Position) -> Result<Box<dyn Follow>, LogError> {
        check_reader_name(name)?;
        check_follow_start(after, self.events().head())?;
        Ok(Box::new(MemoryFollow { log: self.clone(), last: after }))
    }
}

struct MemoryFollow {
    log: MemoryLog,
    last: Position,
}

impl MemoryFollow {
    fn take(&mut self, max: usize) -> Batch {
        let events = self.log.events();
        let first = usize::try_from(self.last.to_stored()).map_or(events.all.len(), |n| n.min(events.all.len()));
        let mut end = first;
        let mut size = 0;
        while end < events.all.len() && end - first < max {
            size += events.all[end].bytes.len();
            if size > BATCH_BYTES && end > first {
                break;
            }
            end += 1;
        }
        let batch = Batch { events: events.all[first..end].to_vec(), head: events.head() };
        if let Some(last) = batch.events.last() {
            self.last = last.position;
        }
        batch
    }
}

#[async_trait]
impl Follow for MemoryFollow {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError> {
        let shared = self.log.shared.clone();
        // Registered before looking, so that an append between the look and the wait is not missed.
        let grown = shared.grown.notified();
        tokio::pin!(grown);
        grown.as_mut().enable();
        let batch = self.take(max);
        if !batch.events.is_empty() || max == 0 || wait.is_zero() {
            return Ok(batch);
        }
        // Whether it was notified or ran out of time, what is there now is the answer.
        let _ = tokio::time::timeout(wait, grown).await;
        Ok(self.take(max))
    }

    async fn done(&mut self, _position: Position) -> Result<(), LogError> {
        Ok(())
    }
}
