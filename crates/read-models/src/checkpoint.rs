//! The checkpoint: up to which event of the log the rows are true, and by which policy what depends on one was computed. It moves in
//! the transaction that writes the rows, and only from the value that the writer knows, so that no event is ever applied twice.

use tact_database::{Db, DbError, Time, Tx, one, run, run_in, to_millis};

/// The checkpoint's one row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Checkpoint {
    /// The position of the last event that the rows know, as the log counts.
    pub position: i64,
    /// How many times the tables have been built; -1 once they have been replaced.
    pub generation: i64,
    /// The version of the policy by which every due, quota and referrer row was computed; absent before the first policy.
    pub policy: Option<String>,
    /// When it last moved, by the projector's clock.
    pub updated_at: Option<Time>,
}

const READ: &str = "SELECT position, generation, policy, updated_at FROM checkpoint WHERE id = 1";
const MOVE: &str = "UPDATE checkpoint SET position = $1, policy = $2, updated_at = $3 WHERE position = $4 AND generation = $5";
const NUMBER: &str = "UPDATE checkpoint SET generation = $1";

pub(crate) const SQL: &[&str] = &[READ, MOVE, NUMBER];

/// The checkpoint as it is.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn read(db: &Db) -> Result<Checkpoint, DbError> {
    let row: Option<Checkpoint> = one!(db, READ)?;
    row.ok_or_else(|| DbError::Refused(sqlx::Error::RowNotFound))
}

/// Moves the checkpoint in a transaction, if it still is `from`. `false`: somebody else has moved it, or the tables have been replaced; the
/// transaction must then be given up. Done first in a transaction, it keeps every other writer out until its end.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn advance(tx: &mut Tx, from: &Checkpoint, position: i64, policy: Option<&str>, now: Time) -> Result<bool, DbError> {
    let now = to_millis(now);
    Ok(run_in!(tx, MOVE, position, policy, now, from.position, from.generation)? == 1)
}

/// Numbers new tables before anything is written to them.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn number(db: &Db, generation: i64) -> Result<(), DbError> {
    run!(db, NUMBER, generation).map(|_| ())
}
