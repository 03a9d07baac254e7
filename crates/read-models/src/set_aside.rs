//! Streams set aside: one of their events cannot be read, so nothing more is concluded from them until a person has looked, or a version of Tact
//! that can read it has rebuilt the read models. Such a patient is owed nothing and gets no permits; all others go on.

use tact_database::{Db, DbError, Time, all, one, table};

table! {
    /// A stream set aside.
    pub struct SetAsideRow = "set_aside" key(stream) {
        /// The patient's id, `policy` or `directory`.
        stream: String,
        /// The position of the first event that cannot be read.
        position: i64,
        /// Its place in the stream, from 1.
        sequence: i64,
        /// Why.
        reason: String,
        /// When the last event that can be read was recorded; absent if there is none.
        since: Option<Time>,
    }
}

const ALL: &str = "SELECT stream, position, sequence, reason, since FROM set_aside ORDER BY position";
const ONE: &str = "SELECT stream, position, sequence, reason, since FROM set_aside WHERE stream = $1";

pub(crate) const SQL: &[&str] = &[ALL, ONE];

/// Every stream set aside, in the order of its first unreadable event.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn list(db: &Db) -> Result<Vec<SetAsideRow>, DbError> {
    all!(db, ALL)
}

/// A stream by name (a patient's id, `policy` or `directory`), if it is set aside.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn get(db: &Db, stream: &str) -> Result<Option<SetAsideRow>, DbError> {
    one!(db, ONE, stream)
}
