//! `tact history`: a history is handed out by a server, and verified by nobody's word but the keys that one trusts.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use comfy_table::{ContentArrangement, Table};
use serde_json::json;
use tact_domain::Time;
use tact_domain::disclosure::{ExportFormat, ExportPurpose};
use tact_dossier::Language;
use tact_evidence::trust::Trust;
use tact_evidence::verify::{Grounds, Report, verify};
use uuid::Uuid;

use crate::client::Server;
use crate::exit::{self, Usage};
use crate::settings::time;

/// What to do with histories.
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Have a patient's history handed out by a server, with its proofs.
    #[command(after_help = "\
Examples:
  TACT_TOKEN_FILE=token tact history export --patient 0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a11 --purpose complaint -o history.jsonl
  tact history export --patient ID --purpose court --format html --language ru -o history.html
  tact history export --patient ID --purpose inspection --kept last-year.checkpoint -o history.jsonl

It takes the token of a regulator or a network manager. That it was handed out is recorded, with the ground.")]
    Export(Box<Export>),
    /// Verify a history without network and without a server: chain, proofs, signatures, and every decision made again.
    #[command(after_help = "\
Examples:
  tact history verify history.jsonl --key tact/tact+8a6b0c1d+AQ...
  tact history verify history.jsonl --key network.keys -o json

Take the key from somewhere else than the history: from the network's site, from a regulator's register, from what you kept.
Exit codes: 0 everything holds; 2 the file, a key or a kept checkpoint cannot be read; 7 something deviates, and the table says what.")]
    Verify(Verify),
}

/// Whose history, and on what ground.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// Whose.
    #[arg(long, value_name = "UUID")]
    patient: Uuid,
    /// On what ground: patient_request, complaint, inspection, court or internal_review.
    #[arg(long)]
    purpose: ExportPurpose,
    /// What is asked about begins here; earlier events are handed out too, since decisions rest on them.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Time>,
    /// Leave out what was recorded at or after this moment.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Time>,
    /// In which form: tact, which `tact history verify` checks; fhir, an R4 Bundle; html, a page that prints well.
    #[arg(long, default_value = "tact")]
    format: ExportFormat,
    /// The language of the page: `en` or `ru`.
    #[arg(long, default_value = "en")]
    language: Language,
    /// With personal data, if the token and the ground allow it.
    #[arg(long)]
    personal: bool,
    /// A checkpoint of a log that was kept from before: the history proves that it continues it. Several may be named.
    #[arg(long, value_name = "FILE")]
    kept: Vec<PathBuf>,
    /// Where to write it; `-` for standard output. A file that is there is not overwritten.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    output: PathBuf,
    /// Where and by whose right.
    #[command(flatten)]
    server: Server,
}

/// What is verified, and whom one trusts.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The history.
    file: PathBuf,
    /// A public key of the network, or a file with one a line, as `tact keys list` prints them.
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
    /// A checkpoint of a log that was kept from before. Several may be named.
    #[arg(long, value_name = "FILE")]
    kept: Vec<PathBuf>,
    /// How to say what was found.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

/// How to say what was found.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Does it.
///
/// # Errors
/// What could not be read, written or had from the server.
pub async fn run(command: &HistoryCommand) -> Result<ExitCode> {
    match command {
        HistoryCommand::Export(arguments) => export(arguments).await.map(|()| ExitCode::SUCCESS),
        HistoryCommand::Verify(arguments) => Ok(verified(arguments)),
    }
}

fn read_kept(files: &[PathBuf]) -> Result<Vec<String>, Usage> {
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file)
            .map_err(|error| Usage(format!("the kept checkpoint {} cannot be read: {error}", file.display())))
    };
    files.iter().map(read).collect()
}

async fn export(arguments: &Export) -> Result<()> {
    let client = arguments.server.client()?;
    let kept = read_kept(&arguments.kept)?;
    let Export { patient, purpose, format, language, from, until, personal, output, .. } = arguments;
    let to_file = output.as_os_str() != "-";
    if to_file && output.exists() {
        return Err(Usage(format!("{} is there already; name another file", output.display())).into());
    }
    let mut body = json!({"purpose": purpose, "format": format, "language": language, "personal": personal, "kept": kept});
    for (name, time) in [("from", from), ("until", until)] {
        if let Some(time) = time {
            body[name] = json!(time);
        }
    }
    // Each run is a history of its own: what has happened since is in the next one.
    let key = hex::encode(tact_service::ids::random::<16>());
    let bytes = client.obtain(&format!("/v1/patients/{patient}/history-exports"), &key, &body).await?;
    if !to_file {
        return std::io::stdout().write_all(&bytes).context("standard output cannot be written to");
    }
    write(output, &bytes).with_context(|| format!("{} cannot be written", output.display()))?;
    if *format == ExportFormat::Tact {
        eprintln!("The history is in {}. Whoever gets it verifies it with:", output.display());
        println!("tact history verify {} --key KEY", output.display());
    } else {
        eprintln!("The history is in {}. The form that can be verified is had without `--format`.", output.display());
    }
    Ok(())
}

