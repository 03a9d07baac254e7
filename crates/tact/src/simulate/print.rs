//! The answer of a simulation, for people, for programs and for spreadsheets.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::json;
use tact_domain::{Branch, Code, Time};
use tact_what_if::{Change, Counts, RULES, Report};
use uuid::Uuid;

use super::Output;
use super::log::Answer;

/// What was asked, as the answer repeats it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Asked {
    pub(super) policy: String,
    pub(super) sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) branch: Option<Branch>,
}

/// Whoever has stopped reading, such as `head`, has seen enough.
pub(super) fn finished(printed: Result<()>) -> Result<()> {
    match printed {
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => Ok(()),
        other => other.context("the answer cannot be printed"),
    }
}

/// The figures.
pub(super) fn report(out: &mut impl Write, asked: &Asked, answer: &Answer, output: Output) -> Result<()> {
    let report = &answer.report;
    match output {
        Output::Table => table(out, asked, answer),
        Output::Json | Output::Jsonl => {
            let policies: Vec<_> =
                answer.policies.iter().map(|(version, from)| json!({"version": version, "effective_from": from})).collect();
            let document = json!({
                "asked": asked,
                "read_up_to": answer.read_up_to.to_stored(),
                "policies_recorded": policies,
                "rules": RULES,
                "report": report,
            });
            serde_json::to_writer_pretty(&mut *out, &document).map_err(std::io::Error::from)?;
            writeln!(out)?;
            Ok(())
        }
        Output::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            csv.write_record(["branch", "month", "purpose"].into_iter().chain(COUNTS.iter().map(|(name, _)| *name)))
                .map_err(unwritten)?;
            for row in &report.rows {
                let key = [row.branch.to_string(), row.month.clone(), row.purpose.to_string()];
                csv.write_record(key.into_iter().chain(COUNTS.iter().map(|(_, of)| of(&row.counts).to_string())))
                    .map_err(unwritten)?;
            }
            csv.flush()?;
            Ok(())
        }
    }
}

