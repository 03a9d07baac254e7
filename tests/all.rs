//! Everything that needs real servers, or more than one crate: one test binary, one module for each area.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its own body or in what it calls")]

mod deploy;
mod event_log;
mod golden;
mod personal;
mod projector;
mod sql;
mod testbed;
mod tidy;
