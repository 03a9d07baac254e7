//! The one binary: server in any of its roles, and client of itself.

pub mod audit;
pub mod client;
mod console;
pub mod demo;
pub mod dispatch;
pub mod erasure_paper;
pub mod evidence_cli;
pub mod exit;
pub mod feed_cli;
mod first_start;
pub mod history_cli;
mod identity;
pub mod import;
pub mod keys_cli;
pub mod listener;
pub mod moving;
pub mod patient_cli;
pub mod policy_cli;
pub mod policy_publish;
pub mod projections_cli;
pub mod roles;
pub mod schema_cli;
pub mod settings;
pub mod simulate;
pub mod token_cli;
