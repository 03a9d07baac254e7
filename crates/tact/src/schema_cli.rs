//! `tact schema`: the JSON Schemas of all events, as files. Nothing that somebody relies on is overwritten by what would break for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::Value;
use tact_feed::compare::{Breach, breaches};
use tact_feed::schema;

use crate::exit;

/// What to do with the schemas.
#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Write them into a folder, one file for each version of each type; refused if that breaks a promise that the files there make.
    #[command(after_help = "\
Example:
  tact schema export schemas

What may change: new types, new versions, new fields that may be absent, new words in a list of words. Exit codes: 0 written; 1 a change that \
must be a new version of its type, or a file that cannot be written")]
    Export {
        /// The folder; made if it is not there.
        folder: PathBuf,
    },
    /// Say whether this version keeps the promises that the files in a folder make.
    #[command(after_help = "Example:\n  tact schema check schemas\n\nExit codes: 0 it does; 1 it does not")]
    Check {
        /// The folder, as an earlier version wrote it.
        folder: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// A file that cannot be read or written.
pub fn run(command: &SchemaCommand) -> Result<ExitCode> {
    let (SchemaCommand::Export { folder } | SchemaCommand::Check { folder }) = command;
    let broken = broken(folder)?;
    if !broken.is_empty() {
        for breach in &broken {
            eprintln!("{breach}");
        }
        eprintln!("tact: whoever relies on these schemas would be misled: write a new version of the type beside the old one");
        return Ok(ExitCode::from(exit::FAILED));
    }
    if let SchemaCommand::Export { folder } = command {
        for described in schema::all() {
            let file = folder.join(described.path());
            let above = file.parent().unwrap_or(folder);
            std::fs::create_dir_all(above).with_context(|| format!("{} cannot be made", above.display()))?;
            std::fs::write(&file, described.text()).with_context(|| format!("{} cannot be written", file.display()))?;
        }
        eprintln!("{} schemas are in {}.", schema::all().len(), folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the schemas of this version break of those in a folder, which may be empty or missing.
///
/// # Errors
/// A file that cannot be read or is no JSON.
pub fn broken(folder: &Path) -> Result<Vec<Breach>> {
    let mut old = BTreeMap::new();
    for form in [schema::Form::Stored, schema::Form::Feed] {
        let Ok(files) = std::fs::read_dir(folder.join(form.folder())) else { continue };
        for file in files {
            let file = file?.path();
            let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            let read: Value = serde_json::from_str(&text).with_context(|| format!("{} is not a schema", file.display()))?;
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            old.insert(format!("{}/{name}", form.folder()), read);
        }
    }
    let new = schema::all().iter().map(|described| (described.path(), described.schema.clone())).collect();
    Ok(breaches(&old, &new))
}
