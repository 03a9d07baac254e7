//! Calls that a telephone exchange has recorded: every one of them is a contact of somebody, or is looked at by a person. None is lost.

pub(crate) mod matching;
pub(crate) mod records;
pub(crate) mod review;
