//! `tact patient`: papers about one patient. A client of the public API and of nothing else.

use anyhow::{Context, Result};
use chrono_tz::Tz;
use clap::{Subcommand, ValueEnum};
use uuid::Uuid;

use crate::client::Server;
use crate::erasure_paper::{self, Language};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum PatientCommand {
    /// The act of a patient's erasure, with the extract of the event journal.
    #[command(after_help = "\
Examples:
  TACT_TOKEN_FILE=token tact patient erasure 0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a10
  tact patient erasure 0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a10 -o html --language ru --time-zone Europe/Moscow > act.html

It takes the token of a network manager, a regulator or a system. Print it, have it signed, and keep it for three years. The operator's name \
and address come from the server's settings (`operator_name`, `operator_address`); what is not set is left blank.
Exit codes: 0 printed; 1 the patient was not erased, or the server cannot be reached; 2 the command line cannot be read.")]
    Erasure(Erasure),
}

/// Whose act, and how it is shown.
#[derive(Debug, clap::Args)]
pub struct Erasure {
    /// The patient.
    pub patient: Uuid,
    /// How it is shown: for the screen, for programs, or as a page to print.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// The language of the table and the page.
    #[arg(long, value_enum, default_value_t = Language::En)]
    pub language: Language,
    /// The time zone in which its times are written.
    #[arg(long, default_value = "UTC", value_name = "NAME", value_parser = zone)]
    pub time_zone: Tz,
    /// Where and by whose right.
    #[command(flatten)]
    pub server: Server,
}

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For the screen.
    Table,
    /// For programs: the server's answer.
    Json,
    /// A page to print.
    Html,
}

fn zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        let near = tact_domain::nearest_word(name, chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name()));
        let hint =
            near.map_or_else(|| "write a name such as `Europe/Moscow`".to_owned(), |near| format!("did you mean `{near}`?"));
        format!("it is not the name of a time zone; {hint}")
    })
}

/// Does it.
///
/// # Errors
/// A server that cannot be reached or refuses, or an answer that is none.
pub async fn run(command: &PatientCommand) -> Result<()> {
    let PatientCommand::Erasure(asked) = command;
    let client = asked.server.client()?;
    let path = format!("/v1/patients/{}/erasure", asked.patient);
    let json = client.get(&path).await?.ok().context("the act cannot be shown")?;
    if asked.output == Output::Json {
        println!("{json:#}");
        return Ok(());
    }
    let act: erasure_paper::Act =
        serde_json::from_value(json).context("the server's answer is no act: is it of another version?")?;
    for setting in act.not_set() {
        eprintln!("The server's setting `{setting}` is not set: the act leaves its place blank.");
    }
    match asked.output {
        Output::Html => print!("{}", act.page(asked.language, asked.time_zone)),
        _ => println!("{}", act.table(asked.language, asked.time_zone)),
    }
    Ok(())
}
