//! How an erasure is carried out, and carried out again on a store that was restored from a copy.
//!
//! The order is what makes it survive a crash anywhere: the event in the patient's stream, then the data, then the record in the stream `access`
//! that it is gone. Whoever was interrupted is followed by the reactor, which takes every step again. A store that is older than the log finds
//! in that record whom it must no longer hold.

use std::collections::BTreeMap;

use tact_database::DbError;
use tact_domain::disclosure::{AccessEvent, DataCategory, PersonalErased};
use tact_domain::{Actor, Recorded, Unreadable};
use tact_event_log::{Freshness, LogError, Position, StreamId};
use tact_personal::erasure::Found;
use uuid::Uuid;

use crate::app::App;
use crate::transact::{Command, Failure};

/// Why an erasure is not carried out yet. Carrying it out again finishes it.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The record cannot be written.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The store cannot erase.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl App {
    /// Erases what is kept of a patient because of `erasure`, the `patient.erased` in their stream, and records that it is gone. Told again,
    /// it does nothing twice.
    ///
    /// # Errors
    /// [`Unfinished`]
    pub async fn carry_out_erasure(&self, patient: Uuid, erasure: Uuid) -> Result<(), Unfinished> {
        let ids = self.selves(patient).await?;
        let done = self.personal.carry_out(erasure, patient, &ids, self.clock.now()).await?;
        let command = Command {
            event: self.keys.derive(&[b"personal.erased", erasure.as_bytes()]),
            fingerprint: None,
            time: None,
            actor: Actor::System("tact".into()),
            branch: None,
            cause: Some(erasure),
        };
        let erased = PersonalErased {
            patient,
            erasure,
            also: ids.into_iter().filter(|id| *id != patient).collect(),
            // A word of a newer version is none that this one could stand for.
            reason: done.reason.and_then(|word| word.parse().ok()),
            destroyed: categories(&done.found),
            destroyed_at: done.erased_at.unwrap_or_else(|| self.clock.now()),
            rewritten: self.personal.db().rewrites_files(),
        };
        self.control.record_erasure(&command, erased).await?;
        Ok(())
    }

    /// Erases again whatever the store still holds of patients whose erasure the log records: it may have been restored from a copy. To be done
    /// before anything is answered. How many patients were still there.
    ///
    /// # Errors
    /// [`Unfinished`]; nothing may be answered then. [`LogError::Damaged`] if the record cannot be read: then it is not known whom to erase.
    pub async fn repeat_erasures(&self) -> Result<usize, Unfinished> {
        let seen = self.personal.erased_upto().await?;
        let after = Position::from_stored(seen.cast_unsigned());
        let mut recorded = self.transactor.log().read_stream(StreamId::Access, after, Freshness::Latest).await?;
        if recorded.is_empty() && self.transactor.log().head().await? < after {
            // The store has seen a longer log than this one: what it says of positions means nothing here.
            recorded = self.transactor.log().read_stream(StreamId::Access, Position::START, Freshness::Latest).await?;
        }
        let mut erasures = Vec::new();
        for stored in &recorded {
            match Recorded::<AccessEvent>::read(&stored.bytes) {
                Ok(Recorded { event: AccessEvent::PersonalErased(erased), .. }) => {
                    let ids = std::iter::once(erased.patient).chain(erased.also).collect();
                    erasures.push((erased.erasure, erased.patient, ids));
                }
                Ok(_) => {}
                // Of a newer version, and about something that this one does not do.
                Err(Unreadable::Kind(kind)) => {
                    tracing::warn!(%kind, position = %stored.position, "passed over in the record of access")
                }
                Err(unreadable) => {
                    return Err(LogError::Damaged(format!("the record of access at {}: {unreadable}", stored.position)).into());
                }
            }
        }
        let last = recorded.last().map_or(seen, |stored| stored.position.to_stored().cast_signed());
        if last == seen && !self.personal.is_unclean().await? {
            return Ok(0);
        }
        Ok(self.personal.repeat(&erasures, last, self.clock.now()).await?)
    }
}

fn categories(found: &Found) -> BTreeMap<DataCategory, u64> {
    let counts = [
        (DataCategory::Name, found.names),
        (DataCategory::Phone, found.phones),
        (DataCategory::Email, found.emails),
        (DataCategory::Address, found.addresses),
        (DataCategory::BirthDate, found.birth_dates),
        (DataCategory::Text, found.texts),
        (DataCategory::ExternalId, found.external_ids),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}
