//! `tact backup` and `tact cluster`: a network is kept in a folder, checked there, put back from it, and moved through it from one machine to
//! servers and back.
//!
//! There is one way out of a network and one way into one, whatever it stands on: out into an archive, and from an archive in. Nothing is ever
//! put where something is.

mod house;
mod into;
mod out;
mod tell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use tact_archive::verify::{Report, verify};
use tact_event_log::SqliteLog;
use tact_service::clock::Clock;

use crate::exit::{self, Usage};
use crate::history_cli::{Output, trust};
use crate::settings::{Settings, Storage};
use house::{House, nobody_else};
use into::Secrets;

/// What to do with backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Copy the network into a folder, also while it runs. Into the same folder again, only what is new of the log is added.
    #[command(after_help = "\
Examples:
  tact backup create --to /backup/tact --data /var/lib/tact
  tact backup create --to /backup/tact --config tact.toml      on servers
  tact backup create --to /safe/tact --with-keys               with the network's secrets

What is in the folder is read through first, so damage is found by the next run. docs/BACKUP.md says what is in it and what is not.
Exit codes: 0 done; 5 the log does not continue what is in the folder; 6 another run writes to it; 7 what is in it is damaged.")]
    Create(Create),
    /// Check a backup without a server: every event, every gap, every file, and what the network signed.
    #[command(after_help = "\
Examples:
  tact backup verify /backup/tact
  tact backup verify /backup/tact --key network.keys
  tact backup verify /backup/tact -o json

Without a key, signatures are held against the keys in the backup itself: then it is whole, but whoever changed all of it is not found out.
Exit codes: 0 everything holds; 2 there is no backup, or a key cannot be read; 7 something deviates, and it is named.")]
    Verify(Verify),
    /// Put a backup back: into a data folder that is empty or not there, or into empty servers by the settings.
    #[command(after_help = "\
Examples:
  tact backup restore /backup/tact --data /var/lib/tact-new --id-key-file id.key --signing-key-file signing.key
  tact backup restore /backup/tact --config tact.toml          on servers

It is verified first, compared event for event afterwards, and the read models are built. Killed on the way, run it again: it goes on.
Exit codes: 0 done; 2 there is no backup, or the settings do not fit; 5 something is there already; 7 the backup is damaged.")]
    Restore(Restore),
}

/// From where to where.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// The backup's folder.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// With the network's secrets: the key for ids and the one by which it signs. A later run without this removes them.
    #[arg(long)]
    with_keys: bool,
}

/// What is checked, and whom one trusts.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The backup's folder.
    folder: PathBuf,
    /// A public key of the network, or a file with one a line, as `tact keys list` prints them.
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// How to say what was found.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

/// What is put back.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The backup's folder.
    folder: PathBuf,
}

/// Where to move.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Move the network of a data folder to the NATS and PostgreSQL of the settings, which must be empty. Its server must be stopped.
    #[command(after_help = "\
Example:
  tact cluster import --from /var/lib/tact --archive /backup/move --config tact.toml

It goes through a backup in the folder `--archive`, which stays: the old data folder too, unchanged. The secrets go to the files that the
settings name, if these are not there yet. Killed on the way, run it again: it goes on, and stores nothing twice.")]
    Import(Import),
    /// Move the network of the servers in the settings to a data folder that is empty or not there. Every role must be stopped.
    #[command(after_help = "\
Example:
  tact cluster export --to /var/lib/tact --archive /backup/move --config tact.toml

It goes through a backup in the folder `--archive`, which stays, and so does what is on the servers.")]
    Export(Export),
}

/// From a data folder.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The data folder.
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// The backup through which it goes: a new folder, or one with a backup of this network.
    #[arg(long, value_name = "FOLDER")]
    archive: PathBuf,
}

/// Into a data folder.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// The data folder.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// The backup through which it goes: a new folder, or one with a backup of this network.
    #[arg(long, value_name = "FOLDER")]
    archive: PathBuf,
}

