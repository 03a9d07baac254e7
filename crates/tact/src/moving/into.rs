//! The way in: what an archive holds, into a data folder or onto servers on which nothing is.
//!
//! Every event comes to lie at the position that it had, and everything is compared before the network may be used. A folder gets its name when
//! it is whole; servers are marked until they are. Personal data goes through what every start does: whoever was erased is erased again.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tact_archive::{ArchiveError, Line, Manifest, RowsReader, Walk};
use tact_database::copy::{Heading, Value, clear, has_rows, write_rows};
use tact_database::{DbError, Target, one};
use tact_event_log::{EventLog, LogError, Position, SqliteLog, Stored, StreamId, open_jetstream, put_back};
use tact_service::clock::Clock;
use tact_service::ids::IdKey;

use super::house::{House, KEPT, known_by, nobody_else};
use super::out::{bar, read};
use super::same_network;
use crate::exit::Usage;
use crate::roles::{databases, id_key, jetstream, open_moved, projector, write_private};
use crate::settings::{Settings, Storage};

/// Events that are put back together.
const TOGETHER: usize = 512;
/// The most bytes of events that wait to be put back.
const BYTES: usize = 8 * 1024 * 1024;
/// Rows that are written at once.
const ROWS: usize = 500;
/// In a folder that is not whole: from which archive it is being made.
const MARK: &str = "restoring-from";

/// What was done.
#[derive(Debug)]
pub(super) struct Done {
    /// How many events were compared with the archive, and are equal.
    pub(super) events: u64,
    /// The root over all of them.
    pub(super) root: String,
    /// How many events were there already, from a run that was interrupted.
    pub(super) were_there: u64,
    /// How many rows of tables were put back.
    pub(super) rows: u64,
    /// Whether the key by which the network signs is where a notary looks for it.
    pub(super) signs: bool,
    /// Where the network is now.
    pub(super) place: String,
}

/// The network's secrets, as far as they are at hand.
#[derive(Default)]
pub(super) struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    /// Those that are in an archive.
    pub(super) fn of_archive(folder: &Path) -> Result<Self> {
        let read = |file: &tact_archive::KeyFile| {
            let bytes = std::fs::read(folder.join(&file.file)).with_context(|| format!("{} cannot be read", file.file))?;
            Ok((file.file.trim_start_matches("keys/").to_owned(), bytes))
        };
        Manifest::read(folder)?.keys.files.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Those of the network that is being moved.
    pub(super) fn of_house(house: &House) -> Result<Self> {
        let read = |(name, file): &(&'static str, PathBuf)| {
            let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            Ok(((*name).to_owned(), bytes))
        };
        house.secrets.iter().map(read).collect::<Result<_>>().map(Self)
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, bytes)| &bytes[..])
    }

    /// Puts a secret into a file where there is none; whether there is one then.
    fn put(&self, name: &str, file: &Path) -> Result<bool> {
        if file.exists() {
            return Ok(true);
        }
        let Some(bytes) = self.get(name) else { return Ok(false) };
        write_private(file, std::str::from_utf8(bytes).with_context(|| format!("the secret {name} is no text"))?)?;
        Ok(true)
    }
}

