//! Reading streams: from any replica in batches, from the leader message by message, and what a message of ours looks like.
//!
//! It must never return a stream with a hole in it, whatever was lost on the way.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{RawMessageBuilder, RawMessageErrorKind};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::connection::{Backoff, Link};
use crate::{BATCH_BYTES, Freshness, LogError, Position, Stored, StreamId};

/// Messages asked for at once.
const BATCH: usize = 512;

/// A message of the log's stream.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) position: Position,
    /// `None` for a subject that is none of ours.
    pub(super) stream: Option<StreamId>,
    /// Nil for a message that did not come from here.
    pub(super) id: Uuid,
    pub(super) bytes: Bytes,
}

impl Found {
    pub(super) fn new(link: &Link, subject: &str, sequence: u64, headers: Option<&HeaderMap>, bytes: Bytes) -> Self {
        let id = headers.and_then(|headers| headers.get(NATS_MESSAGE_ID)).and_then(|id| id.as_str().parse().ok());
        Self {
            position: Position::from_stored(sequence),
            stream: StreamId::from_subject(&link.config.network, subject),
            id: id.unwrap_or_else(Uuid::nil),
            bytes,
        }
    }

    fn stored(self, stream: StreamId) -> Stored {
        Stored { stream, position: self.position, id: self.id, bytes: self.bytes }
    }
}

/// The position of the log's last event, from the leader.
pub(super) async fn head(link: &Link) -> Result<Position, LogError> {
    let info = link.ask_until(&format!("STREAM.INFO.{}", link.stream), &Value::Null, link.deadline()).await;
    let info = info.map_err(|error| error.unavailable("the stream's state"))?;
    let last = info["state"]["last_seq"].as_u64();
    last.map(Position::from_stored).ok_or_else(|| LogError::Unavailable("the stream's state lacks last_seq".into()))
}

/// The message at a sequence, from the leader.
pub(super) async fn at(link: &Link, sequence: u64) -> Result<Option<Found>, LogError> {
    from_leader(link, |ask| ask.sequence(sequence)).await
}

/// The first message of a subject behind a position, from the leader.
pub(super) async fn next(link: &Link, subject: &str, after: Position) -> Result<Option<Found>, LogError> {
    from_leader(link, |ask| ask.sequence(after.to_stored().saturating_add(1)).next_by_subject(subject)).await
}

/// The last message of a subject, from the leader.
pub(super) async fn last(link: &Link, subject: &str) -> Result<Option<Found>, LogError> {
    from_leader(link, |ask| ask.last_by_subject(subject)).await
}

async fn from_leader(link: &Link, what: impl Fn(RawMessageBuilder) -> RawMessageBuilder) -> Result<Option<Found>, LogError> {
    let deadline = link.deadline();
    let mut backoff = Backoff::until(deadline);
    loop {
        if !link.is_up(deadline).await {
            return Err(LogError::Unavailable("not connected".to_owned()));
        }
        match what(link.leader.raw_message_builder()).send().await {
            Ok(StreamMessage { subject, sequence, headers, payload, .. }) => {
                return Ok(Some(Found::new(link, &subject, sequence, Some(&headers), payload)));
            }
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(_passing) if backoff.pause().await => {}
            Err(error) => return Err(LogError::Unavailable(format!("the stream's leader: {error}"))),
        }
    }
}

/// A stream's events behind `after`.
pub(super) async fn stream(link: &Link, stream: StreamId, after: Position, fresh: Freshness) -> Result<Vec<Stored>, LogError> {
    let subject = stream.subject(&link.config.network);
    let least = match fresh {
        Freshness::Any => after,
        Freshness::Latest => match last(link, &subject).await? {
            Some(found) if found.position > after => found.position,
            _ => return Ok(Vec::new()),
        },
    };
    let mut events: Vec<Stored> = Vec::new();
    let deadline = link.deadline();
    let mut backoff = Backoff::until(deadline);
    loop {
        if !link.is_up(deadline).await {
            return Err(LogError::Unavailable("not connected".to_owned()));
        }
        let reached = events.last().map_or(after, |event| event.position);
        match batch(link, &subject, reached, BATCH).await {
            Ok((found, more)) => {
                events.extend(found.into_iter().map(|found| found.stored(stream)));
                if !more {
                    break;
                }
            }
            Err(_passing) if backoff.pause().await => {}
            Err(text) => return Err(LogError::Unavailable(format!("stream {subject}: {text}"))),
        }
    }
    // What the answering replica did not have yet, the leader has.
    loop {
        let reached = events.last().map_or(after, |event| event.position);
        if reached >= least {
            return Ok(events);
        }
        match next(link, &subject, reached).await? {
            Some(found) => events.push(found.stored(stream)),
            None => {
                return Err(LogError::Damaged(format!("stream {subject} ends at {reached}, but its last event was at {least}")));
            }
        }
    }
}

