//! Reads the log through into a replay: one task reads, one thread decodes, one thread decides, each a few batches ahead of the next.

use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use tact_domain::control::{DirectoryEvent, PolicyPublished};
use tact_domain::{Branch, Recorded, Time, Unreadable};
use tact_event_log::{EventLog, LogError, Position, Stored, StreamId};
use tact_what_if::{Change, Question, Replay, Report};
use tokio::sync::mpsc;
use uuid::Uuid;

/// The reader's name to the log.
const READER: &str = "what-if";
/// The most events of one batch, and how many batches wait between two stages.
const BATCH: usize = 4000;
const AHEAD: usize = 3;
/// How long events that are known to be there may take to come.
const WAIT: Duration = Duration::from_secs(10);

/// What is wanted beside the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    Figures,
    /// Each change, written out as a line of JSON when it is found.
    Changes,
    /// Every intention and contact of this patient.
    Patient(Uuid),
}

/// What was found.
#[derive(Debug)]
pub struct Answer {
    /// The figures.
    pub report: Report,
    /// The position up to which the log was read: where it ended when the reading began.
    pub read_up_to: Position,
    /// The versions of the policies that were published, with when each took effect.
    pub policies: Vec<(String, Time)>,
    /// The branches of the network.
    pub branches: Vec<Branch>,
    /// The intentions and contacts of the patient who was asked for.
    pub steps: Vec<Change>,
    /// Whether anything was recorded of that patient.
    pub known: bool,
}

/// Replays a log up to where it ends now. Changes, if wanted, go to `out`; whoever closes that has seen enough, and is not an error.
///
/// # Errors
/// [`LogError`] if the log cannot be read, or holds a policy or a directory that cannot.
pub async fn simulate(
    log: Arc<dyn EventLog>,
    question: Question,
    wanted: Wanted,
    out: Box<dyn Write + Send>,
    bar: ProgressBar,
) -> Result<Answer> {
    let head = log.head().await?;
    bar.set_length(head.to_stored());
    let (read, to_decode) = mpsc::channel(AHEAD);
    let (decoded, to_decide) = sync_channel(AHEAD);
    let decoding = tokio::task::spawn_blocking(move || decode_all(to_decode, &decoded));
    let deciding = tokio::task::spawn_blocking(move || decide_all(&to_decide, question, wanted, out, &bar));
    let reading = read_all(&*log, head, read).await;
    decoding.await.context("the events were not decoded to their end")?;
    let answer = deciding.await.context("the replay did not come to its end")?;
    reading?;
    Ok(Answer { read_up_to: head, ..answer? })
}

async fn read_all(log: &dyn EventLog, head: Position, batches: mpsc::Sender<Vec<Stored>>) -> Result<(), LogError> {
    let mut at = Position::START;
    if at >= head {
        return Ok(());
    }
    let mut follow = log.follow(READER, at).await?;
    while at < head {
        let mut batch = follow.next(BATCH, WAIT).await?;
        // What was recorded since the reading began is not part of the answer: it would be another one each time.
        batch.events.retain(|stored| stored.position <= head);
        let Some(last) = batch.events.last() else {
            return Err(LogError::Unavailable(format!(
                "nothing came for {} s, though the log goes on to {head}",
                WAIT.as_secs()
            )));
        };
        at = last.position;
        if batches.send(batch.events).await.is_err() {
            // The replay has ended with an error of its own.
            return Ok(());
        }
    }
    follow.done(at).await
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

fn decide_all(
    batches: &Receiver<Vec<(Position, Read)>>,
    question: Question,
    wanted: Wanted,
    out: Box<dyn Write + Send>,
    bar: &ProgressBar,
) -> Result<Answer> {
    let mut replay = Replay::new(question);
    let mut out = Some(BufWriter::new(out));
    let (mut steps, mut known) = (Vec::new(), false);
    for batch in batches {
        for (position, read) in batch {
            bar.set_position(position.to_stored());
            let damaged = |what: &str, error: Unreadable| {
                LogError::Damaged(format!(
                    "the {what} at {position} cannot be read, and nothing can be decided without it: {error}"
                ))
            };
            match read {
                Read::Policy(read) => {
                    read.and_then(|recorded| replay.policy(recorded)).map_err(|error| damaged("policy", error))?;
                }
                Read::Directory(read) => replay.directory(read.map_err(|error| damaged("directory", error))?),
                Read::Patient(patient, read) => {
                    known |= wanted == Wanted::Patient(patient);
                    match *read {
                        Ok(recorded) => replay.patient(patient, &recorded, &mut |step| match wanted {
                            Wanted::Patient(asked) if asked == patient => steps.extend(step.change()),
                            Wanted::Changes if step.fate.is_change() => {
                                if let (Some(to), Some(change)) = (&mut out, step.change())
                                    && line(to, &change).is_err()
                                {
                                    out = None;
                                }
                            }
                            _ => {}
                        }),
                        Err(error) => replay.unreadable(patient, error),
                    }
                }
            }
        }
    }
    if let Some(out) = &mut out {
        // As above.
        let _ = out.flush();
    }
    let policies = replay.policies().all().iter().map(|p| (p.event.version.to_string(), p.effective_from())).collect();
    let branches = replay.branches().cloned().collect();
    Ok(Answer { report: replay.finish(), read_up_to: Position::START, policies, branches, steps, known })
}

fn line(out: &mut impl Write, change: &Change) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, change)?;
    out.write_all(b"\n")
}
