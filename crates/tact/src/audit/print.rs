//! The audit on standard output: tables for people, JSON and CSV for programs.

use std::io::{ErrorKind, Write};

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::{Format, Report};

/// Prints a report. Whoever has stopped reading, such as `head`, has seen enough.
///
/// # Errors
/// If it cannot be written.
pub(super) fn print(report: &Report, format: Format) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let written = match format {
        Format::Table => tables(report, &mut out),
        Format::Json => json(report, &mut out),
        Format::Jsonl => report.records().try_for_each(|line| writeln!(out, "{line}")),
        Format::Csv => csv(report, &mut out).map_err(plain_error),
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn json(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

fn tables(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "Audit up to position {} of the log. Months are those of the patients' calendars, times are UTC.",
        report.position
    )?;
    if let Some(counts) = &report.counts {
        let mut table = table(&["branch", "month", "who", "what", "findings", "contacts", "patients"]);
        for count in counts {
            table.add_row(
                ["branch", "month", "actor", "kind", "findings", "contacts", "patients"].map(|field| plain(&count[field])),
            );
        }
        let total: i64 = counts.iter().filter_map(|count| count["findings"].as_i64()).sum();
        section(out, &format!("Done against the policy: {total}"), &table)?;
    }
    if let Some(findings) = &report.findings {
        let mut table = table(&["time", "branch", "who", "what", "contact", "numbers"]);
        for found in findings {
            table.add_row([
                moment(&found["time"]),
                plain(&found["branch"]),
                plain(&found["actor"]),
                plain(&found["kind"]),
                format!(
                    "{} by {}, {}\n{}",
                    plain(&found["purpose"]),
                    plain(&found["channel"]),
                    plain(&found["outcome"]),
                    plain(&found["contact"])
                ),
                numbers(found),
            ]);
        }
        section(out, &format!("Findings: {}", findings.len()), &table)?;
    }
    if let Some(wishes) = &report.wishes {
        writeln!(out, "\n\"Don't call me, I'll call you\": {}", wishes.len())?;
        for wish in wishes {
            let contacts = wish["contacts"].as_array().map(Vec::as_slice).unwrap_or_default();
            let title = format!(
                "{} at {}, patient {}, after {} contacts in 90 days",
                moment(&wish["time"]),
                plain(&wish["branch"]),
                plain(&wish["patient"]),
                contacts.len()
            );
            let mut table = table(&["time", "branch", "who", "for", "by", "outcome", "permit"]);
            for contact in contacts {
                let permit = if contact["permit"].is_string() { "yes" } else { "no" }.to_owned();
                let fields = ["branch", "actor", "purpose", "channel", "outcome"].map(|field| plain(&contact[field]));
                table.add_row([moment(&contact["time"])].into_iter().chain(fields).chain([permit]));
            }
            section(out, &title, &table)?;
        }
    }
    Ok(())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    table
}

fn section(out: &mut impl Write, title: &str, table: &Table) -> std::io::Result<()> {
    writeln!(out, "\n{title}")?;
    if table.row_count() > 0 { writeln!(out, "{table}") } else { Ok(()) }
}

/// What stands behind a finding, in one or two lines.
fn numbers(found: &Value) -> String {
    let detail = &found["detail"];
    let mut parts = Vec::new();
    if detail["limit"].is_string() {
        parts.push(format!("{} counted, allowed: {}", plain(&detail["count"]), plain(&detail["limit"])));
    }
    for (field, words) in [("code", ""), ("since", "since "), ("text", ""), ("permit", "permit ")] {
        if detail[field].is_string() {
            let said = if field == "since" { moment(&detail[field]) } else { plain(&detail[field]) };
            parts.push(format!("{words}{said}"));
        }
    }
    if detail["window"].is_object() {
        parts.push(format!("announced for {} to {}", moment(&detail["window"]["from"]), moment(&detail["window"]["until"])));
    }
    parts.join("\n")
}

const FINDING: &[&str] =
    &["time", "month", "branch", "actor", "kind", "purpose", "channel", "outcome", "policy", "patient", "contact", "finding"];
const DETAIL: &[&str] = &["code", "limit", "max", "count", "since", "permit", "text"];
const WISH: &[&str] = &["wish", "patient", "time", "recorded_at", "month", "branch", "actor"];
const LED_UP: &[&str] = &["contact", "time", "branch", "actor", "purpose", "channel", "outcome", "permit"];
const COUNT: &[&str] = &["branch", "month", "actor", "kind", "findings", "contacts", "patients"];

fn csv(report: &Report, out: &mut impl Write) -> csv::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    if let Some(counts) = &report.counts {
        rows.write_record(COUNT)?;
        counts.iter().try_for_each(|count| rows.write_record(fields(count, COUNT)))?;
    }
    if let Some(findings) = &report.findings {
        rows.write_record(FINDING.iter().chain(DETAIL).chain(&["window_from", "window_until", "counted"]))?;
        for found in findings {
            let detail = &found["detail"];
            let counted = detail["counted"].as_array().map(Vec::as_slice).unwrap_or_default();
            let counted: Vec<String> = counted
                .iter()
                .map(|item| plain(if item["contact"].is_null() { &item["time"] } else { &item["contact"] }))
                .collect();
            let mut row = fields(found, FINDING);
            row.extend(fields(detail, DETAIL));
            row.extend(fields(&detail["window"], &["from", "until"]));
            row.push(counted.join(" "));
            rows.write_record(row)?;
        }
    }
    if let Some(wishes) = &report.wishes {
        let led_up = LED_UP.iter().map(|name| if *name == "contact" { "contact".to_owned() } else { format!("contact_{name}") });
        rows.write_record(WISH.iter().map(|name| (*name).to_owned()).chain(led_up))?;
        for wish in wishes {
            let contacts = wish["contacts"].as_array().map(Vec::as_slice).unwrap_or_default();
            // One that nothing led up to is a row all the same.
            let contacts = if contacts.is_empty() { &[Value::Null] } else { contacts };
            for contact in contacts {
                let mut row = fields(wish, WISH);
                row.extend(fields(contact, LED_UP));
                rows.write_record(row)?;
            }
        }
    }
    Ok(rows.flush()?)
}

/// What kept the writer from writing, without the writer's own words around it.
fn plain_error(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

fn fields(value: &Value, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| plain(&value[*name])).collect()
}

/// A value as people read it; empty if there is none.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A moment to the minute.
fn moment(value: &Value) -> String {
    let read = value.as_str().and_then(|text| text.parse::<tact_domain::Time>().ok());
    read.map_or_else(|| plain(value), |time| time.format("%Y-%m-%d %H:%M").to_string())
}
