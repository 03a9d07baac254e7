//! Codes as keys, and the few systems that Tact knows without being told.

use tact_domain::Channel;

use crate::model::{CodeableConcept, Coding};

/// A code with its system, as a mapping writes it: `http://snomed.info/sct|80146002`. A code without a system has nothing before the bar.
pub(crate) fn key(coding: &Coding<'_>) -> Option<String> {
    let code = coding.code.as_deref().filter(|code| !code.is_empty())?;
    Some(format!("{}|{code}", coding.system.as_deref().unwrap_or_default()))
}

/// Every code of some concepts, as keys.
pub(crate) fn keys<'c>(concepts: impl IntoIterator<Item = &'c CodeableConcept<'c>>) -> impl Iterator<Item = String> {
    concepts.into_iter().flat_map(|concept| &concept.coding).filter_map(key)
}

/// The codes of Tact's own systems, which its resources carry.
pub(crate) const PURPOSE: &str = "urn:tact:purpose";
pub(crate) const CHANNEL: &str = "urn:tact:channel";
pub(crate) const KIND: &str = "urn:tact:appointment-kind";
pub(crate) const APPOINTMENT: &str = "urn:tact:appointment";
pub(crate) const PERMIT: &str = "urn:tact:permit";
pub(crate) const DOCUMENT: &str = "urn:tact:document";
pub(crate) const METHOD: &str = "urn:tact:consent-method";
pub(crate) const CONTACT_CONSENT: &str = "urn:tact:consent|contact";

/// The code behind the bar, if the key is of this system.
pub(crate) fn of_system<'k>(key: &'k str, system: &str) -> Option<&'k str> {
    key.strip_prefix(system)?.strip_prefix('|')
}

/// How to reach somebody, by Tact's own code or by the way of participation of HL7 v3, where that says one thing only.
pub(crate) fn channel(key: &str) -> Option<Channel> {
    const MODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode";
    if let Some(word) = of_system(key, CHANNEL) {
        return word.parse().ok();
    }
    match of_system(key, MODE)? {
        "PHONE" => Some(Channel::Phone),
        "SMSWRIT" => Some(Channel::Sms),
        "EMAILWRIT" => Some(Channel::Email),
        "MAILWRIT" => Some(Channel::Letter),
        "PHYSICAL" | "FACE" => Some(Channel::InPerson),
        _ => None,
    }
}
