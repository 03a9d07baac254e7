//! `tact policy`: a policy is checked, shown, and held against written cases, which needs no log, no database and no server; published; and held
//! against what was recorded.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::{ContentArrangement, Table};
use tact_domain::Channel;
use tact_domain::patient::events::Override;
use tact_domain::policy::{Policy, PurposeRule, Rule};
use tact_scenario::{ReadError, read_policy, read_policy_text, run_file};

use crate::exit;
use crate::policy_publish::{Publish, publish};
use crate::settings::Given;
use crate::simulate::{self, Simulate};

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say what is wrong with a policy, with line, column and the nearest known word; if nothing is, show it.
    #[command(
        after_help = "Example:\n  tact policy check my-policy.toml\n\nExit codes: 0 no mistakes; 2 mistakes, or no such file."
    )]
    Check {
        /// The policy's text.
        file: PathBuf,
    },
    /// Show a policy as a table that can be read aloud; without a file, the one that ships with Tact.
    #[command(after_help = "Examples:\n  tact policy show\n  tact policy show my-policy.toml")]
    Show {
        /// The policy's text.
        file: Option<PathBuf>,
    },
    /// Tell written cases and say where they come out otherwise.
    #[command(
        after_help = "Example:\n  tact policy test scenarios/*.toml\n\nExit codes: 0 all come out as written; 1 one does not; 2 a file cannot be read."
    )]
    Test {
        /// Scenario files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Publish a policy to a running network.
    Publish(Publish),
    /// Say what would have been refused, permitted and left undone under another policy, or under a cap.
    Simulate(Simulate),
}

/// Does it.
pub async fn run(command: &PolicyCommand, given: &Given) -> ExitCode {
    match command {
        PolicyCommand::Check { file } => show(read_policy(file), Some(file)),
        PolicyCommand::Show { file: Some(file) } => show(read_policy(file), None),
        PolicyCommand::Show { file: None } => show(shipped(), None),
        PolicyCommand::Test { files } => test(files),
        PolicyCommand::Publish(arguments) => published(arguments).await,
        PolicyCommand::Simulate(arguments) => match simulate::run(arguments, given).await {
            Ok(code) => code,
            Err(error) => {
                eprintln!("tact: {error:#}");
                ExitCode::from(exit::code(&error))
            }
        },
    }
}

async fn published(arguments: &Publish) -> ExitCode {
    let text = match read_policy_text(&arguments.file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(exit::USAGE);
        }
    };
    match publish(arguments, &text).await {
        Ok(done) => {
            say(done);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tact: {error:#}");
            ExitCode::from(exit::code(&error))
        }
    }
}

/// Shows a policy or what is wrong with it; `checked` is the file that was to be checked.
fn show(read: Result<Policy, ReadError>, checked: Option<&Path>) -> ExitCode {
    match read {
        Ok(policy) => {
            say(shown(&policy));
            if let Some(file) = checked {
                say(format!("{}: no mistakes, {} purposes", file.display(), policy.purposes.len()));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// To standard output. Whoever has stopped reading, such as `head`, has seen enough.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn test(files: &[PathBuf]) -> ExitCode {
    let (mut passed, mut failed, mut unreadable) = (0, 0, 0);
    for file in files {
        match run_file(file) {
            Ok(report) => {
                say(&report);
                if report.passed() { passed += 1 } else { failed += 1 }
            }
            Err(error) => {
                eprintln!("{error}");
                unreadable += 1;
            }
        }
    }
    let others = if unreadable > 0 { format!(", {unreadable} could not be read") } else { String::new() };
    say(format!("{passed} passed, {failed} failed{others}"));
    match (unreadable, failed) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(exit::FAILED),
        _ => ExitCode::from(exit::USAGE),
    }
}

/// The policy as a table that can be read aloud.
fn shown(policy: &Policy) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["purpose", "why", "when", "how often", "by", "overrides", "on the worklist"]);
    let mut forbidden = Vec::new();
    for (purpose, rule) in &policy.purposes {
        match rule {
            PurposeRule::Forbidden(why) => forbidden.push(format!("{purpose} is forbidden. {why}")),
            PurposeRule::Allowed(rule) => {
                table.add_row([
                    purpose.to_string(),
                    [Some(rule.basis.as_str()), rule.occasion.map(|o| o.as_str())]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join(":\n"),
                    when(rule),
                    lines(&rule.limits),
                    channels(&rule.channels),
                    overrides(rule),
                    if rule.agenda { "yes" } else { "on request" }.to_owned(),
                ]);
            }
        }
    }
    let quiet = match policy.quiet_hours {
        Some(hours) => format!("Quiet hours are from {} to {}.", hours.from.format("%H:%M"), hours.until.format("%H:%M")),
        None => "There are no quiet hours.".to_owned(),
    };
    let holidays = match &policy.holidays[..] {
        [] => "There are no holidays.".to_owned(),
        days => format!("No one is called on {}.", joined(days)),
    };
    let overall = match &policy.overall[..] {
        [] => "Nothing limits all purposes together.".to_owned(),
        limits => format!("All purposes together: {}.", joined(limits)),
    };
    [table.to_string(), forbidden.join("\n"), overall, format!("{quiet} {holidays}")].join("\n")
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// One under the other, so that the table stays narrow.
fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn when(rule: &Rule) -> String {
    let window = rule.window.map(|window| window.to_string());
    let announced = rule.announced.then(|| "only if announced".to_owned());
    let booked = rule.unless_booked_ahead.then(|| "only while nothing is booked ahead".to_owned());
    let reason = rule.reason_required.then(|| "only with a reason".to_owned());
    [window, announced, booked, reason].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn channels(used: &[Channel]) -> String {
    let others: Vec<_> = Channel::ALL.iter().filter(|channel| !used.contains(channel)).collect();
    match (used.first(), &others[..]) {
        (Some(first), []) => format!("{first},\nor any other channel"),
        (Some(first), [but]) => format!("{first},\nor any other channel\nbut {but}"),
        _ => lines(used),
    }
}

fn overrides(rule: &Rule) -> String {
    let word = |what: &Override| match (what, rule.quiet_hours_override_for) {
        (Override::QuietHours, Some(length)) => format!("quiet_hours for {} min", length.num_minutes()),
        _ => what.to_string(),
    };
    rule.overrides.iter().map(word).collect::<Vec<_>>().join("\n")
}

fn shipped() -> Result<Policy, ReadError> {
    tact_domain::policy::text::parse(tact_domain::policy::DEFAULT, "default")
        .map_err(|mistakes| ReadError::Text { path: PathBuf::from("policies/default.toml"), mistakes })
}
