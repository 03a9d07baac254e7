//! `tact policy simulate`: what would have been if another policy had been in force, or if there had been a cap.
//!
//! It reads, and it must never write: not to the log, not to a database, and to standard output nothing but the answer.

mod caps;
mod list;
mod log;
mod print;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tact_domain::{Branch, Time};
use tact_scenario::{read_policy, read_policy_text};
use tact_what_if::Question;
use uuid::Uuid;

use crate::exit::Usage;
use crate::roles;
use crate::settings::{Given, time};

pub use log::{Wanted, simulate};

/// What is asked.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  tact policy simulate --policy stricter.toml
  tact policy simulate --policy stricter.toml --since 2026-01-01T00:00:00+03:00 --branch north
  tact policy simulate --policy stricter.toml -o jsonl > changes.jsonl
  tact policy simulate --policy stricter.toml --explain 0197a1c0-5f7e-7cc3-9d2c-0123456789ab
  tact policy simulate --contacts calls.csv.gz --mapping mappings/bank-marketing.toml --cap 3 --cap 6

The log is read where `tact serve` would keep it, also while it serves; nothing is written. The rules are in docs/WHATIF.md. Exit codes: \
0 answered, whatever the answer; 2 a file or an argument cannot be read; others as in tact --help")]
pub struct Simulate {
    /// The policy to hold the recorded intentions and contacts against.
    #[arg(long, value_name = "FILE", required_unless_present = "contacts", conflicts_with = "contacts")]
    pub policy: Option<PathBuf>,
    /// The first moment at which it would have held; absent: from the beginning.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "contacts")]
    pub since: Option<Time>,
    /// The first moment at which it would no longer have held; absent: to the end of the log.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "contacts")]
    pub until: Option<Time>,
    /// Count only what this branch asked for and did; every branch's contacts count against the limits all the same.
    #[arg(long, conflicts_with = "contacts")]
    pub branch: Option<Branch>,
    /// Show each intention and contact of one patient instead of figures.
    #[arg(long, value_name = "PATIENT", conflicts_with = "contacts")]
    pub explain: Option<Uuid>,
    /// A list that says of each client how many contacts there were and whether the last one succeeded: CSV in UTF-8, packed with gzip or not.
    #[arg(long, value_name = "FILE", requires = "mapping")]
    pub contacts: Option<PathBuf>,
    /// What the list's columns mean: a TOML file such as mappings/bank-marketing.toml.
    #[arg(long, value_name = "FILE", requires = "contacts")]
    pub mapping: Option<PathBuf>,
    /// With a list: the most contacts of one client; several may be named; without any: 1 to 10.
    #[arg(long = "cap", value_name = "NUMBER", requires = "contacts", value_delimiter = ',')]
    pub caps: Vec<u32>,
    /// `table` and `csv` are figures; `json` is the whole report; `jsonl` lists each single change, in the order of the log.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
    /// For spreadsheets.
    Csv,
}

/// Does it. Everything that can be wrong with the arguments is said before the log is opened.
///
/// # Errors
/// A file or an argument that cannot be read, with the exit code for it, or a log that cannot.
pub async fn run(arguments: &Simulate, given: &Given) -> Result<ExitCode> {
    if let (Some(list), Some(mapping)) = (&arguments.contacts, &arguments.mapping) {
        let (clients, mapping) = list::read(list, mapping).map_err(|error| Usage(format!("{error:#}")))?;
        let report = clients.capped(&caps::wanted(&arguments.caps));
        print::finished(caps::print(&mut std::io::stdout().lock(), &report, &mapping, arguments.output))?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = arguments.policy.as_ref().context("`--policy` names no file")?;
    let unreadable = |error: tact_scenario::ReadError| Usage(error.to_string());
    let policy = read_policy(file).map_err(unreadable)?;
    let text = read_policy_text(file).map_err(unreadable)?;
    if let (Some(since), Some(until)) = (arguments.since, arguments.until)
        && since >= until
    {
        return Err(Usage(format!("`--since` {since} is not before `--until` {until}: nothing lies between them")).into());
    }
    let settings = given.settle().map_err(|error| Usage(format!("{error:#}")))?;
    roles::must_exist(&settings)?;
    let log = roles::open_to_read(&settings).await?;
    let question = Question { policy, since: arguments.since, until: arguments.until, branch: arguments.branch.clone() };
    let asked = print::Asked {
        policy: file.display().to_string(),
        sha256: hex::encode(tact_domain::envelope::hash(text.as_bytes())),
        since: arguments.since,
        until: arguments.until,
        branch: arguments.branch.clone(),
    };
    let wanted = match (arguments.explain, arguments.output) {
        (Some(patient), _) => Wanted::Patient(patient),
        (None, Output::Jsonl) => Wanted::Changes,
        (None, _) => Wanted::Figures,
    };
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} events, {per_sec}, {eta} to go")?);
    let answer = simulate(log, question, wanted, Box::new(std::io::stdout()), bar.clone()).await?;
    bar.finish_and_clear();
    if let Some(branch) = &arguments.branch
        && !answer.branches.contains(branch)
    {
        let names: Vec<&str> = answer.branches.iter().map(Branch::as_str).collect();
        let hint = match tact_domain::nearest_word(branch.as_str(), names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", tact_domain::toml_text::list(&names)),
        };
        return Err(Usage(format!("`--branch`: the network has no branch `{branch}`; {hint}")).into());
    }
    let out = &mut std::io::stdout().lock();
    match arguments.explain {
        Some(patient) if !answer.known => {
            bail!("`--explain`: nothing was ever recorded of patient {patient}; `-o jsonl` lists changes with their patients")
        }
        Some(patient) => print::finished(print::explained(out, &asked, patient, &answer.steps, arguments.output))?,
        None if arguments.output == Output::Jsonl => {}
        None => print::finished(print::report(out, &asked, &answer, arguments.output))?,
    }
    Ok(ExitCode::SUCCESS)
}
