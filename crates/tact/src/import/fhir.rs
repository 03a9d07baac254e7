//! `tact import fhir`: reads FHIR R4 from files, records it, and prints what became of every resource.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use comfy_table::{Cell, CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use tact_domain::Actor;
use tact_fhir::{Issue, LONGEST_LINE, Mapping, Place, Read, read_document, read_line};
use tact_intake::fhir::{Account, Fate, Intake};
use tact_intake::{Stopped, Stores};

use super::csv_text;

/// The most bytes that a file may have that is one document: 256 MiB. Newline-delimited files may be of any size.
const LONGEST_DOCUMENT: u64 = 256 << 20;
/// How many refusals are printed; `--refused` has them all.
const PRINTED: usize = 200;

/// FHIR R4 resources.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  tact import fhir patients.ndjson.gz encounters.ndjson.gz --mapping mappings/fhir-synthea.toml --dry-run
  tact import fhir bundle.json --mapping my-system.toml --refused refused.txt

All files are read before anything is recorded, so their order does not matter. Running it again adds nothing. An embedded network must be \
stopped first. Exit codes: 0 read, and every resource accounted for, whether taken or not; 2 a file or the mapping cannot be read; others as in \
tact --help")]
pub struct Arguments {
    /// Files of FHIR R4 as JSON, packed with gzip or not: a resource or a Bundle each, or one resource on each line (NDJSON).
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// What the sender's codes and places mean: a TOML file such as mappings/fhir-synthea.toml.
    #[arg(long)]
    pub mapping: PathBuf,
    /// Say what would be recorded, and record nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Write everything that was refused or left out to this file, one a line.
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
}

/// A mapping as its file holds it.
///
/// # Errors
/// It cannot be read; every mistake is named.
pub fn read_mapping(path: &Path) -> anyhow::Result<Mapping> {
    let name = path.display();
    let text = std::fs::read(path).with_context(|| format!("{name} cannot be read"))?;
    tact_fhir::mapping::parse(&text).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(|mistake| format!("{name}: {mistake}")).collect();
        anyhow::anyhow!("the mapping cannot be used\n{}", mistakes.join("\n"))
    })
}

/// Everything in the files, in their order.
///
/// # Errors
/// A file that cannot be read to its end. Resources that cannot be taken are no errors: they will be in the account.
pub fn read_files(files: &[PathBuf], mapping: &Mapping) -> anyhow::Result<Vec<Read>> {
    let mut all = Vec::new();
    for file in files {
        read_file(file, mapping, &mut all).with_context(|| format!("{} cannot be imported", file.display()))?;
    }
    Ok(all)
}

fn read_file(path: &Path, mapping: &Mapping, all: &mut Vec<Read>) -> anyhow::Result<()> {
    let name: Arc<str> = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy()).into();
    let place = Place { file: Some(name), line: None, entry: None };
    let mut text = BufReader::with_capacity(1 << 16, csv_text::open(path)?);
    let mut line = Vec::new();
    let first = next_line(&mut text, &mut line)?;
    // A document may be one line, or begin with one that is no resource by itself.
    let lines = path.to_string_lossy().contains(".ndjson")
        || (first && is_whole(&line) && text.fill_buf().is_ok_and(|rest| !rest.trim_ascii().is_empty()));
    if !lines {
        let mut document = line;
        let room = LONGEST_DOCUMENT.saturating_sub(document.len() as u64);
        text.take(room + 1).read_to_end(&mut document)?;
        if document.len() as u64 > LONGEST_DOCUMENT {
            bail!("it has more than {LONGEST_DOCUMENT} bytes; send so much as NDJSON");
        }
        all.extend(read_document(&document, &place, mapping).read);
        return Ok(());
    }
    let (mut number, mut there) = (1u64, first);
    while there {
        let bytes = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
        let bytes = bytes.trim_ascii();
        if !bytes.is_empty() {
            all.push(read_line(bytes, &Place { line: Some(number), ..place.clone() }, mapping));
        }
        line.clear();
        there = next_line(&mut text, &mut line)?;
        number += 1;
    }
    Ok(())
}

