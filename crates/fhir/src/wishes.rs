//! Consents and requests: what a patient agreed to, took back, or asked for. A consent is taken for one to be contacted only where it says so;
//! consents about data are something else, and are refused with the element that shows it.

use tact_domain::{Channel, Purpose};
use uuid::Uuid;

use crate::codes;
use crate::date::Date;
use crate::model::{CodeableConcept, CommunicationRequest, Consent, Provision};
use crate::read::{Of, Refusal};
use crate::reference::Ref;
use crate::said::{Announced, Asked, Document, Granted, Said, Withdrawn};
use crate::text::cut;

const CONSENT_STATUS: &[&str] = &["draft", "proposed", "active", "rejected", "inactive", "entered-in-error"];
const REQUEST_STATUS: &[&str] = &["draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"];

pub(crate) fn consent(of: &mut Of<'_>, read: &Consent<'_>) -> Result<Said, Refusal> {
    let status = of.status(read.status.as_ref())?;
    if !CONSENT_STATUS.contains(&status) {
        return of.unknown("status", status, CONSENT_STATUS);
    }
    let none = Provision::default();
    let provision = read.provision.as_ref().unwrap_or(&none);
    let purposes = purposes(of, provision)?;
    let about_contact = !purposes.is_empty() || codes::keys(&read.category).any(|key| key == codes::CONTACT_CONSENT);
    if !about_contact {
        return of.refuse(
            "provision.purpose",
            "not-supported",
            "names no purpose of contact, so this is no consent to be contacted; name one of `urn:tact:purpose`, or a code that the mapping's \
             `[consent]` knows",
        );
    }
    if matches!(status, "draft" | "proposed") {
        return Ok(of.nothing("status", format!("is `{status}`: nobody has agreed to anything yet")));
    }
    let subject = of.named("patient", read.patient.as_ref(), "a consent is recorded with the patient who gave it")?;
    let given = of.date("dateTime", read.date_time.as_ref())?;
    let channels = channels(of, "provision.code", &provision.code)?;
    let purpose = match &purposes[..] {
        [] => None,
        [one] => Some(one.clone()),
        [_, ..] => {
            return of.refuse(
                "provision.purpose",
                "not-supported",
                "names several purposes; send one Consent for each, as each has its own document",
            );
        }
    };
    let denies = match provision.r#type.as_deref() {
        Some("deny") => true,
        Some("permit") => false,
        None => return of.refuse("provision.type", "required", "is missing; write `permit` or `deny`"),
        Some(other) => return of.unknown("provision.type", other, &["permit", "deny"]),
    };
    let zone = of.mapping.time_zone;
    if denies || status != "active" {
        // Narrowed or not, it is taken whole: nobody is contacted more than they agreed to.
        let channels = (!channels.is_empty()).then_some(channels);
        // A consent that ended at the sender: when, the document's date does not say.
        let time = if denies && status == "active" { given.map(|date| date.last(zone)) } else { None };
        if status != "active" && denies {
            return Ok(of.nothing("status", format!("is `{status}`, of a refusal; it takes a new consent to agree")));
        }
        return Ok(Said::Withdrawn(Withdrawn { subject, purpose, channels, time }));
    }
    for (path, there) in [
        ("provision.actor", provision.actor.is_some()),
        ("provision.action", provision.action.is_some()),
        ("provision.securityLabel", provision.security_label.is_some()),
        ("provision.class", provision.class.is_some()),
        ("provision.data", provision.data.is_some()),
        ("provision.dataPeriod", provision.data_period.is_some()),
    ] {
        if there {
            return of.refuse(
                path,
                "not-supported",
                "narrows the consent in a way that Tact cannot keep, and it must not be taken for a wider one",
            );
        }
    }
    let Some(purpose) = purpose else {
        return of.refuse("provision.purpose", "required", "is missing; a consent is for one purpose");
    };
    if channels.is_empty() {
        return of.refuse(
            "provision.code",
            "required",
            "names no channel; a consent says how one may be reached, with codes of `urn:tact:channel` or v3-ParticipationMode",
        );
    }
    let given = of.required("dateTime", given, "a consent is recorded with its time")?;
    let period = provision.period.as_ref();
    let from = of.date("provision.period.start", period.and_then(|period| period.start.as_ref()))?.map(|date| date.first(zone));
    let until = of.date("provision.period.end", period.and_then(|period| period.end.as_ref()))?;
    let time = given.first(zone).max(from.unwrap_or(given.first(zone)));
    // Of a day, R4 means the whole of it.
    let expires_at = until.map(|date| match date {
        Date::Moment(time) => time,
        span => span.last(zone) + chrono::TimeDelta::milliseconds(1),
    });
    if expires_at.is_some_and(|end| end <= time) {
        return of.refuse("provision.period.end", "invariant", "is not after the moment at which it was given: it never held");
    }
    let mut except = Vec::new();
    for (at, exception) in provision.provision.iter().enumerate() {
        let path = |element: &str| format!("provision.provision[{at}].{element}");
        if exception.r#type.as_deref() != Some("deny") {
            return of.refuse(
                &path("type"),
                "not-supported",
                "is not `deny`; only channels that were taken back can stand in an exception",
            );
        }
        let narrow = [&exception.period, &exception.purpose, &exception.actor, &exception.action, &exception.security_label];
        let narrow = narrow.into_iter().chain([&exception.class, &exception.data, &exception.data_period, &exception.provision]);
        if narrow.into_iter().any(Option::is_some) || exception.code.is_empty() {
            return of.refuse(
                &path("code"),
                "not-supported",
                "is not all that the exception says; only channels that were taken back can stand in it",
            );
        }
        except.extend(self::channels(of, &path("code"), &exception.code)?);
    }
    let method = read.identifier.iter().find(|identifier| identifier.system.as_deref() == Some(codes::METHOD));
    let method = method.and_then(|identifier| identifier.value.as_deref()).filter(|word| is_word(word)).unwrap_or("fhir").into();
    let document = document(of, read)?;
    Ok(Said::Granted(Granted { subject, purpose, channels, except, method, document, time, expires_at }))
}

