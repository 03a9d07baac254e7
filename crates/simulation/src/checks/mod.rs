//! What must hold after every run, looked for in the log alone.

mod again;
mod book;
mod log;
mod numbers;
mod promise;
mod rows;
mod verdict;

use crate::report::Report;
use crate::settings::Settings;
use crate::world::Aftermath;

/// Looks for everything that must not be.
pub(crate) fn check(aftermath: &Aftermath, seed: u64, settings: Settings, report: &mut Report) {
    let Some(history) = log::check(aftermath, report) else { return };
    again::check(&history, aftermath, report);
    promise::check(&history, aftermath, report);
    rows::check(aftermath, &history, seed, settings.bug, report);
}
