//! The way out: what a network is made of, into an archive. It may go on working meanwhile.
//!
//! The tables are read as they were at one moment, and the log up to where it ended then: so no table knows of an event that the archive lacks.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tact_archive::{Archive, ArchiveError, RowsFile};
use tact_database::copy::{Heading, Kept, Value, read_rows};
use tact_database::{DbError, Tx};
use tact_event_log::{EventLog, LogError, Position, Stored};
use tact_service::clock::Clock;
use tact_service::ids::fresh;

use super::house::{House, known_by};

/// Events that are read at once.
pub(super) const BATCH: usize = 4096;

/// What was done.
#[derive(Debug)]
pub(super) struct Made {
    /// How many events were added.
    pub(super) added: u64,
    /// Where the log ended.
    pub(super) log_end: Position,
    /// The root over all of them.
    pub(super) root: String,
    /// How many rows of tables there are.
    pub(super) rows: u64,
    /// How many events contradict their place.
    pub(super) flaws: u64,
    /// Whether the secrets are in it.
    pub(super) keys: bool,
}

/// Copies a network into the archive in a folder.
pub(super) async fn keep(house: &House, folder: &Path, with_keys: bool, clock: &Clock) -> Result<Made> {
    let (path, network, id): (PathBuf, _, _) = (folder.to_owned(), house.network.clone(), fresh(clock.now()));
    let opened = tokio::task::spawn_blocking(move || Archive::open(&path, &network, id, env!("CARGO_PKG_VERSION"))).await?;
    let mut archive = opened.context("the backup cannot be added to")?;
    continues(house, &archive).await?;
    let before = archive.position();

    // All moments as close together as they come, and that of the log last.
    let mut snapshots = Vec::new();
    for (kept, db) in &house.tables {
        snapshots.push((*kept, db.snapshot().await.with_context(|| format!("the tables of `{}`", kept.component.name))?));
    }
    let log_end = house.log.head().await.context("the event log cannot be read")?;
    let taken_at = clock.now();

    let mut files = Vec::new();
    for (kept, mut snapshot) in snapshots {
        files
            .push(rows(&archive, kept, &mut snapshot).await.with_context(|| format!("the tables of `{}`", kept.component.name))?);
    }
    events(house, &mut archive, log_end).await?;

    let secrets: Vec<(&str, Vec<u8>)> = if with_keys {
        let read = |(name, file): &(&'static str, PathBuf)| {
            std::fs::read(file).map(|bytes| (*name, bytes)).with_context(|| format!("{} cannot be read", file.display()))
        };
        house.secrets.iter().map(read).collect::<Result<_>>()?
    } else {
        Vec::new()
    };
    let (flaws, count) = (archive.flaws(), files.iter().map(|file| file.rows).sum());
    let manifest = archive.finish(files, taken_at, log_end.to_stored(), known_by(&house.id_key), &secrets)?;
    Ok(Made {
        added: manifest.log.last - before,
        log_end,
        root: manifest.log.root,
        rows: count,
        flaws,
        keys: !manifest.keys.files.is_empty(),
    })
}

/// Sees to it that the log is the one of which the archive has the beginning.
async fn continues(house: &House, archive: &Archive) -> Result<()> {
    let Some(last) = archive.last() else { return Ok(()) };
    let head = house.log.head().await.context("the event log cannot be read")?;
    let (kept, ends) = (last.position, head.to_stored());
    if ends < kept {
        bail!(ArchiveError::Misfit(format!(
            "the backup holds {kept} events, and the log ends at {ends}: this is another log, or it has lost events. Keep the backup; \
             `tact backup restore` puts it back"
        )));
    }
    let there = read(&*house.log, Position::from_stored(kept - 1), head, house.wait).await?;
    let same = there.first().is_some_and(|event| {
        (event.position.to_stored(), event.id, &event.bytes[..]) == (kept, last.id, &last.bytes[..])
            && event.stream.to_string() == last.stream
    });
    if !same {
        bail!(ArchiveError::Misfit(format!(
            "event {kept} of the log is not the one that the backup holds: this is another log, or it was changed. Name another folder, or look \
             into what happened to the log"
        )));
    }
    Ok(())
}

async fn rows(archive: &Archive, kept: &Kept, snapshot: &mut Tx) -> Result<RowsFile> {
    let mut writer = archive.begin_rows(kept.component.name, kept.component.version())?;
    for layout in kept.layouts {
        writer.heading(&Heading::from(layout))?;
        read_rows(snapshot, layout, |row| {
            let cells: Vec<_> = row.iter().map(Value::to_json).collect();
            writer.row(&cells).map_err(Failed::Archive)
        })
        .await
        .map_err(|failed| match failed {
            Failed::Archive(error) => anyhow::Error::from(error),
            Failed::Database(error) => error.into(),
        })?;
    }
    Ok(writer.finish()?)
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Archive(ArchiveError),
    #[error(transparent)]
    Database(#[from] DbError),
}

async fn events(house: &House, archive: &mut Archive, log_end: Position) -> Result<()> {
    let bar = bar("events are copied", log_end.to_stored());
    while archive.position() < log_end.to_stored() {
        let batch = read(&*house.log, Position::from_stored(archive.position()), log_end, house.wait).await?;
        for Stored { stream, position, id, bytes } in batch {
            if let Some(flaw) = archive.add(position.to_stored(), &stream.to_string(), id, bytes.to_vec())? {
                tracing::warn!(%position, problem = flaw.0, "an event contradicts its place in the log; it is kept as it is");
            }
        }
        bar.set_position(archive.position());
    }
    archive.close_segment()?;
    bar.finish_and_clear();
    Ok(())
}

/// The next events of a log up to one that is known to be there, at least one of them.
pub(super) async fn read(log: &dyn EventLog, after: Position, end: Position, wait: Duration) -> Result<Vec<Stored>> {
    let deadline = tokio::time::Instant::now() + wait;
    // A replica that answers may be a moment behind the leader, which has said where the log ends.
    let mut again = tokio::time::interval(Duration::from_millis(50));
    loop {
        again.tick().await;
        let mut events = log.read_all(after, BATCH).await.context("the event log cannot be read")?;
        events.retain(|event| event.position <= end);
        if !events.is_empty() {
            return Ok(events);
        }
        if tokio::time::Instant::now() >= deadline {
            let why = format!("the log ends at {end}, and what lies behind {after} does not come");
            return Err(LogError::Unavailable(why).into());
        }
    }
}

/// Shows how far it has come, on a terminal.
pub(super) fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(length) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} {msg}, {per_sec}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
