//! `tact feed`: the feed for analysts as a Parquet file, read from the log itself, also from an embedded one while its server runs.
//!
//! It must never leave half a file, and never write anything that the feed does not carry.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use tact_domain::Time;
use tact_event_log::Position;
use tact_feed::transform::{FeedEvent, Made, Transform};

use crate::roles::{id_key, must_exist, open_to_read};
use crate::settings::{Settings, time};

/// What to do with the feed.
#[derive(Debug, Subcommand)]
pub enum FeedCommand {
    /// Write it into a file.
    #[command(after_help = "\
Examples:
  tact feed export --parquet feed.parquet --data /var/lib/tact
  tact feed export --parquet march.parquet --from 2026-03-01T00:00:00+03:00 --until 2026-04-01T00:00:00+03:00

Columns: position, id, type, area, version, subject, branch, time, recorded_at, actor, sequence, cause, data. Times are UTC in milliseconds, \
`data` is JSON. From and until are times of recording, the latter excluded. It may run while a server runs on the folder.")]
    Export {
        /// The file; one that is there is replaced once the new one is whole.
        #[arg(long, value_name = "FILE")]
        parquet: PathBuf,
        /// Only what was recorded from this time on.
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<Time>,
        /// Only what was recorded before this time.
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Option<Time>,
    },
}

/// Rows that are written together, and the most of them in memory.
const GROUP: usize = 50_000;
/// How many events are read at once.
const BATCH: usize = 4096;

const COLUMNS: &str = "message feed {
    REQUIRED INT64 position;
    REQUIRED BYTE_ARRAY id (UTF8);
    REQUIRED BYTE_ARRAY type (UTF8);
    REQUIRED BYTE_ARRAY area (UTF8);
    REQUIRED INT32 version;
    REQUIRED BYTE_ARRAY subject (UTF8);
    OPTIONAL BYTE_ARRAY branch (UTF8);
    REQUIRED INT64 time (TIMESTAMP(MILLIS,true));
    REQUIRED INT64 recorded_at (TIMESTAMP(MILLIS,true));
    REQUIRED BYTE_ARRAY actor (UTF8);
    REQUIRED INT64 sequence;
    OPTIONAL BYTE_ARRAY cause (UTF8);
    REQUIRED BYTE_ARRAY data (JSON);
}";

/// Does it.
///
/// # Errors
/// A log that cannot be read, or a file that cannot be written; an earlier file is then as it was.
pub async fn run(settings: &Settings, command: FeedCommand) -> Result<()> {
    let FeedCommand::Export { parquet, from, until } = command;
    must_exist(settings)?;
    let log = open_to_read(settings).await?;
    let transform = Transform::new(&settings.network, id_key(settings)?);
    let head = log.head().await?;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(head.to_stored()) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} events, {per_sec}, {eta} left")?);
    let folder = parquet.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = |error: std::io::Error| anyhow::Error::new(error).context(format!("{} cannot be written", parquet.display()));
    let mut made = tempfile::NamedTempFile::new_in(folder).map_err(whole)?;
    let mut rows = Rows::new(made.as_file().try_clone().map_err(whole)?)?;
    let (mut after, mut left_out) = (Position::START, 0u64);
    while after < head {
        let events = log.read_all(after, BATCH).await?;
        let Some(last) = events.last() else { break };
        after = last.position;
        for stored in events.iter().filter(|stored| stored.position <= head) {
            match transform.make(stored) {
                Made::Event(event)
                    if from.is_none_or(|from| event.recorded_at >= from)
                        && until.is_none_or(|until| event.recorded_at < until) =>
                {
                    rows.add(*event)?;
                }
                Made::Event(_) | Made::NotForThem => {}
                Made::Unreadable(_) => left_out += 1,
            }
        }
        bar.set_position(after.to_stored());
    }
    let count = rows.finish()?;
    made.as_file_mut().flush().map_err(whole)?;
    made.as_file().sync_all().map_err(whole)?;
    made.persist(&parquet).map_err(|error| whole(error.error))?;
    bar.finish_and_clear();
    if left_out > 0 {
        eprintln!("tact: {left_out} events cannot be read by this version of Tact and were left out; see /v1/alarms");
    }
    eprintln!("{count} events up to position {head} are in {}.", parquet.display());
    Ok(())
}

