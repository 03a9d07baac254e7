//! What Tact knows of patients, contacts and the policy that governs them.
//!
//! Everything here is pure: no clock, no I/O, no randomness, no runtime, SQL or bus. Time, ids and time zones come in as
//! arguments, so that a decision recorded today can be made again, identically, years later.
//!
//! Four functions are the heart: [`patient::evolve`], [`patient::decide`], [`patient::agenda`] and [`patient::quota`].

pub mod control;
pub mod disclosure;
pub mod envelope;
pub mod number;
pub mod patient;
pub mod policy;
#[cfg(feature = "schema")]
pub mod schema;
pub mod toml_text;
pub mod values;
pub mod zone;

pub use envelope::{Actor, Envelope, Recorded, Unreadable};
pub use values::*;
pub use zone::{Zone, ZoneUsed};

/// A moment, in UTC and to the millisecond: the precision at which Tact records, compares and hashes.
pub type Time = chrono::DateTime<chrono::Utc>;

/// Cuts a moment to the millisecond, the precision of everything that Tact records.
pub fn to_millis(time: Time) -> Time {
    use chrono::SubsecRound;
    time.trunc_subsecs(3)
}
