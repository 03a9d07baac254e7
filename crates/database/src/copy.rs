//! Whole tables, carried from one database to another of either engine: rows with named columns, read from one moment of the source.
//!
//! It must never guess a type: what a column holds is said by its [`Layout`] or by whoever kept the rows, since SQLite does not know it.

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use crate::bulk::{Column, Kind, SQLITE_ROWS, bind_array, bind_cell};
use crate::{Component, DbError, Time, Tx};

/// A table with all its columns, of the schema's newest version.
#[derive(Debug)]
pub struct Layout {
    /// The table.
    pub table: &'static str,
    /// Its columns with their types.
    pub columns: &'static [(&'static str, Kind)],
}

/// Tables that follow from nothing else, so that they are carried when a network moves or is kept.
#[derive(Debug)]
pub struct Kept {
    /// Which.
    pub component: &'static Component,
    /// All their tables.
    pub layouts: &'static [Layout],
}

/// A table as rows of it are kept somewhere: its name, and its columns with their types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heading {
    /// The table.
    pub table: String,
    /// Its columns.
    pub columns: Vec<(String, Kind)>,
}

impl From<&Layout> for Heading {
    fn from(layout: &Layout) -> Self {
        let columns = layout.columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Self { table: layout.table.to_owned(), columns }
    }
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// Of [`Kind::Uuid`].
    Uuid(Uuid),
    /// Of [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Time`].
    Time(Time),
    /// Of [`Kind::Bytes`].
    Bytes(Vec<u8>),
}

impl Value {
    /// The cell as JSON: bytes as hexadecimal digits, times as RFC 3339.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Uuid(id) => id.to_string().into(),
            Self::Text(text) => text.as_str().into(),
            Self::Int(number) => (*number).into(),
            Self::Bool(word) => (*word).into(),
            Self::Time(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).into(),
            Self::Bytes(bytes) => hex::encode(bytes).into(),
        }
    }

    /// Reads [`Value::to_json`] back; `None` if it is no cell of that type.
    pub fn from_json(kind: Kind, json: &Json) -> Option<Self> {
        if json.is_null() {
            return Some(Self::Null);
        }
        match kind {
            Kind::Uuid => json.as_str()?.parse().ok().map(Self::Uuid),
            Kind::Text => Some(Self::Text(json.as_str()?.to_owned())),
            Kind::Int => json.as_i64().map(Self::Int),
            Kind::Bool => json.as_bool().map(Self::Bool),
            Kind::Time => json.as_str()?.parse().ok().map(Self::Time),
            Kind::Bytes => hex::decode(json.as_str()?).ok().map(Self::Bytes),
        }
    }

    /// Puts it at the end of a column; `false` if it is of another type.
    fn put(self, column: &mut Column) -> bool {
        match (self, column) {
            (Self::Uuid(cell), Column::Uuid(cells)) => cells.push(Some(cell)),
            (Self::Text(cell), Column::Text(cells)) => cells.push(Some(cell)),
            (Self::Int(cell), Column::Int(cells)) => cells.push(Some(cell)),
            (Self::Bool(cell), Column::Bool(cells)) => cells.push(Some(cell)),
            (Self::Time(cell), Column::Time(cells)) => cells.push(Some(cell)),
            (Self::Bytes(cell), Column::Bytes(cells)) => cells.push(Some(cell)),
            (Self::Null, Column::Uuid(cells)) => cells.push(None),
            (Self::Null, Column::Text(cells)) => cells.push(None),
            (Self::Null, Column::Int(cells)) => cells.push(None),
            (Self::Null, Column::Bool(cells)) => cells.push(None),
            (Self::Null, Column::Time(cells)) => cells.push(None),
            (Self::Null, Column::Bytes(cells)) => cells.push(None),
            _ => return false,
        }
        true
    }
}

/// Reads one row, whatever the engine.
macro_rules! cells {
    ($row:expr, $layout:expr) => {{
        let mut cells = Vec::with_capacity($layout.columns.len());
        for (at, (_, kind)) in $layout.columns.iter().enumerate() {
            let cell = match kind {
                Kind::Uuid => $row.try_get::<Option<Uuid>, _>(at)?.map(Value::Uuid),
                Kind::Text => $row.try_get::<Option<String>, _>(at)?.map(Value::Text),
                Kind::Int => $row.try_get::<Option<i64>, _>(at)?.map(Value::Int),
                Kind::Bool => $row.try_get::<Option<bool>, _>(at)?.map(Value::Bool),
                Kind::Time => $row.try_get::<Option<Time>, _>(at)?.map(Value::Time),
                Kind::Bytes => $row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
            };
            cells.push(cell.unwrap_or(Value::Null));
        }
        cells
    }};
}

