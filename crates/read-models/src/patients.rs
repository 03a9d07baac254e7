//! Patients as the events so far have made them: the whole state, from which a decision, a quota or an agenda is computed when it is asked for,
//! and from which the projector goes on.

use tact_database::{Db, DbError, Time, all, bulk, one, table};
use tact_domain::Branch;
use tact_domain::patient::State;
use tact_domain::patient::audit::Trail;
use tact_domain::patient::state::Standing;
use uuid::Uuid;

table! {
    /// A patient.
    pub struct PatientRow = "patients" key(patient) {
        /// Who.
        patient: Uuid,
        /// The branch that looks after them; absent while only other facts are known.
        home_branch: Option<String>,
        /// `unknown`, `open`, `died`, `erased` or `merged`.
        standing: String,
        /// The surviving patient, when merged.
        merged_into: Option<Uuid>,
        /// How they wish to be reached, once they have said: `normal` or `patient_initiated`.
        reach: Option<String>,
        /// When they were registered.
        registered_at: Option<Time>,
        /// The number of the last event of their stream that the state knows.
        version: i64,
        /// Its position in the log.
        position: i64,
        /// The SHA-256 of its stored bytes.
        last_hash: Vec<u8>,
        /// The state, as JSON.
        state: String,
        /// What an audit must know beside the state, as JSON.
        trail: String,
    }
}

impl PatientRow {
    /// The state behind the last event.
    ///
    /// # Errors
    /// [`DbError::Refused`] if the row does not hold one.
    pub fn state(&self) -> Result<State, DbError> {
        read(&self.state)
    }

    /// What an audit must know beside it.
    ///
    /// # Errors
    /// [`DbError::Refused`] if the row does not hold that.
    pub fn trail(&self) -> Result<Trail, DbError> {
        read(&self.trail)
    }
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|e| DbError::Refused(sqlx::Error::Decode(Box::new(e))))
}

/// The word for a standing, as rows hold it.
pub fn standing_word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Unknown => "unknown",
        Standing::Open => "open",
        Standing::Died => "died",
        Standing::Erased => "erased",
        Standing::Merged { .. } => "merged",
    }
}

const ONE: &str =
    "SELECT patient, home_branch, standing, merged_into, reach, registered_at, version, position, last_hash, state, trail
    FROM patients WHERE patient = $1";
const PAGE: &str =
    "SELECT patient, home_branch, standing, merged_into, reach, registered_at, version, position, last_hash, state, trail
    FROM patients WHERE patient > $1 ORDER BY patient LIMIT $2";
const PAGE_OF_BRANCH: &str =
    "SELECT patient, home_branch, standing, merged_into, reach, registered_at, version, position, last_hash, state, trail
    FROM patients WHERE home_branch = $1 AND patient > $2 ORDER BY patient LIMIT $3";
const COUNTS: &str = "SELECT home_branch, standing, coalesce(reach, 'normal') AS reach, count(*) AS patients FROM patients
    GROUP BY home_branch, standing, coalesce(reach, 'normal') ORDER BY 1, 2, 3";

pub(crate) const SQL: &[&str] = &[ONE, PAGE, PAGE_OF_BRANCH, COUNTS];

/// A patient, if any event of theirs is known.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn get(db: &Db, patient: Uuid) -> Result<Option<PatientRow>, DbError> {
    one!(db, ONE, patient)
}

/// Those of the patients that are known, in no particular order.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn many(db: &Db, patients: &[Uuid]) -> Result<Vec<PatientRow>, DbError> {
    bulk::read(db, "patient", patients).await
}

/// The patients behind `after`, at most `limit` of them, by id. [`Uuid::nil`] is before everybody.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn page(db: &Db, after: Uuid, limit: u32) -> Result<Vec<PatientRow>, DbError> {
    all!(db, PAGE, after, i64::from(limit))
}

/// The patients of a home branch behind `after`, at most `limit` of them, by id.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn page_of_branch(db: &Db, branch: &Branch, after: Uuid, limit: u32) -> Result<Vec<PatientRow>, DbError> {
    all!(db, PAGE_OF_BRANCH, branch.as_str(), after, i64::from(limit))
}

/// How many patients there are of one kind.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct PatientCount {
    /// The home branch.
    pub home_branch: Option<String>,
    /// The standing.
    pub standing: String,
    /// `normal` or `patient_initiated` (P4).
    pub reach: String,
    /// How many.
    pub patients: i64,
}

/// How many patients there are by home branch, standing and wish.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn counts(db: &Db) -> Result<Vec<PatientCount>, DbError> {
    all!(db, COUNTS)
}
