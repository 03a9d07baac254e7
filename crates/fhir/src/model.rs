//! The elements of R4 that are read, and nothing else: whatever is not named here is passed over. What another version of FHIR has in their
//! place is named as well, so that it is refused and not overlooked.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A text that borrows from what was sent, where no escapes keep it from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        d.deserialize_str(Words)
    }
}

/// What was sent, if anything was: for elements whose presence matters and whose content does not.
pub(crate) type Present = Option<IgnoredAny>;

/// An object, and never a list: serde would take a list for the fields in their order.
pub(crate) struct Object<T>(std::marker::PhantomData<T>);

impl<T> Object<T> {
    pub(crate) const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

/// What an object's fields are read by.
pub(crate) trait Fields<'de>: Sized {
    fn fields<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error>;
}

impl<'de, T: Fields<'de>> Visitor<'de> for Object<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
        T::fields(MapAccessDeserializer::new(map))
    }
}

/// Makes a struct whose `Deserialize` is derived as remote one that is read from objects only.
macro_rules! only_objects {
    ($name:ident) => {
        impl<'de: 'a, 'a> $crate::model::Fields<'de> for $name<'a> {
            fn fields<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $name::deserialize(d)
            }
        }
        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_map($crate::model::Object::<$name<'a>>::new())
            }
        }
    };
}
pub(crate) use only_objects;

macro_rules! element {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(remote = "Self", rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
        pub(crate) struct $name<'a> { $(pub(crate) $field: $ty,)* #[serde(skip)] _borrows: std::marker::PhantomData<&'a ()>, }
        only_objects!($name);
    };
}

macro_rules! resource {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty,)* } foreign { $($foreign:ident = $json:literal: $why:literal,)* }) => {
        element! {
            $(#[$doc])*
            $name {
                id: Option<Text<'a>>,
                meta: Option<Meta<'a>>,
                modifier_extension: Present,
                $($field: $ty,)*
                $($foreign: Present,)*
            }
        }
        impl $name<'_> {
            /// The first element that R4 does not have, with what R4 has in its place.
            pub(crate) fn foreign(&self) -> Option<(&'static str, &'static str)> {
                $(if self.$foreign.is_some() { return Some(($json, $why)); })*
                None
            }
        }
    };
}

