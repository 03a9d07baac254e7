//! How many people were contacted in a UTC month, and how many turned to "don't call me" in it: by branch, and over the whole network, where somebody
//! whom two branches contact is one person (P2, P4).
//!
//! It must never say who.

use tact_database::{Db, DbError, all, table};

/// What stands for the whole network in place of a branch's code.
pub const NETWORK: &str = "";

table! {
    /// One month at one branch, or of the network.
    pub struct PatientMonth = "patient_months" key(branch, month) {
        /// The branch, or [`NETWORK`].
        branch: String,
        /// The UTC month, `YYYY-MM`.
        month: String,
        /// Outbound contacts that happened in it, whatever their outcome.
        contacts: i64,
        /// With how many patients. Who was contacted under two ids before they were merged is two.
        patients: i64,
        /// How many patients turned to "don't call me, I'll call you" in it; one who turned back and again, twice.
        turned: i64,
    }
}

const PAGE: &str = "SELECT branch, month, contacts, patients, turned FROM patient_months
    WHERE month >= $1 AND month <= $2 ORDER BY branch, month";

pub(crate) const SQL: &[&str] = &[PAGE];

/// The months from one until another, both `YYYY-MM` and included: the network's first, then by branch.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn between(db: &Db, from: &str, until: &str) -> Result<Vec<PatientMonth>, DbError> {
    all!(db, PAGE, from, until)
}
