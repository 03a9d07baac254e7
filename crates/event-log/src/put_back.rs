//! Puts events back where they were: into a log that holds exactly what came before them, at the positions that they had.
//!
//! Only for a log that nobody else writes to. It must never go on behind an event that came to lie elsewhere: what is stored stays, so such a
//! log is to be thrown away.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::{Append, EventLog, LogError, NewEvent, Position, Stored};

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Append, LogError>> + Send + 'a>>;

/// Appends events, each at the position that it has; `after` is that of the event before it in its stream. As many are under way together as
/// `events` has if `together`, which only a log may be asked for that takes them in the order in which they are sent, such as the embedded one.
///
/// # Errors
/// [`LogError::Misfit`] if an event came to lie elsewhere, or there is one already where it was to lie: somebody else writes to this log.
/// Otherwise what the log says; then reading it tells how far this came, and it can be gone on with from there.
pub async fn put_back(log: &dyn EventLog, events: Vec<(Stored, Position)>, together: bool) -> Result<(), LogError> {
    let ask = |stored: Stored, after: Position| -> (Position, Answer<'_>) {
        let new = NewEvent { id: stored.id, bytes: stored.bytes };
        (stored.position, log.append(stored.stream, after, new))
    };
    if !together {
        for (stored, after) in events {
            let (position, answer) = ask(stored, after);
            lies_at(position, answer.await?)?;
        }
        return Ok(());
    }
    let mut asked: Vec<_> = events.into_iter().map(|(stored, after)| ask(stored, after)).map(|asked| (asked, None)).collect();
    // Each is polled before the next one at every turn: so they are sent in this order.
    poll_fn(|context| {
        let mut open = false;
        for ((_, answer), answered) in &mut asked {
            if answered.is_none() {
                match answer.as_mut().poll(context) {
                    Poll::Ready(answer) => *answered = Some(answer),
                    Poll::Pending => open = true,
                }
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    for ((position, _), answered) in asked {
        if let Some(answer) = answered {
            lies_at(position, answer?)?;
        }
    }
    Ok(())
}

fn lies_at(position: Position, answer: Append) -> Result<(), LogError> {
    match answer {
        Append::Done(found) if found == position => Ok(()),
        Append::Done(found) => Err(LogError::Misfit(format!(
            "event {position} came to lie at {found}: somebody else writes to this log; stop them, throw it away, and begin again"
        ))),
        Append::Conflict => Err(LogError::Misfit(format!(
            "event {position} has no place, since its stream does not end where it did: somebody else writes to this log; stop them, throw \
             it away, and begin again"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::{MemoryLog, SqliteLog, StreamId};

    fn past(count: u64) -> Vec<(Stored, Position)> {
        let mut last = [0; 3];
        let event = |n: u64| {
            let stream = (n * n % 3) as usize;
            let after = Position::from_stored(std::mem::replace(&mut last[stream], n));
            let (id, bytes) = (Uuid::from_u128(n.into()), Bytes::from(format!("event {n}")));
            let stream = StreamId::Patient(Uuid::from_u128(stream as u128 + 1));
            (Stored { stream, position: Position::from_stored(n), id, bytes }, after)
        };
        (1..=count).map(event).collect()
    }

    #[tokio::test]
    async fn many_together_come_to_lie_where_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(&folder.path().join("events.db"), "net").unwrap();
        for events in past(3000).chunks(700) {
            put_back(&log, events.to_vec(), true).await.unwrap();
        }
        let back = log.read_all(Position::START, 5000).await.unwrap();
        assert_eq!(back, past(3000).into_iter().map(|(stored, _)| stored).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_log_to_which_somebody_else_writes_is_noticed() {
        let log = MemoryLog::new();
        let mut events = past(4);
        put_back(&log, events.drain(..2).collect(), false).await.unwrap();
        let other = NewEvent { id: Uuid::from_u128(99), bytes: Bytes::from_static(b"other") };
        let _done = log.append(StreamId::Policy, Position::START, other).await.unwrap();
        let error = put_back(&log, events, false).await.unwrap_err();
        assert!(matches!(&error, LogError::Misfit(why) if why.contains("event 3 came to lie at 4")), "{error}");
    }
}