/// The whole log's events behind `after`, one batch from any replica.
pub(super) async fn all(link: &Link, after: Position, max: usize) -> Result<Vec<Stored>, LogError> {
    let subject = format!("{}.evt.>", link.config.network);
    let deadline = link.deadline();
    let mut backoff = Backoff::until(deadline);
    let found = loop {
        if !link.is_up(deadline).await {
            return Err(LogError::Unavailable("not connected".to_owned()));
        }
        match batch(link, &subject, after, max.min(BATCH)).await {
            Ok((found, _more)) => break found,
            Err(_passing) if backoff.pause().await => {}
            Err(text) => return Err(LogError::Unavailable(format!("the log behind {after}: {text}"))),
        }
    };
    let mut expected = after.to_stored();
    let mut events = Vec::with_capacity(found.len());
    for found in found {
        expected += 1;
        if found.position.to_stored() != expected {
            return Err(LogError::Damaged(format!("event {expected} is missing, the next one is {}", found.position)));
        }
        // A message under a subject that is none of ours is nobody's history; whoever follows the log says so.
        if let Some(stream) = found.stream {
            events.push(found.stored(stream));
        }
    }
    Ok(events)
}

/// One batch from any replica, and whether it has more. An error says what went wrong on the way.
async fn batch(link: &Link, subject: &str, after: Position, most: usize) -> Result<(Vec<Found>, bool), String> {
    let inbox = link.client.new_inbox();
    let mut answers = link.client.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
    let request = json!({
        "seq": after.to_stored().saturating_add(1),
        "next_by_subj": subject,
        "batch": most,
        "max_bytes": BATCH_BYTES,
    })
    .to_string();
    let api = format!("$JS.API.DIRECT.GET.{}", link.stream);
    link.client.publish_with_reply(api, inbox, request.into()).await.map_err(|error| error.to_string())?;
    let mut found: Vec<Found> = Vec::new();
    loop {
        let answer = tokio::time::timeout(link.config.answer_wait, answers.next()).await;
        let answer = answer.map_err(|_| "no answer in time".to_owned())?.ok_or("the connection was closed")?;
        let header = |name: &str| answer.headers.as_ref().and_then(|headers| headers.get_last(name)).map(|value| value.as_str());
        let number = |name: &str| header(name).and_then(|value| value.parse::<u64>().ok());
        match answer.status.map(|status| status.as_u16()) {
            // The end of the batch: it says what it sent last, so that nothing can be missing behind what arrived.
            Some(204) => {
                let reached = found.last().map_or(0, |found| found.position.to_stored());
                return match (number("Nats-Last-Sequence"), number("Nats-Num-Pending")) {
                    (Some(last), Some(pending)) if last == reached => Ok((found, pending > 0)),
                    (last, _) => Err(format!("the batch ended at {last:?}, but {reached} is the last that arrived")),
                };
            }
            Some(404) => return Ok((found, false)),
            Some(503) => return Err("no replica answers at the moment".into()),
            Some(status) => return Err(format!("status {status} {}", answer.description.as_deref().unwrap_or_default())),
            None => {
                let sequence = number("Nats-Sequence").ok_or("an answer without a sequence")?;
                let previous = number("Nats-Last-Sequence").ok_or("an answer that is not part of a batch")?;
                if let Some(last) = found.last()
                    && previous != last.position.to_stored()
                {
                    return Err(format!("an event between {} and {sequence} was lost on the way", last.position));
                }
                found.push(Found::new(
                    link,
                    header("Nats-Subject").unwrap_or_default(),
                    sequence,
                    answer.headers.as_ref(),
                    answer.payload,
                ));
            }
        }
    }
}
