//! The code systems of FHIR that are used, Tact's own, and which of Tact's words has which code.

use serde_json::{Value, json};
use tact_domain::{AppointmentKind, Channel, Outcome, Purpose};

use tact_words::{Language, Word, purpose};

/// The names of code systems, naming systems and extensions.
pub(super) struct Systems;

impl Systems {
    pub(super) const HISTORY: &str = "urn:tact:history";
    pub(super) const PATIENT: &str = "urn:tact:patient";
    pub(super) const BRANCH: &str = "urn:tact:branch";
    pub(super) const STAFF: &str = "urn:tact:staff";
    pub(super) const PROGRAM: &str = "urn:tact:program";
    pub(super) const CLINICIAN: &str = "urn:tact:clinician";
    pub(super) const CONTACT: &str = "urn:tact:contact";
    pub(super) const PERMIT: &str = "urn:tact:permit";
    pub(super) const REQUEST: &str = "urn:tact:request";
    pub(super) const OCCASION: &str = "urn:tact:occasion";
    pub(super) const DOCUMENT: &str = "urn:tact:document";
    pub(super) const EVENT: &str = "urn:tact:event";
    pub(super) const EVENT_TYPE: &str = "urn:tact:event-type";
    pub(super) const EVENT_HASH: &str = "urn:tact:event-sha256";
    pub(super) const POLICY: &str = "urn:tact:policy";
    pub(super) const PURPOSE: &str = "urn:tact:purpose";
    pub(super) const CHANNEL: &str = "urn:tact:channel";
    pub(super) const OUTCOME: &str = "urn:tact:outcome";
    pub(super) const FATE: &str = "urn:tact:permit-fate";
    pub(super) const DIRECTION: &str = "urn:tact:direction";
    pub(super) const KIND: &str = "urn:tact:appointment-kind";
    pub(super) const REFUSAL: &str = "urn:tact:refusal-code";
    pub(super) const CONSENT: &str = "urn:tact:consent";
    pub(super) const APPOINTMENT: &str = "urn:tact:appointment";
    pub(super) const METHOD: &str = "urn:tact:consent-method";

    pub(super) const EXTENSION_EVENT: &str = "urn:tact:fhir:event";
    pub(super) const EXTENSION_BREACH: &str = "urn:tact:fhir:breach";
    pub(super) const EXTENSION_REFUSAL: &str = "urn:tact:fhir:refusal-reason";
    pub(super) const EXTENSION_PERSONAL: &str = "urn:tact:fhir:personal";
    pub(super) const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

    pub(super) const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
    pub(super) const MODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode";
    pub(super) const CANCELLATION: &str = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason";
    pub(super) const CONSENT_SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
    pub(super) const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    pub(super) const LOINC: &str = "http://loinc.org";
    pub(super) const LANGUAGE: &str = "urn:ietf:bcp:47";
}

/// A CodeableConcept with one code.
pub(super) fn concept(system: &str, code: &str, text: Option<&str>) -> Value {
    let mut concept = json!({"coding": [{"system": system, "code": code}]});
    if let Some(text) = text {
        concept["text"] = json!(text);
    }
    concept
}

/// A purpose.
pub(super) fn of_purpose(language: Language, of: &Purpose) -> Value {
    concept(Systems::PURPOSE, of.as_str(), Some(&purpose(language, of)))
}

/// A channel, in FHIR's code and in ours: several of ours share one of FHIR's.
pub(super) fn of_channel(language: Language, channel: Channel) -> Value {
    let mode = match channel {
        Channel::Phone | Channel::AutoCall => "PHONE",
        Channel::Sms => "WRITTEN",
        Channel::Email => "EMAILWRIT",
        Channel::Messenger => "ELECTRONIC",
        Channel::Letter => "MAILWRIT",
        Channel::InPerson => "PHYSICAL",
    };
    json!({
        "coding": [{"system": Systems::MODE, "code": mode}, {"system": Systems::CHANNEL, "code": channel.as_str()}],
        "text": channel.word(language),
    })
}

/// The status of a Communication with this outcome: whether it took place. What did not reach the patient did not.
pub(super) fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Reached => "completed",
        Outcome::Declined => "stopped",
        Outcome::NoAnswer | Outcome::Voicemail | Outcome::Busy | Outcome::WrongNumber | Outcome::Failed => "not-done",
    }
}

/// The kind of an appointment.
pub(super) fn of_kind(language: Language, kind: AppointmentKind) -> Value {
    concept(Systems::KIND, kind.as_str(), Some(kind.word(language)))
}
