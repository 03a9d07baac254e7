//! The names of clinicians who have left, so that whoever asks for one finds where they work now (P13).
//!
//! A name and nothing else: there is no place for a number or an address, and there must never be one.

use tact_database::{DbError, all, run};
use uuid::Uuid;

use crate::Personal;

const NAME: &str =
    "INSERT INTO clinicians (clinician, name) VALUES ($1, $2) ON CONFLICT (clinician) DO UPDATE SET name = excluded.name";
const FORGET: &str = "DELETE FROM clinicians WHERE clinician = $1";
const ALL: &str = "SELECT clinician, name FROM clinicians ORDER BY clinician";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[NAME, FORGET, ALL];

impl Personal {
    /// Keeps a clinician's name; an empty one forgets it.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn name_clinician(&self, clinician: Uuid, name: &str) -> Result<(), DbError> {
        if name.is_empty() {
            run!(&self.db, FORGET, clinician)?;
            return self.db.forget_old_pages().await;
        }
        run!(&self.db, NAME, clinician, name)?;
        Ok(())
    }

    /// Every name that is kept, by clinician: of those who have left, so there are not many.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn clinicians(&self) -> Result<Vec<(Uuid, String)>, DbError> {
        all!(&self.db, ALL)
    }
}
