//! Due reminders: the worklist of a branch. A row is there from the moment at which the contact is owed at all; whether it is due is asked with a
//! moment, so that nothing needs to be written when a window opens or closes.

use tact_database::{Db, DbError, Time, all, table, to_millis};
use tact_domain::patient::Entry;
use tact_domain::{Branch, Purpose};
use uuid::Uuid;

table! {
    /// A contact that a patient is owed, now or later.
    pub struct DueRow = "due" key(patient, purpose, about) {
        /// Who.
        patient: Uuid,
        /// What for.
        purpose: String,
        /// Its occasion.
        about: Uuid,
        /// The kind of occasion.
        occasion: String,
        /// The occasion's time.
        at: Time,
        /// The first moment at which it is due.
        due_from: Time,
        /// The first moment at which it no longer is; absent: until the occasion is done with.
        due_until: Option<Time>,
        /// The branch it belongs to.
        branch: String,
        /// Whether it needs an announcement that nobody has made (P9).
        to_announce: bool,
        /// The version of the policy by which it is owed.
        policy: String,
    }
}

impl DueRow {
    /// The row of an entry of a patient's agenda.
    pub fn new(patient: Uuid, entry: &Entry) -> Self {
        Self {
            patient,
            purpose: entry.purpose.as_str().to_owned(),
            about: entry.about,
            occasion: entry.occasion.as_str().to_owned(),
            at: to_millis(entry.at),
            due_from: to_millis(entry.from),
            due_until: entry.until.map(to_millis),
            branch: entry.branch.as_str().to_owned(),
            to_announce: entry.to_announce,
            policy: entry.policy.to_string(),
        }
    }

    /// Where the next page begins when this row is the last of one.
    pub fn cursor(&self) -> Cursor {
        Cursor { due_from: self.due_from, patient: self.patient, purpose: self.purpose.clone(), about: self.about }
    }
}

/// A place in a worklist's order: a page holds what lies behind it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// See [`DueRow::due_from`].
    pub due_from: Time,
    /// See [`DueRow::patient`].
    pub patient: Uuid,
    /// See [`DueRow::purpose`].
    pub purpose: String,
    /// See [`DueRow::about`].
    pub about: Uuid,
}

impl Cursor {
    /// Before every entry.
    pub fn start() -> Self {
        Self { due_from: Time::UNIX_EPOCH, patient: Uuid::nil(), purpose: String::new(), about: Uuid::nil() }
    }
}

macro_rules! due_sql {
    ($condition:literal) => {
        concat!(
            "SELECT patient, purpose, about, occasion, at, due_from, due_until, branch, to_announce, policy FROM due
             WHERE branch = $1 AND ",
            $condition,
            " AND (CAST($3 AS TEXT) IS NULL OR purpose = $3)
             AND (due_from, patient, purpose, about) > ($4, $5, $6, $7)
             ORDER BY due_from, patient, purpose, about LIMIT $8"
        )
    };
}

const DUE: &str = due_sql!("due_from <= $2 AND (due_until IS NULL OR due_until > $2)");
const TO_ANNOUNCE: &str = due_sql!("to_announce AND (due_until IS NULL OR due_until > $2)");
const AHEAD: &str = due_sql!("due_from > $2");
const OF_PATIENT: &str = "SELECT patient, purpose, about, occasion, at, due_from, due_until, branch, to_announce, policy FROM due
    WHERE patient = $1 ORDER BY due_from, purpose, about";
const COUNTS: &str = "SELECT branch, purpose, count(*) AS due FROM due
    WHERE due_from <= $1 AND (due_until IS NULL OR due_until > $1) GROUP BY branch, purpose ORDER BY branch, purpose";

pub(crate) const SQL: &[&str] = &[DUE, TO_ANNOUNCE, AHEAD, OF_PATIENT, COUNTS];

/// A page of a worklist.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The branch whose worklist it is.
    pub branch: &'a Branch,
    /// The moment that is asked about.
    pub now: Time,
    /// Only what is owed for this purpose.
    pub purpose: Option<&'a Purpose>,
    /// Only what lies behind this.
    pub after: Cursor,
    /// At most so many.
    pub limit: u32,
}

macro_rules! ask {
    ($db:expr, $sql:expr, $page:expr) => {{
        let Page { branch, now, purpose, after, limit } = $page;
        let (now, purpose) = (to_millis(*now), purpose.map(Purpose::as_str));
        let (from, patient, behind, about) = (after.due_from, after.patient, after.purpose.as_str(), after.about);
        all!($db, $sql, branch.as_str(), now, purpose, from, patient, behind, about, i64::from(*limit))
    }};
}

/// What is due at a branch at a moment, what became due first in front.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn worklist(db: &Db, page: &Page<'_>) -> Result<Vec<DueRow>, DbError> {
    ask!(db, DUE, page)
}

/// What needs an announcement that nobody has made, due already or still ahead: to be said before the patient leaves (P9).
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn to_announce(db: &Db, page: &Page<'_>) -> Result<Vec<DueRow>, DbError> {
    ask!(db, TO_ANNOUNCE, page)
}

/// What becomes due at a branch behind a moment if nothing more happens.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn ahead(db: &Db, page: &Page<'_>) -> Result<Vec<DueRow>, DbError> {
    ask!(db, AHEAD, page)
}

/// Everything that a patient is owed, now or later.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn of_patient(db: &Db, patient: Uuid) -> Result<Vec<DueRow>, DbError> {
    all!(db, OF_PATIENT, patient)
}

/// How much is due at a branch for a purpose.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct DueCount {
    /// The branch.
    pub branch: String,
    /// The purpose.
    pub purpose: String,
    /// How many entries.
    pub due: i64,
}

/// How much is due at a moment, by branch and purpose.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn counts(db: &Db, now: Time) -> Result<Vec<DueCount>, DbError> {
    all!(db, COUNTS, to_millis(now))
}
