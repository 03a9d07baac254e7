//! `tact policy`: a policy is checked, shown, and held against written cases. Needs no log, no database and no server.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::{ContentArrangement, Table};
use tact_domain::policy::{Policy, PurposeRule};
use tact_scenario::{read_policy, run_file};

use crate::exit;

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say what is wrong with a policy, with line, column and the nearest known word; if nothing is, show it.
    Check {
        /// The policy's text.
        file: PathBuf,
    },
    /// Tell written cases and say where they come out otherwise. Exits 1 if one does, 2 if a file cannot be read.
    Test {
        /// Scenario files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Does it.
pub fn run(command: &PolicyCommand) -> ExitCode {
    match command {
        PolicyCommand::Check { file } => match read_policy(file) {
            Ok(policy) => {
                println!("{}", shown(&policy));
                println!("{}: no mistakes, {} purposes", file.display(), policy.purposes.len());
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(exit::USAGE)
            }
        },
        PolicyCommand::Test { files } => test(files),
    }
}

fn test(files: &[PathBuf]) -> ExitCode {
    let (mut passed, mut failed, mut unreadable) = (0, 0, 0);
    for file in files {
        match run_file(file) {
            Ok(report) => {
                println!("{report}");
                if report.passed() { passed += 1 } else { failed += 1 }
            }
            Err(error) => {
                eprintln!("{error}");
                unreadable += 1;
            }
        }
    }
    println!(
        "{passed} passed, {failed} failed{}",
        if unreadable > 0 { format!(", {unreadable} could not be read") } else { String::new() }
    );
    match (unreadable, failed) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(exit::FAILED),
        _ => ExitCode::from(exit::USAGE),
    }
}

/// The policy as a table that can be read aloud.
fn shown(policy: &Policy) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["purpose", "occasion", "limits", "channels", "by itself"]);
    for (purpose, rule) in &policy.purposes {
        match rule {
            PurposeRule::Forbidden(why) => {
                table.add_row([purpose.to_string(), "forbidden".to_owned(), why.clone(), String::new(), String::new()]);
            }
            PurposeRule::Allowed(rule) => {
                let limits: Vec<String> = rule.limits.iter().map(ToString::to_string).collect();
                let channels: Vec<&str> = rule.channels.iter().map(|channel| channel.as_str()).collect();
                table.add_row([
                    purpose.to_string(),
                    rule.occasion.map_or("none", |occasion| occasion.as_str()).to_owned(),
                    limits.join("; "),
                    channels.join(", "),
                    if rule.agenda { "yes" } else { "no" }.to_owned(),
                ]);
            }
        }
    }
    for limit in &policy.overall {
        table.add_row(["(all purposes)".to_owned(), String::new(), limit.to_string(), String::new(), String::new()]);
    }
    table
}
