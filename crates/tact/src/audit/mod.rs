//! `tact audit`: what was done against the policy of its time, by branch, actor and month, and what led up to each "don't call me". It asks a
//! running server, whose read models keep it current, or reads the log itself, which needs no server and no database. Both come to the same.
//!
//! It must never write anything but its report.

mod print;

use std::io::IsTerminal;

use anyhow::{Context, Result};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use tact_domain::patient::audit::FindingKind;
use tact_domain::{Actor, Branch};
use tact_projector::audit_log;
use tact_read_models::audit::{Wanted, count};

use crate::client::{Client, Server};
use crate::roles::open_log;
use crate::settings::Settings;

/// The name under which the log is read; on NATS, the projector's user may.
const READER: &str = "audit";

/// What to audit, and how to print it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tact audit                                        asks the server at --url, with a token in TACT_TOKEN
  tact audit --from 2026-01 --until 2026-03 --branch north -o csv > findings.csv
  tact audit --part wishes -o json                  what led up to each \"don't call me\"
  tact audit --read-log --data /var/lib/tact        reads the log itself, while no server runs on that folder

Kinds: no_permit, purpose_forbidden, limit_exceeded, overall_limit_exceeded, no_consent, outside_announcement. A contact is held \
against the policy that was in force at its time, by all that is known now: what was entered late counts. Its month is that of the \
patient's own calendar. The token must be a network manager's or a regulator's. Exit code 0 says that the audit was made, whatever it found.")]
pub struct AuditArgs {
    /// Only contacts that this branch made, and wishes that were recorded there.
    #[arg(long, value_name = "CODE")]
    pub branch: Option<Branch>,
    /// From this month on.
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    pub from: Option<String>,
    /// Until this month, which is included.
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    pub until: Option<String>,
    /// Only what this actor recorded: `staff:UUID`, `system:NAME` or `patient`.
    #[arg(long, value_parser = actor)]
    pub actor: Option<String>,
    /// Only findings of this kind.
    #[arg(long)]
    pub kind: Option<FindingKind>,
    /// What to print; several may be named. Absent: counts and wishes as a table, findings as CSV, everything as JSON.
    #[arg(long = "part", value_enum, value_delimiter = ',')]
    pub parts: Vec<Part>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Format,
    /// Read the log itself instead of asking a server: on servers at any time, in a data folder while no server runs on it.
    #[arg(long)]
    pub read_log: bool,
    /// Which server to ask.
    #[command(flatten)]
    pub server: Server,
}

/// A part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// How many findings, by branch, month, actor and kind.
    Counts,
    /// Each finding, with its numbers.
    Findings,
    /// Each "don't call me", with the contacts of the 90 days before it.
    Wishes,
}

/// The form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON document a line, for each count, finding and wish; `record` says which it is.
    Jsonl,
    /// Comma-separated values, one part only.
    Csv,
}

/// What an audit came to: the parts that were asked for, as the API shows them.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Up to which position of the log it is true.
    position: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wishes: Option<Vec<Value>>,
}

/// Makes the audit and prints it.
///
/// # Errors
/// A server or a log that cannot be asked, or a token that may not.
pub async fn run(settings: &Settings, arguments: &AuditArgs) -> Result<()> {
    let parts = arguments.parts()?;
    let wanted = Wanted {
        branch: arguments.branch.clone(),
        from: arguments.from.clone(),
        until: arguments.until.clone(),
        actor: arguments.actor.clone(),
        kind: arguments.kind,
    };
    let report = if arguments.read_log {
        from_log(settings, &wanted, &parts).await?
    } else {
        from_server(&arguments.server.client()?, &wanted, &parts).await?
    };
    print::print(&report, arguments.output)
}