element! {
    /// Which version of a resource it is.
    Meta { version_id: Option<Text<'a>>, last_updated: Option<Text<'a>>, }
}
element! {
    /// A code of a system.
    Coding { system: Option<Text<'a>>, code: Option<Text<'a>>, }
}
element! {
    /// Codes for one concept.
    CodeableConcept { coding: Vec<Coding<'a>>, text: Option<Text<'a>>, }
}
element! {
    /// A name of a thing in some system.
    Identifier { r#use: Option<Text<'a>>, system: Option<Text<'a>>, value: Option<Text<'a>>, }
}
element! {
    /// A reference to another resource.
    Reference {
        reference: Option<Text<'a>>,
        r#type: Option<Text<'a>>,
        identifier: Option<Identifier<'a>>,
        display: Option<Text<'a>>,
    }
}
element! {
    /// A span of time.
    Period { start: Option<Text<'a>>, end: Option<Text<'a>>, }
}
element! {
    /// A person's name.
    HumanName {
        r#use: Option<Text<'a>>,
        text: Option<Text<'a>>,
        family: Option<Text<'a>>,
        // A list of a primitive type holds null where only its extension has something to say.
        given: Vec<Option<Text<'a>>>,
        period: Option<Period<'a>>,
    }
}
element! {
    /// A number or an address for electronic mail.
    ContactPoint {
        system: Option<Text<'a>>,
        value: Option<Text<'a>>,
        r#use: Option<Text<'a>>,
        rank: Option<u32>,
        period: Option<Period<'a>>,
    }
}
element! {
    /// A postal address.
    Address {
        r#use: Option<Text<'a>>,
        text: Option<Text<'a>>,
        line: Vec<Option<Text<'a>>>,
        city: Option<Text<'a>>,
        district: Option<Text<'a>>,
        state: Option<Text<'a>>,
        postal_code: Option<Text<'a>>,
        country: Option<Text<'a>>,
        period: Option<Period<'a>>,
    }
}
element! {
    /// A language that a person speaks.
    Spoken { language: Option<CodeableConcept<'a>>, preferred: Option<bool>, }
}
element! {
    /// Another resource about the same person.
    PatientLink { other: Option<Reference<'a>>, r#type: Option<Text<'a>>, }
}
element! {
    /// Somebody or something that takes part in an appointment.
    AppointmentParticipant { actor: Option<Reference<'a>>, status: Option<Text<'a>>, }
}
element! {
    /// A place of an encounter.
    EncounterLocation { location: Option<Reference<'a>>, }
}
element! {
    /// Somebody who takes part in an encounter.
    EncounterParticipant { individual: Option<Reference<'a>>, }
}
element! {
    /// Somebody who carries out a procedure.
    Performer { actor: Option<Reference<'a>>, on_behalf_of: Option<Reference<'a>>, }
}
element! {
    /// A rule of a consent.
    Provision {
        r#type: Option<Text<'a>>,
        period: Option<Period<'a>>,
        purpose: Vec<Coding<'a>>,
        code: Vec<CodeableConcept<'a>>,
        actor: Present,
        action: Present,
        security_label: Present,
        class: Present,
        data: Present,
        data_period: Present,
        provision: Vec<Exception<'a>>,
    }
}
element! {
    /// An exception inside a rule of a consent.
    Exception {
        r#type: Option<Text<'a>>,
        period: Present,
        purpose: Present,
        code: Vec<CodeableConcept<'a>>,
        actor: Present,
        action: Present,
        security_label: Present,
        class: Present,
        data: Present,
        data_period: Present,
        provision: Present,
    }
}

resource! {
    /// A person.
    Patient {
        identifier: Vec<Identifier<'a>>,
        active: Option<bool>,
        name: Vec<HumanName<'a>>,
        telecom: Vec<ContactPoint<'a>>,
        birth_date: Option<Text<'a>>,
        deceased_boolean: Option<bool>,
        deceased_date_time: Option<Text<'a>>,
        address: Vec<Address<'a>>,
        communication: Vec<Spoken<'a>>,
        managing_organization: Option<Reference<'a>>,
        link: Vec<PatientLink<'a>>,
    } foreign {
        animal = "animal": "STU3 has it; R4 has persons only",
        care_provider = "careProvider": "DSTU2 has it; R4 has `generalPractitioner`",
    }
}
resource! {
    /// A booking.
    Appointment {
        identifier: Vec<Identifier<'a>>,
        status: Option<Text<'a>>,
        cancelation_reason: Option<CodeableConcept<'a>>,
        service_category: Vec<CodeableConcept<'a>>,
        service_type: Vec<CodeableConcept<'a>>,
        appointment_type: Option<CodeableConcept<'a>>,
        start: Option<Text<'a>>,
        end: Option<Text<'a>>,
        created: Option<Text<'a>>,
        participant: Vec<AppointmentParticipant<'a>>,
    } foreign {
        indication = "indication": "STU3 has it; R4 has `reasonReference`",
        incoming_referral = "incomingReferral": "STU3 has it; R4 has `basedOn`",
        reason = "reason": "DSTU2, STU3 and R5 have it; R4 has `reasonCode` and `reasonReference`",
        r5_type = "type": "DSTU2 has it; R4 has `serviceType` and `appointmentType`",
        subject = "subject": "R5 has it; R4 names the patient among `participant`",
        class = "class": "R5 has it; R4 has `appointmentType`",
        cancellation_reason = "cancellationReason": "R5 has it; R4 has `cancelationReason`, with one l",
        cancellation_date = "cancellationDate": "R5 has it; R4 has none",
        recurrence_template = "recurrenceTemplate": "R5 has it; R4 has one Appointment for each time",
        recurrence_id = "recurrenceId": "R5 has it; R4 has one Appointment for each time",
    }
}
resource! {
    /// A visit.
    Encounter {
        identifier: Vec<Identifier<'a>>,
        status: Option<Text<'a>>,
        class: Option<Coding<'a>>,
        r#type: Vec<CodeableConcept<'a>>,
        subject: Option<Reference<'a>>,
        participant: Vec<EncounterParticipant<'a>>,
        appointment: Vec<Reference<'a>>,
        period: Option<Period<'a>>,
        service_provider: Option<Reference<'a>>,
        location: Vec<EncounterLocation<'a>>,
    } foreign {
        actual_period = "actualPeriod": "R5 has it; R4 has `period`",
        planned_start = "plannedStartDate": "R5 has it; R4 has none",
        subject_status = "subjectStatus": "R5 has it; R4 has `status`",
        admission = "admission": "R5 has it; R4 has `hospitalization`",
        patient = "patient": "DSTU2 has it; R4 has `subject`",
        reason = "reason": "DSTU2, STU3 and R5 have it; R4 has `reasonCode`",
        indication = "indication": "DSTU2 has it; R4 has `reasonReference`",
        incoming_referral = "incomingReferral": "STU3 has it; R4 has `basedOn`",
    }
}
resource! {
    /// Something that was done to a patient.
    Procedure {
        identifier: Vec<Identifier<'a>>,
        status: Option<Text<'a>>,
        code: Option<CodeableConcept<'a>>,
        subject: Option<Reference<'a>>,
        performed_date_time: Option<Text<'a>>,
        performed_period: Option<Period<'a>>,
        performed_string: Present,
        performed_age: Present,
        performed_range: Present,
        performer: Vec<Performer<'a>>,
        location: Option<Reference<'a>>,
    } foreign {
        not_performed = "notPerformed": "DSTU2 has it; R4 has the status `not-done`",
        not_done = "notDone": "STU3 has it; R4 has the status `not-done`",
        context = "context": "STU3 has it; R4 has `encounter`",
        occurrence_date_time = "occurrenceDateTime": "R5 has it; R4 has `performedDateTime`",
        occurrence_period = "occurrencePeriod": "R5 has it; R4 has `performedPeriod`",
        reported_boolean = "reportedBoolean": "R5 has it; R4 has none",
        recorded = "recorded": "R5 has it; R4 has none",
    }
}
resource! {
    /// What a patient agreed to, or did not.
    Consent {
        identifier: Vec<Identifier<'a>>,
        status: Option<Text<'a>>,
        category: Vec<CodeableConcept<'a>>,
        patient: Option<Reference<'a>>,
        date_time: Option<Text<'a>>,
        source_attachment: Present,
        source_reference: Option<Reference<'a>>,
        provision: Option<Provision<'a>>,
    } foreign {
        subject = "subject": "R5 has it; R4 has `patient`",
        decision = "decision": "R5 has it; R4 has `provision.type`",
        date = "date": "R5 has it; R4 has `dateTime`",
        except = "except": "STU3 has it; R4 has `provision`",
        consenting_party = "consentingParty": "STU3 has it; R4 has `performer`",
        grantor = "grantor": "R5 has it; R4 has `performer`",
    }
}
resource! {
    /// Somebody asks for a communication to be made.
    CommunicationRequest {
        identifier: Vec<Identifier<'a>>,
        status: Option<Text<'a>>,
        category: Vec<CodeableConcept<'a>>,
        medium: Vec<CodeableConcept<'a>>,
        subject: Option<Reference<'a>>,
        about: Vec<Reference<'a>>,
        occurrence_date_time: Option<Text<'a>>,
        occurrence_period: Option<Period<'a>>,
        authored_on: Option<Text<'a>>,
        requester: Option<Reference<'a>>,
        reason_code: Vec<CodeableConcept<'a>>,
    } foreign {
        requested_on = "requestedOn": "DSTU2 has it; R4 has `authoredOn`",
        scheduled_date_time = "scheduledDateTime": "DSTU2 has it; R4 has `occurrenceDateTime`",
        scheduled_period = "scheduledPeriod": "DSTU2 has it; R4 has `occurrencePeriod`",
        context = "context": "STU3 has it; R4 has `encounter`",
        topic = "topic": "STU3 has it; R4 has `about`",
        intent = "intent": "R5 has it; R4 has none",
        reason = "reason": "R5 has it; R4 has `reasonCode`",
    }
}
element! {
    /// An organisation or a location: what is read of either is how it may be called.
    Site { id: Option<Text<'a>>, identifier: Vec<Identifier<'a>>, name: Option<Text<'a>>, }
}
