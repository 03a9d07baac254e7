//! A history verified without network, without a server and without trusting whoever made it: chain, proofs, signatures, and every decision
//! made again.
//!
//! It goes through the file once and keeps what the patient's state needs, never the file. Whatever deviates is named, and what can
//! still be checked behind it is checked.

mod places;
mod report;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use tact_domain::control::Policies;
use tact_domain::envelope::Hash;
use uuid::Uuid;

use crate::checkpoint::{LogCheckpoint, NetworkCheckpoint, root_of_texts};
use crate::file::{Consistency, FileError, History, Line, Reader, VERSION, end_text};
use crate::note::Note;
use crate::tree::is_consistent;
use crate::trust::Trust;
use places::Places;
pub use report::{Check, Deviation, Finding, Report, StreamFound};
use stream::Stream;

/// The most logs that one network's checkpoint stands over: one a shard.
const MAX_LOGS: usize = 256;

/// What a verification goes by.
#[derive(Debug, Clone, Default)]
pub struct Grounds {
    /// The keys that are trusted.
    pub trust: Trust,
    /// Checkpoints of logs that were kept from before, signatures included.
    pub kept: Vec<String>,
}

/// A log as its checkpoint states it.
struct Log {
    stated: LogCheckpoint,
    places: Places,
}

/// Where in the file the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Keys,
    Checkpoint,
    Logs,
    Consistency,
    Streams,
    Person,
    End,
}

struct Verification {
    report: Report,
    trust: Trust,
    kept: Vec<String>,
    header: History,
    part: Part,
    line: u64,
    checkpoint: Option<NetworkCheckpoint>,
    logs: Vec<Log>,
    log_texts: Vec<String>,
    consistency: Vec<Consistency>,
    policies: Policies,
    /// Where the publication of each policy stands, by its version: the log, and the leaf in it.
    published_at: BTreeMap<String, (usize, u64)>,
    stream: Option<Stream>,
    /// Patients whose streams belong to the history: the one asked for, and those who were merged.
    wanted: BTreeSet<String>,
}

/// Verifies a history.
///
/// # Errors
/// [`FileError`] if it cannot be read, or is no history at all. What deviates in a history is in the report.
pub fn verify<R: BufRead>(input: R, grounds: &Grounds) -> Result<Report, FileError> {
    let mut reader = Reader::new(input);
    let header = match reader.next_line()? {
        Some((Line::History(header), _)) => header,
        Some(_) => unreachable!("the reader takes nothing else for a first line"),
        None => return Err(FileError::Malformed { line: 1, problem: "the file is empty".to_owned() }),
    };
    if header.version != VERSION {
        let problem =
            format!("the file is of version {} of the form; this build of Tact reads version {VERSION}", header.version);
        return Err(FileError::Malformed { line: 1, problem });
    }
    let mut verification = Verification::new(header, grounds);
    loop {
        match reader.next_line() {
            Ok(Some((line, before))) => {
                verification.line += 1;
                verification.take(line, &sha2::Digest::finalize(before).into());
            }
            Ok(None) => break,
            Err(error @ FileError::Io(_)) => return Err(error),
            Err(FileError::Malformed { line, problem }) => {
                verification.line = line;
                verification.deviate(Check::File, problem);
                return Ok(verification.broken_off());
            }
        }
    }
    Ok(verification.ended())
}

impl Verification {
    fn new(header: History, grounds: &Grounds) -> Self {
        let mut report = Report::new(header.network.clone(), header.patient);
        (report.from, report.until) = (header.from, header.until);
        report.looked(Check::File);
        Self {
            report,
            trust: grounds.trust.clone(),
            kept: grounds.kept.clone(),
            part: Part::Keys,
            line: 1,
            checkpoint: None,
            logs: Vec::new(),
            log_texts: Vec::new(),
            consistency: Vec::new(),
            policies: Policies::default(),
            published_at: BTreeMap::new(),
            stream: None,
            wanted: BTreeSet::from(["policy".to_owned(), header.patient.to_string()]),
            header,
        }
    }

    fn deviate(&mut self, check: Check, problem: impl Into<String>) {
        self.report.deviate(Deviation { check, line: self.line, stream: None, event: None, problem: problem.into() });
    }

