//! What the book notes of contacts beside that they happened: the permit that one used, and how one ended that is known better later.

use tact_domain::{Outcome, Time};
use uuid::Uuid;

use super::{Book, Contact, Permit};

impl Book {
    /// How a contact ended is known better. What it answered and did not reach anybody with is open again.
    pub(super) fn correct(&mut self, id: Uuid, outcome: Outcome) {
        let Some(contact) = self.contacts.iter_mut().find(|c| c.id == id) else { return };
        let reaches = |outcome| matches!(outcome, Outcome::Reached | Outcome::Declined);
        let before = reaches(std::mem::replace(&mut contact.outcome, outcome));
        let contact = contact.clone();
        if reaches(outcome) && !before {
            self.answer(&[contact], |request, call| request <= call);
        } else if before && !reaches(outcome) {
            for request in &mut self.requests {
                let answered = if contact.outbound { contact.about == Some(request.0) } else { request.1 <= contact.time };
                request.3 &= !answered;
            }
            self.answer(&self.contacts.clone(), |request, call| request < call);
        }
    }
}

pub(super) fn use_permit(permits: &mut [Permit], contact: &mut Contact, recorded_at: Option<Time>) {
    let permit = permits.iter_mut().find(|p| {
        Some(p.granted.permit) == contact.named
            && p.granted.purpose == contact.purpose
            && p.granted.channel == contact.channel
            && contact.about.is_none_or(|about| p.occasion().is_none_or(|(own, _)| own == about))
            && p.covers(contact.time)
    });
    let Some(permit) = permit else { return };
    contact.on_time = recorded_at.is_some_and(|now| permit.holds_room(now)) || permit.started.is_some();
    contact.under = contact.named;
    contact.about = contact.about.or(permit.occasion().map(|(about, _)| about));
    permit.used = true;
}
