//! Who has which telephone number: a few numbers among all patients, so that they are fought over. It stands in for the personal data, which
//! a run does not have, and goes by the ids alone: so the seed decides it, and asking changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tact_database::DbError;
use tact_domain::Channel;
use tact_domain::patient::events::Event;
use tact_personal::number::Shared;
use tact_service::number::Holders;
use uuid::Uuid;

use crate::driver::What;

/// The numbers of one run. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Household {
    /// How many numbers there are; without any, nobody has one.
    numbers: u8,
    of: Arc<Mutex<BTreeMap<Uuid, u8>>>,
}

impl Household {
    pub(crate) fn new(numbers: u8) -> Self {
        Self { numbers, of: Arc::default() }
    }

    fn of(&self) -> MutexGuard<'_, BTreeMap<Uuid, u8>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every number.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Uuid> + use<> {
        (0..self.numbers).map(number)
    }

    /// What a command says of somebody's number: of whoever is registered, most have one; whoever has new details has another.
    pub(crate) fn heard(&self, patient: Uuid, what: &What) {
        if self.numbers == 0 {
            return;
        }
        let [first, .., last] = *patient.as_bytes();
        match what {
            What::Record(Event::Registered(_)) if last % 5 > 0 => {
                self.of().entry(patient).or_insert(first % self.numbers);
            }
            What::Record(Event::ProfileChanged(e)) if e.channels.iter().flatten().any(|c| *c == Channel::Phone) => {
                let mut of = self.of();
                if let Some(number) = of.get_mut(&patient) {
                    *number = (*number + 1) % self.numbers;
                }
            }
            _ => {}
        }
    }
}

#[async_trait]
impl Holders for Household {
    async fn who_shares(&self, patient: Uuid) -> Result<Option<Shared>, DbError> {
        let of = self.of();
        let Some(own) = of.get(&patient).copied() else { return Ok(None) };
        let patients = of.iter().filter(|(_, number)| **number == own).map(|(patient, _)| *patient).collect();
        Ok(Some(Shared { number: number(own), patients }))
    }
}

fn number(n: u8) -> Uuid {
    Uuid::from_u128(0x1000 + u128::from(n))
}
