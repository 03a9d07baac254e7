//! What if another policy had been in force: recorded intentions and contacts are decided again, and the report says what comes out otherwise.
//!
//! Two states are folded for each patient: the recorded one, and the one that the other policy would have led to, which is a copy only from
//! the first decision on that differs. docs/WHATIF.md has the rules in words. Like the domain, this is pure: no clock, no I/O, no
//! randomness; the same events and the same policy give the same report. It must never judge by a rule of its own: every decision is
//! [`tact_domain::patient::decide`]'s.

pub mod caps;
mod merge;
mod past;
mod replay;
mod report;
mod step;

#[cfg(test)]
mod tests;

pub use replay::{Question, Replay};
pub use report::{Counts, PerPatient, ReasonRow, Report, Row, Spread};
pub use step::{Change, Fate, Step};

/// The rules by which a report comes about, in sentences to print beside its figures.
pub const RULES: &[&str] = &[
    "A permit that the policy would have refused takes the contact made under it out of the history that later decisions see.",
    "A refusal that the policy would have permitted counts from then on as one attempt that nobody answered; whether it would have reached \
     the patient is not known.",
    "A contact made without a permit is decided as if it had been asked for. It leaves only if the policy of its day would have permitted it \
     and this one would not: who disregarded the one would have disregarded the other.",
    "Everything else stays as it was recorded: nobody asks, books, withdraws or answers otherwise than they did.",
];
