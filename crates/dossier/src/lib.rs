//! A patient's history in the forms that people and other systems read: a page ([`page`]), a FHIR R4 Bundle ([`fhir()`]), and the evidence
//! for one contact ([`contact`]).
//!
//! Everything here is pure: what there is to tell comes in as [`Material`], also the time at which it is told. Nothing is looked up and
//! nothing is decided anew, but for [`contact`], which makes a recorded decision again to see whether it comes out the same.
//!
//! These forms are for reading. What can be verified is the file of `tact-evidence`; a page can only say where that is.

mod account;
pub mod contact;
mod fhir;
mod history;
mod labels;
mod page;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use tact_domain::control::{Directory, Policies};
use tact_domain::disclosure::ExportPurpose;
use tact_domain::{Recorded, Time};
use uuid::Uuid;

pub use fhir::{SERVED, Served, fhir, patient_of, served, served_id};
pub use page::{contact_page, page};
pub use tact_words::Language;
pub use tell::Row;

/// Everything that there is to tell of a patient.
#[derive(Debug, Clone)]
pub struct Material<'a> {
    /// The network's code.
    pub network: &'a str,
    /// Whose history it is.
    pub patient: Uuid,
    /// The patient's events from the first one on, in the order of their stream. All of them up to some moment: what happened later rests on
    /// what happened before.
    pub events: &'a [Recorded],
    /// The streams of patients who were merged into this one, each whole and in its order.
    pub merged: &'a [(Uuid, Vec<Recorded>)],
    /// The published policies.
    pub policies: &'a Policies,
    /// The branches and providers, for their names.
    pub directory: &'a Directory,
    /// Personal data by its field, such as `name` and `phone`; absent: the reader may not have it.
    pub personal: Option<&'a BTreeMap<String, String>>,
    /// The texts that the reader may see, by id: notes, reasons, feedback.
    pub texts: &'a HashMap<Uuid, String>,
    /// For whom it is made, in the words of whoever answers for that.
    pub made_for: &'a str,
    /// On what ground.
    pub ground: ExportPurpose,
    /// When. Consents and permits are told as they stand at this moment.
    pub made_at: Time,
    /// Tell only of events recorded from this moment on. Earlier ones are still known: contacts rest on them.
    pub from: Option<Time>,
    /// Tell only of events recorded before this moment.
    pub until: Option<Time>,
    /// The language of the page.
    pub language: Language,
    /// How the reader can check it, if there is something to check it by.
    pub proof: Option<&'a Proof>,
}

/// What covers the events, and how a reader can make sure of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The checkpoint's number.
    pub checkpoint: u64,
    /// When it was made.
    pub made_at: Time,
    /// The id of the key that signed it.
    pub key: String,
    /// How many events of the patient it covers, from the first on.
    pub events: u64,
    /// The command that verifies the file in Tact's own form.
    pub command: String,
}
