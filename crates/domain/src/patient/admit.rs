//! What cannot be true is refused before it is recorded. What really happened - a contact, a withdrawal, a death - never is.

use uuid::Uuid;

use super::decide::Ask;
use super::events::{Event, Separated};
use super::state::{AppointmentStatus, Fate, Standing, State};
use crate::Time;
use crate::policy::Policy;

/// How far ahead of the decision's clock a fact may be dated, since clocks differ: 5 s.
pub const CLOCK_TOLERANCE: chrono::Duration = chrono::Duration::seconds(5);

/// How far ahead an appointment may lie: ten years, of 366 days each.
pub const FARTHEST_APPOINTMENT: chrono::Duration = chrono::Duration::days(3660);

/// The earliest time that anything may carry: 1900.
pub const EARLIEST: Time = match chrono::DateTime::from_timestamp(-2_208_988_800, 0) {
    Some(time) => time,
    None => Time::UNIX_EPOCH,
};

/// Why a command cannot be true: which field, what it says, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrue {
    /// Nobody by this id is known.
    #[error("no patient has this id; register the patient first")]
    UnknownPatient,
    /// The id is taken.
    #[error("a patient with this id is already registered")]
    AlreadyRegistered,
    /// The patient goes on under another id: the command belongs there.
    #[error("this patient was merged into {0}; use that id")]
    MergedInto(Uuid),
    /// The stream is closed for this.
    #[error("the patient is {0}; only what has happened may still be recorded")]
    Closed(&'static str),
    /// A field contradicts what is known.
    #[error("`{field}`: {problem}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it, and the way out.
        problem: String,
    },
}

fn field<T>(field: &'static str, problem: impl Into<String>) -> Result<T, Untrue> {
    Err(Untrue::Field { field, problem: problem.into() })
}

/// Whether an event that is said to have happened at `time` can be recorded at `now`.
///
/// # Errors
/// [`Untrue`] names the field that contradicts what is known, and the way out.
pub fn admit(state: &State, event: &Event, time: Time, now: Time) -> Result<(), Untrue> {
    standing(state, event, time)?;
    admit_time(time, now)?;
    fits(state, event, time, now)
}

/// Whether what an event has set off can be recorded: as [`admit`], but `time` was held against a clock when that event was recorded, and a
/// clock that is behind must not undo what has begun.
///
/// # Errors
/// [`Untrue`] names the field that contradicts what is known.
pub fn admit_reaction(state: &State, event: &Event, time: Time) -> Result<(), Untrue> {
    standing(state, event, time)?;
    fits(state, event, time, time)
}

