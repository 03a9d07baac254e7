//! Everything that needs real servers, or more than one crate: one test binary, one module for each area.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its own body or in what it calls")]

mod access;
mod apart;
mod audit;
mod book;
mod command_line;
mod deploy;
mod desk;
mod dispatch;
mod duplicates;
mod erasure;
mod event_log;
mod evidence;
mod faults;
mod feed;
mod fhir;
mod golden;
mod merges;
mod network;
mod numbers;
mod openapi;
mod personal;
mod privacy;
mod processes;
mod projector;
mod providers;
mod scenarios;
mod services;
mod sign_in;
mod simulated_rows;
mod simulation;
mod sql;
mod testbed;
mod tidy;
mod what_if;
mod working_day;
