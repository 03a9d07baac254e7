//! A second stream that is filled from the log, for readers outside: each message in its place behind the one before, whoever writes.
//!
//! It must never touch the log's own stream, and never write a message without the sequence of the one that it stands behind: so two
//! writers cannot put theirs between each other's. It knows nothing of what it carries.

use async_nats::header::{HeaderName, HeaderValue, NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::jetstream::stream::RawMessageErrorKind;
use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

use super::JetStreamConfig;
use super::append::CONTENT_TYPE;
use super::connection::{ApiError, Backoff, HEADER_ROOM, Link, Refusal};
use crate::{LogError, MAX_EVENT_BYTES, Position};

/// Where a message says which event of the log it was made from.
const POSITION: HeaderName = HeaderName::from_static("Tact-Position");
/// Messages that may be on their way to the server without an answer.
const WINDOW: usize = 512;
/// The format of the stream's subjects and headers.
const FORMAT: &str = "1";
const FORMAT_KEY: &str = "tact-feed-format";

const STREAM_NOT_FOUND: u64 = 10059;
const STREAM_NAME_IN_USE: u64 = 10058;

/// How much the stream keeps; what is oldest goes first. Only used when the stream is made: afterwards, the operator changes the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedLimits {
    /// At most so many bytes; `None` for everything.
    pub max_bytes: Option<u64>,
    /// Each message for so long; `None` for ever.
    pub max_age: Option<Duration>,
}

/// A message for the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedMessage {
    /// The event's id: within two minutes, JetStream takes a message only once.
    pub id: Uuid,
    /// Where the event that it was made from stands in the log.
    pub position: Position,
    /// The rest of its subject behind `<network>.feed.`.
    pub topic: String,
    /// What it says.
    pub bytes: Bytes,
}

/// How far the stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Nothing was ever written.
    Nothing,
    /// Its last message was made from the event at this position.
    At(Position),
    /// It was written to, and what it held has been purged or is older than it keeps.
    Emptied,
}

/// What became of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Published {
    /// All of them are stored, in order.
    Done,
    /// Somebody else has written meanwhile, or one of them was there already: ask [`FeedStream::reached`] before going on.
    Moved,
}

/// The one that fills the stream.
pub struct FeedStream {
    link: Link,
    limits: FeedLimits,
    /// The stream's last sequence as far as this writer knows.
    last: u64,
    acks: Option<(String, Subscriber)>,
    /// Tells the answers of one call from late ones of another.
    round: u64,
}

impl std::fmt::Debug for FeedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedStream").field("stream", &self.link.stream).field("last", &self.last).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Refusal>,
}

impl FeedStream {
    /// Connects, and makes the stream if it is not there: `tact-<network>-feed`, unless the configuration names another.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if no server answered in time; [`LogError::Misfit`] if the stream that is there is not one for a feed.
    pub async fn open(mut config: JetStreamConfig, limits: FeedLimits) -> Result<Self, LogError> {
        config.stream = Some(config.stream.unwrap_or_else(|| format!("tact-{}-feed", config.network)));
        config.check()?;
        let deadline = Instant::now() + config.connect_wait;
        let link = Link::connect(config, deadline).await?;
        let feed = Self { link, limits, last: 0, acks: None, round: 0 };
        feed.ensure(deadline).await?;
        Ok(feed)
    }

    /// How long the stream keeps a message, if not for ever.
    pub fn max_age(&self) -> Option<Duration> {
        self.limits.max_age
    }

    /// How far the stream has come, as its leader knows it. The next [`Self::publish`] goes on from there.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]; [`LogError::Damaged`] if its last message did not come from here.
    pub async fn reached(&mut self) -> Result<Reached, LogError> {
        let deadline = self.link.deadline();
        let info = self.link.ask_until(&format!("STREAM.INFO.{}", self.link.stream), &Value::Null, deadline).await;
        let info = info.map_err(|error| error.unavailable("the feed's stream"))?;
        let last = info["state"]["last_seq"].as_u64();
        self.last = last.ok_or_else(|| LogError::Unavailable("the feed's state lacks last_seq".into()))?;
        if self.last == 0 {
            return Ok(Reached::Nothing);
        }
        let mut backoff = Backoff::until(deadline);
        loop {
            match self.link.leader.raw_message_builder().sequence(self.last).send().await {
                Ok(message) => {
                    let position = message.headers.get_last(POSITION).and_then(|value| value.as_str().parse().ok());
                    return position.map(Reached::At).ok_or_else(|| {
                        LogError::Damaged(format!(
                            "message {} of stream {} did not come from the feed: purge the stream, and it is filled anew",
                            self.last, self.link.stream
                        ))
                    });
                }
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(Reached::Emptied),
                Err(_passing) if backoff.pause().await => {}
                Err(error) => return Err(LogError::Unavailable(format!("the feed's leader: {error}"))),
            }
        }
    }

