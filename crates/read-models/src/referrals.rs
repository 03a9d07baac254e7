//! Care referrals that are under way, so that nobody in need is forgotten between one day and the next (P11). What is closed leaves by itself.

use tact_database::{Db, DbError, Time, all, table, to_millis};
use tact_domain::Branch;
use uuid::Uuid;

table! {
    /// A care referral that is not closed.
    pub struct ReferralRow = "referrals" key(patient, referral) {
        /// Who needs it.
        patient: Uuid,
        /// The referral.
        referral: Uuid,
        /// The patient's home branch; empty if unknown.
        branch: String,
        /// The code of the service that is needed.
        need: String,
        /// When it was opened.
        opened_at: Time,
        /// Who will help, once that was arranged.
        provider: Option<Uuid>,
        /// When it was arranged.
        arranged_at: Option<Time>,
        /// Whether the policy still owes a call about it, now or later.
        to_call: bool,
    }
}

/// A place in the order of a page: behind the referral that was opened then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// See [`ReferralRow::opened_at`].
    pub opened_at: Time,
    /// See [`ReferralRow::patient`].
    pub patient: Uuid,
    /// See [`ReferralRow::referral`].
    pub referral: Uuid,
}

impl Cursor {
    /// Before every referral.
    pub fn start() -> Self {
        Self { opened_at: Time::UNIX_EPOCH, patient: Uuid::nil(), referral: Uuid::nil() }
    }
}

const OF_BRANCH: &str = "SELECT patient, referral, branch, need, opened_at, provider, arranged_at, to_call FROM referrals
    WHERE branch = $1 AND (opened_at, patient, referral) > ($2, $3, $4) ORDER BY opened_at, patient, referral LIMIT $5";

pub(crate) const SQL: &[&str] = &[OF_BRANCH];

/// The referrals under way of a home branch's patients behind a place, the oldest first, at most `limit` of them.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn of_branch(db: &Db, branch: &Branch, after: Cursor, limit: u32) -> Result<Vec<ReferralRow>, DbError> {
    let opened_at = to_millis(after.opened_at);
    all!(db, OF_BRANCH, branch.as_str(), opened_at, after.patient, after.referral, i64::from(limit))
}
