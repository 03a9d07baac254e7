//! The rules of the house, as tests: what may depend on what, how source files look, and whether the documents tell the truth.
//!
//! Rules are about what is absent. Each failure says what to do.

mod dependencies;
pub(crate) mod documents;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file of the workspace as text.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file that is or would be committed, relative to the workspace.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git can be started");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let mut files: Vec<PathBuf> = String::from_utf8(output.stdout).unwrap().split_terminator('\0').map(PathBuf::from).collect();
    // Deleted and not yet committed so.
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    assert!(files.len() > 50, "git lists only {} files", files.len());
    files
}

/// Fails with all that was found, and with what to do about it.
fn none(what_to_do: &str, found: &[String]) {
    assert!(found.is_empty(), "{what_to_do}:\n  {}", found.join("\n  "));
}
