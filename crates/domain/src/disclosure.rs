//! The events of the stream `access`: what was handed out of what is kept about people, and what was destroyed. They say that it was, by whom,
//! on what ground and how much, and never repeat what it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::Time;
use crate::control::{read, unknown};
use crate::envelope::{Payload, Unreadable};
use crate::values::words;

words! {
    /// The form in which a history was handed out.
    ExportFormat, "export format" {
        /// The file that `tact history verify` checks.
        Tact = "tact",
        /// A FHIR R4 Bundle.
        Fhir = "fhir",
        /// A page for people.
        Html = "html",
    }
}

words! {
    /// Why a history was handed out: what the caller states, and answers for.
    ExportPurpose, "export purpose" {
        /// The patient asked for it.
        PatientRequest = "patient_request",
        /// Somebody complained.
        Complaint = "complaint",
        /// An authority inspects.
        Inspection = "inspection",
        /// A court demands it.
        Court = "court",
        /// The network looks into its own work.
        InternalReview = "internal_review",
    }
}

/// The data of `history.exported`: a patient's history was handed out. By whom and where, the envelope says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HistoryExported {
    /// Whose. It may be an id that the network does not know: that somebody is absent can be proved too.
    pub patient: Uuid,
    /// In which form.
    pub format: ExportFormat,
    /// On what ground.
    pub purpose: ExportPurpose,
    /// Whether personal data went with it.
    pub personal: bool,
    /// How many events of the patient it holds.
    pub events: u64,
    /// Events from this time on only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// Events before this time only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

words! {
    /// Why personal data is destroyed.
    ErasureReason, "reason of an erasure" {
        /// The person demands it.
        PatientRequest = "patient_request",
        /// The person has withdrawn the consent to their data being kept.
        ConsentWithdrawn = "consent_withdrawn",
        /// What it was kept for is done.
        PurposeAchieved = "purpose_achieved",
        /// It has been kept as long as it may be.
        RetentionOver = "retention_over",
        /// It should never have been kept.
        Unlawful = "unlawful",
        /// An authority demands it.
        AuthorityOrder = "authority_order",
    }
}

words! {
    /// A kind of personal data.
    DataCategory, "category of personal data" {
        /// Full names.
        Name = "name",
        /// Telephone numbers.
        Phone = "phone",
        /// Addresses for electronic mail.
        Email = "email",
        /// Postal addresses.
        Address = "address",
        /// Dates of birth.
        BirthDate = "birth_date",
        /// Texts: notes, reasons, what feedback says in words.
        Text = "text",
        /// Ids in other systems.
        ExternalId = "external_id",
    }
}

/// The data of `personal.erased`: what `patient.erased` said is done. It comes behind that event, and only once nothing is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PersonalErased {
    /// Whose data it was.
    pub patient: Uuid,
    /// The `patient.erased` in that patient's stream.
    pub erasure: Uuid,
    /// The ids of those who had been merged into the patient; theirs was erased too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Uuid>,
    /// Why, if it was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ErasureReason>,
    /// How much of each kind there was; what is absent, there was none of.
    pub destroyed: BTreeMap<DataCategory, u64>,
    /// When it was gone.
    pub destroyed_at: Time,
    /// Whether the files were written anew, so that no byte of it stayed in them. Otherwise the rows are gone, and the database reuses their place.
    pub rewritten: bool,
}

/// An event of the stream `access`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum AccessEvent {
    /// A patient's history was handed out.
    HistoryExported(HistoryExported),
    /// A patient's personal data was destroyed.
    PersonalErased(PersonalErased),
}

impl AccessEvent {
    /// The names of the types.
    pub const KINDS: &'static [&'static str] = &["history.exported", "personal.erased"];
}

impl Payload for AccessEvent {
    fn kind(&self) -> &'static str {
        match self {
            Self::HistoryExported(_) => "history.exported",
            Self::PersonalErased(_) => "personal.erased",
        }
    }
    fn version(&self) -> u16 {
        1
    }
    fn read(kind: &str, version: u16, data: &RawValue) -> Result<Self, Unreadable> {
        match (kind, version) {
            ("history.exported", 1) => read(kind, data).map(Self::HistoryExported),
            ("personal.erased", 1) => read(kind, data).map(Self::PersonalErased),
            _ => unknown(kind, version, Self::KINDS),
        }
    }
}
