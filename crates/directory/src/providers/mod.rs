//! Institutions outside the network that offer what people need (P11, P12).

pub(crate) mod nearest;
pub(crate) mod post;
