//! A network in a folder: its log in segments that are written once, its tables as they were at one moment, and a manifest over both.
//!
//! ```text
//! manifest.json       what belongs to the archive: whatever is not named here is not believed
//! log/000000000001.events, ...   the events, each exactly as it is stored
//! tables/<run>/personal.rows, ... the tables that follow from nothing else, as of the newest run
//! keys/               the network's secrets, if they were asked for
//! ```
//!
//! A segment is text around bytes: a line of JSON that says which segment it is, then for each event a line of JSON (position, stream, number
//! in its stream, position of the event before it there, id, length), the event's bytes, and a line with a hash; at last a line that says
//! what there was. Each hash is the SHA-256 of the one before it, the event's line and the event's bytes, and each segment's first line holds
//! the last hash of the segment before it. So one chain runs through everything, and names the first event that is not as it was.
//!
//! This crate knows neither logs nor databases, needs nothing but a file system, and must never believe what it has not read through: a
//! segment counts once it is whole, on the disk and named in the manifest. It must never write a segment again.

mod files;
mod frontier;
mod manifest;
mod rows;
mod segment;
mod signed;
mod tally;
#[cfg(test)]
mod tests;
pub mod verify;
mod walk;
mod write;

pub use frontier::Frontier;
pub use manifest::{KeyFile, Keys, Log, Manifest, RowsFile, SegmentFile, Tables};
pub use rows::{Line, RowsReader};
pub use segment::Entry;
pub use tally::Flaw;
pub use walk::Walk;
pub use write::Archive;

use std::path::{Path, PathBuf};

/// The form of the archive that this version writes and reads.
pub const FORMAT: u32 = 1;

/// Something in an archive that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{file}{}: {problem}", .position.map_or(String::new(), |position| format!(", event {position}")))]
pub struct Damage {
    /// The file, as the manifest names it.
    pub file: String,
    /// The event's position in the log, where one can be named.
    pub position: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file cannot be read or written.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The folder holds no archive, or one that this version cannot read.
    #[error("{}: {problem}", folder.display())]
    NotOne {
        /// Which folder.
        folder: PathBuf,
        /// Why not, and the way out.
        problem: String,
    },
    /// Another process is writing to it.
    #[error("{} is being written to by another process; wait for it to end", .0.display())]
    InUse(PathBuf),
    /// What was given does not follow on what the archive holds.
    #[error("{0}")]
    Misfit(String),
    /// It is not as it was written.
    #[error("the archive is damaged: {0}")]
    Damaged(Damage),
}

impl ArchiveError {
    pub(crate) fn file(file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.to_owned();
        |error| Self::File { file, error }
    }
}
