//! The events of the stream `access`: who was given what. They say that something was handed out, by whom and on what ground, and never
//! repeat what it was.

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

/// An event of the stream `access`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum AccessEvent {
    /// A patient's history was handed out.
    HistoryExported(HistoryExported),
}

impl AccessEvent {
    /// The names of the types.
    pub const KINDS: &'static [&'static str] = &["history.exported"];
}

impl Payload for AccessEvent {
    fn kind(&self) -> &'static str {
        match self {
            Self::HistoryExported(_) => "history.exported",
        }
    }
    fn version(&self) -> u16 {
        1
    }
    fn read(kind: &str, version: u16, data: &RawValue) -> Result<Self, Unreadable> {
        match (kind, version) {
            ("history.exported", 1) => read(kind, data).map(Self::HistoryExported),
            _ => unknown(kind, version, Self::KINDS),
        }
    }
}
