//! Tables that are built anew beside the live ones and then take their place, while everybody goes on reading.
//!
//! PostgreSQL: the new ones grow in the schema `<name>_next`, and one transaction renames both. SQLite: they grow in a file of their
//! own, `<name>-<number>.db`, and a small file `<name>.current` says which one counts.
//!
//! Whoever writes to such tables moves their one row in `checkpoint (position, generation)` in the same transaction and on condition
//! that it is what the writer knows. The swap takes that row first: a writer that was faster has its rows counted, one that is slower
//! finds another generation and writes nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use crate::target::{patiently, pg, sqlite};
use crate::{Component, Db, DbError, Target};

/// The live tables are let go only if they are not ahead of those that take their place.
const RETIRE: &str = "UPDATE checkpoint SET generation = -1 WHERE position <= $1";

/// Tables that can be replaced as a whole. Cheap to clone; clones see a swap at once, other processes with their next call.
#[derive(Debug, Clone)]
pub struct Swappable(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Target,
    component: &'static Component,
    live: RwLock<Live>,
}

#[derive(Debug)]
struct Live {
    number: u64,
    db: Db,
}

/// The tables that are being built. Dropped without a swap, they are of no more use; the next rebuild clears them away.
#[derive(Debug)]
pub struct Next {
    /// Where to write; what is written need not last until the swap.
    pub db: Db,
    number: u64,
    // Held until the rebuild ends: there is only one at a time.
    lock: Lock,
}

#[derive(Debug)]
enum Lock {
    Session(Box<PgConnection>),
    File(#[expect(dead_code, reason = "held, never read")] File),
}

/// What became of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Swap {
    /// The new tables are the live ones.
    Done,
    /// The live ones know more: catch up and try again.
    Behind,
}

impl Next {
    /// Ends the rebuild: its connections are closed and another one may begin.
    pub async fn end(self) {
        self.db.close().await;
        if let Lock::Session(session) = self.lock {
            let closed = sqlx::Connection::close(*session).await;
            closed.unwrap_or_else(|error| tracing::debug!(%error, "the rebuild's session was closed by the server"));
        }
    }
}

impl Swappable {
    /// Connects and makes the tables if they are not there, waiting at most `wait` for a database that is not there yet.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when `wait` is over, [`DbError::Newer`] for tables of a newer version.
    pub async fn open(target: &Target, component: &'static Component, wait: Duration) -> Result<Self, DbError> {
        let (number, db) = match target {
            Target::Postgres(options) => (0, pg(options, component.name, component.durable)?),
            Target::Sqlite(folder) => {
                let number = current(folder, component);
                (number, sqlite(folder, &file(component, number), component.durable, true)?)
            }
        };
        patiently(wait, || component.prepare(&db, component.name)).await?;
        let live = RwLock::new(Live { number, db });
        Ok(Self(Arc::new(Inner { target: target.clone(), component, live })))
    }

    /// The live tables, as of now.
    pub fn db(&self) -> Db {
        let inner = &self.0;
        if let Target::Sqlite(folder) = &inner.target {
            let number = current(folder, inner.component);
            if number != inner.live.read().unwrap_or_else(PoisonError::into_inner).number {
                self.adopt(number);
            }
        }
        inner.live.read().unwrap_or_else(PoisonError::into_inner).db.clone()
    }

    fn adopt(&self, number: u64) {
        let Target::Sqlite(folder) = &self.0.target else { return };
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.number != number
            && let Ok(db) = sqlite(folder, &file(self.0.component, number), self.0.component.durable, false)
        {
            *live = Live { number, db };
        }
    }

    /// Makes empty tables beside the live ones, and clears away what an interrupted rebuild left.
    ///
    /// # Errors
    /// [`DbError::RebuildRunning`] while another one goes on, here or in another process.
    pub async fn begin_next(&self) -> Result<Next, DbError> {
        let Inner { target, component, .. } = &*self.0;
        let name = component.name;
        let (db, number, lock) = match (target, self.db()) {
            (Target::Postgres(options), Db::Pg(pool)) => {
                let mut session = pool.acquire().await?.detach();
                // A rebuild that was killed holds its lock until the server has seen its connection end.
                sqlx::query("SET lock_timeout = '1s'").execute(&mut session).await?;
                let lock = sqlx::query("SELECT pg_advisory_lock(hashtext($1))").bind(format!("tact rebuild {name}"));
                lock.execute(&mut session).await.map_err(|error| match DbError::from(error) {
                    DbError::Busy(_) => DbError::RebuildRunning(name),
                    other => other,
                })?;
                let clear = format!("DROP SCHEMA IF EXISTS {name}_next CASCADE; DROP SCHEMA IF EXISTS {name}_old CASCADE");
                sqlx::raw_sql(AssertSqlSafe(clear)).execute(&mut session).await?;
                (pg(options, &format!("{name}_next"), false)?, 0, Lock::Session(Box::new(session)))
            }
            (Target::Sqlite(folder), _) => {
                let live = current(folder, component);
                let (lock, number) = rebuild_lock(folder, component, live)?;
                clear_files(folder, component, live);
                (sqlite(folder, &file(component, number), false, true)?, number, Lock::File(lock))
            }
            (Target::Postgres(_), Db::Sqlite(_)) => unreachable!("a pool is of its target's engine"),
        };
        component.prepare(&db, &format!("{name}_next")).await?;
        Ok(Next { db, number, lock })
    }