/// For its owner only: it says what happened to somebody.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(crate) fn trust(key: &str) -> Result<Trust, String> {
    let path = Path::new(key);
    if path.exists() {
        let text = std::fs::read_to_string(path).map_err(|error| format!("the keys in {key} cannot be read: {error}"))?;
        return text.parse().map_err(|problem| format!("the keys in {key}: {problem}"));
    }
    key.parse().map_err(|problem| format!("`--key` is neither a file nor a key: {problem}"))
}

fn grounds(arguments: &Verify) -> Result<Grounds, String> {
    let kept = read_kept(&arguments.kept).map_err(|error| error.to_string())?;
    Ok(Grounds { trust: trust(&arguments.key)?, kept })
}

fn verified(arguments: &Verify) -> ExitCode {
    let unreadable = |problem: String| {
        eprintln!("tact: {problem}");
        ExitCode::from(exit::USAGE)
    };
    let grounds = match grounds(arguments) {
        Ok(grounds) => grounds,
        Err(problem) => return unreadable(problem),
    };
    let file = arguments.file.display();
    let input = match std::fs::File::open(&arguments.file) {
        Ok(input) => BufReader::with_capacity(256 * 1024, input),
        Err(error) => return unreadable(format!("{file} cannot be read: {error}")),
    };
    let report = match verify(input, &grounds) {
        Ok(report) => report,
        Err(error) => return unreadable(format!("{file}: {error}")),
    };
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default()),
        Output::Table => print!("{}", told(&report)),
    }
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(exit::DEVIATION) }
}

/// What was found, for people.
fn told(report: &Report) -> String {
    let mut lines = vec![format!("The history of patient {} in the network `{}`.", report.patient, report.network)];
    if let (Some(number), Some(as_of)) = (report.checkpoint, report.as_of) {
        lines.push(format!("As of {as_of}, checkpoint {number}: what was recorded later it says nothing about."));
    }
    lines.extend(report.signed_by.as_ref().map(|key| format!("Signed by {key}.")));
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Question", "Answer", "Looked at"]);
    let mut deviations = Vec::new();
    for finding in &report.findings {
        let answer = match finding.holds {
            None => "not asked",
            Some(true) => "yes",
            Some(false) => "NO",
        };
        let looked_at = if finding.looked_at == 0 { String::new() } else { finding.looked_at.to_string() };
        table.add_row([finding.check.question(), answer, &looked_at]);
        if let Some(first) = &finding.first {
            let more = if finding.deviations > 1 { format!(" ({} in all)", finding.deviations) } else { String::new() };
            deviations.push(format!("{} NO{more}\n  {first}", finding.check.question()));
        }
    }
    lines.push(table.to_string());
    lines.extend(deviations);
    for stream in &report.streams {
        let mut said = match (stream.events, stream.covered) {
            (0, 0) => format!("{}: there is no such stream in this network.", stream.stream),
            (events, covered) => format!("{}: {events} events, {covered} covered by the checkpoint.", stream.stream),
        };
        if stream.not_covered_yet > 0 {
            said.push_str(&format!(" The last {} are not covered yet.", stream.not_covered_yet));
        }
        if stream.left_out > 0 {
            said.push_str(&format!(" {} later ones are left out, as was asked.", stream.left_out));
        }
        lines.push(said);
    }
    lines.push(format!("{} decisions were made again.", report.decided_again));
    if report.personal {
        lines.push("The file holds personal data, which no proof covers.".to_owned());
    }
    let (holds, first) = (report.holds(), report.first_deviation());
    lines.push(match first {
        _ if holds => "Everything holds.".to_owned(),
        Some(first) => format!("The history DOES NOT HOLD. The first deviation is at {first}"),
        None => "The history DOES NOT HOLD.".to_owned(),
    });
    lines.join("\n") + "\n"
}