/// Makes the data folder `to` from the archive in a folder. `still`: the network that it was made from, and where its log must end still.
pub(super) async fn folder(
    settings: &Settings,
    to: &Path,
    archive: &Path,
    secrets: Secrets,
    clock: &Clock,
    still: Option<(&House, Position)>,
) -> Result<Done> {
    let manifest = Manifest::read(archive)?;
    same_network(settings, &manifest.network)?;
    let taken = std::fs::read_dir(to).is_ok_and(|mut names| names.next().is_some());
    if taken || to.is_file() {
        bail!(LogError::Misfit(format!(
            "{} is not empty: name another data folder, or move that one away first; nothing was put back",
            to.display()
        )));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".restoring");
    let work = PathBuf::from(name);
    begin_folder(&work, &manifest)?;
    let inside = Settings {
        data: work.clone(),
        storage: Storage::Embedded,
        id_key_file: None,
        signing_key_file: None,
        ..settings.clone()
    };
    // The whole folder is to stand on its own, so what the settings name is copied into it.
    for (name, given) in [("id.key", &settings.id_key_file), ("signing.key", &settings.signing_key_file)] {
        if let Some(file) = given.as_deref().filter(|file| file.exists()) {
            let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            Secrets(vec![(name.to_owned(), bytes)]).put(name, &work.join(name))?;
        }
    }
    if !secrets.put("id.key", &work.join("id.key"))? {
        return Err(no_id_key(archive));
    }
    let signs = secrets.put("signing.key", &work.join("signing.key"))?;
    if let Err(wrong) = right_key(&id_key(&inside)?, &manifest, &work.join("id.key")) {
        // Or it would be found there the next time, in the place of the right one.
        std::fs::remove_file(work.join("id.key"))
            .with_context(|| format!("{} cannot be removed", work.join("id.key").display()))?;
        return Err(wrong);
    }

    let log = SqliteLog::open(&work.join("events.db"), &manifest.network).context("the event log cannot be opened")?;
    let were_there = put_events(&log, archive, &manifest, true, settings.wait).await?;
    compare(&log, archive, &manifest, settings.wait).await?;
    let target = Target::sqlite(&work);
    let rows = put_tables(&target, archive, &manifest, settings).await?;
    drop(log);
    open_and_build(&inside, clock).await?;
    if let Some((house, end)) = still {
        house.close().await;
        let head = house.log.head().await.context("the event log cannot be read")?;
        if head != end {
            bail!(LogError::InUse(format!(
                "the log has grown from {end} to {head} while it was copied: somebody still writes to it. Stop every role, and run this again"
            )));
        }
    }
    let failed = |error: std::io::Error| anyhow::anyhow!("{} cannot be moved to {}: {error}", work.display(), to.display());
    std::fs::remove_file(work.join(MARK)).map_err(failed)?;
    std::fs::File::open(&work).and_then(|folder| folder.sync_all()).map_err(failed)?;
    std::fs::rename(&work, to).map_err(failed)?;
    if let Some(above) = to.parent().filter(|above| !above.as_os_str().is_empty()) {
        std::fs::File::open(above).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    let place = format!("the data folder {}", to.display());
    Ok(Done { events: manifest.log.last, root: manifest.log.root, were_there, rows, signs, place })
}

/// The folder in which a data folder is made; one that an interrupted run has left is gone on with.
fn begin_folder(work: &Path, manifest: &Manifest) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let (mark, archive) = (work.join(MARK), manifest.archive.to_string());
    if work.exists() {
        // Made by us, and not yet marked: nothing is in it.
        let empty = std::fs::read_dir(work).is_ok_and(|mut names| names.next().is_none());
        if !empty && std::fs::read_to_string(&mark).ok().as_deref() != Some(archive.as_str()) {
            bail!(LogError::Misfit(format!(
                "{} is left from something else than this backup: look into it, and remove it",
                work.display()
            )));
        }
    } else {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(work);
        made.with_context(|| format!("the folder {} cannot be made", work.display()))?;
    }
    if !mark.exists() {
        write_private(&mark, &archive)?;
    }
    Ok(())
}

/// Puts what an archive holds onto the servers of the settings.
pub(super) async fn servers(settings: &Settings, archive: &Path, secrets: Secrets, clock: &Clock) -> Result<Done> {
    let Storage::Servers { nats, login, replicas, .. } = &settings.storage else {
        return Err(Usage("the settings name no servers".to_owned()).into());
    };
    let manifest = Manifest::read(archive)?;
    same_network(settings, &manifest.network)?;
    nobody_else(settings).await?;
    let Some(id_file) = &settings.id_key_file else {
        // It says how to make one, which is right for a network that is new; this one has one.
        return Err(Usage(
            "`id_key_file` must name the file for the network's secret for ids, the same for every service".to_owned(),
        )
        .into());
    };
    if !secrets.put("id.key", id_file)? {
        return Err(no_id_key(archive));
    }
    right_key(&id_key(settings)?, &manifest, id_file)?;
    let signs = settings.signing_key_file.as_deref().map(|file| secrets.put("signing.key", file)).transpose()?.unwrap_or(false);

    let target = databases(settings)?.for_moving();
    let from = target.moving_from().await.context("the database cannot be asked what is being moved in")?;
    let log =
        open_jetstream(jetstream(settings, nats, login.as_ref(), *replicas)?).await.context("the event log cannot be opened")?;
    match from {
        None => empty(&target, &log, settings).await?,
        Some(from) if from == manifest.archive.to_string() => {}
        Some(from) => bail!(LogError::Misfit(format!(
            "archive {from} is being put here, and this one is {}: finish that, or throw away the NATS stream and the database's schemas",
            manifest.archive
        ))),
    }
    target.mark_moving(&manifest.archive.to_string()).await.context("the database cannot be marked")?;
    let were_there = put_events(&log, archive, &manifest, false, settings.wait).await?;
    compare(&log, archive, &manifest, settings.wait).await?;
    let rows = put_tables(&target, archive, &manifest, settings).await?;
    open_and_build(settings, clock).await?;
    target.unmark_moving().await.context("the mark cannot be taken from the database")?;
    let place = format!("NATS and {target}");
    Ok(Done { events: manifest.log.last, root: manifest.log.root, were_there, rows, signs, place })
}

