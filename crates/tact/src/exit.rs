//! Exit codes: what went wrong, for whoever started the program from a script.

use tact_database::DbError;
use tact_event_log::LogError;

/// A test has failed, or a command could not do what was asked.
pub const FAILED: u8 = 1;
/// The command line, a settings file or an input file cannot be read.
pub const USAGE: u8 = 2;
/// The event log cannot be reached.
pub const LOG: u8 = 3;
/// A database cannot be reached.
pub const DATABASE: u8 = 4;
/// What is stored was made by a newer version, for another network, or is damaged.
pub const MISFIT: u8 = 5;
/// Another process uses the data folder, or there is no room.
pub const BUSY: u8 = 6;

/// Settings that do not go together, in words for whoever set them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The exit code that an error stands for.
pub fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Usage>() {
            return USAGE;
        }
        if let Some(error) = cause.downcast_ref::<LogError>() {
            return match error {
                LogError::Unavailable(_) | LogError::InDoubt(_) => LOG,
                LogError::Misfit(_) | LogError::Damaged(_) => MISFIT,
                LogError::Full(_) | LogError::InUse(_) => BUSY,
                LogError::TooLarge(_) => FAILED,
            };
        }
        if let Some(error) = cause.downcast_ref::<DbError>() {
            return match error {
                DbError::Newer { .. } => MISFIT,
                DbError::Full(_) => BUSY,
                _ => DATABASE,
            };
        }
    }
    FAILED
}
