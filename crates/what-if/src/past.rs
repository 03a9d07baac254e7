//! The state as of an earlier moment, for contacts that were written down late: what is dated later is left out.
//!
//! What an event has overwritten does not come back: an appointment that was moved since is left out, and so is a wish that was changed.

use tact_domain::Time;
use tact_domain::patient::State;
use tact_domain::patient::state::{AppointmentStatus, Fate, Standing};

/// What a state says of a moment before its last event, so far as it still knows.
pub(crate) fn as_of(state: &State, time: Time) -> State {
    let mut past = state.clone();
    // Before the contacts go: whether a permit was used by then is what they say.
    let used_later = |contact| state.contacts.iter().any(|c| c.id == contact && c.time > time);
    past.permits.retain(|p| p.granted_at <= time);
    for permit in &mut past.permits {
        permit.fate = match permit.fate {
            Fate::Ended(at) if at > time => Fate::Open,
            Fate::Started { at, .. } if at > time => Fate::Open,
            Fate::Started { at, contact, ended: Some(ended) } if ended > time => Fate::Started { at, contact, ended: None },
            Fate::Used { contact } if used_later(contact) => Fate::Open,
            fate => fate,
        };
    }
    past.contacts.retain(|c| c.time <= time);
    past.grants.retain(|g| g.time <= time);
    past.withdrawals.retain(|w| w.time <= time);
    past.new_details.retain(|d| d.time <= time);
    past.announcements.retain(|a| a.time <= time);
    past.recommendations.retain(|r| r.time <= time);
    past.feedback.retain(|at| *at <= time);
    past.requests.retain(|r| r.time <= time);
    for request in &mut past.requests {
        request.answered_at = request.answered_at.filter(|at| *at <= time);
    }
    past.referrals.retain(|r| r.opened_at <= time);
    for referral in &mut past.referrals {
        referral.arranged = referral.arranged.filter(|(_, at)| *at <= time);
        referral.closed_at = referral.closed_at.filter(|at| *at <= time);
    }
    past.appointments.retain(|a| a.since <= time);
    for appointment in &mut past.appointments {
        appointment.clinic_change = appointment.clinic_change.filter(|change| change.at <= time);
        appointment.status = match appointment.status {
            AppointmentStatus::Completed(at) | AppointmentStatus::Missed(at) | AppointmentStatus::Cancelled(at) if at > time => {
                AppointmentStatus::Booked
            }
            status => status,
        };
    }
    let wishes = &mut past.preferences;
    wishes.reach = wishes.reach.filter(|(_, at)| *at <= time);
    wishes.quiet_hours = wishes.quiet_hours.filter(|(_, at)| *at <= time);
    wishes.absorbed_quiet_hours.retain(|(_, at)| *at <= time);
    past.standing = match past.standing {
        Standing::Died if past.died_at.is_some_and(|at| at > time) => Standing::Open,
        Standing::Merged { at, .. } if at > time => Standing::Open,
        standing => standing,
    };
    past
}
