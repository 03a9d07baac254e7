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
    /// The number of its last migration: the schema's version.
    pub fn version(&self) -> i64 {
        i64::try_from(self.sqlite.len()).unwrap_or(i64::MAX)
    }

    /// Makes or upgrades the tables in a schema (of PostgreSQL; a SQLite file has but one).
    pub(crate) async fn prepare(&self, db: &Db, schema: &str) -> Result<(), DbError> {
        self.prepare_to(db, schema, self.version()).await
    }

    /// The same, but no further than to a version.
    pub(crate) async fn prepare_to(&self, db: &Db, schema: &str, version: i64) -> Result<(), DbError> {
        let most = usize::try_from(version).unwrap_or_default();
        match db {
            Db::Pg(pool) => self.prepare_pg(pool, schema, self.postgres.get(..most).unwrap_or(self.postgres)).await,
            Db::Sqlite(pool) => self.prepare_sqlite(pool, self.sqlite.get(..most).unwrap_or(self.sqlite)).await,
        }
    }

    /// The version of the tables that are there, if there are any.
    pub(crate) async fn found(&self, db: &Db, schema: &str) -> Result<Option<i64>, DbError> {
        match db {
            Db::Pg(pool) => {
                // Names of tables may be looked up by whoever may not look into their schema.
                let there: Option<(i32,)> =
                    sqlx::query_as("SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'")
                        .bind(schema)
                        .fetch_optional(pool)
                        .await?;
                let version = "SELECT coalesce(max(version), 0) FROM schema_version";
                match there {
                    Some(_) => Ok(sqlx::query_as(version).fetch_optional(pool).await?.map(|(found,): (i64,)| found)),
                    None => Ok(None),
                }
            }
            Db::Sqlite(pool) => {
                let (found,): (i64,) = sqlx::query_as("SELECT user_version FROM pragma_user_version").fetch_one(pool).await?;
                Ok((found > 0).then_some(found))
            }
        }
    }

    async fn prepare_pg(&self, pool: &PgPool, schema: &str, migrations: &'static [&'static str]) -> Result<(), DbError> {
        // Looked at first without any lock or right to create: most starts have nothing to do.
        let (there,): (bool,) =
            sqlx::query_as("SELECT to_regclass($1) IS NOT NULL").bind(format!("{schema}.schema_version")).fetch_one(pool).await?;
        if there {
            let (found,): (i64,) = sqlx::query_as("SELECT coalesce(max(version), 0) FROM schema_version").fetch_one(pool).await?;
            if self.steps(found, migrations)?.is_empty() {
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
        for (step, version) in self.steps(found, migrations)?.iter().zip(found + 1..) {
            sqlx::raw_sql(*step).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(version).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn prepare_sqlite(&self, pool: &SqlitePool, migrations: &'static [&'static str]) -> Result<(), DbError> {
        let (found,): (i64,) = sqlx::query_as("SELECT user_version FROM pragma_user_version").fetch_one(pool).await?;
        if self.steps(found, migrations)?.is_empty() {
            return Ok(());
        }
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        let (found,): (i64,) = sqlx::query_as("SELECT user_version FROM pragma_user_version").fetch_one(&mut *tx).await?;
        for step in self.steps(found, migrations)? {
            sqlx::raw_sql(*step).execute(&mut *tx).await?;
        }
        let newest = migrations.len();
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {newest}"))).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    fn steps<'a>(&self, found: i64, steps: &'a [&'static str]) -> Result<&'a [&'static str], DbError> {
        let newer = DbError::Newer { component: self.name, found, known: i64::try_from(steps.len()).unwrap_or(i64::MAX) };
        usize::try_from(found).ok().and_then(|done| steps.get(done..)).ok_or(newer)
    }
}
