//! Call quotas: how much of each limit a patient's contacts have used, and when room comes back. The rows do not depend on the moment at which
//! they are looked at: `room_at` is a moment, and a limit is exhausted before it. Exact numbers for one patient at one moment come from
//! [`tact_domain::patient::quota`] on the patient's state.

use tact_database::{Db, DbError, Time, all, table, to_millis};
use tact_domain::{Branch, Purpose};
use uuid::Uuid;

table! {
    /// How one limit stands for a patient, where anything has been counted against it.
    pub struct QuotaRow = "quotas" key(patient, purpose, limit_no, about) {
        /// Who.
        patient: Uuid,
        /// Whose limit: a purpose's own; empty for the limits over all purposes.
        purpose: String,
        /// Which of them, from 0, in the order of the policy.
        limit_no: i64,
        /// The occasion that a limit per occasion counts for; nil for one over time.
        about: Uuid,
        /// Whether it is one over all purposes.
        overall: bool,
        /// The limit in words.
        words: String,
        /// The most it allows.
        most: i64,
        /// What counted when the patient's last event was recorded.
        counted: i64,
        /// When the limit has room again, if it had none then and it comes back by itself.
        room_at: Option<Time>,
        /// Whether it had none and it does not come back by itself.
        never: bool,
        /// The patient's home branch; empty if unknown.
        branch: String,
    }
}

const OF_PATIENT: &str = "SELECT patient, purpose, limit_no, about, overall, words, most, counted, room_at, never, branch
    FROM quotas WHERE patient = $1 ORDER BY purpose, limit_no, about";
const EXHAUSTED: &str =
    "SELECT patient, purpose, limit_no, about, overall, words, most, counted, room_at, never, branch FROM quotas
    WHERE branch = $1 AND (purpose = $2 OR (overall AND $3)) AND (never OR room_at > $4) AND patient > $5
    ORDER BY patient, purpose, limit_no, about LIMIT $6";
const COUNTS: &str = "SELECT branch, purpose, count(DISTINCT patient) AS patients FROM quotas
    WHERE never OR room_at > $1 GROUP BY branch, purpose ORDER BY branch, purpose";

pub(crate) const SQL: &[&str] = &[OF_PATIENT, EXHAUSTED, COUNTS];

/// Every limit that has been touched for a patient.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn of_patient(db: &Db, patient: Uuid) -> Result<Vec<QuotaRow>, DbError> {
    all!(db, OF_PATIENT, patient)
}

/// The exhausted limits of a branch's patients behind `after`, by patient: who may not be contacted for a purpose, and until when. `overall` says
/// whether the limits over all purposes hold for it. A page may end within a patient's limits: one row more than is shown tells.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn exhausted(
    db: &Db,
    branch: &Branch,
    purpose: &Purpose,
    overall: bool,
    now: Time,
    after: Uuid,
    limit: u32,
) -> Result<Vec<QuotaRow>, DbError> {
    all!(db, EXHAUSTED, branch.as_str(), purpose.as_str(), overall, to_millis(now), after, i64::from(limit))
}

/// How many patients have exhausted a limit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct ExhaustedCount {
    /// The home branch.
    pub branch: String,
    /// The purpose; empty for the limits over all purposes.
    pub purpose: String,
    /// How many patients.
    pub patients: i64,
}

/// How many patients have exhausted a limit at a moment, by home branch and purpose.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn counts(db: &Db, now: Time) -> Result<Vec<ExhaustedCount>, DbError> {
    all!(db, COUNTS, to_millis(now))
}
