//! How what another system has kept is recorded: the people it knows, the links from its ids, and the facts, each of them once.
//!
//! Ids come from the other system's own, so that whatever is there already is known again and a run that broke off is taken up where it stopped.
//! A link is written before the patient's first event, so that whoever has none has no events. Everything goes through the transact loop. Nothing
//! personal is put into an event.

pub mod fhir;
mod hand;
mod ids;
mod people;

pub use hand::{Became, Hand};
pub use ids::Ids;
pub use people::{Introduced, introduce, links};

use tact_database::DbError;
use tact_event_log::LogError;
use tact_personal::Personal;
use tact_service::control::Control;
use tact_service::ids::IdKey;
use tact_service::transact::{Failure, Transactor};

/// Where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Stores<'a> {
    /// Decides and appends; also the clock.
    pub transactor: &'a Transactor,
    /// The policies and the directory.
    pub control: &'a Control,
    /// The personal data store.
    pub personal: &'a Personal,
    /// Makes ids.
    pub keys: &'a IdKey,
}

/// Why it stopped. What was recorded until then stays; the same again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// An event could not be recorded.
    #[error(transparent)]
    Record(#[from] Failure),
    /// The personal data store could not do its part.
    #[error("the personal data store: {0}")]
    Database(#[from] DbError),
}

impl From<LogError> for Stopped {
    fn from(error: LogError) -> Self {
        Self::Record(error.into())
    }
}
