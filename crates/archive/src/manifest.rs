//! The manifest: what belongs to an archive, and how far it has come. It is replaced as a whole, and never edited.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tact_domain::Time;
use uuid::Uuid;

use crate::{ArchiveError, FORMAT, files};

/// Its name.
pub(crate) const NAME: &str = "manifest.json";

/// What belongs to an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The archive's own id: a network that is being restored says from which one.
    pub archive: Uuid,
    /// The network's code.
    pub network: String,
    /// The version of Tact that wrote last.
    pub written_by: String,
    /// How many times it was begun to write to it.
    pub run: u64,
    /// The log.
    pub log: Log,
    /// The tables of the newest run that came to its end; none while there was none.
    pub tables: Option<Tables>,
    /// What is known of the network's secrets.
    pub keys: Keys,
}

/// The log as far as it is archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The position of the last event, and how many there are: positions run from 1 without a gap.
    pub last: u64,
    /// The root of the Merkle tree over the bytes of all events (RFC 6962, section 2.1), in hexadecimal digits.
    pub root: String,
    /// The segments, in order.
    pub segments: Vec<SegmentFile>,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentFile {
    /// Where it is, from the archive's folder.
    pub file: String,
    /// The position of its first event.
    pub first: u64,
    /// The position of its last event.
    pub last: u64,
    /// How long the file is.
    pub bytes: u64,
    /// The last hash of its chain, in hexadecimal digits.
    pub chain: String,
}

/// The tables as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tables {
    /// When they were read, by the clock of whoever read them.
    pub taken_at: Time,
    /// Where the log ended then: the tables know of nothing behind it.
    pub log_end: u64,
    /// Their files, one for each set of tables.
    pub files: Vec<RowsFile>,
}

/// A set of tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsFile {
    /// Which tables.
    pub component: String,
    /// The version of their schema.
    pub version: i64,
    /// Where they are, from the archive's folder.
    pub file: String,
    /// How many rows they have in all.
    pub rows: u64,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

/// What is known of the network's secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// By what the secret for ids is known again; nothing can be learnt from it.
    pub id_key: String,
    /// The secrets that are in the archive.
    pub files: Vec<KeyFile>,
}

/// A secret in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// Where it is, from the archive's folder.
    pub file: String,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Reads the manifest of the archive in a folder.
    ///
    /// # Errors
    /// [`ArchiveError::NotOne`] if there is none, or one of a newer form.
    pub fn read(folder: &Path) -> Result<Self, ArchiveError> {
        let not_one = |problem: String| ArchiveError::NotOne { folder: folder.to_owned(), problem };
        let text = match std::fs::read_to_string(folder.join(NAME)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(not_one(format!(
                    "there is no archive here, since there is no {NAME}: `tact backup create` makes one"
                )));
            }
            Err(error) => return Err(ArchiveError::File { file: folder.join(NAME), error }),
        };
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| not_one(format!("{NAME} cannot be read: {error}"));
        let Form { format } = serde_json::from_str(&text).map_err(unreadable)?;
        if format > FORMAT {
            return Err(not_one(format!(
                "the archive has form {format}, and this version reads up to {FORMAT}: use a newer one"
            )));
        }
        let manifest: Self = serde_json::from_str(&text).map_err(unreadable)?;
        let mut named = manifest.log.segments.iter().map(|segment| &segment.file);
        let tables = manifest.tables.iter().flat_map(|tables| &tables.files).map(|file| &file.file);
        let keys = manifest.keys.files.iter().map(|file| &file.file);
        // It may come from anywhere: nothing outside of its folder is its own.
        let outside = |file: &&String| file.starts_with('/') || file.split('/').any(|part| part == "..");
        match named.find(outside).or_else(|| tables.chain(keys).find(|file| outside(file))) {
            Some(file) => Err(not_one(format!("{NAME} names {file}, which is outside of the archive"))),
            None => Ok(manifest),
        }
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), ArchiveError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| ArchiveError::Misfit(error.to_string()))?;
        files::put(&folder.join(NAME), format!("{text}\n").as_bytes())
    }
}
