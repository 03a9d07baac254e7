//! Who looked at whose page: one row for each actor, patient, kind of page and minute. Ids and times only.
//!
//! It must never hold what was on the page, and it outlives an erasure: that somebody looked stays true.

use tact_database::{DbError, Time, all, run, run_in, to_millis};
use uuid::Uuid;

use crate::Personal;

/// Somebody looked at a patient's page.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Look {
    /// Who.
    pub actor: Uuid,
    /// At what: a word of the service that showed it.
    pub what: String,
    /// In which minute.
    pub at: Time,
}

const NOTE: &str =
    "INSERT INTO looks (patient, at, actor, what) VALUES ($1, $2, $3, $4) ON CONFLICT (patient, at, actor, what) DO NOTHING";
const PAGE: &str = "SELECT actor, what, at FROM looks WHERE patient = $1 AND (at, actor, what) < ($2, $3, $4)
    ORDER BY at DESC, actor DESC, what DESC LIMIT $5";
const FORGET: &str = "DELETE FROM looks WHERE at < $1";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[NOTE, PAGE, FORGET];

/// The minute that a moment lies in.
fn minute(at: Time) -> Time {
    use chrono::DurationRound;
    at.duration_trunc(chrono::Duration::minutes(1)).unwrap_or_else(|_| to_millis(at))
}

impl Personal {
    /// Notes that somebody is about to be shown something of these patients: all of it or nothing.
    ///
    /// # Errors
    /// Whatever keeps the database from it; then nothing may be shown.
    pub async fn note_looks(&self, actor: Uuid, patients: &[Uuid], what: &str, at: Time) -> Result<(), DbError> {
        match patients {
            [] => Ok(()),
            [patient] => run!(&self.db, NOTE, *patient, minute(at), actor, what).map(drop),
            _ => {
                let mut tx = self.db.begin().await?;
                // In one order, so that two who look at the same people do not wait for each other.
                let mut patients = patients.to_vec();
                patients.sort_unstable();
                for patient in patients {
                    run_in!(&mut tx, NOTE, patient, minute(at), actor, what)?;
                }
                tx.commit().await
            }
        }
    }

    /// Who looked at a patient's page, the latest first: what stands behind `before`, at most `limit` rows.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn looks(&self, patient: Uuid, before: &Look, limit: u32) -> Result<Vec<Look>, DbError> {
        all!(&self.db, PAGE, patient, to_millis(before.at), before.actor, &before.what, i64::from(limit))
    }

    /// Deletes what was noted before a moment; how many rows that were.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn forget_looks(&self, before: Time) -> Result<u64, DbError> {
        run!(&self.db, FORGET, to_millis(before))
    }
}