    fn take(&mut self, line: Line<'_>, before: &Hash) {
        let part = match &line {
            Line::History(_) => {
                return self.deviate(Check::File, "a second history begins here; nothing behind the first is believed");
            }
            Line::Succession(_) => Part::Keys,
            Line::Checkpoint(_) => Part::Checkpoint,
            Line::Log(_) => Part::Logs,
            Line::Consistency(_) => Part::Consistency,
            Line::Stream(_) | Line::Event(_) => Part::Streams,
            Line::Person(_) => Part::Person,
            Line::End(_) => Part::End,
        };
        let once = matches!(part, Part::Checkpoint | Part::Person | Part::End) && part == self.part;
        if part < self.part || once {
            return self
                .deviate(Check::File, format!("a line `{}` does not belong here: the lines are not in order", line.word()));
        }
        if self.part < Part::Consistency && part >= Part::Consistency {
            self.logs_are_known();
        }
        if self.part == Part::Streams && part > Part::Streams {
            self.end_stream();
        }
        self.part = part;
        match line {
            Line::History(_) => {}
            Line::Succession(succession) => {
                self.report.looked(Check::Keys);
                let network = self.header.network.clone();
                if let Err(problem) = self.trust.succeed(&succession.note, &network) {
                    self.deviate(Check::Keys, problem);
                }
            }
            Line::Checkpoint(signed) => self.take_checkpoint(&signed.note),
            Line::Log(signed) => self.take_log(&signed.note),
            Line::Consistency(consistency) => {
                if self.consistency.len() < MAX_LOGS {
                    self.consistency.push(consistency);
                }
            }
            Line::Stream(begins) => {
                self.end_stream();
                self.begin_stream(begins);
            }
            Line::Event(event) => match self.stream.take() {
                Some(mut stream) => {
                    stream.take(event, self);
                    self.stream = Some(stream);
                }
                None => self.deviate(Check::File, "an event stands here before its stream has begun"),
            },
            Line::Person(_) => self.report.personal = true,
            Line::End(signed) => self.take_end(&signed.note, before),
        }
    }

    fn take_checkpoint(&mut self, note: &str) {
        self.report.looked(Check::Checkpoint);
        let note = match Note::parse(note) {
            Ok(note) => note,
            Err(error) => return self.deviate(Check::Checkpoint, error.to_string()),
        };
        let stated = match NetworkCheckpoint::read(note.text) {
            Ok(stated) => stated,
            Err(error) => return self.deviate(Check::Checkpoint, error.to_string()),
        };
        if stated.network != self.header.network {
            let problem =
                format!("the checkpoint is of the network `{}`, the history of `{}`", stated.network, self.header.network);
            self.deviate(Check::Checkpoint, problem);
        }
        self.report.looked(Check::Keys);
        match self.trust.signer_at(&note, stated.time) {
            Ok(signer) => self.report.signed_by = Some(signer.key.to_string()),
            Err(error @ crate::trust::Distrust::Expired { .. }) => self.deviate(Check::Keys, error.to_string()),
            Err(error) => self.deviate(Check::Checkpoint, error.to_string()),
        }
        self.report.checkpoint = Some(stated.number);
        self.report.as_of = Some(stated.time);
        self.checkpoint = Some(stated);
    }

    fn take_log(&mut self, note: &str) {
        self.report.looked(Check::Logs);
        if self.logs.len() == MAX_LOGS {
            return self.deviate(Check::Logs, format!("there are more than {MAX_LOGS} logs"));
        }
        let note = match Note::parse(note) {
            Ok(note) => note,
            Err(error) => return self.deviate(Check::Logs, error.to_string()),
        };
        let stated = match LogCheckpoint::read(note.text) {
            Ok(stated) => stated,
            Err(error) => return self.deviate(Check::Logs, error.to_string()),
        };
        if let Err(error) = self.trust.signer(&note) {
            self.deviate(Check::Logs, error.to_string());
        }
        if stated.log.network != self.header.network {
            let problem = format!("the log is of the network `{}`, the history of `{}`", stated.log.network, self.header.network);
            self.deviate(Check::Logs, problem);
        }
        self.log_texts.push(note.text.to_owned());
        self.logs.push(Log { stated, places: Places::default() });
    }

