//! Follows the log and fills the feed's stream on NATS; on an embedded log, where there is none, it only says how far the log has come.
//!
//! It must never hold anything up in the log: what it cannot read it leaves out, and says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tact_domain::{Time, Unreadable};
use tact_event_log::{EventLog, FeedMessage, FeedStream, LogError, Position, Published, Reached, Stored};
use tact_service::clock::Clock;
use tokio::sync::watch;

use crate::transform::{FeedEvent, Made, Transform};

/// How many events are read at once, at most.
const BATCH: usize = 8192;
/// How long it waits for the next event, and before it tries again.
const WAIT: Duration = Duration::from_secs(2);

/// The role.
#[derive(Debug)]
pub struct Feeder {
    log: Arc<dyn EventLog>,
    stream: Option<FeedStream>,
    transform: Transform,
    clock: Clock,
    head: watch::Sender<Position>,
    left_out: AtomicU64,
}

/// Why following has come to an end without anything going wrong.
enum Ended {
    /// It was told to stop.
    Told,
    /// Somebody else has written, or a message was there already: where the stream stands is to be read again.
    Moved,
    /// Everything up to where it was asked to go is there.
    Reached,
}

impl Feeder {
    /// Knows what to follow and what to fill; does nothing yet. Without a stream, it only follows.
    pub fn new(log: Arc<dyn EventLog>, stream: Option<FeedStream>, transform: Transform, clock: Clock) -> Self {
        Self { log, stream, transform, clock, head: watch::Sender::new(Position::START), left_out: AtomicU64::new(0) }
    }

    /// How far the log has come, for those who wait for more.
    pub fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// How many events could not be read and were left out since this process began.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Runs until told to stop. What passes is tried again, with one line in the log.
    ///
    /// # Errors
    /// What does not pass by itself: a stream that holds what did not come from here, or a log that has lost events.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), LogError> {
        let mut troubled = false;
        loop {
            match self.follow(Some(&mut stop), None, &mut troubled).await {
                Ok(Ended::Told | Ended::Reached) => return Ok(()),
                Ok(Ended::Moved) => tracing::debug!("the feed has moved on; reading where it stands"),
                Err(error @ (LogError::Unavailable(_) | LogError::InDoubt(_) | LogError::Full(_))) => {
                    if !troubled {
                        tracing::warn!(%error, "the feed waits and tries again");
                    }
                    troubled = true;
                }
                Err(error) => return Err(error),
            }
            if tokio::time::timeout(if troubled { WAIT } else { WAIT / 10 }, stop.wait_for(|stop| *stop)).await.is_ok() {
                return Ok(());
            }
        }
    }

    /// Fills the stream with everything that is in the log now, and ends: for tests and benchmarks.
    ///
    /// # Errors
    /// The first thing that goes wrong.
    pub async fn catch_up(&mut self) -> Result<(), LogError> {
        let head = self.log.head().await?;
        while matches!(self.follow(None, Some(head), &mut false).await?, Ended::Moved) {}
        Ok(())
    }

    async fn follow(
        &mut self,
        mut stop: Option<&mut watch::Receiver<bool>>,
        until: Option<Position>,
        troubled: &mut bool,
    ) -> Result<Ended, LogError> {
        let (after, not_before) = self.start().await?;
        if until.is_some_and(|until| after >= until) {
            return Ok(Ended::Reached);
        }
        let mut follow = self.log.follow("feed", after).await?;
        loop {
            let told = async {
                match &mut stop {
                    Some(stop) => drop(stop.wait_for(|stop| *stop).await),
                    None => std::future::pending().await,
                }
            };
            let batch = tokio::select! {
                batch = follow.next(BATCH, WAIT) => batch?,
                () = told => return Ok(Ended::Told),
            };
            let Some(last) = batch.events.last().map(|stored| stored.position) else { continue };
            let published = match &mut self.stream {
                Some(stream) => {
                    let (transform, left_out) = (&self.transform, &self.left_out);
                    let mut messages = batch.events.iter().filter_map(|stored| {
                        let event = made(transform, stored, left_out)?;
                        not_before.is_none_or(|not_before| event.recorded_at >= not_before).then(|| message(&event))
                    });
                    stream.publish(&mut messages).await?
                }
                None => Published::Done,
            };
            if published == Published::Moved {
                return Ok(Ended::Moved);
            }
            if std::mem::take(troubled) {
                tracing::info!("the feed goes on");
            }
            self.head.send_replace(last);
            follow.done(last).await?;
            if until.is_some_and(|until| last >= until) {
                return Ok(Ended::Reached);
            }
        }
    }

    /// Behind which event to go on, and from which recording time on. The stream itself says where it stands, so nothing is written twice
    /// that is there. If all that it held has become too old, only what is not too old is missing from it.
    async fn start(&mut self) -> Result<(Position, Option<Time>), LogError> {
        let Some(stream) = &mut self.stream else { return Ok((self.log.head().await?, None)) };
        match stream.reached().await? {
            Reached::At(position) => Ok((position, None)),
            Reached::Nothing => Ok((Position::START, None)),
            Reached::Emptied => {
                let age = stream.max_age().and_then(|age| chrono::Duration::from_std(age).ok());
                Ok((Position::START, age.map(|age| self.clock.now() - age)))
            }
        }
    }
}

fn made(transform: &Transform, stored: &Stored, left_out: &AtomicU64) -> Option<FeedEvent> {
    match transform.make(stored) {
        Made::Event(event) => Some(*event),
        Made::NotForThem => None,
        Made::Unreadable(unreadable) => {
            let count = left_out.fetch_add(1, Ordering::Relaxed) + 1;
            // Not the reason in full: it may repeat what somebody put there.
            let why = why(&unreadable);
            tracing::error!(position = %stored.position, why, count, "an event cannot be read and was left out of the feed");
            None
        }
    }
}

fn why(unreadable: &Unreadable) -> &'static str {
    match unreadable {
        Unreadable::Envelope(_) => "it is not an event of ours",
        Unreadable::Kind(_) => "its type is not known to this version of Tact",
        Unreadable::Version { .. } => "the version of its type is not known to this version of Tact",
        Unreadable::Data { .. } => "its data is damaged",
        Unreadable::Chain(_) => "it belongs to another stream",
    }
}

fn message(event: &FeedEvent) -> FeedMessage {
    FeedMessage { id: event.id, position: event.position, topic: event.topic(), bytes: event.bytes.clone() }
}
