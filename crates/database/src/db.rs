//! A database of one of two engines, a transaction in it, and the macros that write a statement once and compile it for both.

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::DbError;
use crate::target::BUSY;

/// A database: a pool of connections, cheap to clone.
#[derive(Debug, Clone)]
pub enum Db {
    /// PostgreSQL.
    Pg(PgPool),
    /// SQLite.
    Sqlite(SqlitePool),
}

/// A transaction. Dropped without [`Tx::commit`], it leaves no trace.
#[derive(Debug)]
pub enum Tx {
    /// Of PostgreSQL.
    Pg(Transaction<'static, Postgres>),
    /// Of SQLite.
    Sqlite(Transaction<'static, Sqlite>),
}

/// How often emptying the journal is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

impl Db {
    /// Begins a transaction. On SQLite it takes the write lock at once: one that reads first and writes later would fail whenever
    /// another wrote in between.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] or [`DbError::Busy`] if no connection or lock was to be had in time.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        Ok(match self {
            Self::Pg(pool) => Tx::Pg(pool.begin().await?),
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    /// Begins a transaction that only reads, and sees the database as it is now for as long as it lasts, whatever others write.
    ///
    /// # Errors
    /// As [`Db::begin`].
    pub async fn snapshot(&self) -> Result<Tx, DbError> {
        let mut tx = match self {
            Self::Pg(pool) => Tx::Pg(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?),
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN DEFERRED").await?),
        };
        // Both take the picture at the first look, not at the beginning.
        match &mut tx {
            Tx::Pg(tx) => sqlx::query("SELECT 1").execute(&mut **tx).await.map(|_| ())?,
            Tx::Sqlite(tx) => sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut **tx).await.map(|_| ())?,
        }
        Ok(tx)
    }

    /// Asks the database for nothing, to see whether it answers.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    pub async fn ping(&self) -> Result<(), DbError> {
        crate::run!(self, "SELECT 1").map(|_| ())
    }

    /// Prepares a statement without running it: what the tests do with every SQL constant on both engines.
    ///
    /// # Errors
    /// What the engine finds wrong with the text.
    pub async fn prepare(&self, sql: &str) -> Result<(), DbError> {
        use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
        let sql = AssertSqlSafe(sql).into_sql_str();
        match self {
            Self::Pg(pool) => pool.acquire().await?.prepare(sql).await.map(|_| ())?,
            Self::Sqlite(pool) => pool.acquire().await?.prepare(sql).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Leaves no byte of deleted rows in the files, where the engine can do so at once. PostgreSQL cannot: see docs/OPERATIONS.md for what its
    /// vacuum does.
    ///
    /// On SQLite `secure_delete` overwrites what is deleted, but not the copies that stay behind in the unused middle of a page when rows
    /// move to another. Only writing the whole file anew leaves none; then the journal, which still holds the old pages, is emptied.
    ///
    /// # Errors
    /// Whatever keeps the database from it; [`DbError::Busy`] if somebody read for so long that the journal could not be emptied.
    pub async fn forget_old_pages(&self) -> Result<(), DbError> {
        let Self::Sqlite(pool) = self else { return Ok(()) };
        sqlx::query("VACUUM").execute(pool).await?;
        // A reader is waited for by SQLite itself, another who empties the journal at this moment is not.
        let begun = tokio::time::Instant::now();
        let mut again = tokio::time::interval(AGAIN);
        loop {
            again.tick().await;
            let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await?;
            if busy == 0 {
                return Ok(());
            }
            if begun.elapsed() >= BUSY {
                return Err(DbError::Busy(
                    "somebody reads what was deleted; the journal is emptied once they are done".to_owned(),
                ));
            }
        }
    }

    /// Whether [`Db::forget_old_pages`] leaves nothing of deleted rows in the files.
    pub fn rewrites_files(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Closes every connection, after what is running on it.
    pub async fn close(&self) {
        match self {
            Self::Pg(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Waits until no other transaction that asked for the same is under way. On SQLite every transaction is alone already.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn alone(&mut self, what: &'static str) -> Result<(), DbError> {
        if let Self::Pg(tx) = self {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtext($1))").bind(what).execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Makes everything that was done in it last.
    ///
    /// # Errors
    /// If the connection breaks now, it is not known whether it lasts; whoever must know reads it back.
    pub async fn commit(self) -> Result<(), DbError> {
        match self {
            Self::Pg(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// `all!(db, SQL, args...)`: every row that a statement yields, as `Vec` of anything with `FromRow`.
#[macro_export]
macro_rules! all {
    ($db:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $db {
            $crate::Db::Pg(pool) => $crate::__sqlx::query_as($sql)$(.bind($arg))*.fetch_all(pool).await,
            $crate::Db::Sqlite(pool) => $crate::__sqlx::query_as($sql)$(.bind($arg))*.fetch_all(pool).await,
        }
        .map_err($crate::DbError::from)
    };
}

/// `one!(db, SQL, args...)`: the first row that a statement yields, if it yields one.
#[macro_export]
macro_rules! one {
    ($db:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $db {
            $crate::Db::Pg(pool) => $crate::__sqlx::query_as($sql)$(.bind($arg))*.fetch_optional(pool).await,
            $crate::Db::Sqlite(pool) => $crate::__sqlx::query_as($sql)$(.bind($arg))*.fetch_optional(pool).await,
        }
        .map_err($crate::DbError::from)
    };
}

/// `run!(db, SQL, args...)`: runs a statement; how many rows it changed.
#[macro_export]
macro_rules! run {
    ($db:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $db {
            $crate::Db::Pg(pool) => $crate::__sqlx::query($sql)$(.bind($arg))*.execute(pool).await.map(|done| done.rows_affected()),
            $crate::Db::Sqlite(pool) => $crate::__sqlx::query($sql)$(.bind($arg))*.execute(pool).await.map(|done| done.rows_affected()),
        }
        .map_err($crate::DbError::from)
    };
}

/// [`all!`] inside a transaction: `all_in!(tx, SQL, args...)` with `tx: &mut Tx`.
#[macro_export]
macro_rules! all_in {
    ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $tx {
            $crate::Tx::Pg(tx) => $crate::__sqlx::query_as($sql)$(.bind($arg))*.fetch_all(&mut **tx).await,
            $crate::Tx::Sqlite(tx) => $crate::__sqlx::query_as($sql)$(.bind($arg))*.fetch_all(&mut **tx).await,
        }
        .map_err($crate::DbError::from)
    };
}

/// [`one!`] inside a transaction.
#[macro_export]
macro_rules! one_in {
    ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $tx {
            $crate::Tx::Pg(tx) => $crate::__sqlx::query_as($sql)$(.bind($arg))*.fetch_optional(&mut **tx).await,
            $crate::Tx::Sqlite(tx) => $crate::__sqlx::query_as($sql)$(.bind($arg))*.fetch_optional(&mut **tx).await,
        }
        .map_err($crate::DbError::from)
    };
}

/// [`run!`] inside a transaction.
#[macro_export]
macro_rules! run_in {
    ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $tx {
            $crate::Tx::Pg(tx) => $crate::__sqlx::query($sql)$(.bind($arg))*.execute(&mut **tx).await.map(|done| done.rows_affected()),
            $crate::Tx::Sqlite(tx) => $crate::__sqlx::query($sql)$(.bind($arg))*.execute(&mut **tx).await.map(|done| done.rows_affected()),
        }
        .map_err($crate::DbError::from)
    };
}
