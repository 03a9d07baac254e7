//! Contacts made, permits granted and refused: one row for each contact, and the counts by branch and UTC month from which the
//! intrusiveness figures are made (P2).

use tact_database::bulk::{self, OnConflict};
use tact_database::{Db, DbError, Time, Tx, all, one, one_in, run_in, table, to_millis};
use tact_domain::Branch;
use uuid::Uuid;

table! {
    /// One contact.
    pub struct ContactRow = "contacts" key(position) {
        /// The position of its event.
        position: i64,
        /// Its id.
        contact: Uuid,
        /// With whom.
        patient: Uuid,
        /// When it happened.
        time: Time,
        /// When it was recorded.
        recorded_at: Time,
        /// `outbound` or `inbound`.
        direction: String,
        /// What for.
        purpose: String,
        /// How.
        channel: String,
        /// By which branch.
        branch: String,
        /// How it ended.
        outcome: String,
        /// Its occasion: its own, or that of the permit it was made under.
        about: Option<Uuid>,
        /// The permit that it used.
        permit: Option<Uuid>,
        /// The id of the text about it in the personal data store.
        note: Option<Uuid>,
        /// Who recorded it.
        actor: String,
        /// Whether an announcement recorded before it covered it.
        announced: bool,
        /// Made before the network's first policy took effect: no breach, whatever else it was.
        before_tact: bool,
        /// Outbound and not made under a live permit for its purpose, channel and occasion.
        breach: bool,
    }
}

table! {
    /// How many contacts of one kind a branch made in a month.
    pub struct ContactCount = "contact_counts" key(branch, month, purpose, channel, direction, outcome) {
        /// The branch.
        branch: String,
        /// The UTC month in which they happened, `YYYY-MM`.
        month: String,
        /// What for.
        purpose: String,
        /// How.
        channel: String,
        /// `outbound` or `inbound`.
        direction: String,
        /// How they ended.
        outcome: String,
        /// How many.
        made: i64,
        /// How many of them had been announced.
        announced: i64,
        /// How many of them were breaches.
        breaches: i64,
        /// How many of them were made before the first policy.
        before_tact: i64,
    }
}

table! {
    /// How many times a branch was refused for a reason in a month. A refusal with three reasons counts under each of the three.
    pub struct RefusalCount = "refusal_counts" key(branch, month, purpose, code) {
        /// The branch that asked.
        branch: String,
        /// The UTC month in which it asked, `YYYY-MM`.
        month: String,
        /// What for.
        purpose: String,
        /// The reason.
        code: String,
        /// How many times.
        refused: i64,
    }
}

table! {
    /// How many permits a branch was granted and refused in a month.
    pub struct PermitCount = "permit_counts" key(branch, month, purpose) {
        /// The branch that asked.
        branch: String,
        /// The UTC month in which it asked, `YYYY-MM`.
        month: String,
        /// What for.
        purpose: String,
        /// How many were granted.
        granted: i64,
        /// How many were refused.
        refused: i64,
    }
}

const OF_PATIENT: &str =
    "SELECT position, contact, patient, time, recorded_at, direction, purpose, channel, branch, outcome, about, permit, note,
    actor, announced, before_tact, breach FROM contacts WHERE patient = $1 ORDER BY time, position";
const BY_ID: &str =
    "SELECT position, contact, patient, time, recorded_at, direction, purpose, channel, branch, outcome, about, permit, note,
    actor, announced, before_tact, breach FROM contacts WHERE contact = $1 ORDER BY position LIMIT 1";
const CORRECT: &str = "UPDATE contacts SET outcome = $2 WHERE position = $1";
const BREACHES: &str =
    "SELECT position, contact, patient, time, recorded_at, direction, purpose, channel, branch, outcome, about, permit, note,
    actor, announced, before_tact, breach FROM contacts
    WHERE breach AND branch = $1 AND time >= $2 AND time < $3 AND position > $4 ORDER BY position LIMIT $5";
const OF_BRANCH: &str =
    "SELECT position, contact, patient, time, recorded_at, direction, purpose, channel, branch, outcome, about, permit, note,
    actor, announced, before_tact, breach FROM contacts
    WHERE branch = $1 AND time >= $2 AND time < $3 ORDER BY time DESC, position DESC LIMIT $4";