    /// Every log's checkpoint has been read: they must be those that the network signed, and continue what was kept.
    fn logs_are_known(&mut self) {
        let root = root_of_texts(self.log_texts.iter().map(String::as_str));
        match &self.checkpoint {
            Some(stated) if stated.root == root && stated.logs == self.logs.len() as u64 => {}
            Some(stated) => {
                let problem = format!(
                    "the network's checkpoint stands for {} logs with another root than that of the {} here: one of them has been changed \
                     or swapped",
                    stated.logs,
                    self.logs.len()
                );
                self.deviate(Check::Logs, problem);
            }
            None => self.deviate(Check::Checkpoint, "there is no checkpoint of the network that can be read"),
        }
    }

    /// Holds the checkpoints that were kept against those here.
    fn hold_against_kept(&mut self) {
        for kept in std::mem::take(&mut self.kept) {
            self.report.looked(Check::Kept);
            if let Err(problem) = self.continues(&kept) {
                self.deviate(Check::Kept, problem);
            }
        }
    }

    fn continues(&self, kept: &str) -> Result<(), String> {
        let note = Note::parse(kept).map_err(|e| format!("the kept checkpoint is {e}"))?;
        let kept = LogCheckpoint::read(note.text).map_err(|e| format!("the kept checkpoint is {e}"))?;
        self.trust.signer(&note).map_err(|e| format!("the kept checkpoint: {e}"))?;
        let found = self.logs.iter().enumerate().find(|(_, log)| log.stated.log == kept.log);
        let Some((at, Log { stated, .. })) = found else {
            return Err(format!("the kept checkpoint is of {}, and no log here is", kept.log));
        };
        if kept.size > stated.size {
            return Err(format!(
                "the kept checkpoint has {} leaves, the one here {}: the history is older than what was kept, or {} events have vanished",
                kept.size,
                stated.size,
                kept.size - stated.size
            ));
        }
        let none = crate::file::Proof::default();
        let given = self.consistency.iter().find(|given| given.log == at && given.size == kept.size);
        if given.is_none() && kept.size != stated.size && kept.size > 0 {
            return Err(format!(
                "the history holds no proof that the log continues the kept checkpoint of {} leaves: export it with `--kept`",
                kept.size
            ));
        }
        let proof = given.map_or(&none, |given| &given.proof);
        if is_consistent(kept.size, &kept.root, stated.size, &stated.root, &proof.0) {
            return Ok(());
        }
        Err(format!("the log does not continue the kept checkpoint of {} leaves: what it held has been changed", kept.size))
    }

    fn begin_stream(&mut self, begins: crate::file::StreamPart) {
        let first = self.report.streams.is_empty();
        if first != (begins.stream == "policy") {
            self.deviate(Check::File, "the stream of the policies comes first, and once");
        }
        if !self.wanted.remove(&begins.stream) {
            let problem = format!("the stream {} does not belong to this history, or is there twice", begins.stream);
            self.deviate(Check::Complete, problem);
        }
        let mut stream = Stream::begin(begins, self.header.until);
        stream.hold_against_map(self);
        self.stream = Some(stream);
    }

    fn end_stream(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.end(self);
        }
    }

    fn take_end(&mut self, note: &str, before: &Hash) {
        let note = match Note::parse(note) {
            Ok(note) => note,
            Err(error) => return self.deviate(Check::File, format!("the last line: {error}")),
        };
        if let Err(error) = self.trust.signer_at(&note, self.header.made_at) {
            self.deviate(Check::File, format!("the last line: {error}"));
        }
        if note.text != end_text(&self.header.network, self.header.patient, before) {
            self.deviate(
                Check::File,
                "what was signed at the end is not what stands above: the file was changed after it was made",
            );
        }
    }

    /// The file was read to its end.
    fn ended(mut self) -> Report {
        if self.part < Part::Consistency {
            self.logs_are_known();
        }
        self.end_stream();
        self.hold_against_kept();
        if self.part != Part::End {
            self.line += 1;
            self.deviate(Check::File, "the last line, which signs all others, is missing: the file is truncated");
        }
        for missing in std::mem::take(&mut self.wanted) {
            let whose = if missing.parse::<Uuid>().is_ok() { "patient" } else { "stream" };
            self.deviate(Check::Complete, format!("the history of the {whose} {missing} belongs here and is missing"));
        }
        self.report
    }

    /// The file could not be read on: what was not read is not complete.
    fn broken_off(mut self) -> Report {
        if let Some(stream) = self.stream.take() {
            stream.broken_off(&mut self);
        }
        self.deviate(Check::Complete, "the file could not be read to its end");
        self.report
    }
}
