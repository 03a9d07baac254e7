//! The patient: the consistency boundary. Everything that decides whether a patient may be contacted lies in one ordered stream.
//!
//! Read in this order: what can happen ([`events`]), what is known then ([`state`]), what may be contacted about ([`occasion`]),
//! how much is left ([`quota`]), what may be done ([`decide`]), the same once more ([`again`]), what is owed ([`agenda`]), what cannot
//! be true ([`admit`]), what follows by itself ([`reaction`]), and what was done against the policy ([`audit`]).

pub mod admit;
pub mod again;
pub mod agenda;
pub mod audit;
mod carried;
pub mod decide;
pub mod events;
mod evolve;
pub mod occasion;
pub mod quota;
pub mod reaction;
pub mod state;

pub use admit::{Untrue, admit};
pub use again::{Asked, asked};
pub use agenda::{Entry, agenda};
pub use decide::{Ask, Decision, OnNumber, RULES, decide, decide_by};
pub use events::Event;
pub use evolve::evolve;
pub use quota::{QuotaLine, quota};
pub use state::State;
