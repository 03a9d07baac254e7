//! What a row of a book says: which facts, when, and under which ids. Pure: the same row gives the same facts, whatever is recorded already.

use chrono::Duration;
use tact_domain::patient::events::{AppointmentRef, Booked, Cancelled, ConsentGranted, Event, Evidence, Made, Registered};
use tact_domain::zone::local_to_utc;
use tact_domain::{ChangedBy, Direction, Time};
use tact_intake::Ids;
use uuid::Uuid;

use super::book::{Book, Fate, Row};
use super::mapping::{ContactColumn, Fates, Mapping};

/// One thing that a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Booked,
    /// One of the row's consents.
    Consent(u8),
    /// One of the mapping's contacts.
    Contact(u8),
    Completed,
    Missed,
    Cancelled,
}

impl What {
    /// Every type of event that a book can lead to by this mapping.
    pub(super) fn kinds(mapping: &Mapping) -> Vec<&'static str> {
        let mut kinds =
            vec!["patient.registered", "appointment.booked", "contact.made", "appointment.completed", "appointment.missed"];
        let cancels = |fates: &Fates| !fates.cancelled_by_patient.is_empty() || !fates.cancelled_by_clinic.is_empty();
        if mapping.outcome.as_ref().is_some_and(cancels) {
            kinds.push("appointment.cancelled");
        }
        if !mapping.consents.is_empty() {
            kinds.push("consent.granted");
        }
        kinds
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Booked => "appointment.booked",
            Self::Contact(_) => "contact.made",
            Self::Completed => "appointment.completed",
            Self::Missed => "appointment.missed",
            Self::Cancelled => "appointment.cancelled",
            Self::Consent(_) => "consent.granted",
        }
    }
}

/// A fact of a row. Sorted, a patient's facts stand in the order in which they happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    pub(super) time: Time,
    /// The row: an index into the book's.
    pub(super) row: u32,
    pub(super) what: What,
}

/// The id of the event that records a fact.
pub(super) fn event_id(ids: &Ids<'_>, row: &Row, patient: &str, what: What) -> Uuid {
    match what {
        // One outcome to a row: a book that changed its mind adds no second one.
        What::Completed | What::Missed | What::Cancelled => ids.derive("event appointment outcome", &row.appointment, 0),
        What::Booked => ids.derive("event appointment.booked", &row.appointment, 0),
        What::Contact(number) => ids.derive("event contact.made", &row.appointment, number),
        // A consent is the patient's, whichever row tells of it.
        What::Consent(number) => {
            let given = &row.consents[usize::from(number)];
            let parts: [&[u8]; 6] = [
                b"import",
                ids.system.as_bytes(),
                b"event consent.granted",
                patient.as_bytes(),
                given.document.as_bytes(),
                &[given.number],
            ];
            ids.keys.derive(&parts)
        }
    }
}

/// What a row says, at most one booking, its contacts and one outcome.
pub(super) fn facts(index: u32, row: &Row, mapping: &Mapping) -> impl Iterator<Item = Fact> {
    let fact = move |time, what| Fact { time, row: index, what };
    let contacts = (0u8..).zip(&mapping.contacts).filter(|(bit, _)| row.contacts & (1 << bit) != 0);
    let contacts = contacts.map(move |(bit, contact)| fact(contact_time(row, contact, mapping), What::Contact(bit)));
    let outcome = match row.fate {
        Fate::Open => None,
        Fate::Completed => Some(What::Completed),
        Fate::Missed => Some(What::Missed),
        Fate::Cancelled(..) => Some(What::Cancelled),
    };
    let at = match row.fate {
        Fate::Cancelled(_, at) => at,
        // A booking made during the day of the visit may be later than the hour that the mapping states.
        _ => row.starts_at.max(row.booked_at),
    };
    let outcome = outcome.map(|what| fact(at, what));
    let consents = (0u8..).zip(&row.consents).map(move |(number, given)| fact(given.time, What::Consent(number)));
    std::iter::once(fact(row.booked_at, What::Booked)).chain(contacts).chain(outcome).chain(consents)
}

/// So many days before the visit at the stated hour, by the local calendar; never before the booking.
fn contact_time(row: &Row, contact: &ContactColumn, mapping: &Mapping) -> Time {
    let day = row.starts_at.with_timezone(&mapping.time_zone).date_naive() - Duration::days(contact.days_before.into());
    local_to_utc(mapping.time_zone, day.and_time(contact.at)).max(row.booked_at)
}

/// The event that records a fact.
pub(super) fn event(fact: Fact, book: &Book, mapping: &Mapping, ids: &Ids<'_>) -> Event {
    let row = &book.rows[fact.row as usize];
    let appointment = ids.derive("appointment", &row.appointment, 0);
    let branch = &book.branches[usize::from(row.branch)].0;
    match fact.what {
        What::Booked => Event::Booked(Booked {
            appointment,
            branch: branch.clone(),
            kind: mapping.kind,
            starts_at: row.starts_at,
            clinician: None,
        }),
        What::Completed => Event::Completed(AppointmentRef { appointment }),
        What::Missed => Event::Missed(AppointmentRef { appointment }),
        What::Cancelled => {
            let by = if let Fate::Cancelled(by, _) = row.fate { by } else { ChangedBy::Patient };
            Event::Cancelled(Cancelled { appointment, by })
        }
        What::Consent(number) => {
            let given = &row.consents[usize::from(number)];
            let consent = &mapping.consents[usize::from(given.number)];
            Event::ConsentGranted(ConsentGranted {
                purpose: consent.purpose.clone(),
                channels: consent.channels.clone(),
                // The document's own number may say who it is: an event holds an id that is made of it.
                evidence: Evidence { method: consent.method.clone(), document: ids.derive("document", &given.document, 0) },
                expires_at: None,
            })
        }
        What::Contact(number) => {
            let contact = &mapping.contacts[usize::from(number)];
            Event::Made(Made {
                contact: ids.derive("contact", &row.appointment, number),
                direction: Direction::Outbound,
                purpose: contact.purpose.clone(),
                channel: contact.channel,
                branch: branch.clone(),
                outcome: contact.outcome,
                permit: None,
                about: Some(appointment),
                note: None,
            })
        }
    }
}

/// The event that makes a patient known. The home branch is that of the first row.
pub(super) fn registration(first: &Row, book: &Book, mapping: &Mapping) -> Event {
    Event::Registered(Registered {
        home_branch: book.branches[usize::from(first.branch)].0.clone(),
        time_zone: mapping.time_zone.name().into(),
        language: book.people[first.patient as usize].1.clone(),
        recommended_by: None,
        guardian: None,
    })
}
