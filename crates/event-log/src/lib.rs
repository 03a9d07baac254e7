//! The event log: one trait with its laws, and the backends that keep them.
//!
//! The log stores opaque bytes in named streams. It knows nothing of patients, policies or JSON, and it must never
//! look into what it stores: what is hashed and proved elsewhere are exactly the bytes that went in.
//!
//! # The laws
//!
//! Every backend passes [`contract`], which tests each of them.
//!
//! 1. **Order.** A stream's events come back in the order in which they were appended; positions grow strictly, in a
//!    stream and over the whole log. [`Position::START`] is before every event.
//! 2. **One winner.** `append(stream, after, event)` succeeds only if `after` is the position of the last event
//!    of the stream (`START` for an empty one). Of any number of concurrent appends with one `after`, at most one succeeds.
//! 3. **A conflict is a value.** [`Append::Conflict`] says that the stream has moved on, and a [`Freshness::Latest`] read that begins
//!    after it sees how. It may also be the answer when this very event landed and its acknowledgement was lost: whoever gets it
//!    reads on and looks for the event's own id first. [`Append::Done`] is only ever said of the very bytes that were sent.
//! 4. **Durability.** What was answered with [`Append::Done`] is in the log after any crash of this process.
//! 5. **Doubt is said.** [`LogError::InDoubt`] means that the event may or may not be there; asking again with the same
//!    id and bytes is safe and never appends it twice. Every other error means that this call has written nothing; it does not settle
//!    the doubt about an earlier one.
//! 6. **No gaps, no repeats.** [`Follow`] yields every event after its start once and in order, however it was interrupted; a
//!    backend that notices a gap heals it or fails, and never goes on behind it.
//! 7. **Freshness.** [`Freshness::Latest`] sees every append that was acknowledged before the read began, by anyone.
//!    [`Freshness::Any`] may lag, and is enough to decide, since the append would then conflict.
//! 8. **Byte for byte.** What comes back is what went in, whatever it is.

pub mod contract;
pub mod jetstream;
pub mod memory;
mod put_back;
pub mod sqlite;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

pub use jetstream::feed::{FeedLimits, FeedMessage, FeedStream, Published, Reached};
pub use jetstream::{JetStreamConfig, JetStreamLog, NatsLogin, open_jetstream};
pub use memory::MemoryLog;
pub use put_back::put_back;
pub use sqlite::{SqliteLog, SqliteReadLog};

/// The largest event, in bytes. JetStream's default limit of a message is 1 MiB, headers included.
pub const MAX_EVENT_BYTES: usize = 900 * 1024;

/// The most bytes in one [`Batch`], so that a reader far behind fits into memory whatever `max` it asks for. A single event always fits.
pub const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Names a stream of events: the unit of order and of the concurrency check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamId {
    /// The one stream of a patient, shared by every branch of the network.
    Patient(Uuid),
    /// A telephone number's, by its keyed fingerprint: where those who want to ring it queue up.
    Number(Uuid),
    /// The network's published policies.
    Policy,
    /// The network's directory: branches, providers, clinicians who have left.
    Directory,
    /// What was handed out and what was destroyed: a record of access, in which nothing is decided.
    Access,
}

/// What a number's stream is called by, before its fingerprint: no UUID begins so.
const NUMBER: &str = "n-";

impl StreamId {
    /// The literal subject of this stream below a network's name:
    /// `<network>.evt.<shard>.<patient>`, `<network>.evt.<shard>.n-<fingerprint>`, or `<network>.evt.net.policy`,
    /// `<network>.evt.net.directory` and `<network>.evt.net.access`.
    pub fn subject(&self, network: &str) -> String {
        match self {
            Self::Patient(patient) => {
                let mut text = [0; Hyphenated::LENGTH];
                let (shard, patient) = (shard(*patient), patient.as_hyphenated().encode_lower(&mut text));
                [network, ".evt.", itoa(shard, &mut [0; 3]), ".", patient].concat()
            }
            Self::Number(number) => {
                let mut text = [0; Hyphenated::LENGTH];
                let (shard, number) = (shard(*number), number.as_hyphenated().encode_lower(&mut text));
                [network, ".evt.", itoa(shard, &mut [0; 3]), ".", NUMBER, number].concat()
            }
            Self::Policy => format!("{network}.evt.net.policy"),
            Self::Directory => format!("{network}.evt.net.directory"),
            Self::Access => format!("{network}.evt.net.access"),
        }
    }

