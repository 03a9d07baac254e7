//! What can go wrong with a database, sorted by what its caller can do about it. Texts name no parameter's value.

use std::borrow::Cow;

/// Why a database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It cannot be reached, or did not answer in time. Asking again later may help.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// Somebody else held what was needed for too long. Asking again may help; nothing was written.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// No room is left on its disk. Nothing was written.
    #[error("the database has no room left: {0}")]
    Full(String),
    /// Its tables were made by a newer version of Tact, and this version would damage them.
    #[error(
        "the tables of `{component}` have schema {found}, and this version of Tact knows up to {known}: use the newer version"
    )]
    Newer {
        /// Which tables: `read` or `personal`.
        component: &'static str,
        /// The schema that was found.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// Its tables were made by an older version of Tact, and whoever only looks at them does not upgrade them.
    #[error(
        "the tables of `{component}` have schema {found}, and this version of Tact has {known}: use the version that serves them, or \
         start this one on them first"
    )]
    Older {
        /// Which tables.
        component: &'static str,
        /// The schema that was found.
        found: i64,
        /// The one of this version.
        known: i64,
    },
    /// A file or folder of the embedded database cannot be used.
    #[error("{what}: {error}")]
    File {
        /// What was tried with which file.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The database's address cannot be read. The text does not repeat it, since it may hold a password.
    #[error("the address of the database cannot be read: {0}")]
    Address(String),
    /// Another rebuild is running on these tables.
    #[error("another rebuild of `{0}` is running; wait for it to end")]
    RebuildRunning(&'static str),
    /// Anything else: a mistake in the program or a damaged database.
    #[error("the database refused: {0}")]
    Refused(#[source] sqlx::Error),
}

impl DbError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy(_) | Self::Full(_))
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.to_string()),
            sqlx::Error::Configuration(e) => Self::Address(e.to_string()),
            sqlx::Error::Database(e) => match sort(&e.code().unwrap_or(Cow::Borrowed(""))) {
                Sort::Away => Self::Unavailable(e.message().to_owned()),
                Sort::Busy => Self::Busy(e.message().to_owned()),
                Sort::Full => Self::Full(e.message().to_owned()),
                Sort::Other => Self::Refused(error),
            },
            _ => Self::Refused(error),
        }
    }
}

enum Sort {
    Away,
    Busy,
    Full,
    Other,
}

/// Sorts PostgreSQL's five-character SQLSTATE and SQLite's extended result code, which share no value.
fn sort(code: &str) -> Sort {
    match code {
        // Serialization failure, deadlock, lock not available; SQLITE_BUSY and SQLITE_LOCKED with their extended codes.
        "40001" | "40P01" | "55P03" | "5" | "261" | "517" | "773" | "6" | "262" | "518" => Sort::Busy,
        // Disk full; SQLITE_FULL, and SQLITE_IOERR_SHMSIZE, which is what a full disk makes of opening.
        "53100" | "13" | "4874" => Sort::Full,
        // Too many connections, shutting down, starting up.
        "53300" | "57P01" | "57P02" | "57P03" => Sort::Away,
        _ if code.len() == 5 && code.starts_with("08") => Sort::Away,
        // SQLITE_CANTOPEN: the folder has gone.
        "14" => Sort::Away,
        _ => Sort::Other,
    }
}
