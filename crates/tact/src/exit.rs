//! Exit codes: what went wrong, for whoever started the program from a script.

use tact_archive::ArchiveError;
use tact_database::DbError;
use tact_event_log::LogError;
use tact_projector::ProjectorError;
use tact_service::erasure::Unfinished;
use tact_service::transact::Failure;

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

/// A history or an archive does not hold: something in it deviates.
pub const DEVIATION: u8 = 7;

/// Settings that do not go together, in words for whoever set them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The exit code that an error stands for.
pub fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(of).unwrap_or(FAILED)
}

/// What one error of a chain says by itself. A transparent error hides the one that it holds from the chain, so each is named here.
fn of(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if error.is::<Usage>() {
        return Some(USAGE);
    }
    if let Some(ProjectorError::AheadOfLog { .. }) = error.downcast_ref() {
        return Some(MISFIT);
    }
    if let Some(unfinished) = error.downcast_ref() {
        return match unfinished {
            Unfinished::Log(error) => Some(of_log(error)),
            Unfinished::Database(error) => Some(of_database(error)),
            Unfinished::Failure(error) => of(error),
        };
    }
    if let Some(archive) = error.downcast_ref() {
        return Some(match archive {
            ArchiveError::NotOne { .. } => USAGE,
            ArchiveError::InUse(_) => BUSY,
            ArchiveError::Misfit(_) => MISFIT,
            ArchiveError::Damaged(_) => DEVIATION,
            ArchiveError::File { error, .. } if error.kind() == std::io::ErrorKind::StorageFull => BUSY,
            ArchiveError::File { .. } => FAILED,
        });
    }
    let log = match (error.downcast_ref(), error.downcast_ref()) {
        (Some(Failure::Log(error)), _) | (_, Some(ProjectorError::Log(error))) => Some(error),
        _ => error.downcast_ref(),
    };
    let database = match error.downcast_ref() {
        Some(ProjectorError::Database(error)) => Some(error),
        _ => error.downcast_ref(),
    };
    log.map(of_log).or(database.map(of_database))
}

fn of_log(error: &LogError) -> u8 {
    match error {
        LogError::Unavailable(_) | LogError::InDoubt(_) => LOG,
        LogError::Misfit(_) | LogError::Damaged(_) => MISFIT,
        LogError::Full(_) | LogError::InUse(_) => BUSY,
        LogError::TooLarge(_) => FAILED,
    }
}

fn of_database(error: &DbError) -> u8 {
    match error {
        DbError::Newer { .. } | DbError::Older { .. } => MISFIT,
        DbError::Full(_) => BUSY,
        _ => DATABASE,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_keeps_its_code_whatever_holds_it() {
        let away = || LogError::Unavailable("away".to_owned());
        let behind = |error: anyhow::Error| code(&Err::<(), _>(error).context("it began so well").unwrap_err());
        assert_eq!(behind(away().into()), LOG);
        assert_eq!(behind(ProjectorError::from(away()).into()), LOG);
        assert_eq!(behind(Failure::from(away()).into()), LOG);
        assert_eq!(behind(ProjectorError::from(DbError::Full("no room".to_owned())).into()), BUSY);
        assert_eq!(behind(ProjectorError::AheadOfLog { read: 2, head: 1 }.into()), MISFIT);
        assert_eq!(behind(Unfinished::from(away()).into()), LOG);
        assert_eq!(behind(Unfinished::from(Failure::from(away())).into()), LOG);
        assert_eq!(behind(Unfinished::from(DbError::Busy("busy".to_owned())).into()), DATABASE);
        assert_eq!(behind(Usage("no".to_owned()).into()), USAGE);
        assert_eq!(behind(anyhow::anyhow!("something else")), FAILED);
    }
}
