//! Many rows at once: `UNNEST` on PostgreSQL, statements of many rows on SQLite. Never a statement per row.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{FromRow, Postgres, Sqlite, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

use crate::{Db, DbError, Time, Tx, to_millis};

/// The type of a column, alike on both engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `uuid`; a BLOB on SQLite.
    Uuid,
    /// `text`.
    Text,
    /// `bigint`; INTEGER on SQLite.
    Int,
    /// `boolean`; INTEGER on SQLite.
    Bool,
    /// `timestamptz`; TEXT on SQLite.
    Time,
    /// `bytea`; a BLOB on SQLite.
    Bytes,
}

impl Kind {
    pub(crate) const fn pg_array(self) -> &'static str {
        match self {
            Self::Uuid => "uuid[]",
            Self::Text => "text[]",
            Self::Int => "bigint[]",
            Self::Bool => "boolean[]",
            Self::Time => "timestamptz[]",
            Self::Bytes => "bytea[]",
        }
    }
}

/// The cells of one column.
#[derive(Debug)]
pub enum Column {
    /// Of [`Kind::Uuid`].
    Uuid(Vec<Option<Uuid>>),
    /// Of [`Kind::Text`].
    Text(Vec<Option<String>>),
    /// Of [`Kind::Int`].
    Int(Vec<Option<i64>>),
    /// Of [`Kind::Bool`].
    Bool(Vec<Option<bool>>),
    /// Of [`Kind::Time`].
    Time(Vec<Option<Time>>),
    /// Of [`Kind::Bytes`].
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    pub(crate) fn new(kind: Kind, room: usize) -> Self {
        match kind {
            Kind::Uuid => Self::Uuid(Vec::with_capacity(room)),
            Kind::Text => Self::Text(Vec::with_capacity(room)),
            Kind::Int => Self::Int(Vec::with_capacity(room)),
            Kind::Bool => Self::Bool(Vec::with_capacity(room)),
            Kind::Time => Self::Time(Vec::with_capacity(room)),
            Kind::Bytes => Self::Bytes(Vec::with_capacity(room)),
        }
    }
}

/// A value that fits in a column.
pub trait Cell {
    /// The type of the column.
    const KIND: Kind;
    /// Puts the value, or NULL, at the end of a column of that type.
    fn put(value: Option<Self>, column: &mut Column)
    where
        Self: Sized;
    /// Puts this value at the end of a column of its type.
    fn push(self, column: &mut Column)
    where
        Self: Sized,
    {
        Self::put(Some(self), column);
    }
}

macro_rules! cell {
    ($ty:ty, $kind:ident, |$value:ident| $store:expr) => {
        impl Cell for $ty {
            const KIND: Kind = Kind::$kind;
            fn put(value: Option<Self>, column: &mut Column) {
                match column {
                    Column::$kind(cells) => cells.push(value.map(|$value| $store)),
                    other => unreachable!("a {} was put into the column {other:?}", stringify!($ty)),
                }
            }
        }
    };
}

cell!(Uuid, Uuid, |v| v);
cell!(String, Text, |v| v);
cell!(i64, Int, |v| v);
cell!(bool, Bool, |v| v);
cell!(Time, Time, |v| to_millis(v));
cell!(Vec<u8>, Bytes, |v| v);

impl<T: Cell> Cell for Option<T> {
    const KIND: Kind = T::KIND;
    fn put(value: Option<Self>, column: &mut Column) {
        T::put(value.flatten(), column);
    }
}

/// A row of a table. [`table!`](crate::table) writes it.
pub trait Record: Sized {
    /// The table.
    const TABLE: &'static str;
    /// The columns of its primary key.
    const KEY: &'static [&'static str];
    /// Every column with its type, in order.
    const COLUMNS: &'static [(&'static str, Kind)];
    /// Adds the row's cells to the columns, one each.
    fn cells(self, columns: &mut [Column]);
}

/// Declares a table's row: a struct with `FromRow`, `Serialize` and [`Record`](crate::bulk::Record).
#[macro_export]
macro_rules! table {
    ($(#[$doc:meta])* $vis:vis struct $name:ident = $table:literal key($($key:ident),+) { $($(#[$fdoc:meta])* $field:ident : $ty:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::sqlx::FromRow)]
        $vis struct $name { $($(#[$fdoc])* $vis $field: $ty,)+ }

        impl $crate::bulk::Record for $name {
            const TABLE: &'static str = $table;
            const KEY: &'static [&'static str] = &[$(stringify!($key)),+];
            const COLUMNS: &'static [(&'static str, $crate::bulk::Kind)] =
                &[$((stringify!($field), <$ty as $crate::bulk::Cell>::KIND)),+];
            fn cells(self, columns: &mut [$crate::bulk::Column]) {
                let mut columns = columns.iter_mut();
                $($crate::bulk::Cell::push(self.$field, columns.next().expect("a column for each field: COLUMNS lists them"));)+
            }
        }
    };
}

/// What becomes of a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It cannot be: an error.
    Fail,
    /// The row that is there stays.
    Keep,
    /// The new row takes its place.
    Replace,
    /// Its numbers are added to those that are there. Only for tables whose columns behind the key are all [`Kind::Int`].
    Add,
}

