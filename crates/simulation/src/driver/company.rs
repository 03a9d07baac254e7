//! One contact for several people: who asks to be put to somebody else's permit. Most of those who ask have no right to it, and must not get one.

use rand::seq::IndexedRandom;
use tact_domain::patient::events::{Booked, Event, Permitted, Requested};
use tact_domain::patient::{Ask, OnNumber};
use tact_domain::{AppointmentKind, OccasionKind, Purpose, Time};
use uuid::Uuid;

use super::{Driver, What};

impl Driver {
    /// Somebody else's permit for the same, as it may be known to whoever wants to make one call for both.
    pub(super) fn together(&mut self, patient: Uuid, purpose: &Purpose) -> Option<Uuid> {
        let other = *self.patients.choose(&mut self.rng).filter(|other| **other != patient)?;
        let last = self.known.get(&other)?.permits.last().filter(|permit| permit.purpose == *purpose)?.permit;
        self.chance(0.7).then_some(last)
    }

    /// Somebody else is owed the same as this permit is for, about the same time, and one contact is to do for both: allowed if they share the
    /// number.
    pub(super) fn joins(&mut self, patient: Uuid, permitted: &Permitted, now: Time) {
        let Some(occasion) = permitted.basis.occasion.as_ref().filter(|_| permitted.channel.uses_number()) else { return };
        if !self.chance(0.7) {
            return;
        }
        let Some(other) = self.patients.choose(&mut self.rng).copied().filter(|other| *other != patient) else { return };
        let about = self.id();
        let fact = match occasion.kind {
            OccasionKind::UpcomingAppointment => {
                self.known(other).appointments.push(about);
                let (branch, kind) = (permitted.branch.clone(), AppointmentKind::Consultation);
                Event::Booked(Booked { appointment: about, branch, kind, starts_at: occasion.at, clinician: None })
            }
            OccasionKind::CallbackRequest => {
                self.known(other).requests.push(about);
                Event::Requested(Requested { request: about, channel: permitted.channel, about: None, window: None })
            }
            _ => return,
        };
        let ask = Ask {
            permit: self.id(),
            purpose: permitted.purpose.clone(),
            channel: permitted.channel,
            branch: permitted.branch.clone(),
            about: Some(about),
            reason: None,
            number: OnNumber::NotAsked,
        };
        // In front of what waits already: the permit that it joins does not live long.
        self.todo.insert(0, (now, other, What::Ask(ask, Some(permitted.permit))));
        self.todo.insert(0, (now, other, What::Record(fact)));
    }
}