    /// Writes messages, in order, behind the last one that [`Self::reached`] or this has seen. Every acknowledgement is awaited.
    ///
    /// # Errors
    /// Some of them may be stored, from the first one on: ask [`Self::reached`] before going on.
    pub async fn publish(&mut self, messages: &mut (dyn Iterator<Item = FeedMessage> + Send)) -> Result<Published, LogError> {
        let (first, mut sent, mut answered) = (self.last, 0u64, 0u64);
        self.round += 1;
        let mut ended = false;
        loop {
            while !ended && sent - answered < WINDOW as u64 {
                match messages.next() {
                    Some(message) => {
                        self.send(message, first + sent, sent).await?;
                        sent += 1;
                    }
                    None => ended = true,
                }
            }
            if answered == sent {
                self.last = first + sent;
                return Ok(Published::Done);
            }
            if !self.stored(first).await? {
                return Ok(Published::Moved);
            }
            answered += 1;
        }
    }

    async fn send(&mut self, message: FeedMessage, behind: u64, number: u64) -> Result<(), LogError> {
        let unavailable = |error: &dyn std::fmt::Display| LogError::Unavailable(format!("the feed: {error}"));
        let client = &self.link.client;
        if self.acks.is_none() {
            let inbox = client.new_inbox();
            let answers = client.subscribe(format!("{inbox}.*.*")).await.map_err(|error| unavailable(&error))?;
            self.acks = Some((inbox, answers));
        }
        let inbox = self.acks.as_ref().map(|(inbox, _)| inbox.as_str()).unwrap_or_default();
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(behind));
        headers.insert(NATS_MESSAGE_ID, message.id.to_string());
        headers.insert(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8");
        headers.insert(POSITION, HeaderValue::from(message.position.to_stored()));
        let subject = [self.link.config.network.as_str(), ".feed.", &message.topic].concat();
        let reply = format!("{inbox}.{}.{number}", self.round);
        client.publish_with_reply_and_headers(subject, reply, headers, message.bytes).await.map_err(|error| unavailable(&error))
    }

    /// The next answer of this call: whether a message was stored in its place, or else the stream does not stand where this writer believes.
    async fn stored(&mut self, first: u64) -> Result<bool, LogError> {
        let round = self.round;
        let Some((inbox, answers)) = &mut self.acks else { return Err(LogError::Unavailable("nothing was sent".into())) };
        let own = |message: &Message| -> Option<u64> {
            let (of, number) = message.subject.as_str().strip_prefix(inbox.as_str())?.strip_prefix('.')?.split_once('.')?;
            (of.parse() == Ok(round)).then(|| number.parse().ok()).flatten()
        };
        let wait = self.link.config.answer_wait;
        let (number, message) = loop {
            match tokio::time::timeout(wait, answers.next()).await {
                Ok(Some(message)) => match own(&message) {
                    Some(number) => break (number, message),
                    None => continue,
                },
                Ok(None) => {
                    self.acks = None;
                    return Err(LogError::Unavailable("the feed: the connection was closed".into()));
                }
                Err(_late) => {
                    return Err(LogError::Unavailable(format!("the feed: no answer within {} s", wait.as_secs_f32())));
                }
            }
        };
        if let Some(status) = message.status {
            return Err(LogError::Unavailable(format!("the feed's stream has no leader at the moment (status {status})")));
        }
        let acknowledgement: Acknowledgement = serde_json::from_slice(&message.payload)
            .map_err(|error| LogError::Unavailable(format!("the feed: an acknowledgement that cannot be read: {error}")))?;
        match acknowledgement {
            Acknowledgement { error: Some(refusal), .. } => match refusal.err_code {
                // Another last sequence, here or while another message is under way; the same id being stored right now.
                10071 | 10164 | 10158 => Ok(false),
                10002 | 10023 | 10028 | 10047 | 10077 | 10110 | 10122 => Err(LogError::Full(refusal.to_string())),
                _ => Err(LogError::Unavailable(format!("the feed: {refusal}"))),
            },
            Acknowledgement { duplicate: true, .. } => Ok(false),
            Acknowledgement { seq, .. } if seq == first + number + 1 => Ok(true),
            Acknowledgement { seq, .. } => Err(LogError::Damaged(format!(
                "message {} of the feed was stored at {seq}: the server does not heed expected sequences",
                first + number + 1
            ))),
        }
    }

