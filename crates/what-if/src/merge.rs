//! Facts that a merge or its undoing carries to another stream, as they would be under the other policy: without the contacts and permits
//! that left, with the attempts that were added.

use tact_domain::patient::State;
use tact_domain::patient::events::Carried;

/// The facts that were carried away from a patient, had that patient lived as `other` says instead of as `recorded` does. `attempts` are
/// all the contacts of `other` that would have been carried.
pub(crate) fn carried(facts: &Carried, recorded: &State, other: &State, attempts: &Carried) -> Carried {
    let mut facts = facts.clone();
    facts.contacts.retain_mut(|contact| match other.contacts.iter().find(|c| c.id == contact.id) {
        Some(kept) => {
            contact.clone_from(kept);
            true
        }
        // What neither knows came from elsewhere.
        None => recorded.contacts.iter().all(|c| c.id != contact.id),
    });
    facts.permits.retain_mut(|permit| match other.permit(permit.id) {
        Some(kept) => {
            permit.clone_from(kept);
            true
        }
        None => recorded.permit(permit.id).is_none(),
    });
    for request in &mut facts.requests {
        if let Some(other) = other.requests.iter().find(|r| r.id == request.id) {
            request.answered_at = other.answered_at;
        }
    }
    let added = attempts.contacts.iter().filter(|c| recorded.contacts.iter().all(|known| known.id != c.id));
    let added: Vec<_> = added.filter(|c| facts.contacts.iter().all(|known| known.id != c.id)).cloned().collect();
    facts.contacts.extend(added);
    let added = attempts.permits.iter().filter(|p| recorded.permit(p.id).is_none());
    let added: Vec<_> = added.filter(|p| facts.permits.iter().all(|known| known.id != p.id)).cloned().collect();
    facts.permits.extend(added);
    facts
}
