//! The contact history: every event of a patient in order, as it was stored, those that this version cannot read included.

use tact_database::{Db, DbError, Time, all, table, to_millis};
use uuid::Uuid;

table! {
    /// One event of a patient.
    pub struct HistoryRow = "history" key(position) {
        /// Whose.
        patient: Uuid,
        /// Its position in the log.
        position: i64,
        /// Its place in the patient's stream, from 1, as it was found there.
        sequence: i64,
        /// The id it was appended under.
        event: Uuid,
        /// Its type; absent when it cannot be read, and so are the next four.
        kind: Option<String>,
        /// When it happened.
        time: Option<Time>,
        /// When it was recorded.
        recorded_at: Option<Time>,
        /// Who did it.
        actor: Option<String>,
        /// The branch at which it was recorded.
        branch: Option<String>,
        /// The whole message. Damaged bytes are replaced by U+FFFD here; the log has them as they are.
        body: String,
    }
}

const PAGE: &str = "SELECT patient, position, sequence, event, kind, time, recorded_at, actor, branch, body
    FROM history WHERE patient = $1 AND position > $2 ORDER BY position LIMIT $3";

const PERMITTED: &str = "SELECT actor, body FROM history WHERE patient = $1 AND kind = 'contact.permitted' AND recorded_at >= $2
    ORDER BY position";

pub(crate) const SQL: &[&str] = &[PAGE, PERMITTED];

/// Who was granted permits in a patient's stream that were recorded from a moment on: the actor, and the event as it stands.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn permitted(db: &Db, patient: Uuid, from: Time) -> Result<Vec<(Option<String>, String)>, DbError> {
    all!(db, PERMITTED, patient, to_millis(from))
}

/// A patient's events behind the position `after` (0: from the first), at most `limit` of them, in order.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn page(db: &Db, patient: Uuid, after: i64, limit: u32) -> Result<Vec<HistoryRow>, DbError> {
    all!(db, PAGE, patient, after, i64::from(limit))
}