/// Whether an event goes together with what is known.
fn fits(state: &State, event: &Event, time: Time, now: Time) -> Result<(), Untrue> {
    match event {
        Event::ProfileChanged(e) => {
            if e.home_branch.is_none()
                && e.time_zone.is_none()
                && e.language.is_none()
                && e.guardian.is_none()
                && e.channels.is_none()
            {
                return field("data", "nothing is changed; name at least one field");
            }
            Ok(())
        }
        Event::Absorbing(e) => absorbing(state, e.from),
        Event::Separated(e) => {
            let known = state.absorbing == Some(e.from)
                || state.absorbed.iter().any(|a| a.from == e.from)
                || matches!(state.standing, Standing::Merged { .. });
            if known { Ok(()) } else { field("from", format!("{} was not merged into this patient", e.from)) }
        }
        Event::Restored(_) if state.standing != Standing::Died => field("data", "no death is recorded that this could correct"),
        Event::ConsentGranted(e) => {
            if e.channels.is_empty() {
                return field("channels", "name at least one channel that the consent is for");
            }
            if e.evidence.document.is_nil() {
                return field("evidence.document", "without a document there is no consent; name the document's id");
            }
            match e.expires_at {
                Some(expires) if expires <= time => {
                    field("expires_at", format!("{expires} is not after {time}, when it was given"))
                }
                _ => Ok(()),
            }
        }
        Event::ConsentWithdrawn(e) => match &e.channels {
            Some(channels) if channels.is_empty() => field("channels", "empty; leave it out to withdraw for every channel"),
            _ => Ok(()),
        },
        Event::PreferenceSet(e) => {
            if e.reach.is_none() && e.quiet_hours.is_none() && e.preferred_channel.is_none() {
                return field("data", "nothing is set; name `reach`, `quiet_hours` or `preferred_channel`");
            }
            Ok(())
        }
        Event::Booked(e) => {
            if state.appointment(e.appointment).is_some() {
                return field("appointment", format!("{} is already booked; move it with a rescheduling", e.appointment));
            }
            starts_at(e.starts_at, now)
        }
        Event::Rescheduled(e) => {
            match status(state, e.appointment)? {
                AppointmentStatus::Booked | AppointmentStatus::Missed(_) => {}
                AppointmentStatus::Completed(_) => return done(e.appointment, "has taken place", "moved"),
                AppointmentStatus::Cancelled(_) => return done(e.appointment, "was cancelled", "moved; book another"),
            }
            starts_at(e.starts_at, now)
        }
        Event::Cancelled(e) => match status(state, e.appointment)? {
            AppointmentStatus::Booked => Ok(()),
            AppointmentStatus::Completed(_) => done(e.appointment, "has taken place", "cancelled"),
            AppointmentStatus::Missed(_) => done(e.appointment, "was missed", "cancelled"),
            AppointmentStatus::Cancelled(_) => done(e.appointment, "was cancelled", "cancelled again"),
        },
        Event::Completed(e) => match status(state, e.appointment)? {
            AppointmentStatus::Booked | AppointmentStatus::Missed(_) => Ok(()),
            AppointmentStatus::Completed(_) => done(e.appointment, "has taken place", "completed again"),
            AppointmentStatus::Cancelled(_) => done(e.appointment, "was cancelled", "completed; book another"),
        },
        Event::Missed(e) => match status(state, e.appointment)? {
            AppointmentStatus::Booked => Ok(()),
            AppointmentStatus::Completed(_) => done(e.appointment, "has taken place", "missed"),
            AppointmentStatus::Missed(_) => done(e.appointment, "was missed", "missed again"),
            AppointmentStatus::Cancelled(_) => done(e.appointment, "was cancelled", "missed"),
        },
        Event::Requested(e) => {
            if state.requests.iter().any(|r| r.id == e.request) {
                return field("request", format!("{} is already recorded", e.request));
            }
            e.window.map_or(Ok(()), window)
        }
        Event::Announced(e) => {
            if let Some(about) = e.about
                && !knows(state, about)
            {
                return field(
                    "about",
                    format!("{about} is no appointment, request, referral or recommended person of this patient"),
                );
            }
            window(e.window)
        }
        // Given back while it lived, also if that is written down later.
        Event::Released(e) => live(state, e.permit, time, "released"),
        Event::Started(e) => {
            known_contact(state, e.contact)?;
            live(state, e.permit, now, "started")
        }
        Event::Made(e) => known_contact(state, e.contact),
        Event::Corrected(e) => match state.contacts.iter().find(|c| c.id == e.contact) {
            None => field("contact", format!("{} was never recorded for this patient; record it as a contact", e.contact)),
            Some(contact) if contact.outcome == e.outcome => {
                field("outcome", format!("`{}` is what is recorded; there is nothing to correct", e.outcome))
            }
            Some(_) => Ok(()),
        },
        Event::Credited(e) => {
            if state.recommendations.iter().any(|r| r.recommended == e.recommended) {
                return field("recommended", format!("{} is already credited", e.recommended));
            }
            Ok(())
        }
        Event::ReferralOpened(e) => {
            if state.referrals.iter().any(|r| r.id == e.referral) {
                return field("referral", format!("{} is already open or closed", e.referral));
            }
            Ok(())
        }
        Event::ReferralArranged(e) => open_referral(state, e.referral),
        Event::ReferralClosed(e) => open_referral(state, e.referral),
        _ => Ok(()),
    }
}

/// Whether anything can have happened at `time`, as seen from `now`.
///
/// # Errors
/// [`Untrue::Field`] names `time`.
pub fn admit_time(time: Time, now: Time) -> Result<(), Untrue> {
    if time > now + CLOCK_TOLERANCE {
        return field("time", format!("{time} lies in the future, it is {now}; record what has happened"));
    }
    if time < EARLIEST {
        return field("time", format!("{time} is before 1900"));
    }
    Ok(())
}

/// Whether anyone may ask for a permit on this stream: the patient must be known. A closed stream answers with a refusal.
///
/// # Errors
/// [`Untrue::UnknownPatient`]
pub fn admit_ask(state: &State) -> Result<(), Untrue> {
    if state.standing == Standing::Unknown { Err(Untrue::UnknownPatient) } else { Ok(()) }
}

