//! Writing an archive: adds what is new behind what is there, having read through all of that first.
//!
//! It must never add to an archive that is damaged, nor anything that does not follow on its last event.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::BufWriter;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tact_domain::Time;
use tact_domain::envelope::Hash;
use uuid::Uuid;

use crate::manifest::{self, KeyFile, Keys, Log, Manifest, RowsFile, SegmentFile, Tables};
use crate::rows::RowsWriter;
use crate::segment::{End, Head, Lines};
use crate::tally::Tally;
use crate::{ArchiveError, Entry, FORMAT, Flaw, Walk, files};

/// A segment is closed when it has so many bytes of events.
const SEGMENT: u64 = 64 * 1024 * 1024;

/// An archive that is being written to.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    manifest: Manifest,
    tally: Tally,
    chain: Hash,
    open: Option<OpenSegment>,
    segment_bytes: u64,
    last: Option<Entry>,
    flaws: u64,
    _lock: File,
}

#[derive(Debug)]
struct OpenSegment {
    file: String,
    first: u64,
    bytes: u64,
    lines: Lines<BufWriter<File>>,
}

impl Archive {
    /// Opens the archive of a network in a folder, which is made if it is not there, and reads through what is in it. `id` becomes the archive's
    /// own if it is new; `version` is that of the program.
    ///
    /// # Errors
    /// [`ArchiveError`]: a folder that holds something else, another network's archive, one that somebody writes to, or one that is damaged.
    pub fn open(folder: &Path, network: &str, id: Uuid, version: &str) -> Result<Self, ArchiveError> {
        files::make_folder(folder)?;
        let not_one = |problem: String| ArchiveError::NotOne { folder: folder.to_owned(), problem };
        let new = !folder.join(manifest::NAME).exists();
        if new {
            let mut names = std::fs::read_dir(folder).map_err(ArchiveError::file(folder))?;
            // What an interrupted first run has left may be written over; anything else is somebody's.
            let ours = ["log", "tables", "keys", "lock", "manifest.json.part"];
            if let Some(other) =
                names.find_map(|name| name.ok().filter(|name| !ours.iter().any(|ours| *ours == name.file_name())))
            {
                let other = other.file_name();
                return Err(not_one(format!(
                    "it holds {}, and no archive: name an empty folder, or one that does not exist yet",
                    other.display()
                )));
            }
        }
        let lock = lock(folder)?;
        // Names and numbers lie in it.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(ArchiveError::file(folder))?;
        for part in ["log", "tables"] {
            files::make_folder(&folder.join(part))?;
        }
        let mut manifest = if new {
            let log = Log { last: 0, root: hex::encode(Tally::default().tree.root()), segments: Vec::new() };
            let (network, written_by, keys) = (network.to_owned(), version.to_owned(), Keys::default());
            Manifest { format: FORMAT, archive: id, network, written_by, run: 0, log, tables: None, keys }
        } else {
            Manifest::read(folder)?
        };
        if manifest.network != network {
            return Err(not_one(format!("it is the archive of network {:?}, not of {network:?}", manifest.network)));
        }
        let (tally, chain, last, flaws) = read_through(folder, &manifest)?;
        manifest.run += 1;
        version.clone_into(&mut manifest.written_by);
        manifest.write(folder)?;
        let folder = folder.to_owned();
        Ok(Self { folder, manifest, tally, chain, open: None, segment_bytes: SEGMENT, last, flaws, _lock: lock })
    }

