//! `tact evidence`: by what right a contact was made, as a table, as JSON, or as a page that prints. A client of the public API and of nothing
//! else.

use std::io::Write;

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use comfy_table::{ContentArrangement, Table};
use tact_dossier::contact::{ContactEvidence, told};
use tact_dossier::{Language, contact_page};
use uuid::Uuid;

use crate::client::Server;

/// What to gather evidence for.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Show by what right one contact was made: consent, document, permit, decision, announcement, policy; and what is missing.
    #[command(after_help = "\
Examples:
  TACT_TOKEN_FILE=token tact evidence contact 0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a15
  tact evidence contact ID -o html --language ru > contact.html
  tact evidence contact ID -o json

It takes the token of a regulator or a network manager whose scope is the whole network.
Exit codes: 0 shown, whatever it says; 1 no such contact, or the server cannot be reached; 2 the command line is wrong.")]
    Contact(Contact),
}

/// Which contact, and how it is shown.
#[derive(Debug, clap::Args)]
pub struct Contact {
    /// The contact's id.
    contact: Uuid,
    /// How to show it.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
    /// The language of the table and the page: `en` or `ru`.
    #[arg(long, default_value = "en", value_name = "TAG")]
    language: Language,
    /// Where and by whose right.
    #[command(flatten)]
    server: Server,
}

/// How to show it.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Output {
    /// For a terminal.
    #[default]
    Table,
    /// For programs.
    Json,
    /// A page that prints.
    Html,
}

/// Does it.
///
/// # Errors
/// What the server did not give, or could not be understood.
pub async fn run(command: &EvidenceCommand) -> Result<()> {
    let EvidenceCommand::Contact(asked) = command;
    let client = asked.server.client()?;
    let answer = client.get(&format!("/v1/contacts/{}/evidence", asked.contact)).await?.ok()?;
    let evidence: ContactEvidence =
        serde_json::from_value(answer.clone()).context("the server's answer is not evidence as this version knows it")?;
    let text = match asked.output {
        Output::Table => table(&evidence, asked.language),
        // As the server gave it, with whatever a newer one adds.
        Output::Json => format!("{answer:#}"),
        Output::Html => contact_page(&evidence, asked.language).context("the page cannot be written")?,
    };
    // Whoever has stopped reading, such as `head`, has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// A table for each question, under its heading.
fn table(evidence: &ContactEvidence, language: Language) -> String {
    let sections = told(evidence, language).into_iter().map(|section| {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        for row in &section.rows {
            table.add_row([row.label.to_owned(), row.lines.join("\n")]);
        }
        match section.without {
            Some(without) => format!("{}\n  {without}", section.heading),
            None => format!("{}\n{table}", section.heading),
        }
    });
    sections.collect::<Vec<_>>().join("\n\n")
}
