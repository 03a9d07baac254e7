//! `tact import appointments`: reads the mapping and the book, records it, and prints what became of every row.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::account::{Account, Refusal};
use super::mapping::{self, Mapping};
use super::{Book, Stores, read, write};

/// How many refused rows are printed; `--refused` has them all.
const PRINTED: usize = 200;

/// What is imported.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ImportCommand {
    /// An appointment book: what was booked, what became of it, and the reminders that were sent.
    Appointments(Arguments),
    /// FHIR R4: patients, appointments, encounters, procedures, consents, requests.
    Fhir(super::fhir::Arguments),
    /// A directory of other institutions: where they are, what they offer, when they are open.
    Providers(super::providers::Arguments),
}

/// An appointment book.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  tact import appointments book.csv.gz --mapping mappings/noshow-vitoria.toml --dry-run
  tact import appointments book.csv --mapping my-book.toml --refused refused.txt

Running it again adds nothing. An embedded network must be stopped first. Exit codes: 0 read, and every row accounted for, \
whether taken or not; 2 the book or the mapping cannot be read; others as in tact --help")]
pub struct Arguments {
    /// The appointment book: CSV in UTF-8, packed with gzip or not.
    pub file: PathBuf,
    /// What its columns mean: a TOML file such as mappings/noshow-vitoria.toml.
    #[arg(long)]
    pub mapping: PathBuf,
    /// Say what would be recorded, and record nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Write every refused row's line, column and reason to this file.
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
}

/// A book with what its columns mean, as the files hold them.
///
/// # Errors
/// The mapping or the book cannot be read. Rows that cannot be taken are no errors: they will be in the account.
pub fn read_input(arguments: &Arguments) -> anyhow::Result<(Book, Mapping)> {
    let name = arguments.mapping.display();
    let text = std::fs::read(&arguments.mapping).with_context(|| format!("{name} cannot be read"))?;
    let mapping = match mapping::parse(&text) {
        Ok(mapping) => mapping,
        Err(mistakes) => {
            let mistakes: Vec<String> = mistakes.iter().map(|mistake| format!("{name}: {mistake}")).collect();
            bail!("the mapping cannot be used\n{}", mistakes.join("\n"));
        }
    };
    Ok((read(&arguments.file, &mapping)?, mapping))
}

/// Imports a book and prints the account of it on the standard output. The progress bar shows on a terminal only.
///
/// # Errors
/// A database or the log cannot do its part, or the list of refused rows cannot be written.
pub async fn run(arguments: &Arguments, book: &Book, mapping: &Mapping, stores: Stores<'_>) -> anyhow::Result<Account> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} patients, {per_sec}, {eta} to go") {
        bar.set_style(style);
    }
    let account = write(stores, book, mapping, arguments.dry_run, &bar).await?;
    let out = std::io::stdout();
    print(&mut out.lock(), &account).context("the account cannot be printed")?;
    if let Some(path) = &arguments.refused {
        list(path, &account.refusals).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(account)
}

fn print(out: &mut impl Write, account: &Account) -> std::io::Result<()> {
    for refusal in account.refusals.iter().take(PRINTED) {
        writeln!(out, "{refusal}")?;
    }
    if account.refusals.len() > PRINTED {
        writeln!(out, "... and {} more refused rows; `--refused FILE` lists them all", account.refusals.len() - PRINTED)?;
    }
    write!(out, "{account}")
}

fn list(path: &std::path::Path, refusals: &[Refusal]) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    refusals.iter().try_for_each(|refusal| writeln!(file, "{refusal}"))?;
    file.flush()
}
