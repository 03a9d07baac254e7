//! The network's own branches.

pub(crate) mod list;
pub(crate) mod put;