fn columns_of<R: Record>() -> String {
    R::COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn conflict<R: Record>(on_conflict: OnConflict) -> String {
    let behind_key = R::COLUMNS.iter().map(|(name, _)| *name).filter(|name| !R::KEY.contains(name));
    let changes: Vec<String> = match on_conflict {
        OnConflict::Fail => return String::new(),
        OnConflict::Keep => return format!(" ON CONFLICT ({}) DO NOTHING", R::KEY.join(", ")),
        OnConflict::Replace => behind_key.map(|name| format!("{name} = excluded.{name}")).collect(),
        OnConflict::Add => behind_key.map(|name| format!("{name} = {}.{name} + excluded.{name}", R::TABLE)).collect(),
    };
    format!(" ON CONFLICT ({}) DO UPDATE SET {}", R::KEY.join(", "), changes.join(", "))
}

fn pg_write_sql<R: Record>(on_conflict: OnConflict) -> String {
    let arrays: Vec<String> = R::COLUMNS.iter().zip(1..).map(|((_, kind), n)| format!("${n}::{}", kind.pg_array())).collect();
    format!(
        "INSERT INTO {} ({}) SELECT * FROM UNNEST({}){}",
        R::TABLE,
        columns_of::<R>(),
        arrays.join(", "),
        conflict::<R>(on_conflict)
    )
}

fn sqlite_write_sql<R: Record>(on_conflict: OnConflict, rows: usize) -> String {
    let row = format!("({})", vec!["?"; R::COLUMNS.len()].join(", "));
    format!(
        "INSERT INTO {} ({}) VALUES {}{}",
        R::TABLE,
        columns_of::<R>(),
        vec![row.as_str(); rows].join(", "),
        conflict::<R>(on_conflict)
    )
}

/// Writes rows. No two may have the same key.
///
/// # Errors
/// Whatever the database says; the transaction is then of no more use.
pub async fn write<R: Record>(tx: &mut Tx, rows: Vec<R>, on_conflict: OnConflict) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let count = rows.len();
    let mut columns: Vec<Column> = R::COLUMNS.iter().map(|(_, kind)| Column::new(*kind, count)).collect();
    for row in rows {
        row.cells(&mut columns);
    }
    match tx {
        Tx::Pg(tx) => {
            let sql = pg_write_sql::<R>(on_conflict);
            let query = columns.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), bind_array);
            query.execute(&mut **tx).await?;
        }
        Tx::Sqlite(tx) => {
            // Two sizes of statement only, so that each is prepared once.
            let mut at = 0;
            while at < count {
                let size = if count - at >= SQLITE_ROWS { SQLITE_ROWS } else { 1 };
                let mut query = sqlx::query(AssertSqlSafe(sqlite_write_sql::<R>(on_conflict, size)));
                for row in at..at + size {
                    query = columns.iter_mut().fold(query, |query, column| bind_cell(query, column, row));
                }
                query.execute(&mut **tx).await?;
                at += size;
            }
        }
    }
    Ok(())
}

/// How many rows or keys one statement carries on SQLite.
pub(crate) const SQLITE_ROWS: usize = 16;

/// Binds one cell, which is gone from its column then.
pub(crate) fn bind_cell<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    column: &mut Column,
    row: usize,
) -> Query<'q, Sqlite, SqliteArguments> {
    match column {
        Column::Uuid(cells) => query.bind(cells[row]),
        Column::Text(cells) => query.bind(cells[row].take()),
        Column::Int(cells) => query.bind(cells[row]),
        Column::Bool(cells) => query.bind(cells[row]),
        Column::Time(cells) => query.bind(cells[row]),
        Column::Bytes(cells) => query.bind(cells[row].take()),
    }
}

pub(crate) fn bind_array(query: Query<'_, Postgres, PgArguments>, column: Column) -> Query<'_, Postgres, PgArguments> {
    match column {
        Column::Uuid(cells) => query.bind(cells),
        Column::Text(cells) => query.bind(cells),
        Column::Int(cells) => query.bind(cells),
        Column::Bool(cells) => query.bind(cells),
        Column::Time(cells) => query.bind(cells),
        Column::Bytes(cells) => query.bind(cells),
    }
}

/// Deletes the rows whose column `by` (of type [`Kind::Uuid`]) is one of `keys`.
///
/// # Errors
/// Whatever the database says; the transaction is then of no more use.
pub async fn delete<R: Record>(tx: &mut Tx, by: &'static str, keys: &[Uuid]) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    match tx {
        Tx::Pg(tx) => {
            sqlx::query(AssertSqlSafe(pg_delete_sql::<R>(by))).bind(keys).execute(&mut **tx).await?;
        }
        Tx::Sqlite(tx) => {
            for chunk in keys.chunks(SQLITE_ROWS) {
                let sql = sqlite_delete_sql::<R>(by);
                padded(chunk).fold(sqlx::query(AssertSqlSafe(sql)), |query, key| query.bind(key)).execute(&mut **tx).await?;
            }
        }
    }
    Ok(())
}