/// What may stand in an event as a method.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

fn document(of: &Of<'_>, read: &Consent<'_>) -> Result<Document, Refusal> {
    if let Some(reference) = &read.source_reference {
        return Ok(match Ref::read(reference) {
            Ok(Ref::Identifier { system, value }) if system == codes::DOCUMENT => match value.parse::<Uuid>() {
                Ok(id) if !id.is_nil() => Document::Known(id),
                _ => return of.refuse("sourceReference.identifier.value", "value", "is not the id of a document: a UUID"),
            },
            Ok(Ref::Display(_)) | Err(_) => {
                return of.refuse("sourceReference", "value", "names no document; write its reference or identifier");
            }
            Ok(named) => Document::Named(named.to_string().into()),
        });
    }
    match read.source_attachment.is_some() {
        // The document lies in the resource, and goes by its name.
        true => Ok(Document::Named(format!("Consent/{}", of.id).into())),
        false => of.refuse(
            "source",
            "required",
            "is missing; without a document there is no consent: write `sourceReference` or `sourceAttachment`",
        ),
    }
}

/// The purposes of contact among those that are named.
fn purposes(of: &Of<'_>, provision: &Provision<'_>) -> Result<Vec<Purpose>, Refusal> {
    let mut found: Vec<Purpose> = Vec::new();
    for key in provision.purpose.iter().filter_map(codes::key) {
        let purpose = match codes::of_system(&key, codes::PURPOSE) {
            Some(word) => match word.parse() {
                Ok(purpose) => purpose,
                Err(_) => {
                    return of.refuse(
                        "provision.purpose",
                        "code-invalid",
                        format!("is `{}`, which is not the name of a purpose", cut(word)),
                    );
                }
            },
            None => match of.mapping.purposes.get(&key) {
                Some(purpose) => purpose.clone(),
                None => continue,
            },
        };
        if !found.contains(&purpose) {
            found.push(purpose);
        }
    }
    Ok(found)
}

