//! The import of an appointment book: a CSV file and what its columns mean, read whole, checked, and recorded patient by patient.
//!
//! It goes through the same transact loop as the services, with ids derived from the book's own, so that a run that broke off is
//! taken up where it stopped and a second run adds nothing. It must never put anything personal into an event: the ids that the
//! book gives its patients go to the personal data store.

mod account;
mod book;
pub mod command;
pub(crate) mod csv_text;
pub mod encoding;
mod facts;
pub mod fhir;
pub mod mapping;
pub mod providers;
mod slug;
mod write;

pub use account::{Account, Count, Refusal};
pub use book::{Book, read};
pub use tact_intake::Stores;
pub use write::write;

/// Shows how far an import has come; hidden by itself where there is no terminal.
pub use indicatif::ProgressBar as Progress;
