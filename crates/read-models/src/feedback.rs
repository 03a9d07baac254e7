//! What patients say of us. Feedback of referrers is kept apart from that of others and never mixed with it (P5): every question names which.

use std::collections::{BTreeMap, BTreeSet};

use tact_database::{Db, DbError, Time, all, table};
use tact_domain::Branch;
use uuid::Uuid;

table! {
    /// One feedback.
    pub struct FeedbackRow = "feedback" key(position) {
        /// The position of its event.
        position: i64,
        /// Its id.
        feedback: Uuid,
        /// Whose.
        patient: Uuid,
        /// The branch it is about.
        branch: String,
        /// The clinician it is about.
        clinician: Option<Uuid>,
        /// From 0 to 10.
        score: i64,
        /// The codes of what is good, a JSON list.
        strengths: String,
        /// The codes of what is not, a JSON list.
        weaknesses: String,
        /// The id of the text in the personal data store.
        words: Option<Uuid>,
        /// When it was given.
        given_at: Time,
        /// The UTC month in which it was given.
        month: String,
        /// Whether the giver had recommended us by then.
        of_referrer: bool,
    }
}

table! {
    /// One theme of one feedback.
    pub struct ThemeRow = "feedback_themes" key(position, theme, strength) {
        /// The position of the feedback's event.
        position: i64,
        /// The theme's code.
        theme: String,
        /// Whether it is good.
        strength: bool,
        /// The branch it is about.
        branch: String,
        /// The clinician it is about.
        clinician: Option<Uuid>,
        /// The UTC month in which it was given.
        month: String,
        /// Whether the giver had recommended us by then.
        of_referrer: bool,
    }
}

const PAGE: &str =
    "SELECT position, feedback, patient, branch, clinician, score, strengths, weaknesses, words, given_at, month, of_referrer
    FROM feedback WHERE branch = $1 AND of_referrer = $2 AND position > $3 ORDER BY position LIMIT $4";
const OF_PATIENT: &str =
    "SELECT position, feedback, patient, branch, clinician, score, strengths, weaknesses, words, given_at, month, of_referrer
    FROM feedback WHERE patient = $1 ORDER BY position";
const GIVEN: &str = "SELECT patient, branch, clinician, month, score, strengths, weaknesses FROM feedback
    WHERE of_referrer = $1 ORDER BY position";
const MERGED: &str = "SELECT p.patient, p.merged_into FROM patients p
    WHERE p.merged_into IS NOT NULL AND p.patient IN (SELECT f.patient FROM feedback f WHERE f.of_referrer = $1)";

pub(crate) const SQL: &[&str] = &[PAGE, OF_PATIENT, GIVEN, MERGED];

/// The feedback on a branch behind the position `after` (0: from the first), at most `limit`, in order of recording: of referrers or of others.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn page(db: &Db, branch: &Branch, of_referrers: bool, after: i64, limit: u32) -> Result<Vec<FeedbackRow>, DbError> {
    all!(db, PAGE, branch.as_str(), of_referrers, after, i64::from(limit))
}

/// A patient's feedback in order of recording.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn of_patient(db: &Db, patient: Uuid) -> Result<Vec<FeedbackRow>, DbError> {
    all!(db, OF_PATIENT, patient)
}

/// One feedback as figures count it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Given {
    /// Whose.
    pub patient: Uuid,
    /// The branch it is about.
    pub branch: String,
    /// The clinician it is about.
    pub clinician: Option<Uuid>,
    /// The UTC month in which it was given, `YYYY-MM`.
    pub month: String,
    /// From 0 to 10.
    pub score: i64,
    /// The codes of what is good, a JSON list.
    pub strengths: String,
    /// The codes of what is not, a JSON list.
    pub weaknesses: String,
}

/// All feedback, in order of recording: of referrers or of others.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn given(db: &Db, of_referrers: bool) -> Result<Vec<Given>, DbError> {
    all!(db, GIVEN, of_referrers)
}

/// The survivors of those among the givers who were merged: two who are one person are to be counted once.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn survivors(db: &Db, of_referrers: bool) -> Result<BTreeMap<Uuid, Uuid>, DbError> {
    let merged: Vec<(Uuid, Uuid)> = all!(db, MERGED, of_referrers)?;
    let mut into: BTreeMap<Uuid, Uuid> = merged.into_iter().collect();
    // A survivor may have been merged in turn; each step takes everybody one further, and nobody goes in circles.
    let mut open: BTreeSet<Uuid> = into.values().copied().collect();
    while !open.is_empty() {
        let asked: Vec<Uuid> = std::mem::take(&mut open).into_iter().filter(|one| !into.contains_key(one)).collect();
        for patient in crate::patients::many(db, &asked).await? {
            if let Some(next) = patient.merged_into
                && into.insert(patient.patient, next).is_none()
            {
                open.insert(next);
            }
        }
    }
    Ok(into)
}
