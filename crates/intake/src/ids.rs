//! The ids of what another system tells of, derived from the ids that it uses itself: the same whenever it tells of the same.

use tact_service::ids::IdKey;
use uuid::Uuid;

/// Derives ids for one other system.
#[derive(Debug, Clone, Copy)]
pub struct Ids<'k> {
    /// The network's secret.
    pub keys: &'k IdKey,
    /// The other system's name.
    pub system: &'k str,
}

impl Ids<'_> {
    /// An id for a thing of a kind, by its id there; `number` tells several of one apart.
    pub fn derive(&self, what: &str, id: &str, number: u8) -> Uuid {
        self.keys.derive(&[b"import", self.system.as_bytes(), what.as_bytes(), id.as_bytes(), &[number]])
    }

    /// The patient of this id there.
    pub fn patient(&self, id: &str) -> Uuid {
        self.derive("patient", id, 0)
    }

    /// The event that makes the patient of this id there known.
    pub fn registration(&self, id: &str) -> Uuid {
        self.derive("event patient.registered", id, 0)
    }

    /// The event that lists a branch.
    pub fn branch(&self, code: &str) -> Uuid {
        self.derive("event branch.listed", code, 0)
    }
}