/// The channels that concepts name: each must name one, or the consent would be taken for a narrower or a wider one.
fn channels(of: &Of<'_>, path: &str, concepts: &[CodeableConcept<'_>]) -> Result<Vec<Channel>, Refusal> {
    let mut found = Vec::new();
    for (at, concept) in concepts.iter().enumerate() {
        match channel(of, concept) {
            Some(channel) if !found.contains(&channel) => found.push(channel),
            Some(_) => {}
            None => {
                let codes: Vec<String> = codes::keys([concept]).map(|key| format!("`{}`", cut(&key))).collect();
                let said = if codes.is_empty() { "has no code".to_owned() } else { format!("is {}", codes.join(", ")) };
                return of.refuse(
                    &format!("{path}[{at}]"),
                    "code-invalid",
                    format!("{said}, which is no channel that is known; list the code in the mapping's `[channel]`"),
                );
            }
        }
    }
    Ok(found)
}

/// Tact's own code goes first: several channels share one of FHIR's.
fn channel(of: &Of<'_>, concept: &CodeableConcept<'_>) -> Option<Channel> {
    let keys: Vec<String> = codes::keys([concept]).collect();
    let own = keys.iter().filter(|key| codes::of_system(key, codes::CHANNEL).is_some()).find_map(|key| codes::channel(key));
    own.or_else(|| keys.iter().find_map(|key| of.mapping.channels.get(key).copied().or_else(|| codes::channel(key))))
}

pub(crate) fn request(of: &mut Of<'_>, read: &CommunicationRequest<'_>) -> Result<Said, Refusal> {
    let status = of.status(read.status.as_ref())?;
    if !REQUEST_STATUS.contains(&status) {
        return of.unknown("status", status, REQUEST_STATUS);
    }
    if read.identifier.iter().any(|identifier| identifier.system.as_deref() == Some(codes::PERMIT)) {
        return of.refuse(
            "identifier",
            "business-rule",
            "is that of a permit of Tact; the right to contact somebody is asked for, never imported",
        );
    }
    if status != "active" {
        return Ok(of.nothing("status", format!("is `{status}`: nobody waits for an answer to it")));
    }
    let keys: Vec<String> = codes::keys(&read.category).collect();
    let told = keys.iter().find_map(|key| of.mapping.announced.get(key));
    let own = keys.iter().any(|key| of.mapping.callbacks.contains(key));
    if told.is_none() && !own && read.requester.is_none() {
        return of.refuse(
            "requester",
            "required",
            "is missing: a request to be called back comes from the patient, so that must be the patient; or list the category in the mapping's `[request]`",
        );
    }
    let subject = of.named("subject", read.subject.as_ref(), "a request is recorded with the patient whose it is")?;
    let authored = of.date("authoredOn", read.authored_on.as_ref())?;
    let time = of.required("authoredOn", authored, "a request is recorded with its time")?.first(of.mapping.time_zone);
    let about = read.about.iter().find_map(|about| Ref::read(about).ok()).filter(|about| match about {
        Ref::Relative { kind, .. } => kind == "Appointment",
        Ref::Full(_) => true,
        _ => false,
    });
    let window = window(of, read)?;
    if let Some(purpose) = told {
        let Some(window) = window else {
            return of.refuse(
                "occurrence",
                "required",
                "is missing; an announcement says when the contact is to be expected: write `occurrencePeriod`",
            );
        };
        return Ok(Said::Announced(Announced { subject, purpose: purpose.clone(), about, time, window }));
    }
    let requester = if own { None } else { Some(of.named("requester", read.requester.as_ref(), "")?) };
    let media = channels(of, "medium", &read.medium)?;
    let Some(channel) = media.first().copied() else {
        return of.refuse("medium", "required", "is missing; a request says how the patient wishes to be reached");
    };
    Ok(Said::Asked(Asked { subject, requester, channel, about, time, window }))
}

fn window(of: &Of<'_>, read: &CommunicationRequest<'_>) -> Result<Option<(tact_domain::Time, tact_domain::Time)>, Refusal> {
    if read.occurrence_date_time.is_some() && read.occurrence_period.is_none() {
        // One moment bounds nothing.
        return Ok(None);
    }
    let Some(period) = &read.occurrence_period else { return Ok(None) };
    let from = of.moment("occurrencePeriod.start", period.start.as_ref())?;
    let until = of.moment("occurrencePeriod.end", period.end.as_ref())?;
    match (from, until) {
        (Some(from), Some(until)) if from < until => Ok(Some((from, until))),
        (Some(_), Some(_)) => of.refuse("occurrencePeriod.end", "invariant", "is not after the start"),
        _ => of.refuse("occurrencePeriod", "required", "lacks its start or its end; a window has both"),
    }
}
