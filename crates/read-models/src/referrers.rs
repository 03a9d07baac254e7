//! Patients who recommend us, how many came because of them, and when they may next be asked for feedback (P5).

use tact_database::{Db, DbError, Time, all, one, table, to_millis};
use tact_domain::Branch;
use uuid::Uuid;

table! {
    /// A patient who has recommended the network to somebody who came.
    pub struct ReferrerRow = "referrers" key(patient) {
        /// Who.
        patient: Uuid,
        /// Their home branch; empty if unknown.
        branch: String,
        /// How many came.
        recommended: i64,
        /// When the last one registered.
        last_at: Time,
        /// From when they may next be asked, by the policy; absent if not by themselves.
        ask_from: Option<Time>,
        /// Until when.
        ask_until: Option<Time>,
    }
}

const ONE: &str = "SELECT patient, branch, recommended, last_at, ask_from, ask_until FROM referrers WHERE patient = $1";
const PAGE: &str = "SELECT patient, branch, recommended, last_at, ask_from, ask_until FROM referrers
    WHERE branch = $1 AND patient > $2 ORDER BY patient LIMIT $3";
const TO_ASK: &str = "SELECT patient, branch, recommended, last_at, ask_from, ask_until FROM referrers
    WHERE branch = $1 AND ask_from <= $2 AND (ask_until IS NULL OR ask_until > $2) AND patient > $3 ORDER BY patient LIMIT $4";

pub(crate) const SQL: &[&str] = &[ONE, PAGE, TO_ASK];

/// A referrer, if the patient is one.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn get(db: &Db, patient: Uuid) -> Result<Option<ReferrerRow>, DbError> {
    one!(db, ONE, patient)
}

/// The referrers of a home branch behind `after`, at most `limit` of them, by id.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn page(db: &Db, branch: &Branch, after: Uuid, limit: u32) -> Result<Vec<ReferrerRow>, DbError> {
    all!(db, PAGE, branch.as_str(), after, i64::from(limit))
}

/// Those of them who may be asked for feedback at a moment, by the agenda; limits and quiet hours are for the decision to say.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn to_ask(db: &Db, branch: &Branch, now: Time, after: Uuid, limit: u32) -> Result<Vec<ReferrerRow>, DbError> {
    all!(db, TO_ASK, branch.as_str(), to_millis(now), after, i64::from(limit))
}
