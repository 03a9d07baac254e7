//! Appointments, encounters and procedures: what was booked, who came, and what was done.

use tact_domain::{AppointmentKind, ChangedBy};

use crate::codes;
use crate::date::Date;
use crate::model::{Appointment, Encounter, Period, Procedure, Reference, Text};
use crate::read::{Of, Refusal};
use crate::reference::Ref;
use crate::said::{Booking, BookingFate, Operation, Said, Visit};

const APPOINTMENT_STATUS: &[&str] = &[
    "proposed",
    "pending",
    "booked",
    "arrived",
    "fulfilled",
    "cancelled",
    "noshow",
    "entered-in-error",
    "checked-in",
    "waitlist",
];
const ENCOUNTER_STATUS: &[&str] =
    &["planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", "entered-in-error", "unknown"];
const PROCEDURE_STATUS: &[&str] =
    &["preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown"];

/// Whether a reference is to this type, by all that it says itself. A URN does not say.
fn is_of(reference: &Reference<'_>, kind: &str) -> bool {
    if let Some(named) = reference.r#type.as_deref() {
        return named == kind;
    }
    let Some(text) = reference.reference.as_deref() else { return false };
    let path = text.split_once("/_history/").map_or(text, |(path, _)| path);
    let mut parts = path.rsplit('/');
    let (last, before) = (parts.next().unwrap_or_default(), parts.next());
    before == Some(kind) || last.split_once('?').is_some_and(|(named, _)| named == kind)
}

pub(crate) fn appointment(of: &mut Of<'_>, read: &Appointment<'_>) -> Result<Said, Refusal> {
    let status = of.status(read.status.as_ref())?;
    let fate = match status {
        "booked" | "arrived" | "checked-in" => BookingFate::Booked,
        "fulfilled" => BookingFate::Fulfilled,
        "noshow" => BookingFate::Missed,
        "cancelled" => BookingFate::Cancelled(cancelled_by(of, read)),
        "entered-in-error" => BookingFate::Mistaken,
        "proposed" | "pending" | "waitlist" => {
            return Ok(of.nothing("status", format!("is `{status}`: nothing is booked yet")));
        }
        other => return of.unknown("status", other, APPOINTMENT_STATUS),
    };
    let mut patients = read.participant.iter().enumerate().filter_map(|(at, participant)| {
        let actor = participant.actor.as_ref()?;
        // A URN does not say whose it is: the index will, and takes the first that is somebody.
        is_of(actor, "Patient").then_some((at, actor))
    });
    let subject = match (patients.next(), patients.next()) {
        (Some((at, actor)), None) => of.named(&format!("participant[{at}].actor"), Some(actor), "")?,
        (Some(_), Some((at, _))) => {
            return of.refuse(
                &format!("participant[{at}].actor"),
                "not-supported",
                "is a second patient; send one Appointment for each",
            );
        }
        (None, _) => {
            let urns = read.participant.iter().filter_map(|participant| participant.actor.as_ref());
            let mut urns = urns.filter(|actor| {
                actor.r#type.is_none() && actor.reference.as_deref().is_some_and(|text| text.starts_with("urn:"))
            });
            match urns.next() {
                Some(urn) => of.named("participant.actor", Some(urn), "")?,
                None => {
                    return of.refuse(
                        "participant.actor",
                        "required",
                        "names no Patient; an appointment is recorded with the patient whose it is",
                    );
                }
            }
        }
    };
    let actors = || read.participant.iter().filter_map(|participant| participant.actor.as_ref());
    let mut site = Of::sites(actors().filter(|actor| is_of(actor, "Location")).map(Some));
    site.extend(Of::sites(actors().filter(|actor| is_of(actor, "Organization") || is_of(actor, "HealthcareService")).map(Some)));
    let clinician = actors().find(|actor| is_of(actor, "Practitioner")).and_then(|actor| Ref::read(actor).ok());
    let starts_at = of.moment("start", read.start.as_ref())?;
    let starts_at = match (starts_at, fate) {
        (None, BookingFate::Mistaken | BookingFate::Cancelled(_)) => {
            return Ok(of.nothing("start", format!("is missing, and the status is `{status}`: no time was ever booked")));
        }
        (starts_at, _) => of.required("start", starts_at, "an appointment is recorded with its time")?,
    };
    let ends_at = of.moment("end", read.end.as_ref())?.filter(|end| *end >= starts_at);
    let created = of.date("created", read.created.as_ref())?;
    let concepts = read.appointment_type.iter().chain(&read.service_type).chain(&read.service_category);
    // It has a default unless the mapping takes it away.
    let kind = of.mapping.appointment.of(codes::keys(concepts)).unwrap_or(Some(AppointmentKind::Consultation));
    let Some(kind) = kind else {
        return Ok(of.nothing("appointmentType", "is of those that the mapping lists as nothing to keep"));
    };
    Ok(Said::Booking(Booking { subject, site, kind, starts_at, ends_at, created, clinician, fate }))
}

