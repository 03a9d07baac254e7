//! Which version of another system's resource was taken in last, so that the same again adds nothing and an older one changes nothing.
//!
//! A row holds nothing of the resource itself: its key is a keyed hash of where it comes from, and its digest is keyed too. It goes with the
//! patient's erasure all the same.

use tact_database::{DbError, Time, bulk, table};
use uuid::Uuid;

use crate::Personal;

table! {
    /// The version of a resource that was taken in last.
    pub struct Source = "sources" key(resource) {
        /// The keyed hash of the other system's name, the resource's type and its id there.
        resource: Uuid,
        /// Whose it is.
        patient: Uuid,
        /// The version, by the other system's own count.
        version: Option<String>,
        /// When it was changed there.
        updated_at: Option<Time>,
        /// A keyed fingerprint of its bytes.
        digest: i64,
    }
}

impl Personal {
    /// What is known of these resources, in no particular order.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn sources(&self, resources: &[Uuid]) -> Result<Vec<Source>, DbError> {
        bulk::read(&self.db, "resource", resources).await
    }

    /// Notes the versions that were taken in; no two of them may be of one resource. What was known before is replaced.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is noted then.
    pub async fn put_sources(&self, sources: Vec<Source>) -> Result<(), DbError> {
        if sources.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        bulk::write(&mut tx, sources, bulk::OnConflict::Replace).await?;
        tx.commit().await
    }
}
