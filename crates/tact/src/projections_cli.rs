//! `tact projections`: what was derived from the log can be thrown away and built again.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use tact_service::clock::Clock;

use crate::roles::{must_exist, open, projector};
use crate::settings::Settings;

/// What to do with the read models.
#[derive(Debug, Subcommand)]
pub enum ProjectionsCommand {
    /// Build them from the whole log beside the live ones, and swap. On servers this may run while everything serves; an embedded network must
    /// be stopped first, since its log belongs to one process.
    #[command(after_help = "Example:\n  tact projections rebuild --data /var/lib/tact")]
    Rebuild,
}

/// Does it.
///
/// # Errors
/// A log or a database that cannot be opened; the live read models then stay as they were.
pub async fn run(settings: &Settings, clock: Clock, command: ProjectionsCommand) -> Result<()> {
    let ProjectionsCommand::Rebuild = command;
    must_exist(settings)?;
    let app = open(settings, clock).await?;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} events, {per_sec}, {eta} left")?);
    let done = projector(&app)
        .rebuild(|progress| {
            bar.set_length(progress.head);
            bar.set_position(progress.done);
        })
        .await
        .context("the read models could not be rebuilt; the live ones are as they were")?;
    bar.finish_and_clear();
    eprintln!("The read models are rebuilt and true up to position {}.", done.done);
    Ok(())
}
