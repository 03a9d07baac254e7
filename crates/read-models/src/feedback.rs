//! What patients say of us. Feedback of referrers is kept apart from that of others and never mixed with it (P5): every question names which.

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
const SCORES: &str = "SELECT branch, clinician, month, count(*) AS given, CAST(sum(score) AS BIGINT) AS score_sum,
    min(score) AS lowest, max(score) AS highest FROM feedback WHERE of_referrer = $1 AND month >= $2 AND month <= $3
    GROUP BY branch, clinician, month ORDER BY branch, month, clinician";
const THEMES: &str = "SELECT branch, clinician, month, theme, strength, count(*) AS times FROM feedback_themes
    WHERE of_referrer = $1 AND month >= $2 AND month <= $3
    GROUP BY branch, clinician, month, theme, strength ORDER BY branch, month, theme, strength, clinician";

pub(crate) const SQL: &[&str] = &[PAGE, OF_PATIENT, SCORES, THEMES];

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

/// The scores of one branch, clinician and month.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Scores {
    /// The branch.
    pub branch: String,
    /// The clinician; absent: feedback on the branch alone.
    pub clinician: Option<Uuid>,
    /// The UTC month, `YYYY-MM`.
    pub month: String,
    /// How many.
    pub given: i64,
    /// The sum of the scores.
    pub score_sum: i64,
    /// The lowest.
    pub lowest: i64,
    /// The highest.
    pub highest: i64,
}

/// The scores by branch, clinician and month, from one month until another, both `YYYY-MM` and included: of referrers or of others.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn scores(db: &Db, of_referrers: bool, from: &str, until: &str) -> Result<Vec<Scores>, DbError> {
    all!(db, SCORES, of_referrers, from, until)
}

/// How often a theme was named.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct ThemeCount {
    /// The branch.
    pub branch: String,
    /// The clinician; absent: feedback on the branch alone.
    pub clinician: Option<Uuid>,
    /// The UTC month, `YYYY-MM`.
    pub month: String,
    /// The theme's code.
    pub theme: String,
    /// Whether as good.
    pub strength: bool,
    /// How many times.
    pub times: i64,
}

/// The themes by branch, clinician and month, from one month until another, both `YYYY-MM` and included: of referrers or of others.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn themes(db: &Db, of_referrers: bool, from: &str, until: &str) -> Result<Vec<ThemeCount>, DbError> {
    all!(db, THEMES, of_referrers, from, until)
}
