//! What resources say, in the words of Tact: facts whose references are not resolved yet.

use smol_str::SmolStr;
use tact_domain::{AppointmentKind, ChangedBy, Channel, Purpose, Time};

use crate::date::Date;
use crate::issue::{Issue, Place};
use crate::reference::Ref;

/// Which version of a resource it is, by what it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// `meta.versionId`.
    pub id: Option<SmolStr>,
    /// `meta.lastUpdated`.
    pub updated: Option<Time>,
}

/// A resource that could be read.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Where it stood.
    pub place: Place,
    /// Its type.
    pub kind: SmolStr,
    /// Its id at the sender: its own, else that of its first identifier, else that of its entry.
    pub id: SmolStr,
    /// The `fullUrl` of its entry.
    pub full_url: Option<SmolStr>,
    /// Its version.
    pub version: Version,
    /// The SHA-256 of its bytes, to know the same again that has no version. Never stored as it is: bytes that hold personal data could be guessed.
    pub digest: [u8; 32],
    /// What it says.
    pub said: Said,
    /// What of it could not be taken although the rest was.
    pub remarks: Vec<Issue>,
}

/// What a resource says.
#[derive(Debug, Clone)]
pub enum Said {
    /// Who somebody is.
    Person(Box<Person>),
    /// How an appointment stands.
    Booking(Booking),
    /// That somebody was here.
    Visit(Visit),
    /// What was done.
    Operation(Operation),
    /// That somebody agrees to be contacted.
    Granted(Granted),
    /// That somebody does not, or no longer.
    Withdrawn(Withdrawn),
    /// That somebody asks to be called.
    Asked(Asked),
    /// That somebody was told to expect a contact.
    Announced(Announced),
    /// How a place may be called.
    Site(SiteSaid),
    /// Nothing that Tact keeps: why, with the element.
    Nothing(Box<Issue>),
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The full name.
    pub name: Option<String>,
    /// The telephone number.
    pub phone: Option<String>,
    /// The address for electronic mail.
    pub email: Option<String>,
    /// The postal address.
    pub address: Option<String>,
    /// The date of birth, `YYYY-MM-DD`.
    pub birth_date: Option<String>,
    /// The language to speak, a BCP 47 tag.
    pub language: Option<SmolStr>,
    /// Ids in other systems that the mapping wants kept.
    pub identifiers: Vec<(SmolStr, SmolStr)>,
    /// `Some(Some(..))`: died then; `Some(None)`: died, nobody says when; `None`: nothing is said.
    pub died: Option<Option<Date>>,
    /// It is said that the person is alive.
    pub alive: bool,
    /// The organisation that looks after the person.
    pub site: Vec<Ref>,
}

/// How an appointment stands.
#[derive(Debug, Clone)]
pub struct Booking {
    /// Whose.
    pub subject: Ref,
    /// Where, the likeliest first.
    pub site: Vec<Ref>,
    /// What for.
    pub kind: AppointmentKind,
    /// When.
    pub starts_at: Time,
    /// When it ends.
    pub ends_at: Option<Time>,
    /// When it was made.
    pub created: Option<Date>,
    /// With whom.
    pub clinician: Option<Ref>,
    /// What became of it.
    pub fate: BookingFate,
}

/// What became of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookingFate {
    /// It lies ahead, or nobody has said.
    Booked,
    /// It took place.
    Fulfilled,
    /// The patient did not come.
    Missed,
    /// It will not take place.
    Cancelled(ChangedBy),
    /// It never was: taken back without a word to the patient.
    Mistaken,
}

/// That somebody was here.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Who.
    pub subject: Ref,
    /// Where, the likeliest first.
    pub site: Vec<Ref>,
    /// What for.
    pub kind: AppointmentKind,
    /// When it began.
    pub starts_at: Time,
    /// When it ended.
    pub ends_at: Time,
    /// With whom.
    pub clinician: Option<Ref>,
    /// The appointment for it.
    pub appointment: Option<Ref>,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Operation {
    /// To whom.
    pub subject: Ref,
    /// Where, the likeliest first; nothing: where the patient is looked after.
    pub site: Vec<Ref>,
    /// What it counts as.
    pub kind: AppointmentKind,
    /// When it began.
    pub starts_at: Time,
    /// When it ended.
    pub ends_at: Time,
    /// By whom.
    pub clinician: Option<Ref>,
    /// The id at the sender of the appointment for it, where the sender is a Tact.
    pub appointment: Option<SmolStr>,
}

