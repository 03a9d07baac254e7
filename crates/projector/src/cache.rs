//! The patients that the projector keeps in memory, so that the next batch need not read them: bounded, those not seen for longest leave first.

use std::collections::HashMap;

use tact_database::DbError;
use tact_domain::Time;
use tact_domain::envelope::Hash;
use tact_domain::patient::State;
use tact_domain::patient::audit::Trail;
use tact_read_models::patients::PatientRow;
use uuid::Uuid;

use crate::derive::Derived;

/// A patient between two batches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patient {
    /// Behind the last event that could be read.
    pub(crate) state: State,
    /// What an audit must know beside the state.
    pub(crate) trail: Trail,
    /// How many events the stream holds so far.
    pub(crate) version: u64,
    /// The position of the last one.
    pub(crate) position: u64,
    /// The hash of the last one.
    pub(crate) last_hash: Hash,
    /// When they were registered.
    pub(crate) registered_at: Option<Time>,
    /// Whether one of the events could not be read: from then on the state stands still.
    pub(crate) set_aside: bool,
    /// The rows in the database that follow from the state; `None`: not known.
    pub(crate) written: Option<Derived>,
}

impl Patient {
    /// Somebody who is not in the database, and so has no rows there.
    pub(crate) fn without_rows() -> Self {
        Self { written: Some(Derived::default()), ..Self::default() }
    }

    /// As the database has them.
    ///
    /// # Errors
    /// [`DbError`] if the state in the row cannot be read.
    pub(crate) fn from_row(row: &PatientRow, set_aside: bool) -> Result<Self, DbError> {
        Ok(Self {
            state: row.state()?,
            trail: row.trail()?,
            version: row.version.cast_unsigned(),
            position: row.position.cast_unsigned(),
            last_hash: Hash::try_from(row.last_hash.as_slice()).unwrap_or_default(),
            registered_at: row.registered_at,
            set_aside,
            written: None,
        })
    }
}

/// Two halves: what is asked for moves to the young one, and when that is full, what is still in the old one goes.
#[derive(Debug)]
pub(crate) struct Cache {
    young: HashMap<Uuid, Patient>,
    old: HashMap<Uuid, Patient>,
    half: usize,
}

impl Cache {
    /// Holds at most `capacity` patients, and at least the last `batch` that were put in: those may not be in the database yet.
    pub(crate) fn new(capacity: usize, batch: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(batch).max(1) }
    }

    /// Takes a patient out.
    pub(crate) fn take(&mut self, id: Uuid) -> Option<Patient> {
        self.young.remove(&id).or_else(|| self.old.remove(&id))
    }

    /// Puts a patient in.
    pub(crate) fn put(&mut self, id: Uuid, patient: Patient) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, patient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_was_used_last() {
        let mut cache = Cache::new(10, 5);
        let favourite = Uuid::from_u128(0);
        cache.put(favourite, Patient::default());
        for n in 1..1000 {
            cache.put(Uuid::from_u128(n), Patient::default());
            let kept = cache.take(favourite).expect("used each time");
            cache.put(favourite, kept);
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        for n in 996..1000 {
            assert!(cache.take(Uuid::from_u128(n)).is_some(), "{n}");
        }
        assert!(cache.take(Uuid::from_u128(1)).is_none());
    }
}
