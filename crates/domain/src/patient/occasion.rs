//! Occasions: the facts in a patient's stream that give a purpose its reason.

use uuid::Uuid;

use super::events::OccasionUsed;
use super::state::{Appointment, AppointmentStatus, State};
use crate::Time;
use crate::policy::Rule;
use crate::values::*;

/// An occasion that exists and is not done with, so far as the events say; whether its time has passed is another question.
#[derive(Debug, Clone, PartialEq)]
pub struct Occasion {
    /// Its kind.
    pub kind: OccasionKind,
    /// Its id: the appointment, request, referral or recommended person.
    pub about: Uuid,
    /// Its time, around which windows are laid.
    pub at: Time,
    /// When it came to be as it is. A contact made before was about something else, such as another time of the same appointment.
    pub since: Time,
    /// When it is over by itself.
    pub ends: Option<Time>,
    /// The branch it belongs to; `None`: the patient's home branch.
    pub branch: Option<Branch>,
    /// When the patient asked to be called; quiet hours do not hold inside.
    pub asked_window: Option<Window>,
}

impl Occasion {
    /// Whether its time has passed.
    pub fn is_over(&self, now: Time) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// How a permit records it.
    pub fn used(&self, rule: &Rule) -> OccasionUsed {
        OccasionUsed {
            kind: self.kind,
            about: self.about,
            at: self.at,
            since: self.since,
            unless_booked_ahead: rule.unless_booked_ahead,
        }
    }
}

/// Every occasion of a kind.
pub fn occasions(state: &State, kind: OccasionKind) -> Vec<Occasion> {
    let plain = |about, at| Occasion { kind, about, at, since: at, ends: None, branch: None, asked_window: None };
    match kind {
        OccasionKind::UpcomingAppointment => state
            .appointments
            .iter()
            .filter(|a| a.status == AppointmentStatus::Booked)
            .map(|a| Occasion {
                since: a.since,
                ends: Some(a.starts_at),
                branch: Some(a.branch.clone()),
                ..plain(a.id, a.starts_at)
            })
            .collect(),
        OccasionKind::Surgery => completed(state)
            .filter(|(_, a)| a.kind == AppointmentKind::Surgery)
            .map(|(at, a)| Occasion { branch: Some(a.branch.clone()), ..plain(a.id, at) })
            .collect(),
        OccasionKind::PastVisit => completed(state)
            .max_by_key(|(at, a)| (*at, a.id))
            .map(|(at, a)| Occasion { branch: Some(a.branch.clone()), ..plain(a.id, at) })
            .into_iter()
            .collect(),
        OccasionKind::Referrer => state
            .recommendations
            .iter()
            // Somebody who has turned out to be the same person.
            .filter(|r| state.absorbed.iter().all(|a| a.from != r.recommended))
            .max_by_key(|r| (r.time, r.recommended))
            .map(|r| plain(r.recommended, r.time))
            .into_iter()
            .collect(),
        OccasionKind::CareReferral => state
            .referrals
            .iter()
            .filter(|r| r.closed_at.is_none())
            .filter_map(|r| {
                let (_, at) = r.arranged?;
                Some(Occasion { since: r.opened_at, ..plain(r.id, at) })
            })
            .collect(),
        OccasionKind::CallbackRequest => state
            .requests
            .iter()
            .filter(|r| r.answered_at.is_none())
            .map(|r| Occasion { asked_window: r.window, ..plain(r.id, r.time) })
            .collect(),
        OccasionKind::ClinicCancellation => state
            .appointments
            .iter()
            .filter_map(|a| {
                let change = a.clinic_change?;
                Some(Occasion { ends: Some(change.owed_until), branch: Some(a.branch.clone()), ..plain(a.id, change.at) })
            })
            .collect(),
    }
}

fn completed(state: &State) -> impl Iterator<Item = (Time, &Appointment)> {
    state.appointments.iter().filter_map(|a| match a.status {
        AppointmentStatus::Completed(at) => Some((at, a)),
        _ => None,
    })
}

/// Whether an appointment is booked ahead at this moment.
pub fn booked_ahead(state: &State, now: Time) -> bool {
    state.booked_until().is_some_and(|start| start > now)
}

/// The occasion that a contact at `time` is for: the one named, or the nearest in time that is not over.
pub fn find(state: &State, kind: OccasionKind, about: Option<Uuid>, time: Time) -> Option<Occasion> {
    occasions(state, kind)
        .into_iter()
        .filter(|o| !o.is_over(time) && about.is_none_or(|about| o.about == about))
        .min_by_key(|o| ((o.at - time).abs(), o.about))
}

/// Whether the occasion that a permit rests on is still what it was.
pub fn still_holds(state: &State, used: &OccasionUsed, time: Time) -> bool {
    occasions(state, used.kind).iter().any(|o| o.about == used.about && o.since == used.since && o.at == used.at)
        && !(used.unless_booked_ahead && booked_ahead(state, time))
}

/// Whether a contact that names no occasion was for this one: the nearest that was there when it was made.
pub fn was_nearest(state: &State, occasion: &Occasion, time: Time) -> bool {
    let there = match occasion.kind {
        OccasionKind::UpcomingAppointment => upcoming_at(state, time),
        kind => {
            occasions(state, kind).into_iter().filter(|o| o.since <= time && !o.is_over(time)).map(|o| (o.at, o.about)).collect()
        }
    };
    let nearest = there.into_iter().min_by_key(|(at, about)| ((*at - time).abs(), *about));
    nearest.is_some_and(|(_, about)| about == occasion.about)
}

/// The start and id of each appointment that lay ahead at a moment, whatever has become of it since.
fn upcoming_at(state: &State, time: Time) -> Vec<(Time, Uuid)> {
    let ahead = |a: &&Appointment| {
        let open = match a.status {
            AppointmentStatus::Booked => true,
            AppointmentStatus::Completed(at) | AppointmentStatus::Missed(at) | AppointmentStatus::Cancelled(at) => time < at,
        };
        open && a.since <= time && time < a.starts_at
    };
    state.appointments.iter().filter(ahead).map(|a| (a.starts_at, a.id)).collect()
}
