//! What a verification found: what holds, what does not, and where the first deviation is.

use serde::Serialize;
use tact_domain::Time;
use uuid::Uuid;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The file is whole, in order, and as it was made: its digest is signed.
    File,
    /// Every key that signed is trusted, or follows one that is, and held at that time.
    Keys,
    /// The network's checkpoint is signed by a trusted key and is of this network.
    Checkpoint,
    /// The checkpoints of the logs are those that the network's stands for.
    Logs,
    /// A checkpoint that was kept from before is the beginning of this one. Only if one was given.
    Kept,
    /// No event is missing at the end of a stream, and no stream that belongs to the history is missing.
    Complete,
    /// Every event carries the hash of the one before it, and stands where it says.
    Chain,
    /// Every event is in the log that the checkpoint stands for.
    Inclusion,
    /// Every policy is one that was published, with its text as it was, and each decision was made by the one in force.
    Policies,
    /// Every decision comes out the same when it is made again.
    Decisions,
}

impl Check {
    /// Every check, in the order in which they are reported.
    pub const ALL: [Self; 10] = [
        Self::File,
        Self::Keys,
        Self::Checkpoint,
        Self::Logs,
        Self::Kept,
        Self::Complete,
        Self::Chain,
        Self::Inclusion,
        Self::Policies,
        Self::Decisions,
    ];

    /// The question that it answers.
    pub const fn question(self) -> &'static str {
        match self {
            Self::File => "Is the file whole and as it was made?",
            Self::Keys => "Are the keys trusted, and did they hold?",
            Self::Checkpoint => "Did the network sign the checkpoint?",
            Self::Logs => "Does it stand for these logs?",
            Self::Kept => "Does it continue the one that was kept?",
            Self::Complete => "Is nothing left out?",
            Self::Chain => "Is every event unchanged and in its place?",
            Self::Inclusion => "Is every event in the log?",
            Self::Policies => "Were the policies in force that are named?",
            Self::Decisions => "Does every decision come out the same?",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// Which check found it.
    pub check: Check,
    /// The line of the file.
    pub line: u64,
    /// The stream, if it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The number of the event in its stream, if it is at one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// What is wrong, in words.
    pub problem: String,
}

impl std::fmt::Display for Deviation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(stream) = &self.stream {
            write!(f, ", stream {stream}")?;
        }
        if let Some(event) = self.event {
            write!(f, ", event {event}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What was found of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// Whether it holds. `None`: nothing in the file calls for it.
    pub holds: Option<bool>,
    /// How many things were looked at.
    pub looked_at: u64,
    /// How many deviate.
    pub deviations: u64,
    /// The first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Deviation>,
}

/// A stream of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamFound {
    /// Its name.
    pub stream: String,
    /// How many events of it are in the file.
    pub events: u64,
    /// How many the checkpoint covers; 0: as of the checkpoint there is no such stream.
    pub covered: u64,
    /// How many of the file come after the checkpoint and are not covered yet.
    pub not_covered_yet: u64,
    /// How many the checkpoint covers and the file leaves out, as it says: they were recorded at or after `until`.
    pub left_out: u64,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The network that the file is of.
    pub network: String,
    /// The patient.
    pub patient: Uuid,
    /// Events from this moment on are what was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// Events from this moment on were to be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// The number of the checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// When it was signed: what was recorded later it says nothing about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Time>,
    /// The key that signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// What was found, check by check.
    pub findings: Vec<Finding>,
    /// The streams.
    pub streams: Vec<StreamFound>,
    /// Permits and refusals that were decided again.
    pub decided_again: u64,
    /// Whether personal data is in the file: no proof covers it.
    pub personal: bool,
}

impl Report {
    pub(super) fn new(network: String, patient: Uuid) -> Self {
        let finding = |check| Finding { check, holds: None, looked_at: 0, deviations: 0, first: None };
        Self {
            network,
            patient,
            from: None,
            until: None,
            checkpoint: None,
            as_of: None,
            signed_by: None,
            findings: Check::ALL.map(finding).to_vec(),
            streams: Vec::new(),
            decided_again: 0,
            personal: false,
        }
    }

    /// What was found of one check.
    pub fn finding(&self, check: Check) -> &Finding {
        &self.findings[check as usize]
    }

    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.holds != Some(false))
    }

    /// The deviation that stands first in the file.
    pub fn first_deviation(&self) -> Option<&Deviation> {
        self.findings.iter().filter_map(|finding| finding.first.as_ref()).min_by_key(|deviation| deviation.line)
    }

    pub(super) fn looked(&mut self, check: Check) {
        let finding = &mut self.findings[check as usize];
        finding.looked_at += 1;
        finding.holds.get_or_insert(true);
    }

    pub(super) fn deviate(&mut self, deviation: Deviation) {
        let finding = &mut self.findings[deviation.check as usize];
        finding.holds = Some(false);
        finding.deviations += 1;
        finding.first.get_or_insert(deviation);
    }
}
