//! Appending: one publish with its expectations, and certainty about what became of it.
//!
//! It must never say `Done` for an event that it has not seen acknowledged or read back, and never anything but `InDoubt` while
//! the event may still arrive.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use serde::Deserialize;

use super::connection::{ApiError, Backoff, Link, Refusal};
use super::read;
use crate::{Append, LogError, NewEvent, Position, StreamId};

pub(super) const CONTENT_TYPE: HeaderName = HeaderName::from_static("Content-Type");
const CLOUDEVENT: &str = "application/cloudevents+json";

/// JetStream's answer to a publish.
#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Refusal>,
}

/// What one attempt came to.
enum Attempt {
    /// Stored at this sequence.
    Stored(u64),
    /// JetStream has seen this id, and says where.
    Duplicate(u64),
    /// The subject's last sequence is another.
    Conflict,
    /// This attempt has stored nothing, and the next would not either.
    Refused(LogError),
    /// This attempt has stored nothing, but the next may.
    NotYet(String),
    /// It may have been stored, or still be on its way.
    Unknown(String),
}

pub(super) async fn append(link: &Link, stream: StreamId, after: Position, event: NewEvent) -> Result<Append, LogError> {
    let subject = stream.subject(&link.config.network);
    let first = if link.health.borrow().up {
        attempt(link, &subject, after, &event).await
    } else {
        Attempt::NotYet("not connected".into())
    };
    match first {
        Attempt::Stored(sequence) => Ok(Append::Done(Position::from_stored(sequence))),
        Attempt::Refused(error) => Err(error),
        open => settle(link, stream, &subject, after, &event, open).await,
    }
}

/// Repeats the identical publish and reads from the leader until it is certain what became of the event, or the time is up.
async fn settle(
    link: &Link,
    stream: StreamId,
    subject: &str,
    after: Position,
    event: &NewEvent,
    first: Attempt,
) -> Result<Append, LogError> {
    let deadline = link.deadline();
    let mut backoff = Backoff::until(deadline);
    let mut attempted = first;
    let mut doubt = false;
    loop {
        let why = match attempted {
            Attempt::Stored(sequence) => return Ok(Append::Done(Position::from_stored(sequence))),
            Attempt::Duplicate(sequence) => match read::at(link, sequence).await {
                Ok(Some(found)) if found.stream == Some(stream) && found.id == event.id => return Ok(landed(&found, event)),
                Ok(Some(_other)) => {
                    return Err(LogError::Damaged(format!(
                        "event id {} is already used at {sequence}, in another stream",
                        event.id
                    )));
                }
                // Known, but not there yet: still being replicated.
                Ok(None) => doubtful(&mut doubt, "the event is being stored".to_owned()),
                Err(error) => doubtful(&mut doubt, error.to_string()),
            },
            Attempt::Conflict => match winner(link, subject, after).await {
                Ok(Winner::Event(found)) if found.id == event.id => return Ok(landed(&found, event)),
                Ok(Winner::Event(_) | Winner::Elsewhere) => return Ok(Append::Conflict),
                // It may be this very event, sent by an earlier attempt.
                Ok(Winner::UnderWay) => doubtful(&mut doubt, "another event is being stored".to_owned()),
                Err(error) => doubtful(&mut doubt, error.to_string()),
            },
            // With an earlier attempt in doubt, no refusal of a later one is certain.
            Attempt::Refused(error) if !doubt => return Err(error),
            Attempt::Refused(error) => error.to_string(),
            Attempt::NotYet(text) => text,
            Attempt::Unknown(text) => doubtful(&mut doubt, text),
        };
        if !backoff.pause().await || !link.is_up(deadline).await {
            let text = format!("stream {subject}: {why}");
            return Err(if doubt { LogError::InDoubt(text) } else { LogError::Unavailable(text) });
        }
        attempted = attempt(link, subject, after, event).await;
    }
}

/// The event's id is there already. Only if these very bytes are is it done: the same command, decided anew, has other bytes, and whoever
/// sent them must read what was stored in their place.
fn landed(found: &read::Found, event: &NewEvent) -> Append {
    if found.bytes == event.bytes { Append::Done(found.position) } else { Append::Conflict }
}

fn doubtful(doubt: &mut bool, why: String) -> String {
    *doubt = true;
    why
}

async fn attempt(link: &Link, subject: &str, after: Position, event: &NewEvent) -> Attempt {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, HeaderValue::from(after.to_stored()));
    headers.insert(NATS_MESSAGE_ID, event.id.to_string());
    headers.insert(CONTENT_TYPE, CLOUDEVENT);
    let answer = match link.request(subject.to_owned(), headers, event.bytes.clone()).await {
        Ok(answer) => answer,
        Err(ApiError::Absent) => return Attempt::NotYet("the stream has no leader at the moment".into()),
        Err(ApiError::Silent(text)) => return Attempt::Unknown(text),
        Err(ApiError::Refused(refusal)) => return refused(&refusal, event),
    };
    match serde_json::from_slice::<Acknowledgement>(&answer.payload) {
        Ok(Acknowledgement { error: Some(refusal), .. }) => refused(&refusal, event),
        Ok(Acknowledgement { seq, duplicate: false, .. }) if seq > 0 => Attempt::Stored(seq),
        Ok(Acknowledgement { seq, duplicate: true, .. }) if seq > 0 => Attempt::Duplicate(seq),
        Ok(_) => Attempt::Unknown("an acknowledgement without a sequence".into()),
        Err(error) => Attempt::Unknown(format!("an acknowledgement that cannot be read: {error}")),
    }
}

fn refused(refusal: &Refusal, event: &NewEvent) -> Attempt {
    match refusal.err_code {
        // Wrong last sequence: as one server says it, and as a cluster says it while another message is under way.
        10071 | 10164 => Attempt::Conflict,
        // The same id is being stored right now.
        10158 => Attempt::NotYet(refusal.to_string()),
        // Out of storage: the account's, the server's, the stream's.
        10002 | 10023 | 10028 | 10047 | 10077 | 10110 | 10122 => Attempt::Refused(LogError::Full(refusal.to_string())),
        10054 | 10097 => Attempt::Refused(LogError::TooLarge(event.bytes.len())),
        // No leader, or a cluster that is not ready.
        10008 | 10009 | 10194 => Attempt::NotYet(refusal.to_string()),
        _ => Attempt::Refused(LogError::Unavailable(refusal.to_string())),
    }
}

/// What stands where the event was to stand.
enum Winner {
    /// The event behind `after`.
    Event(read::Found),
    /// Nothing is behind `after`, and `after` is not the last event either: it never was.
    Elsewhere,
    /// The leader refused for the sake of a message that it cannot show yet.
    UnderWay,
}

async fn winner(link: &Link, subject: &str, after: Position) -> Result<Winner, LogError> {
    if let Some(found) = read::next(link, subject, after).await? {
        return Ok(Winner::Event(found));
    }
    let last = read::last(link, subject).await?.map_or(Position::START, |found| found.position);
    // One that is behind `after` by now arrived between the two reads; the next round reads it.
    Ok(if last < after { Winner::Elsewhere } else { Winner::UnderWay })
}
