//! A policy's text: TOML that a clinic's head can read aloud.
use super::Policy;
/// A mistake in a policy's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and the way out.
    pub message: String,
}
/// Reads a policy's text.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn parse(_text: &str, _version: &str) -> Result<Policy, Vec<Mistake>> {
    Err(vec![])
}
