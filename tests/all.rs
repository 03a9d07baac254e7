//! Everything that needs real servers, or more than one crate: one test binary, one module for each area.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its own body or in what it calls")]

mod book;
mod access;
mod apart;
mod deploy;
mod event_log;
mod faults;
mod golden;
mod network;
mod openapi;
mod privacy;
mod processes;
mod scenarios;
mod services;
mod testbed;
mod tidy;