const COUNT_OF_BRANCH: &str = "SELECT count(*) FROM contacts WHERE branch = $1 AND time >= $2 AND time < $3";
const COUNTS: &str = "SELECT branch, month, purpose, channel, direction, outcome, made, announced, breaches, before_tact
    FROM contact_counts WHERE month >= $1 AND month <= $2 ORDER BY branch, month, purpose, channel, direction, outcome";
const REFUSALS: &str = "SELECT branch, month, purpose, code, refused FROM refusal_counts
    WHERE month >= $1 AND month <= $2 ORDER BY branch, month, purpose, code";
const PERMITS: &str = "SELECT branch, month, purpose, granted, refused FROM permit_counts
    WHERE month >= $1 AND month <= $2 ORDER BY branch, month, purpose";

pub(crate) const SQL: &[&str] = &[OF_PATIENT, BY_ID, CORRECT, BREACHES, OF_BRANCH, COUNT_OF_BRANCH, COUNTS, REFUSALS, PERMITS];

/// A patient's contacts by time. Those of a patient who was merged into this one are found under that patient.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn of_patient(db: &Db, patient: Uuid) -> Result<Vec<ContactRow>, DbError> {
    all!(db, OF_PATIENT, patient)
}

/// A contact by its id, in whose patient's stream it stands.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn by_id(db: &Db, contact: Uuid) -> Result<Option<ContactRow>, DbError> {
    one!(db, BY_ID, contact)
}

/// Notes how a contact ended by what became known later, and counts it there. One whose row is not there is left as it is: its patient was
/// set aside when it was recorded.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn correct(tx: &mut Tx, contact: Uuid, outcome: &str) -> Result<(), DbError> {
    let row: Option<ContactRow> = one_in!(tx, BY_ID, contact)?;
    let Some(row) = row else { return Ok(()) };
    run_in!(tx, CORRECT, row.position, outcome)?;
    let count = |outcome: &str, sign: i64| ContactCount {
        branch: row.branch.clone(),
        month: crate::month(row.time),
        purpose: row.purpose.clone(),
        channel: row.channel.clone(),
        direction: row.direction.clone(),
        outcome: outcome.to_owned(),
        made: sign,
        announced: sign * i64::from(row.announced),
        breaches: sign * i64::from(row.breach),
        before_tact: sign * i64::from(row.before_tact),
    };
    for (outcome, sign) in [(row.outcome.as_str(), -1), (outcome, 1)] {
        bulk::write(tx, vec![count(outcome, sign)], OnConflict::Add).await?;
    }
    Ok(())
}

/// A branch's breaches that happened from one moment until another (excluded), recorded behind the position `after`, at most `limit`.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn breaches(
    db: &Db,
    branch: &Branch,
    from: Time,
    until: Time,
    after: i64,
    limit: u32,
) -> Result<Vec<ContactRow>, DbError> {
    all!(db, BREACHES, branch.as_str(), to_millis(from), to_millis(until), after, i64::from(limit))
}

/// A branch's contacts that happened from one moment until another (excluded), the latest first, at most `limit`.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn of_branch(db: &Db, branch: &Branch, from: Time, until: Time, limit: u32) -> Result<Vec<ContactRow>, DbError> {
    all!(db, OF_BRANCH, branch.as_str(), to_millis(from), to_millis(until), i64::from(limit))
}

/// How many they are.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn count_of_branch(db: &Db, branch: &Branch, from: Time, until: Time) -> Result<usize, DbError> {
    let found: Option<(i64,)> = one!(db, COUNT_OF_BRANCH, branch.as_str(), to_millis(from), to_millis(until))?;
    Ok(found.and_then(|(count,)| usize::try_from(count).ok()).unwrap_or_default())
}

/// The counts of contacts from one month until another, both `YYYY-MM` and included.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn counts(db: &Db, from: &str, until: &str) -> Result<Vec<ContactCount>, DbError> {
    all!(db, COUNTS, from, until)
}

/// The counts of refusals by reason from one month until another, both included.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn refusals(db: &Db, from: &str, until: &str) -> Result<Vec<RefusalCount>, DbError> {
    all!(db, REFUSALS, from, until)
}

/// The counts of permits granted and refused from one month until another, both included.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn permits(db: &Db, from: &str, until: &str) -> Result<Vec<PermitCount>, DbError> {
    all!(db, PERMITS, from, until)
}
