//! Whether an archive is whole and as it was written, with nothing but its folder: everything is read through once, and each file that is not
//! right is named, with the event where one can be named.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tact_evidence::trust::Trust;
use uuid::Uuid;

pub use crate::signed::Signed;
use crate::signed::Trees;
use crate::{ArchiveError, Damage, Manifest, RowsReader, Walk, manifest};

/// How many events that contradict their place are named; the others are counted.
const NAMED: usize = 20;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The network's code.
    pub network: String,
    /// The archive's id.
    pub archive: Uuid,
    /// How many events were read and are in order.
    pub events: u64,
    /// How many the manifest names.
    pub last: u64,
    /// The root over all of them, as the manifest says it.
    pub root: String,
    /// How many segments there are.
    pub segments: usize,
    /// How many rows of tables were read.
    pub rows: u64,
    /// What was signed over it; none: nothing was, or what there is cannot be read.
    pub signed: Option<Signed>,
    /// Everything that is not as it was written, in the order in which it was found.
    pub damages: Vec<Damage>,
    /// The first events that contradict their place by their own word: so they stand in the log too.
    pub contradictions: Vec<Damage>,
    /// How many of them there are.
    pub contradicting: u64,
    /// Files that the archive does not name: what an interrupted run has left, or somebody else.
    pub strangers: Vec<String>,
}

impl Report {
    /// Whether everything is as it was written, and nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }

    /// Whether it is whole, and so is the log that it was made from.
    pub fn holds(&self) -> bool {
        self.is_whole() && self.contradictions.is_empty()
    }
}

/// Reads everything. Without a key, the signature is held against those that the archive itself has.
///
/// # Errors
/// [`ArchiveError::NotOne`] if there is no archive that could be verified; [`ArchiveError::File`].
pub fn verify(folder: &Path, given: Option<&Trust>) -> Result<Report, ArchiveError> {
    let manifest = Manifest::read(folder)?;
    let named = |file: &str, problem: String| Damage { file: file.to_owned(), position: None, problem };
    let mut damages = Vec::new();
    let mut rows = 0;
    match &manifest.tables {
        None => damages.push(named(
            manifest::NAME,
            "there are no tables: the first run was interrupted, and `tact backup create` on this folder finishes it".to_owned(),
        )),
        Some(tables) => {
            for file in &tables.files {
                match read_through(folder, file) {
                    Ok(read) => rows += read,
                    Err(damage) => damages.push(damage),
                }
            }
            if tables.log_end > manifest.log.last {
                let problem = format!(
                    "the tables were read when the log ended at {}, and it is here up to {}",
                    tables.log_end, manifest.log.last
                );
                damages.push(named(manifest::NAME, problem));
            }
        }
    }
    for key in &manifest.keys.files {
        match std::fs::read(folder.join(&key.file)) {
            Ok(bytes) if hex::encode(Sha256::digest(&bytes)) == key.sha256 => {}
            Ok(_) => damages.push(named(&key.file, "it is not as it was written: its hash is another".to_owned())),
            Err(error) => damages.push(named(&key.file, error.to_string())),
        }
    }
    let mut trees = match Trees::read(folder, &manifest, given) {
        Ok(trees) => trees,
        Err(problem) => {
            damages.push(named("the signed checkpoint", problem));
            None
        }
    };
    let mut contradictions = Vec::new();
    let mut contradicting = 0;
    let mut events = 0;
    let mut sound = true;
    let mut walk = Walk::new(folder, &manifest);
    loop {
        match walk.step() {
            Ok(None) => break,
            Ok(Some((entry, leaf, flaw))) => {
                events += 1;
                if let Some(trees) = &mut trees {
                    trees.take(&entry, leaf);
                }
                if let Some(flaw) = flaw {
                    contradicting += 1;
                    if contradictions.len() < NAMED {
                        contradictions.push(Damage {
                            file: segment_of(&manifest, entry.position),
                            position: Some(entry.position),
                            problem: flaw.0,
                        });
                    }
                }
            }
            Err(damage) => {
                sound = false;
                damages.push(damage);
            }
        }
    }
    let signed = trees.map(|trees| {
        let (signed, wrong) = trees.end();
        // Where events are missing, that the root is another says nothing more.
        damages.extend(wrong.filter(|_| sound).map(|problem| named("the signed checkpoint", problem)));
        signed
    });
    let strangers = strangers(folder, &manifest)?;
    let Manifest { archive, network, log, .. } = manifest;
    let segments = log.segments.len();
    Ok(Report {
        network,
        archive,
        events,
        last: log.last,
        root: log.root,
        segments,
        rows,
        signed,
        damages,
        contradictions,
        contradicting,
        strangers,
    })
}

fn segment_of(manifest: &Manifest, position: u64) -> String {
    let segments = &manifest.log.segments;
    segments.iter().find(|segment| segment.last >= position).map(|segment| segment.file.clone()).unwrap_or_default()
}

fn read_through(folder: &Path, file: &crate::RowsFile) -> Result<u64, Damage> {
    let mut reader = RowsReader::open(folder, file)?;
    while reader.step()?.is_some() {}
    Ok(file.rows)
}

fn strangers(folder: &Path, manifest: &Manifest) -> Result<Vec<String>, ArchiveError> {
    let tables = manifest.tables.iter().flat_map(|tables| &tables.files).map(|file| &file.file);
    let known: BTreeSet<&String> = manifest
        .log
        .segments
        .iter()
        .map(|segment| &segment.file)
        .chain(tables)
        .chain(manifest.keys.files.iter().map(|key| &key.file))
        .collect();
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(below) = open.pop() {
        let path = folder.join(&below);
        for name in std::fs::read_dir(&path).map_err(ArchiveError::file(&path))? {
            let name = name.map_err(ArchiveError::file(&path))?;
            let file = format!("{below}{}", name.file_name().display());
            if name.file_type().map_err(ArchiveError::file(&path))?.is_dir() {
                open.push(format!("{file}/"));
            } else if !known.contains(&file) && file != manifest::NAME && file != "lock" {
                found.push(file);
            }
        }
    }
    found.sort();
    Ok(found)
}
