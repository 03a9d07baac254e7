//! Written cases for a contact policy: one file, one story (`tact policy test`).
//!
//! A story is told on the domain's own functions and on nothing else, so what passes here is what the services do. Nothing here
//! decides anything.

mod data;
mod names;
mod play;
mod report;
mod shipped;
mod story;
mod text;

use std::path::{Path, PathBuf};

use tact_domain::policy::{self, Policy};
use tact_domain::toml_text::{self, Mistake};

pub use names::Names;
pub use play::play;
pub use report::{Failure, Line, Report};
pub use shipped::SHIPPED;
pub use story::{Due, Story, Unfit};
pub use text::{Expect, Scenario, Step, What, read};

/// Why a scenario could not be told at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file, or the policy that it names, cannot be opened.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The file, or the policy that it names, is not what it should be.
    #[error("{}", at_places(path, mistakes))]
    Text {
        /// Which.
        path: PathBuf,
        /// Every mistake, in the order of the text.
        mistakes: Vec<Mistake>,
    },
}

/// Mistakes as editors and people find them: `file:line:column: message`, one a line.
pub fn at_places(path: &Path, mistakes: &[Mistake]) -> String {
    let line = |m: &Mistake| format!("{}:{}:{}: {}", path.display(), m.line, m.column, m.message);
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Reads a policy from a file. Its version is the file's name.
///
/// # Errors
/// [`ReadError`] if the file cannot be opened or is not a policy.
pub fn read_policy(path: &Path) -> Result<Policy, ReadError> {
    let bytes = open(path)?;
    let version = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    policy::text::parse_bytes(&bytes, &version).map_err(|mistakes| ReadError::Text { path: path.to_owned(), mistakes })
}

/// Reads a policy's text from a file, as it is to be published: one that is a policy, without a byte order mark.
///
/// # Errors
/// [`ReadError`] if the file cannot be opened or is not a policy.
pub fn read_policy_text(path: &Path) -> Result<String, ReadError> {
    let unfit = |mistakes| ReadError::Text { path: path.to_owned(), mistakes };
    let bytes = open(path)?;
    let text = toml_text::utf8(&bytes).map_err(|mistake| unfit(vec![mistake]))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    policy::text::parse(text, "").map_err(unfit)?;
    Ok(text.to_owned())
}

/// Reads a scenario and tells its story.
///
/// # Errors
/// [`ReadError`] if the file, or the policy that it names, cannot be read. A step that does not come out as expected is no error.
pub fn run_file(path: &Path) -> Result<Report, ReadError> {
    let (scenario, policy) = open_scenario(path)?;
    Ok(play(&scenario, policy).0)
}

/// Reads a scenario and the policy that it names.
///
/// # Errors
/// [`ReadError`] if one of them cannot be read.
pub fn open_scenario(path: &Path) -> Result<(Scenario, Policy), ReadError> {
    let bytes = open(path)?;
    let text = toml_text::utf8(&bytes).map_err(|mistake| vec![mistake]);
    // Some editors begin a file with a byte order mark; TOML knows none.
    let text = text.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    let scenario = text.and_then(read).map_err(|mistakes| ReadError::Text { path: path.to_owned(), mistakes })?;
    let policy = match scenario.policy.as_str() {
        "default" => policy::text::parse(policy::DEFAULT, "default")
            .map_err(|mistakes| ReadError::Text { path: PathBuf::from("policies/default.toml"), mistakes })?,
        relative => read_policy(&path.parent().unwrap_or(Path::new("")).join(relative))?,
    };
    Ok((scenario, policy))
}

fn open(path: &Path) -> Result<Vec<u8>, ReadError> {
    std::fs::read(path).map_err(|error| ReadError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests;
