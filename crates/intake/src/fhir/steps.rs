//! What a resource leads to, given what is known of the patient: the events that make the one agree with the other. Pure.

use tact_domain::patient::State;
use tact_domain::patient::decide::{Consent, consent};
use tact_domain::patient::events::*;
use tact_domain::patient::state::{Appointment, AppointmentStatus};
use tact_domain::{Branch, ChangedBy, Time, Window};
use tact_fhir::{Booking, BookingFate, Document, Granted, Operation, Resource, Visit, Withdrawn};
use uuid::Uuid;

use crate::Ids;

/// An event that is to be recorded.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) event_id: Uuid,
    pub(crate) time: Time,
    pub(crate) branch: Option<Branch>,
    pub(crate) event: Event,
}

/// What a resource leads to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    pub(crate) steps: Vec<Step>,
    /// What it is in Tact.
    pub(crate) thing: Option<Uuid>,
    /// What cannot be kept of it: the element, and why.
    pub(crate) remark: Option<(&'static str, String)>,
}

/// Why a resource is refused in spite of its form: the element, the kind of issue, and the reason.
pub(crate) type Contradiction = (&'static str, &'static str, String);

/// What all of them need.
pub(crate) struct Scene<'a> {
    pub(crate) ids: Ids<'a>,
    pub(crate) state: &'a State,
    pub(crate) clock: Time,
    pub(crate) resource: &'a Resource,
    /// Tells versions of one resource apart.
    pub(crate) edition: &'a str,
    pub(crate) branch: Option<&'a Branch>,
    pub(crate) clinician: Option<Uuid>,
    /// The zone of days that have none.
    pub(crate) zone: chrono_tz::Tz,
    /// Who is taken to have moved an appointment.
    pub(crate) changed_by: ChangedBy,
}

/// Which of the sender's things an appointment of Tact stands for.
pub(crate) fn appointment_id(ids: &Ids<'_>, id: &str) -> Uuid {
    // As a book has it: an appointment that came in both ways is one.
    ids.derive("appointment", id, 0)
}

