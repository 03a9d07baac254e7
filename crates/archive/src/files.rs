//! How files come into the archive: written beside their place, flushed, and moved there in one step, for their owner only.
//!
//! It must never leave a file under its name that is not whole.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::ArchiveError;

/// Makes a folder, and those above it, that only its owner can enter.
pub(crate) fn make_folder(folder: &Path) -> Result<(), ArchiveError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(ArchiveError::file(folder))
}

/// Flushes the names in a folder.
pub(crate) fn flush_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArchiveError::file(folder))
}

/// Where a file is written before it takes its place.
pub(crate) fn draft(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Begins a file beside its place, over whatever an interrupted run has left there.
pub(crate) fn begin(file: &Path) -> Result<File, ArchiveError> {
    let draft = draft(file);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(ArchiveError::File { file: draft, error }),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(ArchiveError::file(&draft))
}

/// Flushes a file that was begun, and moves it to its place.
pub(crate) fn finish(written: File, file: &Path) -> Result<(), ArchiveError> {
    let draft = draft(file);
    written.sync_all().map_err(ArchiveError::file(&draft))?;
    drop(written);
    std::fs::rename(&draft, file).map_err(ArchiveError::file(file))?;
    file.parent().map_or(Ok(()), flush_folder)
}

/// Writes a small file as a whole.
pub(crate) fn put(file: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let mut begun = begin(file)?;
    begun.write_all(bytes).map_err(ArchiveError::file(&draft(file)))?;
    finish(begun, file)
}