    async fn ensure(&self, deadline: Instant) -> Result<(), LogError> {
        let (link, mut backoff) = (&self.link, Backoff::until(deadline));
        loop {
            match link.ask_until(&format!("STREAM.INFO.{}", link.stream), &Value::Null, deadline).await {
                Ok(info) => return self.check(&info["config"]),
                Err(ApiError::Refused(refusal)) if refusal.err_code == STREAM_NOT_FOUND => {}
                Err(error) => return Err(error.unavailable("JetStream")),
            }
            match link.ask_until(&format!("STREAM.CREATE.{}", link.stream), &self.wanted(), deadline).await {
                Ok(info) => return self.check(&info["config"]),
                Err(ApiError::Refused(refusal)) if refusal.err_code == STREAM_NAME_IN_USE => {}
                Err(ApiError::Refused(refusal)) => {
                    return Err(LogError::Misfit(format!("stream {} cannot be made: {refusal}", link.stream)));
                }
                Err(error) => return Err(error.unavailable("JetStream")),
            }
            if !backoff.pause().await {
                return Err(LogError::Unavailable(format!("stream {} appears and disappears", link.stream)));
            }
        }
    }

    fn wanted(&self) -> Value {
        let link = &self.link;
        json!({
            "name": link.stream,
            "description": format!("Tact: the feed of network {}, without personal data", link.config.network),
            "subjects": [format!("{}.feed.>", link.config.network)],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "num_replicas": link.config.replicas,
            "max_msgs": -1,
            "max_msgs_per_subject": -1,
            "max_bytes": self.limits.max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            "max_age": self.limits.max_age.map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)),
            "max_msg_size": MAX_EVENT_BYTES + HEADER_ROOM,
            "max_consumers": 1000,
            "duplicate_window": 120_000_000_000_u64.min(self.limits.max_age.map_or(u64::MAX, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))),
            "allow_direct": true,
            "metadata": { FORMAT_KEY: FORMAT },
        })
    }

    /// Refuses a stream that was made for something else, or in which the last message need not be the last that was written.
    fn check(&self, found: &Value) -> Result<(), LogError> {
        let wanted = self.wanted();
        let misfit = |field: &str, should: &str| {
            Err(LogError::Misfit(format!("stream {}: {field} is {}, but {should}", self.link.stream, found[field])))
        };
        for field in ["subjects", "retention", "storage", "discard"] {
            if found[field] != wanted[field] {
                return misfit(field, &format!("must be {}", wanted[field]));
            }
        }
        let replicas = found["num_replicas"].as_u64().and_then(|replicas| usize::try_from(replicas).ok());
        if replicas.is_some_and(|replicas| replicas < self.link.config.replicas) {
            return misfit("num_replicas", &format!("must be at least {}, as configured", self.link.config.replicas));
        }
        for field in ["mirror", "sources", "subject_transform", "sealed", "no_ack"] {
            if !matches!(&found[field], Value::Null | Value::Bool(false)) {
                return misfit(field, "must not be set");
            }
        }
        match found["metadata"][FORMAT_KEY].as_str() {
            Some(FORMAT) => Ok(()),
            _ => misfit(
                "metadata",
                &format!("this version writes {FORMAT_KEY} {FORMAT}: use the version that made it, or remove it"),
            ),
        }
    }
}