    /// Puts the new tables, which are true up to `position`, in place of the live ones, if those are not ahead.
    ///
    /// # Errors
    /// Whatever the database says; the live tables then stay, and the swap can be tried again.
    pub async fn swap(&self, next: &Next, position: i64) -> Result<Swap, DbError> {
        let Inner { target, component, .. } = &*self.0;
        let name = component.name;
        match (target, self.db()) {
            (Target::Sqlite(folder), Db::Sqlite(live)) => {
                if let Db::Sqlite(next) = &next.db {
                    // What counts from here on must be on disk before the pointer names it.
                    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(next).await?;
                }
                let mut tx = live.begin_with("BEGIN IMMEDIATE").await?;
                if sqlx::query(RETIRE).bind(position).execute(&mut *tx).await?.rows_affected() == 0 {
                    return Ok(Swap::Behind);
                }
                let what = format!("cannot write {}", pointer(folder, component).display());
                point_to(folder, component, next.number).map_err(|error| DbError::File { what, error })?;
                self.adopt(next.number);
                // The live file is named by nobody any more, whether or not this lasts.
                tx.commit().await.unwrap_or_else(|error| tracing::debug!(%error, "the retired file was not marked"));
            }
            (Target::Postgres(_), Db::Pg(live)) => {
                let mut tx = live.begin().await?;
                sqlx::raw_sql("SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '5s'").execute(&mut *tx).await?;
                if sqlx::query(RETIRE).bind(position).execute(&mut *tx).await?.rows_affected() == 0 {
                    return Ok(Swap::Behind);
                }
                let rename = format!("ALTER SCHEMA {name} RENAME TO {name}_old; ALTER SCHEMA {name}_next RENAME TO {name}");
                sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut *tx).await?;
                tx.commit().await?;
                // Readers that began before may still be in the old tables; what cannot go now goes with the next rebuild.
                let drop = format!("SET LOCAL lock_timeout = '5s'; DROP SCHEMA {name}_old CASCADE");
                let dropped = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&live).await;
                dropped
                    .map(|_| ())
                    .unwrap_or_else(|error| tracing::debug!(%error, "the retired schema stays until the next rebuild"));
            }
            (Target::Sqlite(_), Db::Pg(_)) | (Target::Postgres(_), Db::Sqlite(_)) => {
                unreachable!("a pool is of its target's engine")
            }
        }
        Ok(Swap::Done)
    }
}

fn file(component: &Component, number: u64) -> String {
    format!("{}-{number}.db", component.name)
}

fn pointer(folder: &Path, component: &Component) -> PathBuf {
    folder.join(format!("{}.current", component.name))
}

/// The number of the live file; the first one needs no pointer.
fn current(folder: &Path, component: &Component) -> u64 {
    let text = std::fs::read_to_string(pointer(folder, component)).unwrap_or_default();
    text.trim().parse().unwrap_or(1)
}

fn point_to(folder: &Path, component: &Component, number: u64) -> std::io::Result<()> {
    let target = pointer(folder, component);
    let fresh = target.with_extension("current.new");
    std::fs::write(&fresh, number.to_string())?;
    File::open(&fresh)?.sync_all()?;
    std::fs::rename(&fresh, &target)?;
    File::open(folder)?.sync_all()
}

/// Takes the lock that keeps other rebuilds out, and a number that no file ever had: a connection that is still closing would otherwise
/// take the new file's log for its own and remove it.
fn rebuild_lock(folder: &Path, component: &Component, live: u64) -> Result<(File, u64), DbError> {
    use std::io::{Read, Seek, Write};
    let path = folder.join(format!("{}.rebuild", component.name));
    let failed = |error| DbError::File { what: format!("cannot use {}", path.display()), error };
    let mut lock = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
    lock.try_lock().map_err(|_| DbError::RebuildRunning(component.name))?;
    let mut text = String::new();
    lock.read_to_string(&mut text).map_err(failed)?;
    let number = live.max(text.trim().parse().unwrap_or(0)) + 1;
    lock.rewind().and_then(|()| lock.set_len(0)).and_then(|()| write!(lock, "{number}")).map_err(failed)?;
    Ok((lock, number))
}

/// Removes every file of the component but the live one. The one before it goes only now, since readers may have been in it until long
/// after the swap.
fn clear_files(folder: &Path, component: &Component, live: u64) {
    let keep = file(component, live);
    let prefix = format!("{}-", component.name);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&prefix) && !name.starts_with(&keep) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