/// Reads a line; of one that is too long only so much that it can be refused. `false`: there is none.
fn next_line(text: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut any = false;
    loop {
        let room = text.fill_buf()?;
        if room.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = room.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(room.len());
        let keep = taken.min((LONGEST_LINE + 1).saturating_sub(line.len()));
        line.extend_from_slice(&room[..keep]);
        text.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Whether a line is a JSON object by itself, by its ends.
fn is_whole(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.first() == Some(&b'{') && line.last() == Some(&b'}')
}

/// Imports what was read, and prints the account of it on the standard output. The progress bar shows on a terminal only.
///
/// # Errors
/// A database or the log cannot do its part, or the list of refusals cannot be written.
pub async fn run(arguments: &Arguments, read: Vec<Read>, mapping: &Mapping, stores: Stores<'_>) -> anyhow::Result<Account> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} patients, {per_sec}, {eta} to go") {
        bar.set_style(style);
    }
    let account = write(read, mapping, stores, arguments.dry_run, &bar).await?;
    let out = std::io::stdout();
    print(&mut out.lock(), &account).context("the account cannot be printed")?;
    if let Some(path) = &arguments.refused {
        list(path, account.refusals()).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(account)
}

/// Records what was read, as the import does: branches that the mapping names and the directory does not are listed.
///
/// # Errors
/// A database or the log cannot do its part. What was recorded until then stays; a second run goes on from there.
pub async fn write(
    read: Vec<Read>,
    mapping: &Mapping,
    stores: Stores<'_>,
    dry_run: bool,
    progress: &ProgressBar,
) -> anyhow::Result<Account> {
    let done = |finished: usize, all: usize| {
        progress.set_length(all as u64);
        progress.set_position(finished as u64);
    };
    let intake = Intake {
        stores,
        mapping,
        actor: Actor::System("import".into()),
        list_branches: true,
        dry_run,
        may: &|_| true,
        done: &done,
    };
    let account = intake.take_in(read).await.map_err(|stopped: Stopped| {
        anyhow::Error::new(stopped)
            .context("the import has stopped; what was recorded until then stays, and the same command goes on from there")
    })?;
    progress.finish_and_clear();
    Ok(account)
}

/// Prints the account: what was refused, and how many of each type came to what.
///
/// # Errors
/// Whatever keeps `out` from being written.
pub fn print(out: &mut impl Write, account: &Account) -> std::io::Result<()> {
    let all = account.refusals().count();
    for issue in account.refusals().take(PRINTED) {
        writeln!(out, "{issue}")?;
    }
    if all > PRINTED {
        writeln!(out, "... and {} more; `--refused FILE` lists them all", all - PRINTED)?;
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let first = if account.dry_run { "would be recorded" } else { "recorded" };
    table.set_header(["", first, "there already", "older", "later than the clock", "not used", "refused", "together"]);
    let mut line = |name: &str, numbers: &[u64]| {
        let sum = numbers.iter().sum();
        let cells = numbers.iter().copied().chain([sum]).map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
        table.add_row(std::iter::once(Cell::new(name)).chain(cells));
    };
    let mut together = [0; 6];
    for (kind, counts) in account.counts() {
        line(kind, &counts);
        together.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    line("together", &together);
    writeln!(out, "{table}")?;
    for (kind, count) in account.events() {
        writeln!(out, "{kind}: {count}")?;
    }
    if account.of(Fate::Later) > 0 {
        writeln!(out, "What is later than the clock a later run adds.")?;
    }
    if account.dry_run {
        writeln!(out, "This was a dry run: nothing was recorded.")?;
    }
    Ok(())
}

fn list<'i>(path: &Path, issues: impl Iterator<Item = &'i Issue>) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for issue in issues {
        writeln!(file, "{issue}")?;
    }
    file.flush()
}
