//! Calls that a telephone exchange has recorded: what became of each record, and the number of those of which it is not known whose they were.
//! A number goes as soon as that is known.

use tact_database::{DbError, Time, Tx, all, one, run, run_in, to_millis};
use uuid::Uuid;

use crate::Personal;

/// A call as an exchange recorded it.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Call {
    /// Its id here, which follows from who sent it and how they call it.
    pub id: Uuid,
    /// The keyed hash of the whole record.
    pub command: i64,
    /// How the exchange calls it.
    pub record: String,
    /// The branch.
    pub branch: String,
    /// `outbound` or `inbound`.
    pub direction: String,
    /// When it began.
    pub begun_at: Time,
    /// How long it lasted.
    pub seconds: i64,
    /// How it ended, in the exchange's word.
    pub disposition: String,
    /// The other side's number, while it is not known whose it is.
    pub number: Option<String>,
    /// Its fingerprint, for as long.
    pub fingerprint: Option<Uuid>,
    /// `matched`, `review` or `closed`.
    pub state: String,
    /// Why a person is to look at it: `nobody` or `several`.
    pub reason: Option<String>,
    /// Whose call it was.
    pub patient: Option<Uuid>,
    /// The contact that it stands for.
    pub contact: Option<Uuid>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({}, {}, the rest hidden)", self.id, self.state)
    }
}

/// How many calls of a branch stand alike.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct CallCount {
    /// The branch.
    pub branch: String,
    /// `outbound` or `inbound`.
    pub direction: String,
    /// `matched`, `review` or `closed`.
    pub state: String,
    /// Why a person was to look at them.
    pub reason: Option<String>,
    /// How many.
    pub number: i64,
}

const BY_ID: &str =
    "SELECT id, command, record, branch, direction, begun_at, seconds, disposition, number, fingerprint, state, reason, patient, contact
    FROM calls WHERE id = $1";
const ADD: &str = "INSERT INTO calls
    (id, command, record, branch, direction, begun_at, seconds, disposition, number, fingerprint, state, reason, patient, contact)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING";
const RESOLVE: &str = "UPDATE calls SET state = $2, number = NULL, fingerprint = NULL, patient = $3, contact = $4 WHERE id = $1";
const LIST: &str =
    "SELECT id, command, record, branch, direction, begun_at, seconds, disposition, number, fingerprint, state, reason, patient, contact
    FROM calls WHERE branch = $1 AND state = 'review' AND id > $2 ORDER BY id LIMIT $3";
const LINKED: &str = "SELECT id FROM calls WHERE contact = $1 LIMIT 1";
const COUNTS: &str = "SELECT branch, direction, state, reason, COUNT(*) AS number FROM calls
    GROUP BY branch, direction, state, reason ORDER BY branch, direction, state, reason";
const FORGET: &str = "UPDATE calls SET number = NULL, fingerprint = NULL WHERE fingerprint = $1";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[BY_ID, ADD, RESOLVE, LIST, LINKED, COUNTS, FORGET];

impl Personal {
    /// A call by its id.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn call(&self, id: Uuid) -> Result<Option<Call>, DbError> {
        one!(&self.db, BY_ID, id)
    }

    /// Keeps a call; one that is there stays as it is.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is kept then.
    pub async fn add_call(&self, call: &Call) -> Result<(), DbError> {
        let Call { id, command, record, branch, direction, begun_at, seconds, disposition, .. } = call;
        let Call { number, fingerprint, state, reason, patient, contact, .. } = call;
        let begun_at = to_millis(*begun_at);
        run!(
            &self.db,
            ADD,
            id,
            command,
            record,
            branch,
            direction,
            begun_at,
            seconds,
            disposition,
            number,
            fingerprint,
            state,
            reason,
            patient,
            contact
        )
        .map(drop)
    }

    /// Notes whose call it was, or that it was nobody's; its number goes.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is changed then.
    pub async fn resolve_call(&self, id: Uuid, state: &str, patient: Option<Uuid>, contact: Option<Uuid>) -> Result<(), DbError> {
        run!(&self.db, RESOLVE, id, state, patient, contact).map(drop)
    }

    /// The calls of a branch that a person is to look at, behind an id, at most `limit` of them.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn calls_in_review(&self, branch: &str, after: Uuid, limit: u32) -> Result<Vec<Call>, DbError> {
        all!(&self.db, LIST, branch, after, i64::from(limit))
    }

    /// Whether a recorded call stands for this contact already.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn call_of_contact(&self, contact: Uuid) -> Result<bool, DbError> {
        let found: Option<(Uuid,)> = one!(&self.db, LINKED, contact)?;
        Ok(found.is_some())
    }

    /// How many calls there are of each kind.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn call_counts(&self) -> Result<Vec<CallCount>, DbError> {
        all!(&self.db, COUNTS)
    }
}

/// The number of somebody who is erased is nobody's any more.
pub(crate) async fn forget(tx: &mut Tx, number: Uuid) -> Result<(), DbError> {
    run_in!(tx, FORGET, number).map(drop)
}