fn unwritten(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

type Count = fn(&Counts) -> u64;

/// Every count, by the name that it has in JSON and CSV.
const COUNTS: &[(&str, Count)] = &[
    ("permitted", |c| c.permitted),
    ("now_refused", |c| c.now_refused),
    ("refused", |c| c.refused),
    ("now_permitted", |c| c.now_permitted),
    ("contacts", |c| c.contacts),
    ("left_out", |c| c.left_out),
    ("left_out_reached", |c| c.left_out_reached),
    ("unasked", |c| c.unasked),
    ("unasked_left_out", |c| c.unasked_left_out),
    ("unasked_against_both", |c| c.unasked_against_both),
    ("unasked_now_right", |c| c.unasked_now_right),
    ("contacts_simulated", |c| c.contacts_simulated),
];

/// Those that a page has room for, by shorter names.
const SHOWN: &[(&str, Count)] = &[
    ("permitted", |c| c.permitted),
    ("now refused", |c| c.now_refused),
    ("refused", |c| c.refused),
    ("now permitted", |c| c.now_permitted),
    ("contacts", |c| c.contacts),
    ("of them without a permit", |c| c.unasked),
    ("left out", |c| c.left_out),
    ("of them reached", |c| c.left_out_reached),
    ("contacts then", |c| c.contacts_simulated),
];

fn table(out: &mut impl Write, asked: &Asked, answer: &Answer) -> Result<()> {
    let report = &answer.report;
    let from = asked.since.map_or_else(|| "the beginning".to_owned(), |since| since.to_rfc3339());
    let until = asked.until.map_or_else(|| "the end of the log".to_owned(), |until| until.to_rfc3339());
    writeln!(out, "What if {} had been in force from {from} until {until}?", asked.policy)?;
    if let Some(branch) = &asked.branch {
        writeln!(out, "Counted is what branch {branch} asked for and did; every branch's contacts count against the limits.")?;
    }
    let policies: Vec<String> =
        answer.policies.iter().map(|(version, from)| format!("{version} from {}", from.to_rfc3339())).collect();
    let policies = if policies.is_empty() { "none".to_owned() } else { policies.join(", ") };
    writeln!(
        out,
        "Read: {} events, up to position {}. Policies that were published: {policies}.",
        report.events, answer.read_up_to
    )?;
    if report.set_aside > 0 {
        writeln!(out, "{} patients are set aside, since their streams cannot be read through:", report.set_aside)?;
        for (patient, why) in &report.set_aside_because {
            writeln!(out, "  {patient}: {why}")?;
        }
    }
    writeln!(out)?;
    if report.is_unchanged() {
        writeln!(out, "Nothing would have come out otherwise.")?;
    }
    for (name, key) in BY {
        let mut by: BTreeMap<String, Counts> = BTreeMap::new();
        for row in &report.rows {
            let counts = by.entry(key(row)).or_default();
            *counts = counts.plus(row.counts);
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header([name].iter().copied().chain(SHOWN.iter().map(|(name, _)| *name)));
        for (key, counts) in by {
            table.add_row(figures(&key, &counts));
        }
        table.add_row(figures("together", &report.total));
        writeln!(out, "{table}")?;
    }
    reasons(out, report)?;
    unasked(out, &report.total)?;
    per_patient(out, report)?;
    writeln!(out, "\nHow this was found:")?;
    for rule in RULES {
        writeln!(out, "- {rule}")?;
    }
    Ok(())
}

type Key = fn(&tact_what_if::Row) -> String;

const BY: [(&str, Key); 3] =
    [("purpose", |row| row.purpose.to_string()), ("branch", |row| row.branch.to_string()), ("month", |row| row.month.clone())];

fn figures(key: &str, counts: &Counts) -> Vec<Cell> {
    let number = |of: &Count| Cell::new(of(counts)).set_alignment(CellAlignment::Right);
    std::iter::once(Cell::new(key)).chain(SHOWN.iter().map(|(_, of)| number(of))).collect()
}

fn reasons(out: &mut impl Write, report: &Report) -> Result<()> {
    let mut by: BTreeMap<(&str, Code, Option<&str>), (u64, u64)> = BTreeMap::new();
    for row in &report.reasons {
        let (permits, contacts) = by.entry((row.purpose.as_str(), row.code, row.limit.as_deref())).or_default();
        *permits += row.permits;
        *contacts += row.contacts;
    }
    if by.is_empty() {
        return Ok(());
    }
    writeln!(out, "Why; one refusal has a count under each of its reasons:")?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["purpose", "reason", "limit", "permits refused", "contacts left out"]);
    for ((purpose, code, limit), (permits, contacts)) in by {
        let number = |n: u64| Cell::new(n).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(purpose),
            Cell::new(code),
            Cell::new(limit.unwrap_or_default()),
            number(permits),
            number(contacts),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

fn unasked(out: &mut impl Write, total: &Counts) -> Result<()> {
    if total.unasked > 0 {
        writeln!(
            out,
            "Of {} contacts without a permit, {} leave. Of those that stay, {} were against both policies, {} against the policy of their day \
             and not against this one, and nothing stood in the way of {}.",
            total.unasked,
            total.unasked_left_out,
            total.unasked_against_both,
            total.unasked_now_right,
            total.unasked - total.unasked_left_out - total.unasked_against_both - total.unasked_now_right
        )?;
    }
    Ok(())
}

fn per_patient(out: &mut impl Write, report: &Report) -> Result<()> {
    let of = &report.per_patient;
    if of.patients == 0 {
        writeln!(out, "No patient had a contact, nor would one have had.")?;
        return Ok(());
    }
    writeln!(
        out,
        "Contacts per patient, of {} who had one or would have had: {:.3} on average, {:.3} then; at most {}, {} then.",
        of.patients, of.mean_recorded, of.mean_simulated, of.most_recorded, of.most_simulated
    )?;
    let changes: Vec<String> = of.changes.iter().map(|(by, patients)| format!("{by:+}: {patients}")).collect();
    writeln!(out, "Patients by the change in their contacts: {}", changes.join(", "))?;
    Ok(())
}

/// Each intention and contact of one patient.
pub(super) fn explained(out: &mut impl Write, asked: &Asked, patient: Uuid, steps: &[Change], output: Output) -> Result<()> {
    match output {
        Output::Table => {
            writeln!(out, "Patient {patient}, if {} had been in force:", asked.policy)?;
            let mut table = Table::new();
            table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(["when", "what for", "how", "branch", "what becomes of it", "because"]);
            for step in steps {
                let when = step.time.format("%Y-%m-%d %H:%M:%SZ").to_string();
                let what = step.what.words().to_owned();
                let because: Vec<String> = step.reasons.iter().map(in_words).collect();
                let (purpose, channel, branch) = (step.purpose.to_string(), step.channel.to_string(), step.branch.to_string());
                table.add_row([when, purpose, channel, branch, what, because.join("\n")]);
            }
            writeln!(out, "{table}")?;
        }
        Output::Json => {
            let document = json!({"asked": asked, "patient": patient, "rules": RULES, "steps": steps});
            serde_json::to_writer_pretty(&mut *out, &document).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Output::Jsonl => {
            for step in steps {
                serde_json::to_writer(&mut *out, step).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
        Output::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            csv.write_record(["time", "event", "purpose", "channel", "branch", "what", "because"]).map_err(unwritten)?;
            for step in steps {
                let what = serde_json::to_value(step.what)?.as_str().unwrap_or_default().to_owned();
                let because: Vec<String> = step.reasons.iter().map(in_words).collect();
                let (time, event) = (step.time.to_rfc3339(), step.event.to_string());
                let (purpose, channel, branch) = (step.purpose.to_string(), step.channel.to_string(), step.branch.to_string());
                csv.write_record([time, event, purpose, channel, branch, what, because.join("; ")]).map_err(unwritten)?;
            }
            csv.flush()?;
        }
    }
    Ok(())
}

/// A reason with what is behind it.
fn in_words(reason: &tact_domain::patient::decide::Reason) -> String {
    let mut words = reason.code.to_string();
    if let (Some(limit), Some(count)) = (&reason.limit, reason.count) {
        words.push_str(&format!(" ({limit}, {count} counted)"));
    }
    if let Some(text) = &reason.text {
        words.push_str(&format!(" ({text})"));
    }
    words
}