/// `tact backup`
///
/// # Errors
/// Whatever could not be read, written, or does not fit.
pub async fn backup(settings: &Settings, clock: Clock, command: BackupCommand) -> Result<ExitCode> {
    match command {
        BackupCommand::Create(Create { to, with_keys }) => {
            let house = House::look_into(settings).await?;
            let kept = out::keep(&house, &to, with_keys, &clock).await?;
            tell::kept(&kept, &to);
        }
        BackupCommand::Verify(arguments) => return verified(&arguments),
        BackupCommand::Restore(Restore { folder }) => {
            let Some(report) = whole(&folder).await? else { return Ok(ExitCode::from(exit::DEVIATION)) };
            let secrets = Secrets::of_archive(&folder)?;
            let done = match &settings.storage {
                Storage::Embedded => into::folder(settings, &settings.data, &folder, secrets, &clock, None).await?,
                Storage::Servers { .. } => into::servers(settings, &folder, secrets, &clock).await?,
            };
            tell::moved(&report, &done);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `tact cluster`
///
/// # Errors
/// Whatever could not be read, written, or does not fit.
pub async fn cluster(settings: &Settings, clock: Clock, command: ClusterCommand) -> Result<ExitCode> {
    if matches!(settings.storage, Storage::Embedded) {
        return Err(Usage(
            "the settings name no servers: set `log = \"jetstream\"` with `nats_url` and `database_url`, or give the file that does with \
             `--config`"
                .to_owned(),
        )
        .into());
    }
    let (report, done) = match command {
        ClusterCommand::Import(Import { from, archive }) => {
            let source = Settings {
                data: from.clone(),
                storage: Storage::Embedded,
                id_key_file: None,
                signing_key_file: None,
                ..settings.clone()
            };
            crate::roles::must_exist(&source)?;
            // Held until the end: no server may write what would be left behind.
            let log = SqliteLog::open(&from.join("events.db"), &settings.network).context("the event log cannot be opened")?;
            let house = House::with_log(&source, Arc::new(log)).await?;
            out::keep(&house, &archive, false, &clock).await?;
            let Some(report) = whole(&archive).await? else { return Ok(ExitCode::from(exit::DEVIATION)) };
            let done = into::servers(settings, &archive, Secrets::of_house(&house)?, &clock).await?;
            (report, done)
        }
        ClusterCommand::Export(Export { to, archive }) => {
            nobody_else(settings).await?;
            let house = House::look_into(settings).await?;
            let kept = out::keep(&house, &archive, false, &clock).await?;
            let Some(report) = whole(&archive).await? else { return Ok(ExitCode::from(exit::DEVIATION)) };
            let target = Settings { storage: Storage::Embedded, id_key_file: None, signing_key_file: None, ..settings.clone() };
            let still = Some((&house, kept.log_end));
            (report, into::folder(&target, &to, &archive, Secrets::of_house(&house)?, &clock, still).await?)
        }
    };
    tell::moved(&report, &done);
    Ok(ExitCode::SUCCESS)
}

/// Reads an archive through before anything is made of it; says what is damaged, if anything is.
async fn whole(folder: &Path) -> Result<Option<Report>> {
    let read = folder.to_owned();
    let report = tokio::task::spawn_blocking(move || verify(&read, None)).await??;
    if report.is_whole() {
        return Ok(Some(report));
    }
    print!("{}", tell::found(&report));
    eprintln!("tact: nothing was put back, since the backup in {} is damaged: take another copy of it", folder.display());
    Ok(None)
}

/// `tact backup verify`, which needs no settings.
///
/// # Errors
/// No archive, or a key that cannot be read.
pub fn verified(arguments: &Verify) -> Result<ExitCode> {
    let trust = match arguments.key.as_deref().map(trust) {
        Some(Err(problem)) => return Err(Usage(problem).into()),
        given => given.transpose().unwrap_or_default(),
    };
    let report = verify(&arguments.folder, trust.as_ref())?;
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Output::Table => print!("{}", tell::found(&report)),
    }
    if !report.holds() && matches!(arguments.output, Output::Json) {
        eprintln!("tact: the backup does not hold");
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(exit::DEVIATION) })
}

/// A network by another name than the settings say is somebody else's.
fn same_network(settings: &Settings, network: &str) -> Result<()> {
    if settings.network != network {
        bail!(Usage(format!(
            "the backup is of network `{network}`, and the settings are for `{}`: give `--network {network}`",
            settings.network
        )));
    }
    Ok(())
}