/// That somebody agrees to be contacted: one purpose, one document.
#[derive(Debug, Clone)]
pub struct Granted {
    /// Who.
    pub subject: Ref,
    /// What for.
    pub purpose: Purpose,
    /// On which channels.
    pub channels: Vec<Channel>,
    /// Channels that were taken back since.
    pub except: Vec<Channel>,
    /// How it was given.
    pub method: SmolStr,
    /// The document in Tact's own system, or what names it at the sender.
    pub document: Document,
    /// When.
    pub time: Time,
    /// When it runs out.
    pub expires_at: Option<Time>,
}

/// What proves a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An id of the network's archive.
    Known(uuid::Uuid),
    /// What names it at the sender.
    Named(SmolStr),
}

/// That somebody does not agree, or no longer.
#[derive(Debug, Clone)]
pub struct Withdrawn {
    /// Who.
    pub subject: Ref,
    /// For which purpose; nothing: every purpose.
    pub purpose: Option<Purpose>,
    /// On which channels; nothing: every channel.
    pub channels: Option<Vec<Channel>>,
    /// When; nothing: when it was changed at the sender, else now.
    pub time: Option<Time>,
}

/// That somebody asks to be called.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Who.
    pub subject: Ref,
    /// Who asks: must be the same.
    pub requester: Option<Ref>,
    /// How.
    pub channel: Channel,
    /// An appointment that it is about.
    pub about: Option<Ref>,
    /// When it was asked.
    pub time: Time,
    /// From when until when.
    pub window: Option<(Time, Time)>,
}

/// That somebody was told to expect a contact.
#[derive(Debug, Clone)]
pub struct Announced {
    /// Who.
    pub subject: Ref,
    /// What for.
    pub purpose: Purpose,
    /// An appointment that it is about.
    pub about: Option<Ref>,
    /// When they were told.
    pub time: Time,
    /// From when until when.
    pub window: (Time, Time),
}

/// How a place may be called.
#[derive(Debug, Clone, Default)]
pub struct SiteSaid {
    /// Its name.
    pub name: Option<SmolStr>,
    /// Its identifiers as a mapping writes them: `system|value`.
    pub identifiers: Vec<SmolStr>,
}

impl Said {
    /// Whom it is about, if it is about somebody who has a resource of their own; with the element that says so.
    pub fn subject(&self) -> Option<(&Ref, &'static str)> {
        match self {
            Self::Booking(said) => Some((&said.subject, "Appointment.participant.actor")),
            Self::Visit(said) => Some((&said.subject, "Encounter.subject")),
            Self::Operation(said) => Some((&said.subject, "Procedure.subject")),
            Self::Granted(said) => Some((&said.subject, "Consent.patient")),
            Self::Withdrawn(said) => Some((&said.subject, "Consent.patient")),
            Self::Asked(said) => Some((&said.subject, "CommunicationRequest.subject")),
            Self::Announced(said) => Some((&said.subject, "CommunicationRequest.subject")),
            Self::Person(_) | Self::Site(_) | Self::Nothing(_) => None,
        }
    }

    /// Where it was, with the element that says so.
    pub fn site(&self) -> Option<(&[Ref], &'static str)> {
        match self {
            Self::Person(said) => Some((&said.site, "Patient.managingOrganization")),
            Self::Booking(said) => Some((&said.site, "Appointment.participant.actor")),
            Self::Visit(said) => Some((&said.site, "Encounter.serviceProvider")),
            Self::Operation(said) => Some((&said.site, "Procedure.location")),
            _ => None,
        }
    }

    /// The moment by which what it says is put in order with the rest of what is said of somebody.
    pub fn order(&self) -> Option<Time> {
        match self {
            Self::Booking(said) => Some(said.starts_at),
            Self::Visit(said) => Some(said.starts_at),
            Self::Operation(said) => Some(said.starts_at),
            Self::Granted(said) => Some(said.time),
            Self::Withdrawn(said) => said.time,
            Self::Asked(said) => Some(said.time),
            Self::Announced(said) => Some(said.time),
            Self::Person(_) | Self::Site(_) | Self::Nothing(_) => None,
        }
    }
}