/// Every row of a table, one at a time, so that no table need fit into memory.
///
/// # Errors
/// Whatever the database says, and the first error of `each`.
pub async fn read_rows<E: From<DbError>>(
    tx: &mut Tx,
    layout: &Layout,
    mut each: impl FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<(), E> {
    let names: Vec<&str> = layout.columns.iter().map(|(name, _)| *name).collect();
    let sql = format!("SELECT {} FROM {}", names.join(", "), layout.table);
    match tx {
        Tx::Pg(tx) => {
            let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut **tx);
            while let Some(row) = rows.try_next().await.map_err(DbError::from)? {
                each((|| Ok::<_, sqlx::Error>(cells!(row, layout)))().map_err(DbError::from)?)?;
            }
        }
        Tx::Sqlite(tx) => {
            let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut **tx);
            while let Some(row) = rows.try_next().await.map_err(DbError::from)? {
                each((|| Ok::<_, sqlx::Error>(cells!(row, layout)))().map_err(DbError::from)?)?;
            }
        }
    }
    Ok(())
}

/// Whether a table has a row.
///
/// # Errors
/// Whatever the database says.
pub async fn has_rows(tx: &mut Tx, table: &str) -> Result<bool, DbError> {
    let sql = format!("SELECT 1 FROM {} LIMIT 1", name(table)?);
    Ok(match tx {
        Tx::Pg(tx) => sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut **tx).await?.is_some(),
        Tx::Sqlite(tx) => sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut **tx).await?.is_some(),
    })
}

/// Empties a table.
///
/// # Errors
/// Whatever the database says.
pub async fn clear(tx: &mut Tx, table: &str) -> Result<(), DbError> {
    let sql = format!("DELETE FROM {}", name(table)?);
    match tx {
        Tx::Pg(tx) => sqlx::query(AssertSqlSafe(sql)).execute(&mut **tx).await.map(|_| ())?,
        Tx::Sqlite(tx) => sqlx::query(AssertSqlSafe(sql)).execute(&mut **tx).await.map(|_| ())?,
    }
    Ok(())
}

/// Puts rows into a table, all of them new.
///
/// # Errors
/// Whatever the database says; [`DbError::Refused`] also for rows that do not fit the heading.
pub async fn write_rows(tx: &mut Tx, heading: &Heading, rows: Vec<Vec<Value>>) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let count = rows.len();
    let table = name(&heading.table)?;
    let names = heading.columns.iter().map(|(column, _)| name(column)).collect::<Result<Vec<_>, _>>()?.join(", ");
    let mut columns: Vec<Column> = heading.columns.iter().map(|(_, kind)| Column::new(*kind, count)).collect();
    for row in rows {
        let fits = row.len() == columns.len() && row.into_iter().zip(&mut columns).all(|(cell, column)| cell.put(column));
        if !fits {
            return Err(unfit(format!("a row does not fit the columns of `{table}`")));
        }
    }
    match tx {
        Tx::Pg(tx) => {
            let arrays: Vec<String> =
                heading.columns.iter().zip(1..).map(|((_, kind), n)| format!("${n}::{}", kind.pg_array())).collect();
            let sql = format!("INSERT INTO {table} ({names}) SELECT * FROM UNNEST({})", arrays.join(", "));
            columns.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), bind_array).execute(&mut **tx).await?;
        }
        Tx::Sqlite(tx) => {
            let row = format!("({})", vec!["?"; columns.len()].join(", "));
            let mut at = 0;
            while at < count {
                let size = if count - at >= SQLITE_ROWS { SQLITE_ROWS } else { 1 };
                let sql = format!("INSERT INTO {table} ({names}) VALUES {}", vec![row.as_str(); size].join(", "));
                let mut query = sqlx::query(AssertSqlSafe(sql));
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

/// A name that may stand in a statement: it may come from a file that anybody could have written.
fn name(name: &str) -> Result<&str, DbError> {
    let fits = !name.is_empty() && name.len() <= 63 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if fits { Ok(name) } else { Err(unfit(format!("`{name}` is not the name of a table or a column"))) }
}

fn unfit(what: String) -> DbError {
    DbError::Refused(sqlx::Error::Decode(what.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_back_from_json() {
        let time: Time = "2026-03-02T09:00:00.123Z".parse().unwrap();
        let cells = [
            (Kind::Uuid, Value::Uuid(Uuid::from_u128(7))),
            (Kind::Text, Value::Text("a \u{1F980}\n\"".to_owned())),
            (Kind::Int, Value::Int(i64::MIN)),
            (Kind::Bool, Value::Bool(true)),
            (Kind::Time, Value::Time(time)),
            (Kind::Bytes, Value::Bytes(vec![0, 255])),
            (Kind::Bytes, Value::Null),
        ];
        for (kind, cell) in cells {
            assert_eq!(Value::from_json(kind, &cell.to_json()), Some(cell));
        }
        assert_eq!(Value::from_json(Kind::Int, &"7".into()), None);
        assert_eq!(Value::from_json(Kind::Uuid, &"x".into()), None);
    }

    #[test]
    fn a_name_holds_no_statement() {
        assert!(name("people").is_ok() && name("x; DROP TABLE people").is_err() && name("").is_err() && name("\"").is_err());
    }
}