    /// Closes segments at another size than 64 MiB.
    #[must_use]
    pub fn segments_of(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// What is in it so far.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The position of its last event; 0: there is none.
    pub fn position(&self) -> u64 {
        self.tally.last
    }

    /// The last event that was in it when it was opened.
    pub fn last(&self) -> Option<&Entry> {
        self.last.as_ref()
    }

    /// How many events contradict their place by their own word, in all: they are kept as they are stored.
    pub fn flaws(&self) -> u64 {
        self.flaws
    }

    /// Adds an event, which is safe with the next [`Archive::close_segment`], or once its segment is full. What it says of itself that is not
    /// true of its place comes back; it is kept all the same.
    ///
    /// # Errors
    /// [`ArchiveError::Misfit`] if it does not follow on the last one; [`ArchiveError::File`].
    pub fn add(&mut self, position: u64, stream: &str, id: Uuid, bytes: Vec<u8>) -> Result<Option<Flaw>, ArchiveError> {
        let (number, after) = self.tally.place(stream);
        let entry = Entry { position, stream: stream.to_owned(), number, after, id, bytes };
        self.tally.fits(&entry).map_err(|problem| ArchiveError::Misfit(format!("the log has a gap: {problem}")))?;
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let begun = self.begin()?;
                self.open.insert(begun)
            }
        };
        let path = files::draft(&self.folder.join(&open.file));
        open.lines.event(&entry).map_err(ArchiveError::file(&path))?;
        open.bytes += entry.bytes.len() as u64;
        let full = open.bytes >= self.segment_bytes;
        let (_, flaw) = self.tally.take(&entry);
        self.flaws += u64::from(flaw.is_some());
        if full {
            self.close_segment()?;
        }
        Ok(flaw)
    }

    fn begin(&self) -> Result<OpenSegment, ArchiveError> {
        let first = self.tally.last + 1;
        let file = format!("log/{first:012}.events");
        let Manifest { archive, network, .. } = &self.manifest;
        let head = Head { format: FORMAT, archive: *archive, network: network.clone(), first, previous: hex::encode(self.chain) };
        let path = self.folder.join(&file);
        let to = BufWriter::with_capacity(256 * 1024, files::begin(&path)?);
        let lines = Lines::begin(to, &head).map_err(ArchiveError::file(&path))?;
        Ok(OpenSegment { file, first, bytes: 0, lines })
    }

    /// Closes the segment that is open, if one is: flushed, named in the manifest, and never written again.
    ///
    /// # Errors
    /// [`ArchiveError::File`].
    pub fn close_segment(&mut self) -> Result<(), ArchiveError> {
        let Some(OpenSegment { file, first, mut lines, .. }) = self.open.take() else { return Ok(()) };
        let path = self.folder.join(&file);
        let (last, root) = (self.tally.last, hex::encode(self.tally.tree.root()));
        lines.end(&End { count: last + 1 - first, last, root: root.clone() }).map_err(ArchiveError::file(&path))?;
        self.chain = lines.chain;
        let written =
            lines.to.into_inner().map_err(|error| ArchiveError::File { file: path.clone(), error: error.into_error() })?;
        let bytes = written.metadata().map_err(ArchiveError::file(&path))?.len();
        files::finish(written, &path)?;
        self.manifest.log.segments.push(SegmentFile { file, first, last, bytes, chain: hex::encode(self.chain) });
        self.manifest.log.last = last;
        self.manifest.log.root = root;
        self.manifest.write(&self.folder)
    }

    /// Begins the file of a set of tables.
    ///
    /// # Errors
    /// [`ArchiveError::File`].
    pub fn begin_rows(&self, component: &str, version: i64) -> Result<RowsWriter, ArchiveError> {
        let folder = format!("tables/{}", self.manifest.run);
        files::make_folder(&self.folder.join(&folder))?;
        RowsWriter::begin(&self.folder, format!("{folder}/{component}.rows"), component, version)
    }

    /// Puts the tables of this run, and what is known of the secrets, in the place of those of the run before, whose files are removed: names
    /// and numbers are not kept longer than they must be. A secret of `keys` comes with the name of its file.
    ///
    /// # Errors
    /// [`ArchiveError::File`].
    pub fn finish(
        mut self,
        tables: Vec<RowsFile>,
        taken_at: Time,
        log_end: u64,
        id_key: String,
        keys: &[(&str, Vec<u8>)],
    ) -> Result<Manifest, ArchiveError> {
        self.close_segment()?;
        files::flush_folder(&self.folder.join("tables"))?;
        self.manifest.tables = Some(Tables { taken_at, log_end, files: tables });
        let mut kept = Vec::new();
        if !keys.is_empty() {
            files::make_folder(&self.folder.join("keys"))?;
        }
        for (name, bytes) in keys {
            let file = format!("keys/{name}");
            files::put(&self.folder.join(&file), bytes)?;
            kept.push(KeyFile { file, sha256: hex::encode(Sha256::digest(bytes)) });
        }
        self.manifest.keys = Keys { id_key, files: kept };
        self.manifest.write(&self.folder)?;
        self.sweep()?;
        Ok(self.manifest)
    }

    /// Removes what the manifest does not name: tables of earlier runs, secrets that are not to be kept, what was interrupted.
    fn sweep(&self) -> Result<(), ArchiveError> {
        let Manifest { log, keys, run, .. } = &self.manifest;
        let remove = |folder: &str, keep: &dyn Fn(&str) -> bool| -> Result<(), ArchiveError> {
            let path = self.folder.join(folder);
            let Ok(names) = std::fs::read_dir(&path) else { return Ok(()) };
            for name in names {
                let name = name.map_err(ArchiveError::file(&path))?;
                if !keep(&format!("{folder}/{}", name.file_name().display())) {
                    let is_folder = name.file_type().map_err(ArchiveError::file(&name.path()))?.is_dir();
                    let removed =
                        if is_folder { std::fs::remove_dir_all(name.path()) } else { std::fs::remove_file(name.path()) };
                    removed.map_err(ArchiveError::file(&name.path()))?;
                }
            }
            Ok(())
        };
        remove("tables", &|name| name == format!("tables/{run}"))?;
        remove("keys", &|name| keys.files.iter().any(|key| key.file == name))?;
        remove("log", &|name| log.segments.iter().any(|segment| segment.file == name))
    }
}

fn lock(folder: &Path) -> Result<File, ArchiveError> {
    let path = folder.join("lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(ArchiveError::file(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ArchiveError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(ArchiveError::File { file: path, error }),
    }
}

/// Everything that is known after the last event that is there.
fn read_through(folder: &Path, manifest: &Manifest) -> Result<(Tally, Hash, Option<Entry>, u64), ArchiveError> {
    let mut walk = Walk::new(folder, manifest);
    let (mut last, mut flaws) = (None, 0);
    while let Some((entry, _, flaw)) = walk.step().map_err(ArchiveError::Damaged)? {
        flaws += u64::from(flaw.is_some());
        last = Some(entry);
    }
    let chain = walk.chain();
    Ok((walk.tally, chain, last, flaws))
}
