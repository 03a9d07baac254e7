//! The steps of the test command, in the order in which they run: what is cheap and fails often comes first.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::deny;
use crate::tally::Tally;

/// What a step does: in the workspace, with or without advisories, counting the tests that it runs.
type Run = fn(&Path, bool, &mut Tally) -> Result<(), String>;

/// One step.
pub(crate) struct Step {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// The command that it stands for.
    pub(crate) what: &'static str,
    pub(crate) run: Run,
}

pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", what: "cargo fmt --all --check", run: |root, _, _| run(root, &["fmt", "--all", "--check"]) },
    Step {
        name: "deny",
        what: "cargo deny check licenses bans sources",
        run: |root, advisories, _| deny::check(root, advisories),
    },
    Step {
        name: "clippy",
        what: "cargo clippy --workspace --all-targets -- -D warnings",
        run: |root, _, _| run(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step { name: "test", what: "cargo test --workspace", run: |root, _, tally| test(root, tally) },
];

fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    ended(cargo(root).args(arguments).status())
}

/// Makes the pictures of the docs anew, by the test that takes them.
pub(crate) fn pictures(root: &Path) -> Result<(), String> {
    ended(cargo(root).args(["test", "--package", "tact-tests", "console::pictures"]).env("TACT_TEST_PICTURES", "docs").status())
}

/// Runs every test and counts them while their output goes on as it comes.
fn test(root: &Path, tally: &mut Tally) -> Result<(), String> {
    let mut command = cargo(root);
    command.args(["test", "--workspace"]);
    if std::io::stdout().is_terminal() {
        // Behind a pipe they would not know.
        command.env("CARGO_TERM_COLOR", "always").args(["--", "--color", "always"]);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cargo cannot be started: {error}"))?;
    let output = child.stdout.take().expect("its output was asked for");
    let mut ours = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|error| format!("its output cannot be read: {error}"))?;
        tally.take(&String::from_utf8_lossy(&line));
        // Nobody reading us is no reason to leave the tests unfinished.
        let _ = ours.write_all(&line).and_then(|()| ours.write_all(b"\n"));
    }
    drop(ours);
    ended(child.wait())?;
    if tally.ran_any() { Ok(()) } else { Err("not one test ran".into()) }
}

/// The cargo that started us, in the workspace, and without what it told us of ourselves: build scripts that look at those variables
/// would run again each time.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start))) {
            command.env_remove(name);
        }
    }
    command
}

/// What the end of a command means.
pub(crate) fn ended(status: std::io::Result<ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(format!("it cannot be started: {error}")),
    }
}