impl Scene<'_> {
    /// Something that can happen to a thing once.
    fn once(&self, what: &str, thing: Uuid) -> Uuid {
        self.ids.keys.derive(&[b"fhir", what.as_bytes(), thing.as_bytes()])
    }

    /// Something that a version of a resource says.
    fn said(&self, what: &str) -> Uuid {
        let Resource { kind, id, .. } = self.resource;
        let parts =
            [b"fhir", self.ids.system.as_bytes(), kind.as_bytes(), id.as_bytes(), what.as_bytes(), self.edition.as_bytes()];
        self.ids.keys.derive(&parts)
    }

    fn step(&self, event_id: Uuid, time: Time, event: Event) -> Step {
        Step { event_id, time, branch: self.branch.cloned(), event }
    }

    /// When the sender changed it.
    fn changed_at(&self) -> Time {
        self.resource.version.updated.unwrap_or(self.clock).min(self.clock)
    }

    fn booked(&self, appointment: Uuid, time: Time, kind: tact_domain::AppointmentKind, starts_at: Time) -> Option<Step> {
        let branch = self.branch?.clone();
        let event = Event::Booked(Booked { appointment, branch, kind, starts_at, clinician: self.clinician });
        Some(self.step(self.once("appointment.booked", appointment), time, event))
    }

    fn completed(&self, appointment: Uuid, time: Time) -> Step {
        self.step(self.once("appointment.completed", appointment), time, Event::Completed(AppointmentRef { appointment }))
    }

    pub(crate) fn booking(&self, said: &Booking) -> Result<Steps, Contradiction> {
        let appointment = appointment_id(&self.ids, &self.resource.id);
        let mut all = Steps { thing: Some(appointment), ..Steps::default() };
        let missed = |time: Time| {
            self.step(self.once("appointment.missed", appointment), time, Event::Missed(AppointmentRef { appointment }))
        };
        let cancelled = |time: Time, by: ChangedBy| {
            self.step(self.once("appointment.cancelled", appointment), time, Event::Cancelled(Cancelled { appointment, by }))
        };
        let took_place = said.ends_at.unwrap_or(said.starts_at);
        let Some(known) = self.state.appointment(appointment) else {
            let outcome = match said.fate {
                BookingFate::Mistaken => return Ok(all),
                BookingFate::Booked => None,
                BookingFate::Fulfilled => Some(self.completed(appointment, took_place)),
                BookingFate::Missed => Some(missed(said.starts_at)),
                BookingFate::Cancelled(by) => {
                    let known = self.resource.version.updated;
                    Some(cancelled(known.unwrap_or(said.starts_at).min(self.clock), by))
                }
            };
            let created = said.created.map(|date| date.first(self.zone));
            let made = created.or(self.resource.version.updated).unwrap_or(said.starts_at).min(self.clock);
            // Whatever the sender's clocks say, it was booked before anything became of it.
            let made = outcome.as_ref().map_or(made, |outcome| made.min(outcome.time));
            all.steps.extend(self.booked(appointment, made, said.kind, said.starts_at));
            all.steps.extend(outcome);
            return Ok(all);
        };
        let moved = self.moved(known, said);
        let cannot = |what: &str| {
            let way_out = "what the sender books anew must have an id of its own";
            Err(("Appointment.status", "business-rule", format!("the appointment {what}, and that stays so; {way_out}")))
        };
        match (said.fate, known.status) {
            (BookingFate::Booked, AppointmentStatus::Booked | AppointmentStatus::Missed(_)) => all.steps.extend(moved),
            (BookingFate::Booked, AppointmentStatus::Completed(_)) if moved.is_some() => return cannot("has taken place"),
            // The sender has not said so yet; the visit itself has.
            (BookingFate::Booked, AppointmentStatus::Completed(_)) => {}
            (BookingFate::Booked, AppointmentStatus::Cancelled(_)) => return cannot("was cancelled"),
            (BookingFate::Fulfilled, AppointmentStatus::Booked | AppointmentStatus::Missed(_)) => {
                // Where it took place at another time than was known, it was moved before.
                all.steps.extend(moved.map(|step| Step { time: step.time.min(took_place), ..step }));
                all.steps.push(self.completed(appointment, took_place));
            }
            (BookingFate::Fulfilled, AppointmentStatus::Completed(_)) => {}
            (BookingFate::Fulfilled, AppointmentStatus::Cancelled(_)) => return cannot("was cancelled"),
            (BookingFate::Missed, AppointmentStatus::Booked) => {
                all.steps.extend(moved.map(|step| Step { time: step.time.min(said.starts_at), ..step }));
                all.steps.push(missed(said.starts_at));
            }
            (BookingFate::Missed, AppointmentStatus::Missed(_)) => {}
            (BookingFate::Missed, AppointmentStatus::Completed(_)) => return cannot("has taken place"),
            (BookingFate::Missed, AppointmentStatus::Cancelled(_)) => return cannot("was cancelled"),
            (BookingFate::Cancelled(by), AppointmentStatus::Booked) => all.steps.push(cancelled(self.changed_at(), by)),
            // Nobody is told of the end of what never was.
            (BookingFate::Mistaken, AppointmentStatus::Booked) => {
                all.steps.push(cancelled(self.changed_at(), ChangedBy::Patient))
            }
            (BookingFate::Cancelled(_) | BookingFate::Mistaken, AppointmentStatus::Cancelled(_)) => {}
            (BookingFate::Cancelled(_) | BookingFate::Mistaken, AppointmentStatus::Completed(_)) => {
                return cannot("has taken place");
            }
            (BookingFate::Cancelled(_) | BookingFate::Mistaken, AppointmentStatus::Missed(_)) => return cannot("was missed"),
        }
        Ok(all)
    }

    /// The move that makes a known appointment agree with what is said.
    fn moved(&self, known: &Appointment, said: &Booking) -> Option<Step> {
        let branch = self.branch.filter(|branch| **branch != known.branch).cloned();
        let clinician = self.clinician.filter(|clinician| known.clinician != Some(*clinician));
        if known.starts_at == said.starts_at && branch.is_none() && clinician.is_none() {
            return None;
        }
        let event = Rescheduled { appointment: known.id, starts_at: said.starts_at, by: self.changed_by, branch, clinician };
        Some(self.step(self.said("appointment.rescheduled"), self.changed_at(), Event::Rescheduled(event)))
    }

    pub(crate) fn visit(&self, said: &Visit, booked_as: Option<&str>) -> Steps {
        let own = self.ids.derive("encounter", &self.resource.id, 0);
        let of_booking = booked_as.map(|id| appointment_id(&self.ids, id));
        // Who came although the appointment was cancelled came to something else.
        let usable =
            |id: &Uuid| !matches!(self.state.appointment(*id).map(|known| known.status), Some(AppointmentStatus::Cancelled(_)));
        let appointment = of_booking.filter(usable).unwrap_or(own);
        let mut all = self.took_place(appointment, said.kind, said.starts_at, said.ends_at);
        if appointment == own
            && let Some(known) = self.state.appointment(own)
            && known.starts_at != said.starts_at
        {
            all.remark = Some((
                "period",
                "is another than before; what has taken place is not moved, so it stays as it was recorded first".to_owned(),
            ));
        }
        all
    }

    pub(crate) fn operation(&self, said: &Operation) -> Steps {
        let own = || self.ids.derive("procedure", &self.resource.id, 0);
        let appointment = said.appointment.as_ref().map_or_else(own, |id| appointment_id(&self.ids, id));
        let mut all = self.took_place(appointment, said.kind, said.starts_at, said.ends_at);
        if let Some(known) = self.state.appointment(appointment)
            && (known.starts_at != said.starts_at || known.kind != said.kind)
        {
            all.remark = Some((
                "performed",
                "or the code is another than before; what has taken place stays as it was recorded first".to_owned(),
            ));
        }
        all
    }

    fn took_place(&self, appointment: Uuid, kind: tact_domain::AppointmentKind, starts_at: Time, ends_at: Time) -> Steps {
        let mut steps = Vec::new();
        match self.state.appointment(appointment).map(|known| known.status) {
            None => {
                steps.extend(self.booked(appointment, starts_at, kind, starts_at));
                steps.push(self.completed(appointment, ends_at));
            }
            Some(AppointmentStatus::Booked | AppointmentStatus::Missed(_)) => steps.push(self.completed(appointment, ends_at)),
            Some(AppointmentStatus::Completed(_) | AppointmentStatus::Cancelled(_)) => {}
        }
        Steps { steps, thing: Some(appointment), remark: None }
    }

    pub(crate) fn granted(&self, said: &Granted) -> Steps {
        let document = match &said.document {
            Document::Known(id) => *id,
            Document::Named(name) => self.ids.derive("document", name, 0),
        };
        let event_id = self.said("consent.granted");
        let known = self.state.grants.iter().any(|grant| {
            grant.purpose == said.purpose
                && grant.document == document
                && grant.time == said.time
                && grant.expires_at == said.expires_at
                && grant.channels == said.channels
        });
        let mut steps = Vec::new();
        if !known {
            let event = ConsentGranted {
                purpose: said.purpose.clone(),
                channels: said.channels.clone(),
                evidence: Evidence { method: said.method.clone(), document },
                expires_at: said.expires_at,
            };
            steps.push(self.step(event_id, said.time, Event::ConsentGranted(event)));
        }
        let open = |channel: &tact_domain::Channel| {
            !known || matches!(consent(self.state, &said.purpose, *channel, self.clock), Consent::Active(_))
        };
        let except: Vec<_> = said.except.iter().copied().filter(open).collect();
        if !except.is_empty() {
            let event = ConsentWithdrawn { purpose: Some(said.purpose.clone()), channels: Some(except) };
            steps.push(self.step(
                self.said("consent.withdrawn"),
                self.changed_at().max(said.time),
                Event::ConsentWithdrawn(event),
            ));
        }
        Steps { steps, thing: Some(event_id), remark: None }
    }

    pub(crate) fn withdrawn(&self, said: &Withdrawn) -> Steps {
        let time = said.time.map_or_else(|| self.changed_at(), |time| time.min(self.clock));
        let event_id = self.said("consent.withdrawn");
        let known = self
            .state
            .withdrawals
            .iter()
            .any(|known| known.purpose == said.purpose && known.channels == said.channels && known.time == time);
        let event = ConsentWithdrawn { purpose: said.purpose.clone(), channels: said.channels.clone() };
        let steps = if known { Vec::new() } else { vec![self.step(event_id, time, Event::ConsentWithdrawn(event))] };
        Steps { steps, thing: Some(event_id), remark: None }
    }

    /// What a request is about, if it is an appointment that is known.
    fn about(&self, about: Option<&str>) -> Result<Option<Uuid>, (&'static str, String)> {
        let Some(id) = about.map(|id| appointment_id(&self.ids, id)) else { return Ok(None) };
        match self.state.appointment(id) {
            Some(_) => Ok(Some(id)),
            None => Err(("about", "is an appointment that is not known here; it is left out".to_owned())),
        }
    }

    pub(crate) fn asked(&self, said: &tact_fhir::Asked, about: Option<&str>) -> Steps {
        let request = self.ids.derive("request", &self.resource.id, 0);
        if self.state.requests.iter().any(|known| known.id == request) {
            return Steps { thing: Some(request), ..Steps::default() };
        }
        let (about, remark) = match self.about(about) {
            Ok(about) => (about, None),
            Err(remark) => (None, Some(remark)),
        };
        let window = said.window.map(|(from, until)| Window { from, until });
        let event = Event::Requested(Requested { request, channel: said.channel, about, window });
        Steps { steps: vec![self.step(self.once("contact.requested", request), said.time, event)], thing: Some(request), remark }
    }

    pub(crate) fn announced(&self, said: &tact_fhir::Announced, about: Option<&str>) -> Steps {
        let window = Window { from: said.window.0, until: said.window.1 };
        let (about, remark) = match self.about(about) {
            Ok(about) => (about, None),
            Err(remark) => (None, Some(remark)),
        };
        let event_id = self.said("contact.announced");
        let known = self.state.announcements.iter().any(|known| {
            known.purpose == said.purpose && known.window == window && known.about == about && known.time == said.time
        });
        let event = Event::Announced(Announced { purpose: said.purpose.clone(), window, about });
        let steps = if known { Vec::new() } else { vec![self.step(event_id, said.time, event)] };
        Steps { steps, thing: Some(event_id), remark }
    }
}
