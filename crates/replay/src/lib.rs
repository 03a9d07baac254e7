//! Reads a log through into a replay: one task reads, one thread decodes, one thread decides, each a few batches ahead of the next.
//!
//! It reads, and it must never write. What a replay makes of an event is the business of [`tact_what_if`]; what is told of it, that of whoever
//! [watches](Watch).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tact_domain::control::{DirectoryEvent, PolicyPublished};
use tact_domain::{Branch, Recorded, Time, Unreadable};
use tact_event_log::{EventLog, Follow, LogError, Position, Stored, StreamId};
use tact_what_if::{Question, Replay, Report, Step};
use tokio::sync::mpsc;
use uuid::Uuid;

/// The most events of one batch, and how many batches wait between two stages.
const BATCH: usize = 4000;
const AHEAD: usize = 3;
/// How long events that are known to be there may take to come.
const WAIT: Duration = Duration::from_secs(10);
/// After how long they are asked for again.
const LAG: Duration = Duration::from_millis(50);

/// Whoever watches a replay. It is asked on the thread that decides.
pub trait Watch: Send + 'static {
    /// An event is about to be replayed; that of a patient says whose it is.
    fn comes(&mut self, _at: Position, _patient: Option<Uuid>) {}

    /// An intention or contact inside the question's span and branch, and what became of it.
    fn sees(&mut self, step: &Step<'_>);
}

/// How the log is read.
#[derive(Debug, Clone, Copy)]
pub enum Reading<'n> {
    /// By a reader of this name, of which there is one at a time.
    As(&'n str),
    /// By somebody of whom nothing is kept, and at most so many events: whoever is answered while they wait.
    Passing(usize),
}

/// What was found.
#[derive(Debug)]
pub struct Replayed {
    /// The figures.
    pub report: Report,
    /// The position up to which the log was read: where it ended when the reading began.
    pub read_up_to: Position,
    /// The versions of the policies that were published, with when each took effect.
    pub policies: Vec<(String, Time)>,
    /// The branches of the network.
    pub branches: Vec<Branch>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The log cannot be read, or holds a policy or a directory that cannot.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log holds more events than were to be read.
    #[error("the log holds more than {0} events")]
    TooLong(usize),
    /// A thread has ended before its time: a mistake of ours.
    #[error("the replay did not come to its end")]
    Ended,
}

/// Replays a log up to where it ends now. Given up, it ends with the batch at hand.
///
/// # Errors
/// [`Broken`].
pub async fn replay<W: Watch>(
    log: &dyn EventLog,
    reading: Reading<'_>,
    question: Question,
    watch: W,
) -> Result<(Replayed, W), Broken> {
    let head = log.head().await?;
    let (read, to_decode) = mpsc::channel(AHEAD);
    let (decoded, to_decide) = sync_channel(AHEAD);
    let decoding = tokio::task::spawn_blocking(move || decode_all(to_decode, &decoded));
    let deciding = tokio::task::spawn_blocking(move || decide_all(&to_decide, question, watch));
    let reading = read_all(log, reading, head, read).await;
    decoding.await.map_err(|_| Broken::Ended)?;
    let answer = deciding.await.map_err(|_| Broken::Ended)?;
    reading?;
    let (replayed, watch) = answer?;
    Ok((Replayed { read_up_to: head, ..replayed }, watch))
}