/// Reads the rows whose column `by` is one of `keys`, whatever their type: all at once on PostgreSQL, some at a time on SQLite.
macro_rules! read_by {
    ($row:ty, $db:expr, $by:expr, $keys:expr) => {{
        let (db, by, keys) = ($db, $by, $keys);
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        Ok(match db {
            Db::Pg(pool) => sqlx::query_as(AssertSqlSafe(pg_read_sql::<$row>(by))).bind(keys).fetch_all(pool).await?,
            Db::Sqlite(pool) => {
                let mut found = Vec::new();
                let mut connection = pool.acquire().await?;
                for chunk in keys.chunks(SQLITE_ROWS) {
                    let query = sqlx::query_as(AssertSqlSafe(sqlite_read_sql::<$row>(by)));
                    found.extend(padded(chunk).fold(query, |query, key| query.bind(key)).fetch_all(&mut *connection).await?);
                }
                found
            }
        })
    }};
}

/// Reads the rows whose column `by` (of type [`Kind::Uuid`]) is one of `keys`, in no particular order.
///
/// # Errors
/// Whatever the database says.
pub async fn read<R>(db: &Db, by: &'static str, keys: &[Uuid]) -> Result<Vec<R>, DbError>
where
    R: Record + Send + Unpin + for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow>,
{
    read_by!(R, db, by, keys)
}

/// [`read`] by a column of type [`Kind::Bytes`].
///
/// # Errors
/// Whatever the database says.
pub async fn read_by_bytes<R>(db: &Db, by: &'static str, keys: &[Vec<u8>]) -> Result<Vec<R>, DbError>
where
    R: Record + Send + Unpin + for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow>,
{
    read_by!(R, db, by, keys)
}

/// Reads a whole table in the order of all its columns: the same rows come out the same, whatever the engine and its history.
///
/// # Errors
/// Whatever the database says.
pub async fn dump<R>(db: &Db) -> Result<Vec<R>, DbError>
where
    R: Record + Send + Unpin + for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow>,
{
    let sql = dump_sql::<R>();
    Ok(match db {
        Db::Pg(pool) => sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await?,
        Db::Sqlite(pool) => sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await?,
    })
}

/// The keys of a chunk, the last one as often as it takes to fill a statement.
fn padded<K: Clone>(chunk: &[K]) -> impl Iterator<Item = K> + '_ {
    (0..SQLITE_ROWS).filter_map(|at| chunk.get(at).or(chunk.last()).cloned())
}

fn pg_delete_sql<R: Record>(by: &str) -> String {
    format!("DELETE FROM {} WHERE {by} = ANY($1)", R::TABLE)
}

fn sqlite_delete_sql<R: Record>(by: &str) -> String {
    format!("DELETE FROM {} WHERE {by} IN ({})", R::TABLE, vec!["?"; SQLITE_ROWS].join(", "))
}

fn pg_read_sql<R: Record>(by: &str) -> String {
    format!("SELECT {} FROM {} WHERE {by} = ANY($1)", columns_of::<R>(), R::TABLE)
}

fn sqlite_read_sql<R: Record>(by: &str) -> String {
    format!("SELECT {} FROM {} WHERE {by} IN ({})", columns_of::<R>(), R::TABLE, vec!["?"; SQLITE_ROWS].join(", "))
}

fn dump_sql<R: Record>() -> String {
    let order: Vec<String> = (1..=R::COLUMNS.len()).map(|n| n.to_string()).collect();
    format!("SELECT {} FROM {} ORDER BY {}", columns_of::<R>(), R::TABLE, order.join(", "))
}

/// The texts that this module writes for a table on the engine of `db`, for the test that prepares them all.
pub fn statements<R: Record>(db: &Db, by: &str) -> Vec<String> {
    let only_numbers = R::COLUMNS.iter().all(|(name, kind)| R::KEY.contains(name) || *kind == Kind::Int);
    let mut ways = vec![OnConflict::Fail];
    if R::COLUMNS.len() > R::KEY.len() {
        ways.push(OnConflict::Replace);
        ways.extend(only_numbers.then_some(OnConflict::Add));
    }
    let mut texts = vec![dump_sql::<R>()];
    match db {
        Db::Pg(_) => {
            texts.extend(ways.into_iter().map(pg_write_sql::<R>));
            texts.extend([pg_delete_sql::<R>(by), pg_read_sql::<R>(by)]);
        }
        Db::Sqlite(_) => {
            texts.extend(ways.into_iter().map(|way| sqlite_write_sql::<R>(way, SQLITE_ROWS)));
            texts.extend([sqlite_delete_sql::<R>(by), sqlite_read_sql::<R>(by)]);
        }
    }
    texts
}
