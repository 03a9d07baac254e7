//! What caps would have done to a list of clients, and what the list cannot answer.

use std::io::Write;

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde_json::json;
use tact_what_if::caps::{CapReport, READING, UNANSWERED};

use super::Output;
use super::list::Mapping;

/// The caps that were named, or 1 to 10.
pub(super) fn wanted(named: &[u32]) -> Vec<u32> {
    if named.is_empty() { (1..=10).collect() } else { named.to_vec() }
}

/// Prints it.
pub(super) fn print(out: &mut impl Write, report: &CapReport, mapping: &Mapping, output: Output) -> Result<()> {
    match output {
        Output::Table => table(out, report, mapping)?,
        Output::Json => {
            let read_as: Vec<&str> = std::iter::once(mapping.row.words()).chain(READING.iter().copied()).collect();
            let document = json!({"report": report, "read_as": read_as, "unanswered": UNANSWERED});
            serde_json::to_writer_pretty(&mut *out, &document).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Output::Jsonl => {
            for row in &report.caps {
                serde_json::to_writer(&mut *out, row).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
        Output::Csv => {
            writeln!(out, "cap,spared,spared_percent,lost,lost_percent,spared_per_lost,clients")?;
            for row in &report.caps {
                let each = row.spared_per_lost.map(|n| format!("{n:.1}")).unwrap_or_default();
                let (cap, spared, lost, clients) = (row.cap, row.spared, row.lost, row.clients);
                writeln!(out, "{cap},{spared},{:.1},{lost},{:.1},{each},{clients}", row.spared_percent, row.lost_percent)?;
            }
        }
    }
    Ok(())
}

fn table(out: &mut impl Write, report: &CapReport, mapping: &Mapping) -> Result<()> {
    let each = report.contacts_per_success.map(|n| format!(": one for {n:.0} contacts")).unwrap_or_default();
    let (clients, contacts, successes, most) = (report.clients, report.contacts, report.successes, report.most);
    writeln!(out, "{clients} clients, {contacts} contacts, at most {most} of one client; {successes} successes{each}.")?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "cap",
        "contacts spared",
        "of all",
        "successes lost",
        "of all",
        "spared for one lost",
        "clients spared some",
    ]);
    for row in &report.caps {
        let each = row.spared_per_lost.map(|n| format!("{n:.0}")).unwrap_or_default();
        let cells = [
            row.cap.to_string(),
            row.spared.to_string(),
            format!("{:.1} %", row.spared_percent),
            row.lost.to_string(),
            format!("{:.1} %", row.lost_percent),
            each,
            row.clients.to_string(),
        ];
        table.add_row(cells.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right)));
    }
    let (contacts, success) = (mapping.row.column(), &mapping.success.column);
    writeln!(
        out,
        "{table}\nHow the list was read (contacts from `{contacts}`, success from `{success}`):\n- {}",
        mapping.row.words()
    )?;
    READING.iter().try_for_each(|line| writeln!(out, "- {line}"))?;
    writeln!(out, "What it cannot answer:")?;
    UNANSWERED.iter().try_for_each(|line| writeln!(out, "- {line}"))?;
    Ok(())
}
