//! The file that a regulator or a patient gets: lines of JSON, each with one part, in a fixed order. It is written and read as a stream,
//! within bounded memory whatever it holds.
//!
//! ```text
//! history                what it is, of whom, for whom
//! succession ...         keys that followed one another
//! checkpoint             the network's, signed
//! log ...                those of its logs, signed
//! consistency            optional: that a checkpoint kept from before is the beginning of this one
//! stream                 `policy`, with the proof of its end
//!   event ...            each with the proof of its place in the log
//! stream                 the patient's, and those that were merged into it, the same way
//!   event ...
//! person                 optional: personal data, which no proof covers
//! end                    the SHA-256 of everything above, signed
//! ```

use std::io::{BufRead, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tact_domain::Time;
use tact_domain::disclosure::ExportPurpose;
use tact_domain::envelope::Hash;
use uuid::Uuid;

use crate::map;
use crate::note::PrivateKey;

/// The version of the form that is written, and the newest that is read.
pub const VERSION: u16 = 1;
/// The longest line that is read, in bytes. An event has at most 900 KiB.
pub const MAX_LINE_BYTES: usize = 2 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The form's version.
    pub version: u16,
    /// The network's code.
    pub network: String,
    /// Whose history it is.
    pub patient: Uuid,
    /// What is asked about begins here. Earlier events are there too: decisions rest on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// Events recorded at or after this moment are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// When it was made.
    pub made_at: Time,
    /// For whom, as events name actors.
    pub made_for: String,
    /// On what ground.
    pub purpose: ExportPurpose,
    /// Which build of Tact made it.
    pub made_by: String,
}

/// A signed note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedNote {
    /// The note, signatures included.
    pub note: String,
}

/// A checkpoint that somebody kept from before, by the size and root of one log, and why it is the beginning of the one here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// The log, by its place among the `log` lines.
    pub log: usize,
    /// How many leaves it had.
    pub size: u64,
    /// The proof (RFC 6962, section 2.1.2).
    pub proof: Proof,
}

/// The beginning of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamPart {
    /// Its name: `policy`, or a patient's UUID.
    pub stream: String,
    /// What the map of each log that holds its shard, or held it, says of its end; in the order of the `log` lines.
    pub ends: Vec<StreamEnd>,
}

/// What one log says of a stream's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamEnd {
    /// The log, by its place among the `log` lines.
    pub log: usize,
    /// The proof.
    pub end: map::Proof,
}

/// Where an event stands in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The log, by its place among the `log` lines.
    pub log: usize,
    /// Its number among the leaves, from 0.
    pub leaf: u64,
    /// The proof that it is there (RFC 6962, section 2.1.1).
    pub proof: Proof,
}

/// An event.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventPart<'a> {
    /// Its place; absent while no checkpoint covers it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The stored bytes, as they are hashed.
    #[serde(borrow)]
    pub event: &'a RawValue,
}

/// Hashes, written in base64 each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof(pub Vec<Hash>);

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|hash| BASE64.encode(hash)))
    }
}

/// The longest proof that is read: a tree of 2^64 leaves has no longer way, and a consistency proof is one hash longer.
const MAX_PROOF: usize = 65;

impl<'de> Deserialize<'de> for Proof {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Hashes;
        impl<'de> Visitor<'de> for Hashes {
            type Value = Proof;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of at most 65 hashes in base64")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Proof, A::Error> {
                let mut hashes = Vec::new();
                while let Some(text) = seq.next_element::<&str>()? {
                    let mut hash = [0; 32];
                    let whole = text.len() == 44 && BASE64.decode_slice(text, &mut hash[..]) == Ok(32);
                    if !whole || hashes.len() == MAX_PROOF {
                        return Err(serde::de::Error::invalid_value(serde::de::Unexpected::Str(text), &self));
                    }
                    hashes.push(hash);
                }
                Ok(Proof(hashes))
            }
        }
        d.deserialize_seq(Hashes)
    }
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line<'a> {
    /// The first.
    History(History),
    /// A key that followed another, signed by the one before.
    Succession(SignedNote),
    /// The network's checkpoint.
    Checkpoint(SignedNote),
    /// The checkpoint of one of its logs.
    Log(SignedNote),
    /// That a kept checkpoint is the beginning of this one.
    Consistency(Consistency),
    /// A stream begins.
    Stream(StreamPart),
    /// An event of the stream.
    #[serde(borrow)]
    Event(EventPart<'a>),
    /// Personal data, by the names of the fields.
    Person(serde_json::Map<String, serde_json::Value>),
    /// The last.
    End(SignedNote),
}