/// Rows on their way into a file.
struct Rows {
    writer: SerializedFileWriter<File>,
    waiting: Vec<FeedEvent>,
    count: usize,
}

impl Rows {
    fn new(file: File) -> Result<Self> {
        let schema = Arc::new(parse_message_type(COLUMNS)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        Ok(Self { writer: SerializedFileWriter::new(file, schema, Arc::new(properties))?, waiting: Vec::new(), count: 0 })
    }

    fn add(&mut self, event: FeedEvent) -> Result<()> {
        self.waiting.push(event);
        if self.waiting.len() >= GROUP { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let events = std::mem::take(&mut self.waiting);
        let mut group = self.writer.next_row_group()?;
        let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let each = |of: &dyn Fn(&FeedEvent) -> ByteArray| -> Vec<ByteArray> { events.iter().map(of).collect() };
        let whole = |of: &dyn Fn(&FeedEvent) -> i64| -> Vec<i64> { events.iter().map(of).collect() };
        let some = |of: &dyn Fn(&FeedEvent) -> Option<ByteArray>| -> Vec<Option<ByteArray>> { events.iter().map(of).collect() };
        numbers(&mut group, &whole(&|event| number(event.position.to_stored())))?;
        texts(&mut group, &each(&|event| text(&event.id.to_string())))?;
        texts(&mut group, &each(&|event| text(&event.kind)))?;
        texts(&mut group, &each(&|event| text(event.area())))?;
        versions(&mut group, &events.iter().map(|event| i32::from(event.version)).collect::<Vec<_>>())?;
        texts(&mut group, &each(&|event| text(&event.subject)))?;
        optional(&mut group, some(&|event| event.branch.as_ref().map(|branch| text(branch.as_str()))))?;
        numbers(&mut group, &whole(&|event| event.time.timestamp_millis()))?;
        numbers(&mut group, &whole(&|event| event.recorded_at.timestamp_millis()))?;
        texts(&mut group, &each(&|event| text(event.actor)))?;
        numbers(&mut group, &whole(&|event| number(event.sequence)))?;
        optional(&mut group, some(&|event| event.cause.map(|cause| text(&cause.to_string()))))?;
        texts(&mut group, &each(&|event| text(event.data())))?;
        group.close()?;
        self.count += events.len();
        Ok(())
    }

    fn finish(mut self) -> Result<usize> {
        if !self.waiting.is_empty() {
            self.write()?;
        }
        self.writer.close()?;
        Ok(self.count)
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, File>;

fn numbers(group: &mut Group<'_>, values: &[i64]) -> Result<()> {
    let mut column = group.next_column()?.context("there are more values than columns")?;
    column.typed::<Int64Type>().write_batch(values, None, None)?;
    Ok(column.close()?)
}

fn versions(group: &mut Group<'_>, values: &[i32]) -> Result<()> {
    let mut column = group.next_column()?.context("there are more values than columns")?;
    column.typed::<Int32Type>().write_batch(values, None, None)?;
    Ok(column.close()?)
}

fn texts(group: &mut Group<'_>, values: &[ByteArray]) -> Result<()> {
    let mut column = group.next_column()?.context("there are more values than columns")?;
    column.typed::<ByteArrayType>().write_batch(values, None, None)?;
    Ok(column.close()?)
}

/// Values that may be absent: in Parquet, a level for each says whether it is there.
fn optional(group: &mut Group<'_>, values: Vec<Option<ByteArray>>) -> Result<()> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let there: Vec<ByteArray> = values.into_iter().flatten().collect();
    let mut column = group.next_column()?.context("there are more values than columns")?;
    column.typed::<ByteArrayType>().write_batch(&there, Some(&levels), None)?;
    Ok(column.close()?)
}
