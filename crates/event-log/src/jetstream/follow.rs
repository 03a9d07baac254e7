//! Following the whole log: a durable pull consumer that is made anew whenever anything is not as it should be.
//!
//! It must never rest on what the consumer remembers: where the reader stands comes from its own checkpoint, and every
//! sequence is checked against the one before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::{ApiError, Backoff, Health, Link};
use super::read::{self, Found};
use crate::{BATCH_BYTES, Batch, Follow, LogError, Position, Stored};

/// Messages and bytes that may be on their way to us. A small window costs ten times the time of a replay.
const WINDOW: usize = 8192;
const WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// How often a waiting consumer says that it is there, and how long its silence is believed.
const HEARTBEAT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(5);
/// How long one pull waits for events.
const PULL: Duration = Duration::from_secs(30);
/// How long a batch waits for messages that are known to be coming.
const LINGER: Duration = Duration::from_millis(20);
/// Events behind us that have not come after this time were lost on the way.
const LOST: Duration = Duration::from_secs(2);
/// The consumer's metadata that says which reader made it.
const READER: &str = "tact-reader";

const CONSUMER_NOT_FOUND: u64 = 10014;
const STREAM_NOT_FOUND: u64 = 10059;

/// A reader of the whole log.
pub(super) struct JetStreamFollow {
    link: Arc<Link>,
    health: watch::Receiver<Health>,
    name: String,
    /// Tells this reader from another one of its name.
    token: String,
    /// The last event that was handed out.
    last: Position,
    /// The last one that has arrived, and the arrived ones that were not handed out yet.
    received: Position,
    arrived: VecDeque<Stored>,
    /// Where the log ended when the last message was sent.
    head: Position,
    /// The reply subjects by which everything up to a position can be acknowledged.
    replies: VecDeque<(Position, Subject)>,
    pull: Option<Pull>,
    /// Another reader has taken over, for good.
    replaced: bool,
    /// When something last arrived, or the consumer was made.
    progress: Instant,
}

/// The running pull requests.
struct Pull {
    inbox: String,
    messages: Subscriber,
    /// Messages that may still come for the requests sent.
    outstanding: usize,
    outstanding_bytes: usize,
    heard: Instant,
    losses: u64,
}

enum Next {
    Taken,
    Nothing,
    Broken(String),
}

impl JetStreamFollow {
    pub(super) fn new(link: Arc<Link>, name: &str, after: Position) -> Self {
        Self {
            health: link.health.clone(),
            name: name.to_owned(),
            token: link.client.new_inbox(),
            last: after,
            received: after,
            arrived: VecDeque::new(),
            head: after,
            replies: VecDeque::new(),
            pull: None,
            replaced: false,
            progress: Instant::now(),
            link,
        }
    }

    /// Makes this reader the one of its name, whoever was it before.
    pub(super) async fn take_over(&mut self) -> Result<(), LogError> {
        self.attach(self.link.deadline(), true).await
    }

    /// Makes the consumer anew behind what has arrived, and starts to pull.
    async fn attach(&mut self, deadline: Instant, take_over: bool) -> Result<(), LogError> {
        self.pull = None;
        self.replies.clear();
        if self.replaced {
            return Err(self.taken_over());
        }
        let link = &self.link;
        let of_consumer = |operation: &str| format!("CONSUMER.{operation}.{}.{}", link.stream, self.name);
        if !link.is_up(deadline).await {
            return Err(LogError::Unavailable("not connected to NATS".into()));
        }
        let losses = self.health.borrow_and_update().losses;
        if !take_over {
            match link.ask_until(&of_consumer("INFO"), &Value::Null, deadline).await {
                Ok(info) if info["config"]["metadata"][READER].as_str() == Some(&self.token) => {}
                Ok(_other) => {
                    self.replaced = true;
                    return Err(self.taken_over());
                }
                Err(ApiError::Refused(refusal)) if refusal.err_code == CONSUMER_NOT_FOUND => {}
                Err(error) => return Err(explain(&error)),
            }
        }
        match link.ask_until(&of_consumer("DELETE"), &Value::Null, deadline).await {
            Ok(_) => {}
            Err(ApiError::Refused(refusal)) if refusal.err_code == CONSUMER_NOT_FOUND => {}
            Err(error) => return Err(explain(&error)),
        }
        let config = json!({
            "stream_name": link.stream,
            "action": "create",
            "config": {
                "durable_name": self.name,
                "name": self.name,
                "description": "Made anew at every start: its reader's own checkpoint says where it stands",
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self.received.to_stored().saturating_add(1),
                "ack_policy": "all",
                // Redelivery is never needed: what was lost is noticed and fetched again.
                "ack_wait": 3_600_000_000_000_u64,
                "max_deliver": -1,
                "max_ack_pending": -1,
                "replay_policy": "instant",
                "metadata": { READER: self.token },
            },
        });
        link.ask_until(&of_consumer("CREATE"), &config, deadline).await.map_err(|error| explain(&error))?;
        let inbox = link.client.new_inbox();
        let messages = link.client.subscribe(inbox.clone()).await.map_err(|error| LogError::Unavailable(error.to_string()))?;
        let now = Instant::now();
        self.progress = now;
        self.pull = Some(Pull { inbox, messages, outstanding: 0, outstanding_bytes: 0, heard: now, losses });
        Ok(())
    }