fn no_id_key(archive: &Path) -> anyhow::Error {
    let archive = archive.display();
    Usage(format!(
        "the network's secret for ids is not in {archive}: name the file that you keep it in with `--id-key-file`. Under another secret, \
         commands that are repeated look like new ones, and numbers are not known again"
    ))
    .into()
}

fn right_key(key: &IdKey, manifest: &Manifest, file: &Path) -> Result<()> {
    if known_by(key) != manifest.keys.id_key {
        let file = file.display();
        return Err(Usage(format!(
            "the secret for ids in {file} is not the one of this network: give the right one with `--id-key-file`"
        ))
        .into());
    }
    Ok(())
}

/// Sees to it that nothing is on the servers.
async fn empty(target: &Target, log: &dyn EventLog, settings: &Settings) -> Result<()> {
    let way_out = "name servers on which nothing is, or throw that away first; nothing was put back";
    let head = log.head().await.context("the event log cannot be read")?;
    if head > Position::START {
        bail!(LogError::Misfit(format!(
            "the log of network `{}` is not empty, it has {head} events: {way_out}",
            settings.network
        )));
    }
    for kept in KEPT {
        let Some((db, _)) = target.find(kept.component, settings.wait).await? else { continue };
        let mut snapshot = db.snapshot().await?;
        for layout in kept.layouts {
            // By the ways of which country numbers are read: the first start of any role says so.
            if layout.table != "number_region" && has_rows(&mut snapshot, layout.table).await? {
                let (schema, table) = (kept.component.name, layout.table);
                bail!(LogError::Misfit(format!("{target} is not empty, table {schema}.{table} has rows: {way_out}")));
            }
        }
    }
    if let Some((db, _)) = target.find(&tact_read_models::TABLES, settings.wait).await? {
        let position: Option<(i64,)> = one!(&db, "SELECT position FROM checkpoint")?;
        if position.is_some_and(|(position,)| position > 0) {
            bail!(LogError::Misfit(format!("{target} is not empty, it has the read models of another log: {way_out}")));
        }
    }
    Ok(())
}

/// Puts the events back that are not there yet; how many were.
async fn put_events(
    log: &dyn EventLog,
    archive: &Path,
    manifest: &Manifest,
    together: bool,
    wait: std::time::Duration,
) -> Result<u64> {
    let head = log.head().await.context("the event log cannot be read")?;
    let there = head.to_stored();
    if there > manifest.log.last {
        bail!(LogError::Misfit(format!(
            "the log has {there} events and the backup {}: somebody has used what was not whole; throw it away, and begin again",
            manifest.log.last
        )));
    }
    // Before anything is put behind it.
    compare_up_to(log, archive, manifest, head, wait).await?;
    let bar = bar("events are put back", manifest.log.last);
    let mut walk = Walk::new(archive, manifest);
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let next = walk.step().map_err(ArchiveError::Damaged)?;
        let last = next.is_none();
        if let Some((entry, ..)) = next
            && entry.position > there
        {
            let stream = entry.stream.parse::<StreamId>().map_err(|error| damaged(manifest, entry.position, error))?;
            bytes += entry.bytes.len();
            let position = Position::from_stored(entry.position);
            let stored = Stored { stream, position, id: entry.id, bytes: entry.bytes.into() };
            batch.push((stored, Position::from_stored(entry.after)));
        }
        if batch.len() >= TOGETHER || bytes >= BYTES || last {
            let reached = batch.last().map(|(stored, _)| stored.position.to_stored());
            put_back(log, std::mem::take(&mut batch), together).await.context("an event cannot be put back")?;
            bytes = 0;
            bar.set_position(reached.unwrap_or(there));
        }
        if last {
            bar.finish_and_clear();
            return Ok(there);
        }
    }
}

fn damaged(manifest: &Manifest, position: u64, problem: impl std::fmt::Display) -> ArchiveError {
    let segment = manifest.log.segments.iter().find(|segment| segment.last >= position);
    let file = segment.map(|segment| segment.file.clone()).unwrap_or_default();
    ArchiveError::Damaged(tact_archive::Damage { file, position: Some(position), problem: problem.to_string() })
}

