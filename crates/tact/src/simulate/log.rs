//! Reads the log through into a replay, and keeps what was wanted of it beside the figures.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use anyhow::Result;
use indicatif::ProgressBar;
use tact_domain::{Branch, Time};
use tact_event_log::{EventLog, Position};
use tact_replay::{Reading, Watch, replay};
use tact_what_if::{Change, Question, Report, Step};
use uuid::Uuid;

/// The reader's name to the log.
const READER: &str = "what-if";

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
/// [`LogError`](tact_event_log::LogError) if the log cannot be read, or holds a policy or a directory that cannot.
pub async fn simulate(
    log: Arc<dyn EventLog>,
    question: Question,
    wanted: Wanted,
    out: Box<dyn Write + Send>,
    bar: ProgressBar,
) -> Result<Answer> {
    bar.set_length(log.head().await?.to_stored());
    let watch = Listing { wanted, out: Some(BufWriter::new(out)), bar, steps: Vec::new(), known: false };
    let (replayed, listing) = replay(&*log, Reading::As(READER), question, watch).await.map_err(|broken| match broken {
        // By what kind of error it is, the program ends.
        tact_replay::Broken::Log(error) => anyhow::Error::from(error),
        broken => broken.into(),
    })?;
    let Listing { mut out, steps, known, .. } = listing;
    if let Some(out) = &mut out {
        // As in a line that is not wanted any more.
        let _ = out.flush();
    }
    let tact_replay::Replayed { report, read_up_to, policies, branches } = replayed;
    Ok(Answer { report, read_up_to, policies, branches, steps, known })
}

struct Listing {
    wanted: Wanted,
    out: Option<BufWriter<Box<dyn Write + Send>>>,
    bar: ProgressBar,
    steps: Vec<Change>,
    known: bool,
}

impl Watch for Listing {
    fn comes(&mut self, at: Position, patient: Option<Uuid>) {
        self.bar.set_position(at.to_stored());
        self.known |= patient.is_some_and(|patient| self.wanted == Wanted::Patient(patient));
    }

    fn sees(&mut self, step: &Step<'_>) {
        match self.wanted {
            Wanted::Patient(asked) if asked == step.patient => self.steps.extend(step.change()),
            Wanted::Changes if step.fate.is_change() => {
                if let (Some(to), Some(change)) = (&mut self.out, step.change())
                    && line(to, &change).is_err()
                {
                    self.out = None;
                }
            }
            _ => {}
        }
    }
}

fn line(out: &mut impl Write, change: &Change) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, change)?;
    out.write_all(b"\n")
}