    fn taken_over(&self) -> LogError {
        LogError::Unavailable(format!("another reader has taken over as {}; follow again to take it back", self.name))
    }

    /// Asks for more when half of the window is used up.
    async fn refill(&mut self) -> Result<(), String> {
        let Some(pull) = &mut self.pull else { return Ok(()) };
        if pull.outstanding > WINDOW / 2 && pull.outstanding_bytes > WINDOW_BYTES / 2 {
            return Ok(());
        }
        let request = json!({
            "batch": WINDOW,
            "max_bytes": WINDOW_BYTES,
            "expires": u64::try_from(PULL.as_nanos()).unwrap_or(u64::MAX),
            "idle_heartbeat": u64::try_from(HEARTBEAT.as_nanos()).unwrap_or(u64::MAX),
        });
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.link.stream, self.name);
        let sent = self.link.client.publish_with_reply(subject, pull.inbox.clone(), request.to_string().into()).await;
        sent.map_err(|error| error.to_string())?;
        pull.outstanding += WINDOW;
        pull.outstanding_bytes += WINDOW_BYTES;
        Ok(())
    }

    /// Waits for one message until `until`, and takes it in.
    async fn receive(&mut self, until: Instant) -> Next {
        if let Err(text) = self.refill().await {
            return Next::Broken(text);
        }
        let Some(pull) = &mut self.pull else { return Next::Broken("there is no consumer".into()) };
        let silent = pull.heard + SILENCE;
        let losses = pull.losses;
        let message = tokio::select! {
            biased;
            message = pull.messages.next() => message,
            _ = self.health.wait_for(|health| health.losses != losses) => return Next::Broken("the connection was lost".into()),
            () = tokio::time::sleep_until(until.min(silent)) => {
                return if until < silent { Next::Nothing } else { Next::Broken("the consumer is silent".into()) };
            }
        };
        match message {
            Some(message) => self.take(message),
            None => Next::Broken("the subscription has ended".into()),
        }
    }

    fn take(&mut self, message: Message) -> Next {
        let Some(pull) = &mut self.pull else { return Next::Broken("there is no consumer".into()) };
        pull.heard = Instant::now();
        if let Some(status) = message.status {
            let number = |name: &str| {
                let value = message.headers.as_ref().and_then(|headers| headers.get_last(name));
                value.and_then(|value| value.as_str().parse::<usize>().ok())
            };
            let text = message.description.as_deref().unwrap_or_default();
            return match status.as_u16() {
                100 => Next::Taken,
                // A pull that has ended says how much of it was left.
                408 | 409
                    if let (Some(messages), Some(bytes)) = (number("Nats-Pending-Messages"), number("Nats-Pending-Bytes")) =>
                {
                    pull.outstanding = pull.outstanding.saturating_sub(messages);
                    pull.outstanding_bytes = pull.outstanding_bytes.saturating_sub(bytes);
                    Next::Taken
                }
                status => Next::Broken(format!("status {status} {text}")),
            };
        }
        pull.outstanding = pull.outstanding.saturating_sub(1);
        pull.outstanding_bytes = pull.outstanding_bytes.saturating_sub(message.length);
        let Some((sequence, pending)) = message.reply.as_deref().and_then(delivery) else {
            return Next::Broken("a message that no consumer sent".into());
        };
        let expected = self.received.to_stored() + 1;
        if sequence < expected {
            return Next::Taken;
        }
        if sequence > expected {
            return Next::Broken(format!("event {sequence} came where {expected} was expected"));
        }
        self.progress = pull.heard;
        self.received = Position::from_stored(sequence);
        self.head = Position::from_stored(sequence + pending);
        if let Some(reply) = message.reply {
            // One reply acknowledges all before it, so one of every thousand and each that ends what we know of is enough.
            if pending == 0 || sequence.is_multiple_of(1000) || self.replies.is_empty() {
                self.replies.push_back((self.received, reply));
                if self.replies.len() > 1000 {
                    self.replies.pop_front();
                }
            }
        }
        let found = Found::new(&self.link, &message.subject, sequence, message.headers.as_ref(), message.payload);
        match found.stream {
            Some(stream) => self.arrived.push_back(Stored { stream, position: found.position, id: found.id, bytes: found.bytes }),
            // Nobody's history: it concerns no patient, so the others go on, but somebody has to look.
            None => {
                tracing::error!(subject = %message.subject, sequence, "a message under a subject that is none of ours was passed over")
            }
        }
        Next::Taken
    }

    fn hand_out(&mut self, max: usize) -> Batch {
        let mut events = Vec::with_capacity(max.min(self.arrived.len()));
        let mut size = 0;
        while events.len() < max
            && let Some(event) = self.arrived.front()
        {
            size += event.bytes.len();
            if size > BATCH_BYTES && !events.is_empty() {
                break;
            }
            events.extend(self.arrived.pop_front());
        }
        if let Some(event) = events.last() {
            self.last = event.position;
        }
        Batch { events, head: self.head.max(self.received) }
    }

    fn arrived_bytes(&self) -> usize {
        self.arrived.iter().map(|event| event.bytes.len()).sum()
    }
}

