//! The test command, `cargo verify`: formatting, lints, dependencies and every test, one after another, until one fails.
//!
//! It must never be part of the product, and must never need more than Rust, git and a Debian with python3.

mod deny;
mod steps;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use steps::{STEPS, Step};
use tally::Tally;

const USAGE: &str = "\
Checks everything: formatting, dependencies, lints and every test, until one fails.

Usage: cargo verify [--advisories] [STEP...]
       cargo pictures    (makes the pictures in docs/pictures anew)

Steps, in this order; without any, all of them:
  fmt     cargo fmt --all --check
  deny    cargo deny check licenses bans sources
  clippy  cargo clippy --workspace --all-targets -- -D warnings
  test    cargo test --workspace

Options:
  --advisories  Let `deny` ask for known vulnerabilities too; their database is fetched from the network
  -h, --help    Print this

Exit codes: 0 all is well, 1 a step failed, 2 the command line is wrong.
";

/// What the command line asks for.
struct Wanted {
    steps: Vec<&'static Step>,
    advisories: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "-h" || argument == "--help") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if arguments == ["pictures"] {
        return match steps::pictures(&workspace()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => {
                eprintln!("error: {problem}");
                ExitCode::FAILURE
            }
        };
    }
    match wanted(&arguments) {
        Ok(wanted) => verify(&wanted),
        Err(problem) => {
            eprintln!("error: {problem}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn wanted(arguments: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted { steps: Vec::new(), advisories: false };
    for argument in arguments {
        match (argument.as_str(), STEPS.iter().find(|step| step.name == argument)) {
            ("--advisories", _) => wanted.advisories = true,
            (_, Some(step)) => wanted.steps.push(step),
            (other, None) => {
                let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
                return Err(format!("`{other}` is neither a step nor an option; steps are {}", names.join(", ")));
            }
        }
    }
    if wanted.steps.is_empty() {
        wanted.steps = STEPS.iter().collect();
    }
    Ok(wanted)
}

fn verify(wanted: &Wanted) -> ExitCode {
    let root = workspace();
    let mut tally = Tally::default();
    let mut times = Vec::new();
    for step in &wanted.steps {
        println!("\n== {}: {}", step.name, step.what);
        let began = Instant::now();
        let outcome = (step.run)(&root, wanted.advisories, &mut tally);
        let took = began.elapsed();
        times.push((step.name, took));
        match outcome {
            Ok(()) => println!("== {}: ok, {}", step.name, seconds(took)),
            Err(problem) => {
                println!("== {}: FAILED after {}: {problem}", step.name, seconds(took));
                closing(&tally);
                return ExitCode::FAILURE;
            }
        }
    }
    let each: Vec<String> = times.iter().map(|(name, took)| format!("{name} {}", seconds(*took))).collect();
    println!("\n== all steps passed: {}", each.join(", "));
    closing(&tally);
    ExitCode::SUCCESS
}

/// The last line, over all test binaries: whoever reads only that one must not take the last binary's count for the whole.
fn closing(tally: &Tally) {
    if tally.ran_any() {
        println!("{tally}");
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

/// The folder of the workspace: two above this crate's.
fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace that this was built in is still there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Result<(Vec<&'static str>, bool), String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        wanted(&arguments).map(|wanted| (wanted.steps.iter().map(|step| step.name).collect(), wanted.advisories))
    }

    #[test]
    fn the_command_line_is_read() {
        assert_eq!(names(&[]), Ok((vec!["fmt", "deny", "clippy", "test"], false)));
        assert_eq!(names(&["test", "--advisories", "fmt"]), Ok((vec!["test", "fmt"], true)));
        assert_eq!(names(&["tests"]), Err("`tests` is neither a step nor an option; steps are fmt, deny, clippy, test".into()));
    }

    #[test]
    fn the_usage_names_every_step() {
        for step in STEPS {
            assert!(USAGE.contains(&format!("  {:<7} {}\n", step.name, step.what)), "{}", step.name);
        }
    }
}