/// Whether an ask says why, where the policy demands it.
///
/// # Errors
/// [`Untrue::Field`] if it does not.
pub fn admit_reason(policy: &Policy, ask: &Ask) -> Result<(), Untrue> {
    match policy.rule(&ask.purpose) {
        Some(rule) if rule.reason_required && ask.reason.is_none() => {
            field("reason", format!("`{}` needs a reason: say in words what the danger is", ask.purpose))
        }
        _ => Ok(()),
    }
}

fn standing(state: &State, event: &Event, time: Time) -> Result<(), Untrue> {
    match state.standing {
        Standing::Unknown if matches!(event, Event::Registered(_)) => Ok(()),
        Standing::Unknown => Err(Untrue::UnknownPatient),
        _ if matches!(event, Event::Registered(_)) => Err(Untrue::AlreadyRegistered),
        // Only the survivor's stream knows what has happened to both since: a merge is undone from there.
        Standing::Merged { into, .. } if !matches!(event, Event::Separated(Separated { facts: Some(_), .. })) => {
            Err(Untrue::MergedInto(into))
        }
        Standing::Erased if !event.is_always_recorded() => Err(Untrue::Closed("erased")),
        Standing::Died
            if matches!(event, Event::Booked(_) | Event::ConsentGranted(_) | Event::Absorbing(_) | Event::Requested(_))
                && state.died_at.is_none_or(|died| died <= time) =>
        {
            Err(Untrue::Closed("recorded as deceased"))
        }
        _ => Ok(()),
    }
}

fn absorbing(state: &State, from: Uuid) -> Result<(), Untrue> {
    match state.absorbing {
        Some(other) => field("from", format!("{other} is being merged into this patient; wait until that is done")),
        None if state.absorbed.iter().any(|a| a.from == from) => {
            field("from", format!("{from} is already merged into this patient"))
        }
        None => Ok(()),
    }
}

fn starts_at(time: Time, now: Time) -> Result<(), Untrue> {
    if time > now + FARTHEST_APPOINTMENT {
        return field("starts_at", format!("{time} is more than ten years ahead"));
    }
    if time < EARLIEST {
        return field("starts_at", format!("{time} is before 1900"));
    }
    Ok(())
}

fn status(state: &State, id: Uuid) -> Result<AppointmentStatus, Untrue> {
    match state.appointment(id) {
        Some(appointment) => Ok(appointment.status),
        None => field("appointment", format!("{id} was never booked for this patient; book it first")),
    }
}

fn done(id: Uuid, what: &str, cannot: &str) -> Result<(), Untrue> {
    field("appointment", format!("{id} {what} and cannot be {cannot}"))
}

fn window(window: crate::values::Window) -> Result<(), Untrue> {
    if window.from < window.until {
        return Ok(());
    }
    field("window", format!("it ends at {}, which is not after its start at {}", window.until, window.from))
}

fn live(state: &State, id: Uuid, now: Time, verb: &str) -> Result<(), Untrue> {
    let Some(permit) = state.permit(id) else {
        return field("permit", format!("{id} is not a permit of this patient"));
    };
    let why = match permit.fate {
        Fate::Open if permit.is_live(now) => return Ok(()),
        Fate::Open => format!("it expired at {}", permit.expires_at),
        Fate::Ended(at) => format!("it ended at {at}"),
        Fate::Started { at, .. } => format!("a contact began under it at {at}"),
        Fate::Used { contact } => format!("contact {contact} has used it"),
    };
    field("permit", format!("{id} cannot be {verb}: {why}; ask for another"))
}

fn known_contact(state: &State, id: Uuid) -> Result<(), Untrue> {
    if state.contacts.iter().any(|c| c.id == id) {
        return field("contact", format!("{id} is already recorded"));
    }
    Ok(())
}

fn open_referral(state: &State, id: Uuid) -> Result<(), Untrue> {
    match state.referrals.iter().find(|r| r.id == id) {
        None => field("referral", format!("{id} was never opened for this patient")),
        Some(referral) => match referral.closed_at {
            Some(at) => field("referral", format!("{id} was closed at {at}; open another")),
            None => Ok(()),
        },
    }
}

fn knows(state: &State, about: Uuid) -> bool {
    state.appointment(about).is_some()
        || state.requests.iter().any(|r| r.id == about)
        || state.referrals.iter().any(|r| r.id == about)
        || state.recommendations.iter().any(|r| r.recommended == about)
}
