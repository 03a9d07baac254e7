//! A set of tables in a file: lines of JSON, the first of which says which tables, then for each table a line with its columns and a line for
//! each row, at last a line with their number. What a row means is the business of whoever puts it in and takes it out.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::manifest::RowsFile;
use crate::{ArchiveError, Damage, files};

/// The longest line that is read: a row may hold a text of some size.
const LINE: u64 = 64 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    component: String,
    version: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    rows: u64,
}

/// Writes a set of tables.
#[derive(Debug)]
pub struct RowsWriter {
    path: PathBuf,
    to: BufWriter<File>,
    sha: Sha256,
    entry: RowsFile,
}

impl RowsWriter {
    pub(crate) fn begin(folder: &Path, file: String, component: &str, version: i64) -> Result<Self, ArchiveError> {
        let path = folder.join(&file);
        let to = BufWriter::with_capacity(256 * 1024, files::begin(&path)?);
        let entry = RowsFile { component: component.to_owned(), version, file, rows: 0, sha256: String::new() };
        let mut writer = Self { path, to, sha: Sha256::new(), entry };
        writer.line(&First { component: component.to_owned(), version })?;
        Ok(writer)
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), ArchiveError> {
        let mut bytes = serde_json::to_vec(line).map_err(|error| ArchiveError::Misfit(error.to_string()))?;
        bytes.push(b'\n');
        self.sha.update(&bytes);
        self.to.write_all(&bytes).map_err(ArchiveError::file(&self.path))
    }

    /// Begins a table: an object with its name and its columns.
    ///
    /// # Errors
    /// [`ArchiveError::File`].
    pub fn heading(&mut self, heading: &impl Serialize) -> Result<(), ArchiveError> {
        self.line(heading)
    }

    /// A row of the table that was begun last.
    ///
    /// # Errors
    /// [`ArchiveError::File`].
    pub fn row(&mut self, cells: &[Value]) -> Result<(), ArchiveError> {
        self.entry.rows += 1;
        self.line(&cells)
    }

    /// Flushes the file and gives it its name.
    ///
    /// # Errors
    /// [`ArchiveError::File`].
    pub fn finish(mut self) -> Result<RowsFile, ArchiveError> {
        self.line(&Last { rows: self.entry.rows })?;
        let Self { path, to, sha, mut entry } = self;
        let written = to.into_inner().map_err(|error| ArchiveError::File { file: path.clone(), error: error.into_error() })?;
        files::finish(written, &path)?;
        entry.sha256 = hex::encode(sha.finalize());
        Ok(entry)
    }
}

/// A line of a set of tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// From here on rows are of this table.
    Heading(Value),
    /// A row.
    Row(Vec<Value>),
}

/// Reads a set of tables back. What it hands out is only sure once the end has come.
#[derive(Debug)]
pub struct RowsReader<'a> {
    entry: &'a RowsFile,
    from: BufReader<File>,
    sha: Sha256,
    rows: u64,
    ended: bool,
}

impl<'a> RowsReader<'a> {
    /// Opens one of an archive's sets of tables.
    ///
    /// # Errors
    /// [`Damage`]
    pub fn open(folder: &Path, entry: &'a RowsFile) -> Result<Self, Damage> {
        let damage = |problem: String| Damage { file: entry.file.clone(), position: None, problem };
        let file = match File::open(folder.join(&entry.file)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(damage("it is missing".to_owned())),
            file => file.map_err(|error| damage(error.to_string()))?,
        };
        let from = BufReader::with_capacity(256 * 1024, file);
        let mut reader = Self { entry, from, sha: Sha256::new(), rows: 0, ended: false };
        let first = reader.line()?;
        match serde_json::from_slice(&first) {
            Ok(First { component, version }) if (&component, version) == (&entry.component, entry.version) => Ok(reader),
            _ => Err(damage("its first line does not say which tables it holds".to_owned())),
        }
    }

    fn damage(&self, problem: impl Into<String>) -> Damage {
        Damage { file: self.entry.file.clone(), position: None, problem: problem.into() }
    }

    fn line(&mut self) -> Result<Vec<u8>, Damage> {
        let mut line = Vec::new();
        let read = self.from.by_ref().take(LINE).read_until(b'\n', &mut line);
        read.map_err(|error| self.damage(error.to_string()))?;
        if line.last() != Some(&b'\n') {
            return Err(self.damage(format!("it ends after {} rows, before its last line", self.rows)));
        }
        self.sha.update(&line);
        Ok(line)
    }

    /// The next line; none once all have come and the file was found to be as it was written.
    ///
    /// # Errors
    /// [`Damage`]
    pub fn step(&mut self) -> Result<Option<Line>, Damage> {
        if self.ended {
            return Ok(None);
        }
        let line = self.line()?;
        let read: Value = serde_json::from_slice(&line)
            .map_err(|error| self.damage(format!("the line behind row {} cannot be read: {error}", self.rows)))?;
        if let Value::Array(cells) = read {
            self.rows += 1;
            return Ok(Some(Line::Row(cells)));
        }
        let Some(rows) = read.get("rows").and_then(Value::as_u64) else { return Ok(Some(Line::Heading(read))) };
        self.ended = true;
        let mut more = [0; 1];
        match self.from.read(&mut more) {
            Ok(0) => {}
            Ok(_) => return Err(self.damage("something stands behind its end")),
            Err(error) => return Err(self.damage(error.to_string())),
        }
        if (rows, rows) != (self.rows, self.entry.rows) {
            return Err(self.damage(format!("it has {} rows, and should have {}", self.rows, self.entry.rows)));
        }
        if hex::encode(self.sha.clone().finalize()) != self.entry.sha256 {
            return Err(self.damage("it is not as it was written: its hash is another"));
        }
        Ok(None)
    }
}
