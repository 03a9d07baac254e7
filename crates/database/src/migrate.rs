//! Makes and upgrades tables, once however many processes start together.
//!
//! A migration is never edited once released: a change is a new file at the end of the list.

use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use crate::{Db, DbError};

/// A set of tables that belong together and are upgraded together: one schema of PostgreSQL, one file of SQLite.
#[derive(Debug)]
pub struct Component {
    /// The name of the schema and of the file, `a-z` only.
    pub name: &'static str,
    /// The migrations for PostgreSQL, in order; the number of the last is the schema's version.
    pub postgres: &'static [&'static str],
    /// The same for SQLite.
    pub sqlite: &'static [&'static str],
    /// Whether it holds what nothing else does, so that a commit must be on disk before it is answered and deleted bytes overwritten.
    pub durable: bool,
}

impl Component {
    /// Makes or upgrades the tables in a schema (of PostgreSQL; a SQLite file has but one).
    pub(crate) async fn prepare(&self, db: &Db, schema: &str) -> Result<(), DbError> {
        match db {
            Db::Pg(pool) => self.prepare_pg(pool, schema).await,
            Db::Sqlite(pool) => self.prepare_sqlite(pool).await,
        }
    }

    async fn prepare_pg(&self, pool: &PgPool, schema: &str) -> Result<(), DbError> {
        // Looked at first without any lock or right to create: most starts have nothing to do.
        let (there,): (bool,) =
            sqlx::query_as("SELECT to_regclass($1) IS NOT NULL").bind(format!("{schema}.schema_version")).fetch_one(pool).await?;
        if there {
            let (found,): (i64,) = sqlx::query_as("SELECT coalesce(max(version), 0) FROM schema_version").fetch_one(pool).await?;
            if self.steps(found, self.postgres)?.is_empty() {
                return Ok(());
            }
        }
        let mut tx = pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext($1))").bind(format!("tact schema {schema}")).execute(&mut *tx).await?;
        sqlx::raw_sql(AssertSqlSafe(format!(
            "CREATE SCHEMA IF NOT EXISTS {schema};
             CREATE TABLE IF NOT EXISTS {schema}.schema_version (version BIGINT PRIMARY KEY)"
        )))
        .execute(&mut *tx)
        .await?;
        let (found,): (i64,) = sqlx::query_as("SELECT coalesce(max(version), 0) FROM schema_version").fetch_one(&mut *tx).await?;
        for (step, version) in self.steps(found, self.postgres)?.iter().zip(found + 1..) {
            sqlx::raw_sql(*step).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(version).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn prepare_sqlite(&self, pool: &SqlitePool) -> Result<(), DbError> {
        let (found,): (i64,) = sqlx::query_as("SELECT user_version FROM pragma_user_version").fetch_one(pool).await?;
        if self.steps(found, self.sqlite)?.is_empty() {
            return Ok(());
        }
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        let (found,): (i64,) = sqlx::query_as("SELECT user_version FROM pragma_user_version").fetch_one(&mut *tx).await?;
        for step in self.steps(found, self.sqlite)? {
            sqlx::raw_sql(*step).execute(&mut *tx).await?;
        }
        let newest = self.sqlite.len();
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {newest}"))).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    fn steps<'a>(&self, found: i64, steps: &'a [&'static str]) -> Result<&'a [&'static str], DbError> {
        let newer = DbError::Newer { component: self.name, found, known: i64::try_from(steps.len()).unwrap_or(i64::MAX) };
        usize::try_from(found).ok().and_then(|done| steps.get(done..)).ok_or(newer)
    }
}