/// Who cancelled: by R4's codes; where they do not say, by what the mapping takes to be so.
fn cancelled_by(of: &Of<'_>, read: &Appointment<'_>) -> ChangedBy {
    let codes = read.cancelation_reason.iter().flat_map(|reason| &reason.coding).filter_map(|coding| coding.code.as_deref());
    for code in codes {
        if code == "pat" || code.starts_with("pat-") {
            return ChangedBy::Patient;
        }
        if code == "prov" || code.starts_with("prov-") || code == "maint" || code == "meds-inc" {
            return ChangedBy::Clinic;
        }
    }
    of.mapping.changed_by
}

pub(crate) fn encounter(of: &mut Of<'_>, read: &Encounter<'_>) -> Result<Said, Refusal> {
    let status = of.status(read.status.as_ref())?;
    if !ENCOUNTER_STATUS.contains(&status) {
        return of.unknown("status", status, ENCOUNTER_STATUS);
    }
    let class = of.required("class", read.class.as_ref(), "R4 demands it")?;
    let class = of.required("class.code", class.code.as_deref(), "R4 demands it")?;
    if status != "finished" {
        return Ok(of.nothing("status", format!("is `{status}`: a visit is recorded when it is finished")));
    }
    if !of.mapping.classes.iter().any(|known| known == class) {
        return Ok(of.nothing(
            "class",
            format!("is `{}`, which the mapping's `classes` do not list as a visit", crate::text::cut(class)),
        ));
    }
    let subject = of.named("subject", read.subject.as_ref(), "a visit is recorded with the patient whose it was")?;
    let (starts_at, ends_at) = span(of, "period", read.period.as_ref())?;
    let kind = of.mapping.encounter.of(codes::keys(&read.r#type)).unwrap_or(Some(AppointmentKind::Consultation));
    let Some(kind) = kind else {
        return Ok(of.nothing("type", "is of those that the mapping lists as nothing to keep"));
    };
    let mut site = Of::sites([read.service_provider.as_ref()]);
    site.extend(Of::sites(read.location.iter().map(|place| place.location.as_ref())));
    let clinicians = read.participant.iter().filter_map(|participant| participant.individual.as_ref());
    let clinician = clinicians.filter(|one| !is_of(one, "RelatedPerson")).find_map(|one| Ref::read(one).ok());
    let appointment = read.appointment.first().and_then(|one| Ref::read(one).ok());
    Ok(Said::Visit(Visit { subject, site, kind, starts_at, ends_at, clinician, appointment }))
}

pub(crate) fn procedure(of: &mut Of<'_>, read: &Procedure<'_>) -> Result<Said, Refusal> {
    let status = of.status(read.status.as_ref())?;
    if !PROCEDURE_STATUS.contains(&status) {
        return of.unknown("status", status, PROCEDURE_STATUS);
    }
    if status != "completed" {
        return Ok(of.nothing("status", format!("is `{status}`: what was done is recorded when it is completed")));
    }
    let code = of.required("code", read.code.as_ref(), "without it nobody can tell what was done")?;
    let kind = match of.mapping.procedure.of(codes::keys([code])) {
        Ok(Some(kind)) => kind,
        Ok(None) => return Ok(of.nothing("code", "is of those that the mapping lists as nothing to keep")),
        Err(()) => {
            let codes: Vec<String> = codes::keys([code]).map(|key| format!("`{}`", crate::text::cut(&key))).collect();
            let said = if codes.is_empty() { "has no code, only words".to_owned() } else { format!("is {}", codes.join(", ")) };
            return of.refuse(
                "code",
                "code-invalid",
                format!("{said}, which the mapping does not know; list the code in its `[procedure]`, under `none` if nothing is to be kept"),
            );
        }
    };
    let subject = of.named("subject", read.subject.as_ref(), "what was done is recorded with the patient to whom it was done")?;
    for (path, there) in [
        ("performedString", read.performed_string.is_some()),
        ("performedAge", read.performed_age.is_some()),
        ("performedRange", read.performed_range.is_some()),
    ] {
        if there {
            return of.refuse(
                path,
                "not-supported",
                "does not say when in the calendar; write `performedDateTime` or `performedPeriod`",
            );
        }
    }
    let (starts_at, ends_at) = match (&read.performed_date_time, &read.performed_period) {
        (Some(text), None) => {
            let at = day_at_least(of, "performedDateTime", Some(text))?;
            (at, at)
        }
        (None, period @ Some(_)) => span(of, "performedPeriod", period.as_ref())?,
        (None, None) => return of.refuse("performed", "required", "is missing; write `performedDateTime` or `performedPeriod`"),
        (Some(_), Some(_)) => {
            return of.refuse(
                "performed",
                "structure",
                "says two things; R4 has one of `performedDateTime` and `performedPeriod`",
            );
        }
    };
    let mut site = Of::sites([read.location.as_ref()]);
    site.extend(Of::sites(read.performer.iter().map(|performer| performer.on_behalf_of.as_ref())));
    let actors = read.performer.iter().filter_map(|performer| performer.actor.as_ref());
    let clinician = actors.filter(|actor| is_of(actor, "Practitioner")).find_map(|actor| Ref::read(actor).ok());
    let appointment = read.identifier.iter().find(|identifier| identifier.system.as_deref() == Some(codes::APPOINTMENT));
    let appointment = appointment.and_then(|identifier| identifier.value.as_deref()).map(Into::into);
    Ok(Said::Operation(Operation { subject, site, kind, starts_at, ends_at, clinician, appointment }))
}

/// A moment, or a day by its beginning; a month or a year would be a guess.
fn day_at_least(of: &Of<'_>, path: &str, text: Option<&Text<'_>>) -> Result<tact_domain::Time, Refusal> {
    match of.required(path, of.date(path, text)?, "what has happened is recorded with its time")? {
        Date::Month(_) | Date::Year(_) => {
            let said = text.map(|text| &**text).unwrap_or_default();
            of.refuse(path, "value", format!("is `{}`, which names no day; write at least the day", crate::text::cut(said)))
        }
        date => Ok(date.first(of.mapping.time_zone)),
    }
}

/// Beginning and end; without an end, or with a day for one, both are the beginning.
fn span(of: &Of<'_>, path: &str, period: Option<&Period<'_>>) -> Result<(tact_domain::Time, tact_domain::Time), Refusal> {
    let period = of.required(path, period, "what has happened is recorded with its time")?;
    let starts_at = day_at_least(of, &format!("{path}.start"), period.start.as_ref())?;
    let ends_at = match of.date(&format!("{path}.end"), period.end.as_ref())? {
        Some(date) => date.first(of.mapping.time_zone),
        None => starts_at,
    };
    if ends_at < starts_at {
        return of.refuse(&format!("{path}.end"), "invariant", "is before the start");
    }
    Ok((starts_at, ends_at))
}
