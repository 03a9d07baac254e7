//! What a PostgreSQL database says about a network that is being moved into it or out of it: a mark while it is not whole, and who else is at work.
//!
//! A folder needs neither: it gets its name when it is whole, and its log takes one process. It must never leave the mark on a network that
//! is whole.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::target::{patiently, pg};
use crate::{Db, DbError, Target};

/// What a program that moves a network calls itself, so that it can tell the others from itself.
pub(crate) const MOVER: &str = "tact-moving";

const MARK: &str = "CREATE SCHEMA IF NOT EXISTS moving; CREATE TABLE IF NOT EXISTS moving.mark (archive text PRIMARY KEY)";
const IS_MARKED: &str = "SELECT 1 FROM pg_tables WHERE schemaname = 'moving' AND tablename = 'mark'";
const MARKED: &str = "SELECT archive FROM moving.mark";
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'tact' AND pid <> pg_backend_pid()";

impl Target {
    /// The same database, asked by a program that moves a network.
    #[must_use]
    pub fn for_moving(self) -> Self {
        match self {
            Self::Postgres(options) => Self::Postgres(Box::new(options.application_name(MOVER))),
            folder @ Self::Sqlite(_) => folder,
        }
    }

    fn asked(&self) -> Result<Option<Db>, DbError> {
        match self {
            Self::Postgres(options) => pg(&options.clone().application_name(MOVER), "public", true).map(Some),
            Self::Sqlite(_) => Ok(None),
        }
    }

    /// Says that from now on the database holds a part of what an archive holds, and not the whole.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn mark_moving(&self, archive: &str) -> Result<(), DbError> {
        let Some(Db::Pg(pool)) = self.asked()? else { return Ok(()) };
        sqlx::raw_sql(AssertSqlSafe(MARK)).execute(&pool).await?;
        sqlx::query("INSERT INTO moving.mark (archive) VALUES ($1) ON CONFLICT DO NOTHING").bind(archive).execute(&pool).await?;
        Ok(())
    }

    /// Whether a network is being moved into the database and not whole yet.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when `wait` is over.
    pub async fn is_moving(&self, wait: Duration) -> Result<bool, DbError> {
        let Some(db) = self.asked()? else { return Ok(false) };
        let found: Option<(i32,)> = patiently(wait, || async { crate::one!(&db, IS_MARKED) }).await?;
        Ok(found.is_some())
    }

    /// From which archive it is being moved in.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn moving_from(&self) -> Result<Option<String>, DbError> {
        let Some(db) = self.asked()? else { return Ok(None) };
        let marked: Option<(i32,)> = crate::one!(&db, IS_MARKED)?;
        if marked.is_none() {
            return Ok(None);
        }
        let from: Option<(String,)> = crate::one!(&db, MARKED)?;
        Ok(from.map(|(archive,)| archive))
    }

    /// Says that it is whole.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn unmark_moving(&self) -> Result<(), DbError> {
        let Some(Db::Pg(pool)) = self.asked()? else { return Ok(()) };
        sqlx::raw_sql("DROP SCHEMA IF EXISTS moving CASCADE").execute(&pool).await?;
        Ok(())
    }

    /// How many connections other programs of ours have to the database; those of another database user may not be seen.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn others(&self) -> Result<i64, DbError> {
        let Some(db) = self.asked()? else { return Ok(0) };
        let count: Option<(i64,)> = crate::one!(&db, OTHERS)?;
        Ok(count.map_or(0, |(count,)| count))
    }
}