#[async_trait]
impl Follow for JetStreamFollow {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError> {
        let deadline = Instant::now() + wait;
        let mut backoff = Backoff::until(deadline);
        while self.arrived.is_empty() {
            if self.pull.is_none() {
                // At least one attempt, however short the wait.
                let patience = deadline.max(Instant::now() + self.link.config.answer_wait);
                match self.attach(patience, false).await {
                    Ok(()) => {}
                    Err(LogError::Unavailable(_)) if !self.replaced && self.link.health.borrow().up && backoff.pause().await => {
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            match self.receive(deadline).await {
                Next::Taken => {}
                Next::Broken(why) => {
                    tracing::warn!(reader = self.name, last = %self.received, why, "the consumer is made anew");
                    self.pull = None;
                }
                Next::Nothing => {
                    self.head = read::head(&self.link).await?;
                    if self.head < self.received {
                        let (head, received) = (self.head, self.received);
                        return Err(LogError::Damaged(format!(
                            "the log ends at {head}, but {received} was read: it has lost events"
                        )));
                    }
                    if self.head > self.received && self.progress.elapsed() > LOST {
                        tracing::warn!(reader = self.name, last = %self.received, head = %self.head, "events did not arrive");
                        self.pull = None;
                    }
                    return Ok(self.hand_out(max));
                }
            }
        }
        // Take what has already come, and wait a moment for what is known to be coming: large batches are what makes a replay fast.
        let mut size = self.arrived_bytes();
        while self.arrived.len() < max && size < BATCH_BYTES && self.pull.is_some() {
            let before = self.arrived.len();
            let next = if self.head > self.received {
                self.receive(Instant::now() + LINGER).await
            } else {
                match self.receive(Instant::now() + LINGER).now_or_never() {
                    Some(next) => next,
                    None => break,
                }
            };
            match next {
                Next::Taken if self.arrived.len() > before => size += self.arrived.back().map_or(0, |event| event.bytes.len()),
                Next::Taken => {}
                Next::Nothing => break,
                Next::Broken(_) => self.pull = None,
            }
        }
        Ok(self.hand_out(max))
    }

    async fn done(&mut self, position: Position) -> Result<(), LogError> {
        let mut reply = None;
        while self.replies.front().is_some_and(|(at, _)| *at <= position) {
            reply = self.replies.pop_front().map(|(_, reply)| reply);
        }
        if let Some(reply) = reply {
            // A hint, so nobody waits for it and its loss is no error.
            let _ = self.link.client.publish(reply, "+ACK".into()).await;
        }
        Ok(())
    }
}

fn explain(error: &ApiError) -> LogError {
    match error {
        ApiError::Refused(refusal) if refusal.err_code == STREAM_NOT_FOUND => {
            LogError::Damaged(format!("the stream is gone: {refusal}"))
        }
        error => error.unavailable("the consumer"),
    }
}

/// Stream sequence and number of messages still to come, from the reply subject of a delivered message:
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`, or the longer form with
/// domain and account behind `ACK`.
fn delivery(reply: &str) -> Option<(u64, u64)> {
    let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let from = if tokens.len() >= 9 { 2 } else { 0 };
    Some((tokens.get(from + 3)?.parse().ok()?, tokens.get(from + 6)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::delivery;

    #[test]
    fn both_forms_of_reply_subjects_are_read() {
        assert_eq!(delivery("$JS.ACK.tact-a.reader.1.42.7.1700000000.5"), Some((42, 5)));
        assert_eq!(delivery("$JS.ACK._.hash.tact-a.reader.1.42.7.1700000000.5.token"), Some((42, 5)));
        assert_eq!(delivery("_INBOX.x"), None);
    }
}