    /// Reads a stream's name back from its subject; `None` if it is not one of ours.
    pub fn from_subject(network: &str, subject: &str) -> Option<Self> {
        let rest = subject.strip_prefix(network)?.strip_prefix(".evt.")?;
        match rest.split_once('.')? {
            ("net", "policy") => Some(Self::Policy),
            ("net", "directory") => Some(Self::Directory),
            ("net", "access") => Some(Self::Access),
            (at, name) => {
                let (stream, id): (fn(Uuid) -> Self, &str) = match name.strip_prefix(NUMBER) {
                    Some(number) => (Self::Number, number),
                    None => (Self::Patient, name),
                };
                let id: Uuid = id.parse().ok()?;
                (at.parse() == Ok(shard(id))).then(|| stream(id))
            }
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patient(patient) => write!(f, "{patient}"),
            Self::Number(number) => write!(f, "{NUMBER}{number}"),
            Self::Policy => f.write_str("policy"),
            Self::Directory => f.write_str("directory"),
            Self::Access => f.write_str("access"),
        }
    }
}

/// Why a text names no stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no stream")]
pub struct NoStream(pub String);

impl FromStr for StreamId {
    type Err = NoStream;

    /// What [`fmt::Display`] writes, and nothing else.
    fn from_str(name: &str) -> Result<Self, NoStream> {
        let stream = match (name, name.strip_prefix(NUMBER)) {
            ("policy", _) => Some(Self::Policy),
            ("directory", _) => Some(Self::Directory),
            ("access", _) => Some(Self::Access),
            (_, Some(number)) => number.parse().ok().map(Self::Number),
            (patient, None) => patient.parse().ok().map(Self::Patient),
        };
        stream.filter(|stream| stream.to_string() == name).ok_or_else(|| NoStream(name.to_owned()))
    }
}

/// A number in decimal digits: a subject is made for every append, and `format!` takes some microseconds.
fn itoa(number: u8, digits: &mut [u8; 3]) -> &str {
    *digits = [number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit);
    let leading = digits.iter().take(2).take_while(|digit| **digit == b'0').count();
    std::str::from_utf8(&digits[leading..]).unwrap_or_default()
}

/// The shard of a patient or a number: one of 256, the first byte of the SHA-256 of the UUID's 16 bytes. Fixed for ever, since it is
/// part of the subject under which their events are stored.
pub fn shard(id: Uuid) -> u8 {
    Sha256::digest(id.as_bytes())[0]
}

/// A place in the log. Opaque: compare positions, store them, hand them back; never count with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(u64);

impl Position {
    /// Before every event.
    pub const START: Self = Self(0);

    /// A position as a backend or a database stored it.
    pub const fn from_stored(value: u64) -> Self {
        Self(value)
    }

    /// The value to store.
    pub const fn to_stored(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position {
    type Err = std::num::ParseIntError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

/// An event to append.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The event's id, also inside its bytes. Two events with one id are one event.
    pub id: Uuid,
    /// What is stored and hashed, byte for byte; at most [`MAX_EVENT_BYTES`].
    pub bytes: Bytes,
}

/// An event as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in the log.
    pub position: Position,
    /// The id it was appended under.
    pub id: Uuid,
    /// The bytes that were appended.
    pub bytes: Bytes,
}

/// The answer to an append that reached the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Append {
    /// The event is durable, at this position.
    Done(Position),
    /// The stream has moved on. Read what is new, look for this event's own id in it, and decide again.
    Conflict,
}

/// How fresh a read of a stream must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// May lag behind the last acknowledged append; cheaper.
    Any,
    /// Sees every append acknowledged before the read began.
    Latest,
}

/// Why the log could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The log cannot be reached or did not answer in time; nothing was written.
    #[error("the event log cannot be reached: {0}")]
    Unavailable(String),
    /// Another process has the log open, and it takes one at a time; nothing was written.
    #[error("the event log is in use: {0}")]
    InUse(String),
    /// The event may or may not have been written; asking again with the same id and bytes is safe.
    #[error("it is not known whether the event was written: {0}")]
    InDoubt(String),
    /// The event is larger than [`MAX_EVENT_BYTES`]; nothing was written.
    #[error("the event has {0} bytes, more than the {MAX_EVENT_BYTES} that the log takes")]
    TooLarge(usize),
    /// The disk is full or the log's own limit is reached; nothing was written.
    #[error("the event log has no room: {0}")]
    Full(String),
    /// What is stored contradicts itself. Nothing is served from here until a person has looked.
    #[error("the event log is damaged: {0}")]
    Damaged(String),
    /// The log was made for another network or by a newer version, or is configured in a way that would lose events.
    #[error("the event log does not fit: {0}")]
    Misfit(String),
}

fn check_size(event: &NewEvent) -> Result<(), LogError> {
    if event.bytes.len() > MAX_EVENT_BYTES { Err(LogError::TooLarge(event.bytes.len())) } else { Ok(()) }
}

fn check_reader_name(name: &str) -> Result<(), LogError> {
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(());
    }
    Err(LogError::Misfit(format!("the reader's name {name:?} is not 1 to 64 letters, digits and -")))
}

