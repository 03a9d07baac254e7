//! The network's contact policies: published once, never changed, in force from a stated moment.

pub(crate) mod diff;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod scenarios;
pub(crate) mod what_if;