impl Line<'_> {
    /// The word by which the line begins.
    pub fn word(&self) -> &'static str {
        match self {
            Self::History(_) => "history",
            Self::Succession(_) => "succession",
            Self::Checkpoint(_) => "checkpoint",
            Self::Log(_) => "log",
            Self::Consistency(_) => "consistency",
            Self::Stream(_) => "stream",
            Self::Event(_) => "event",
            Self::Person(_) => "person",
            Self::End(_) => "end",
        }
    }
}

/// The text that the last line signs.
pub fn end_text(network: &str, patient: Uuid, sha256: &Hash) -> String {
    format!("{} history\npatient {patient}\nsha256 {}\n", crate::checkpoint::network_origin(network), hex::encode(sha256))
}

/// Writes a file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    sha: Sha256,
}

impl<W: Write> Writer<W> {
    /// Writes to here.
    pub fn new(out: W) -> Self {
        Self { out, sha: Sha256::new() }
    }

    /// Writes one line.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being written.
    pub fn line(&mut self, line: &Line<'_>) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.sha.update(&bytes);
        self.out.write_all(&bytes)
    }

    /// Writes the last line, signed, and gives back what was written to.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being written.
    pub fn end(mut self, network: &str, patient: Uuid, key: &PrivateKey) -> std::io::Result<W> {
        let text = end_text(network, patient, &self.sha.clone().finalize().into());
        self.line(&Line::End(SignedNote { note: key.sign(&text) }))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Why a file cannot be read as one of these at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The bytes could not be had.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Not a file of this kind.
    #[error("line {line}: {problem}")]
    Malformed {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a file line by line, never more than one of them at a time.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    sha: Sha256,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads from here.
    pub fn new(input: R) -> Self {
        Self { input, sha: Sha256::new(), buffer: Vec::new(), number: 0 }
    }

    /// The number of the line that was read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line, and the SHA-256 of everything before it; `None` at the end.
    ///
    /// # Errors
    /// [`FileError`], if it cannot be read or is no line of such a file.
    pub fn next_line(&mut self) -> Result<Option<(Line<'_>, Sha256)>, FileError> {
        let before = self.sha.clone();
        self.buffer.clear();
        self.number += 1;
        let number = self.number;
        let malformed = |problem: String| FileError::Malformed { line: number, problem };
        let mut limited = std::io::Read::take(&mut self.input, MAX_LINE_BYTES as u64 + 1);
        limited.read_until(b'\n', &mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if self.buffer.len() > MAX_LINE_BYTES {
            return Err(malformed("it is longer than 2 MiB; no line of a history is".to_owned()));
        }
        let Some(bytes) = self.buffer.strip_suffix(b"\n") else {
            return Err(malformed("the file ends in the middle of this line: it is truncated".to_owned()));
        };
        self.sha.update(&self.buffer);
        let text = std::str::from_utf8(bytes).map_err(|e| malformed(format!("it is not UTF-8 at byte {}", e.valid_up_to())))?;
        if number == 1 && !text.starts_with("{\"history\":") {
            return Err(malformed("the file does not begin as a history that Tact has exported".to_owned()));
        }
        let line = serde_json::from_str(text).map_err(|e| malformed(format!("it is not a line of a history: {e}")))?;
        Ok(Some((line, before)))
    }
}