/// Reads the whole log and the whole archive side by side.
async fn compare(log: &dyn EventLog, archive: &Path, manifest: &Manifest, wait: std::time::Duration) -> Result<()> {
    let head = log.head().await.context("the event log cannot be read")?;
    let wanted = Position::from_stored(manifest.log.last);
    if head != wanted {
        bail!(LogError::Misfit(format!("the log ends at {head} and the backup at {wanted}: somebody else writes to this log")));
    }
    compare_up_to(log, archive, manifest, head, wait).await
}

async fn compare_up_to(
    log: &dyn EventLog,
    archive: &Path,
    manifest: &Manifest,
    end: Position,
    wait: std::time::Duration,
) -> Result<()> {
    let bar = bar("events are compared", end.to_stored());
    let mut walk = Walk::new(archive, manifest);
    let mut after = Position::START;
    while after < end {
        for event in read(log, after, end, wait).await? {
            let Some((entry, ..)) = walk.step().map_err(ArchiveError::Damaged)? else {
                return Err(damaged(manifest, manifest.log.last, "its log ends too early").into());
            };
            let here = (event.position.to_stored(), event.stream.to_string(), event.id, &event.bytes[..]);
            if here != (entry.position, entry.stream, entry.id, &entry.bytes[..]) {
                bail!(LogError::Misfit(format!(
                    "event {} of the log is not the one that the backup holds: somebody has used what was not whole; throw it away, and begin \
                     again",
                    event.position
                )));
            }
            after = event.position;
        }
        bar.set_position(after.to_stored());
    }
    bar.finish_and_clear();
    Ok(())
}

/// Puts the tables back, each set of them in one transaction, over what an interrupted run has left.
async fn put_tables(target: &Target, archive: &Path, manifest: &Manifest, settings: &Settings) -> Result<u64> {
    let mut count = 0;
    for file in manifest.tables.iter().flat_map(|tables| &tables.files) {
        let known = KEPT.iter().find(|kept| kept.component.name == file.component);
        let Some(kept) = known else {
            bail!(LogError::Misfit(format!(
                "the backup has tables of `{}`, which this version does not know: use a newer one",
                file.component
            )));
        };
        let (component, version) = (kept.component, file.version);
        if version > component.version() {
            let known = component.version();
            return Err(DbError::Newer { component: component.name, found: version, known }.into());
        }
        let db = target
            .open_at(component, version, settings.wait)
            .await
            .with_context(|| format!("the tables of `{}`", component.name))?;
        let mut tx = db.begin().await?;
        let mut reader = RowsReader::open(archive, file).map_err(ArchiveError::Damaged)?;
        let (mut heading, mut batch): (Option<Heading>, Vec<Vec<Value>>) = (None, Vec::new());
        loop {
            let line = reader.step().map_err(ArchiveError::Damaged)?;
            if let Some(heading) = heading.as_ref().filter(|_| batch.len() >= ROWS || !matches!(line, Some(Line::Row(_)))) {
                write_rows(&mut tx, heading, std::mem::take(&mut batch)).await?;
            }
            match line {
                None => break,
                Some(Line::Heading(said)) => {
                    let said: Heading =
                        serde_json::from_value(said).with_context(|| format!("{}: a table's columns", file.file))?;
                    clear(&mut tx, &said.table).await?;
                    heading = Some(said);
                }
                Some(Line::Row(cells)) => {
                    let heading = heading.as_ref().with_context(|| format!("{}: a row of no table", file.file))?;
                    let fits = cells.len() == heading.columns.len();
                    let read =
                        || cells.iter().zip(&heading.columns).map(|(cell, (_, kind))| Value::from_json(*kind, cell)).collect();
                    let row: Option<Vec<Value>> = if fits { read() } else { None };
                    batch.push(row.with_context(|| format!("{}: a row that does not fit table {}", file.file, heading.table))?);
                    count += 1;
                }
            }
        }
        tx.commit().await?;
        db.close().await;
    }
    Ok(count)
}

/// Opens the network as every start does, which erases again whoever was erased, builds the read models, and closes it.
async fn open_and_build(settings: &Settings, clock: &Clock) -> Result<()> {
    let app = open_moved(settings, clock.clone()).await.context("the network that was put back cannot be opened")?;
    let bar = bar("events are read for the read models", 0);
    let built = projector(&app)
        .rebuild(|progress| {
            bar.set_length(progress.head);
            bar.set_position(progress.done);
        })
        .await;
    built.context("the read models could not be built; run this again")?;
    bar.finish_and_clear();
    app.personal.db().close().await;
    app.ledger.db().close().await;
    app.read.db().close().await;
    Ok(())
}