/// A reader whose checkpoint lies behind the log's end read another log, or this one lost events: going on would skip what comes.
fn check_follow_start(after: Position, head: Position) -> Result<(), LogError> {
    if after <= head {
        return Ok(());
    }
    Err(LogError::Misfit(format!(
        "the reader has read up to {after}, but the log ends at {head}: its checkpoint belongs to another log, or this log has lost events"
    )))
}

/// A batch of events, in order.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The events; empty when none came in time.
    pub events: Vec<Stored>,
    /// The position of the last event in the whole log when the batch was read, as far as the backend knows it: how much is still to come.
    pub head: Position,
}

/// A reader that follows the whole log from a position on.
#[async_trait]
pub trait Follow: Send {
    /// The next events, at most `max` of them and [`BATCH_BYTES`]; waits up to `wait` for the first, and returns an empty batch if
    /// none came. Each call goes on behind the last event that the previous one returned. After an error, and after a call that was
    /// given up, the next call goes on where it was.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if the log cannot be reached or another reader took over under this name, which
    /// only a new [`EventLog::follow`] takes back; [`LogError::Damaged`] if an
    /// event is missing or cannot be told apart.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError>;

    /// Tells the backend that everything up to `position` is stored by the reader, in its own database. Only a hint: what a
    /// reader has done is in its own checkpoint, and correctness never rests on this.
    async fn done(&mut self, position: Position) -> Result<(), LogError>;
}

/// An append-only log of streams. The module's documentation states its laws.
#[async_trait]
pub trait EventLog: Send + Sync + fmt::Debug + 'static {
    /// Appends one event to a stream whose last event is at `after`.
    async fn append(&self, stream: StreamId, after: Position, event: NewEvent) -> Result<Append, LogError>;

    /// The events of a stream behind `after`, in order, all of them.
    async fn read_stream(&self, stream: StreamId, after: Position, fresh: Freshness) -> Result<Vec<Stored>, LogError>;

    /// The position of the last event in the whole log; [`Position::START`] when it is empty. Always fresh.
    async fn head(&self) -> Result<Position, LogError>;

    /// Follows the whole log behind `after`. `name` identifies the reader to the backend (letters, digits, `-`); a reader that comes
    /// back under its name takes over from its former self.
    ///
    /// # Errors
    /// [`LogError::Misfit`] if the name does not fit, or if `after` lies behind the end of the log: then it is another log's position.
    async fn follow(&self, name: &str, after: Position) -> Result<Box<dyn Follow>, LogError>;

    /// The next events of the whole log behind `after`, in order: at most `max` of them and [`BATCH_BYTES`], none if there are no more. For
    /// readers that come and go: nothing about them is kept anywhere. It may lag behind the last append, and never leaves a hole.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if the log cannot be reached; [`LogError::Damaged`] if an event is missing.
    async fn read_all(&self, after: Position, max: usize) -> Result<Vec<Stored>, LogError> {
        // Where following keeps nothing either.
        if after >= self.head().await? {
            return Ok(Vec::new());
        }
        let mut follow = self.follow("read-all", after).await?;
        Ok(follow.next(max, Duration::ZERO).await?.events)
    }

    /// Tells something to whoever listens right now, beside the log: on NATS under `<network>.<topic>`. Nothing is stored, nobody waits
    /// for it, and a backend that has no listeners has nothing to do.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if it could not be sent.
    async fn announce(&self, _topic: &str, _bytes: Bytes) -> Result<(), LogError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_back() {
        let patient: Uuid = "0197a1c0-5f7e-7cc3-9d2c-0123456789ab".parse().unwrap();
        let subject = StreamId::Patient(patient).subject("net");
        // The shard is part of what is stored: this number may never change.
        assert_eq!(subject, "net.evt.26.0197a1c0-5f7e-7cc3-9d2c-0123456789ab");
        let number = StreamId::Number(patient);
        assert_eq!(number.subject("net"), "net.evt.26.n-0197a1c0-5f7e-7cc3-9d2c-0123456789ab");
        for stream in [StreamId::Patient(patient), number, StreamId::Policy, StreamId::Directory, StreamId::Access] {
            assert_eq!(StreamId::from_subject("net", &stream.subject("net")), Some(stream));
            assert_eq!(stream.to_string().parse(), Ok(stream));
            assert_eq!(StreamId::from_subject("ne", &stream.subject("net")), None);
            assert_eq!(StreamId::from_subject("net", &stream.subject("net2")), None);
        }
        for other in [
            "net.evt.0.nobody",
            "net.evt.net.other",
            "net.evt.policy",
            "net.evt.",
            &format!("{subject}.x"),
            &subject.replace(".evt.26.", ".evt.256."),
        ] {
            assert_eq!(StreamId::from_subject("net", other), None, "{other}");
        }
        for other in ["", "n-", "Policy", "n-policy", "0197A1C0-5F7E-7CC3-9D2C-0123456789AB", "0197a1c05f7e7cc39d2c0123456789ab"]
        {
            assert!(other.parse::<StreamId>().is_err(), "{other}");
        }
    }
}
