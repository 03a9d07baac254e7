//! Where a database is, and how a connection to it is made: with bounded waiting, and set up the same way everywhere.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::moving::MOVER;
use crate::{Component, Db, DbError};

/// How long a call waits for a free connection before it says that the database is unavailable.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a writer on SQLite waits for the one before it.
pub(crate) const BUSY: Duration = Duration::from_secs(10);
/// How often a database that is not there yet is tried again.
const AGAIN: Duration = Duration::from_millis(250);

/// Where the databases are.
#[derive(Clone)]
pub enum Target {
    /// A PostgreSQL database; each [`Component`] has its own schema in it.
    Postgres(Box<PgConnectOptions>),
    /// A folder; each [`Component`] has its own SQLite file in it.
    Sqlite(PathBuf),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Target {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(to) => {
                write!(f, "postgres://{}:{}/{}", to.get_host(), to.get_port(), to.get_database().unwrap_or_default())
            }
            Self::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
        }
    }
}

impl FromStr for Target {
    type Err = DbError;

    /// `postgres://user:password@host:port/database?...` or `sqlite:<folder>`.
    fn from_str(text: &str) -> Result<Self, DbError> {
        if let Some(folder) = text.strip_prefix("sqlite:") {
            return Ok(Self::sqlite(folder.trim_start_matches("//")));
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DbError::Address("it begins neither with `postgres://` nor with `sqlite:`".to_owned()));
        }
        let options = PgConnectOptions::from_str(text).map_err(|e| DbError::Address(e.to_string()))?;
        Ok(Self::Postgres(Box::new(options)))
    }
}

impl Target {
    /// SQLite files in a folder, which is made when it is not there.
    pub fn sqlite(folder: impl Into<PathBuf>) -> Self {
        Self::Sqlite(folder.into())
    }

    /// Connects and makes or upgrades the component's tables, waiting at most `wait` for a database that is not there yet.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when `wait` is over, [`DbError::Newer`] for tables of a newer version.
    pub async fn open(&self, component: &'static Component, wait: Duration) -> Result<Db, DbError> {
        let db = self.connection(component, true)?;
        patiently(wait, || component.prepare(&db, component.name)).await?;
        Ok(db)
    }

    /// As [`Target::open`], but makes or upgrades the tables no further than to a version, so that rows of that version can be put into them.
    ///
    /// # Errors
    /// As [`Target::open`].
    pub async fn open_at(&self, component: &'static Component, version: i64, wait: Duration) -> Result<Db, DbError> {
        let db = self.connection(component, true)?;
        patiently(wait, || component.prepare_to(&db, component.name, version)).await?;
        Ok(db)
    }

    /// Connects to the component's tables if they are there, with the version that they have. It makes and changes nothing.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when `wait` is over.
    pub async fn find(&self, component: &'static Component, wait: Duration) -> Result<Option<(Db, i64)>, DbError> {
        if let Self::Sqlite(folder) = self
            && !folder.join(format!("{}.db", component.name)).exists()
        {
            return Ok(None);
        }
        let db = self.connection(component, false)?;
        Ok(patiently(wait, || component.found(&db, component.name)).await?.map(|version| (db, version)))
    }

    fn connection(&self, component: &'static Component, create: bool) -> Result<Db, DbError> {
        match self {
            Self::Postgres(options) => pg(options, component.name, component.durable),
            Self::Sqlite(folder) => sqlite(folder, &format!("{}.db", component.name), component.durable, create),
        }
    }
}

/// Tries until it works, fails for good, or `wait` is over.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, DbError>>>(
    wait: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, DbError> {
    let mut last = format!("no answer within {} s", wait.as_secs_f32());
    let mut tick = tokio::time::interval(AGAIN);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let trying = async {
        loop {
            tick.tick().await;
            match attempt().await {
                Err(DbError::Unavailable(why) | DbError::Busy(why)) => last = why,
                other => return other,
            }
        }
    };
    match tokio::time::timeout(wait, trying).await {
        Ok(result) => result,
        Err(_) => Err(DbError::Unavailable(last)),
    }
}

/// A pool whose connections see the tables of one schema. What can be built again from the log is committed without waiting for the
/// disk: rows and checkpoint are lost together or not at all.
pub(crate) fn pg(options: &PgConnectOptions, schema: &str, durable: bool) -> Result<Db, DbError> {
    let commit = if durable { "on" } else { "off" };
    let options = options
        .clone()
        .application_name(if options.get_application_name() == Some(MOVER) { MOVER } else { "tact" })
        .options([("search_path", schema), ("synchronous_commit", commit)])
        .disable_statement_logging();
    Ok(Db::Pg(PgPoolOptions::new().max_connections(12).acquire_timeout(ACQUIRE).connect_lazy_with(options)))
}

/// A pool on one SQLite file, which is made when it is not there, if `create` says so.
pub(crate) fn sqlite(folder: &Path, file: &str, durable: bool, create: bool) -> Result<Db, DbError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| DbError::File { what: format!("cannot make the folder {}", folder.display()), error })?;
    let options = SqliteConnectOptions::new()
        .filename(folder.join(file))
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if durable { SqliteSynchronous::Full } else { SqliteSynchronous::Normal })
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .pragma("cache_size", "-4000")
        // Deleted personal data must not linger in free pages.
        .pragma("secure_delete", if durable { "ON" } else { "OFF" })
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(6).acquire_timeout(BUSY).idle_timeout(Duration::from_secs(60));
    Ok(Db::Sqlite(pool.connect_lazy_with(options)))
}