async fn read_all(
    log: &dyn EventLog,
    reading: Reading<'_>,
    head: Position,
    batches: mpsc::Sender<Vec<Stored>>,
) -> Result<(), Broken> {
    let (mut at, mut events) = (Position::START, 0);
    if at >= head {
        return Ok(());
    }
    let mut follow: Option<Box<dyn Follow>> = match reading {
        Reading::As(name) => Some(log.follow(name, at).await?),
        Reading::Passing(_) => None,
    };
    while at < head {
        let mut batch = match &mut follow {
            Some(follow) => follow.next(BATCH, WAIT).await?.events,
            None => passing(log, at).await?,
        };
        // What was recorded since the reading began is not part of the answer: it would be another one each time.
        batch.retain(|stored| stored.position <= head);
        let Some(last) = batch.last() else {
            return Err(LogError::Unavailable(format!("nothing came, though the log goes on to {head}")).into());
        };
        at = last.position;
        events += batch.len();
        if let Reading::Passing(most) = reading
            && events > most
        {
            return Err(Broken::TooLong(most));
        }
        if batches.send(batch).await.is_err() {
            // The replay has ended with an error of its own.
            return Ok(());
        }
    }
    match &mut follow {
        Some(follow) => Ok(follow.done(at).await?),
        None => Ok(()),
    }
}

/// The next events, which are known to be there; but a reader of whom nothing is kept may lag behind a little.
async fn passing(log: &dyn EventLog, at: Position) -> Result<Vec<Stored>, LogError> {
    let begun = tokio::time::Instant::now();
    loop {
        let events = log.read_all(at, BATCH).await?;
        if !events.is_empty() || begun.elapsed() >= WAIT {
            return Ok(events);
        }
        tokio::time::sleep(LAG).await;
    }
}

/// A stored event as it was read.
enum Read {
    Policy(Result<Recorded<PolicyPublished>, Unreadable>),
    Directory(Result<Recorded<DirectoryEvent>, Unreadable>),
    Patient(Uuid, Box<Result<Recorded, Unreadable>>),
}

fn decode_all(mut batches: mpsc::Receiver<Vec<Stored>>, decoded: &SyncSender<Vec<(Position, Read)>>) {
    while let Some(batch) = batches.blocking_recv() {
        let read = batch.iter().filter_map(|stored| Some((stored.position, decode(stored)?)));
        if decoded.send(read.collect()).is_err() {
            return;
        }
    }
}

/// `None` for a stream in which nothing is decided.
fn decode(stored: &Stored) -> Option<Read> {
    if let StreamId::Patient(patient) = stored.stream {
        let read = Recorded::read(&stored.bytes).and_then(|recorded| {
            let subject = &recorded.envelope.subject;
            if subject.parse() == Ok(patient) {
                return Ok(recorded);
            }
            Err(Unreadable::Chain(format!("found in the stream of {patient}, says it belongs to {subject}")))
        });
        return Some(Read::Patient(patient, Box::new(read)));
    }
    if stored.stream == StreamId::Policy {
        return Some(Read::Policy(Recorded::read(&stored.bytes)));
    }
    (stored.stream == StreamId::Directory).then(|| Read::Directory(Recorded::read(&stored.bytes)))
}

fn decide_all<W: Watch>(
    batches: &Receiver<Vec<(Position, Read)>>,
    question: Question,
    mut watch: W,
) -> Result<(Replayed, W), LogError> {
    let mut replay = Replay::new(question);
    for batch in batches {
        for (position, read) in batch {
            let damaged = |what: &str, error: Unreadable| {
                LogError::Damaged(format!(
                    "the {what} at {position} cannot be read, and nothing can be decided without it: {error}"
                ))
            };
            match read {
                Read::Policy(read) => {
                    watch.comes(position, None);
                    read.and_then(|recorded| replay.policy(recorded)).map_err(|error| damaged("policy", error))?;
                }
                Read::Directory(read) => {
                    watch.comes(position, None);
                    replay.directory(read.map_err(|error| damaged("directory", error))?);
                }
                Read::Patient(patient, read) => {
                    watch.comes(position, Some(patient));
                    match *read {
                        Ok(recorded) => replay.patient(patient, &recorded, &mut |step| watch.sees(step)),
                        Err(error) => replay.unreadable(patient, error),
                    }
                }
            }
        }
    }
    let policies = replay.policies().all().iter().map(|p| (p.event.version.to_string(), p.effective_from())).collect();
    let branches = replay.branches().cloned().collect();
    Ok((Replayed { report: replay.finish(), read_up_to: Position::START, policies, branches }, watch))
}
