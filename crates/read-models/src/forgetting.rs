//! People known only through a care referral, and when they are to be forgotten: care, then forget (P11).

use tact_database::{Db, DbError, Time, all, table, to_millis};
use uuid::Uuid;

table! {
    /// A person to be forgotten.
    pub struct ForgettingRow = "forgetting" key(patient) {
        /// Who.
        patient: Uuid,
        /// When.
        forget_at: Time,
    }
}

const OVERDUE: &str = "SELECT patient, forget_at FROM forgetting WHERE forget_at <= $1 ORDER BY forget_at, patient LIMIT $2";

pub(crate) const SQL: &[&str] = &[OVERDUE];

/// Those whose time has come, the longest overdue first, at most `limit`.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn overdue(db: &Db, now: Time, limit: u32) -> Result<Vec<ForgettingRow>, DbError> {
    all!(db, OVERDUE, to_millis(now), i64::from(limit))
}
