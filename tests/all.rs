//! Everything that needs real servers, or more than one crate: one test binary, one module for each area.

mod event_log;