impl AuditArgs {
    fn parts(&self) -> Result<Vec<Part>> {
        if self.parts.is_empty() {
            return Ok(match self.output {
                Format::Table => vec![Part::Counts, Part::Wishes],
                Format::Csv => vec![Part::Findings],
                Format::Json | Format::Jsonl => Part::value_variants().to_vec(),
            });
        }
        if self.output == Format::Csv && self.parts.len() > 1 {
            let problem = "`--part`: CSV holds one table; name one part, or print JSON (`-o json`)";
            return Err(crate::exit::Usage(problem.to_owned()).into());
        }
        Ok(self.parts.clone())
    }
}

async fn from_log(settings: &Settings, wanted: &Wanted, parts: &[Part]) -> Result<Report> {
    let log = open_log(settings)
        .await
        .context("the log cannot be read; while a server has a data folder open, ask it instead: leave `--read-log` out")?;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} events, {per_sec}, {eta} left")?);
    let mut audit = audit_log(&*log, READER, |progress| {
        bar.set_length(progress.head);
        bar.set_position(progress.done);
    })
    .await?;
    bar.finish_and_clear();
    audit.findings.retain(|found| wanted.holds_for(found));
    audit.wishes.retain(|told| wanted.holds_for_wish(&told.wish));
    let mut report = Report { position: audit.position.to_string(), ..Report::default() };
    for part in parts {
        match part {
            Part::Counts => report.counts = Some(values(count(audit.findings.iter()))?),
            Part::Findings => report.findings = Some(values(&audit.findings)?),
            Part::Wishes => report.wishes = Some(values(&audit.wishes)?),
        }
    }
    Ok(report)
}

fn values<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Vec<Value>> {
    items.into_iter().map(|item| Ok(serde_json::to_value(item)?)).collect()
}

/// Pages are read one after the other; what is recorded meanwhile may be in the later ones. The position is the first page's.
async fn from_server(client: &Client, wanted: &Wanted, parts: &[Part]) -> Result<Report> {
    let mut report = Report::default();
    for part in parts {
        let mut filter = vec![
            ("branch", wanted.branch.as_ref().map(ToString::to_string)),
            ("from", wanted.from.clone()),
            ("until", wanted.until.clone()),
            ("actor", wanted.actor.clone()),
        ];
        let (name, slot) = match part {
            Part::Counts => ("counts", &mut report.counts),
            Part::Findings => ("findings", &mut report.findings),
            Part::Wishes => ("wishes", &mut report.wishes),
        };
        if *part != Part::Wishes {
            filter.push(("kind", wanted.kind.map(|kind| kind.to_string())));
        }
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in filter.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?))) {
                query.append_pair(name, value);
            }
            if let Some(after) = &after {
                query.append_pair("after", after);
            }
            let mut page = client.get(&format!("/v1/audit/{name}?{}", query.finish())).await?.ok()?;
            if report.position.is_empty() {
                report.position = page["position"].as_str().unwrap_or_default().to_owned();
            }
            all.append(page[name].as_array_mut().with_context(|| format!("the server's answer names no {name}"))?);
            match page["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => break,
            }
        }
        *slot = Some(all);
    }
    Ok(report)
}

impl Report {
    /// Each line of the report with the name of what it is.
    fn records(&self) -> impl Iterator<Item = Value> + '_ {
        let parts = [("count", &self.counts), ("finding", &self.findings), ("wish", &self.wishes)];
        parts.into_iter().flat_map(|(record, items)| {
            items.iter().flatten().map(move |item| {
                let mut line = json!({"record": record});
                if let (Some(line), Some(fields)) = (line.as_object_mut(), item.as_object()) {
                    line.extend(fields.clone());
                }
                line
            })
        })
    }
}

/// A month on a command line.
fn month(text: &str) -> Result<String, String> {
    let whole = chrono::NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d");
    if text.len() == 7 && whole.is_ok() {
        return Ok(text.to_owned());
    }
    Err("write a month as 2026-03".to_owned())
}

/// An actor on a command line.
fn actor(text: &str) -> Result<String, String> {
    text.parse::<Actor>().map(|actor| actor.to_string())
}
