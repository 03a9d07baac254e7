//! The promise, simulated: no patient is contacted more than the policy allows, no acknowledged fact is lost, and every decision can be made again.
//!
//! One seed drives several services, their callers and a reactor against the log in memory, through a network that loses, doubles, delays and
//! reorders, with crashes between any two steps and clocks that go wrong. Afterwards the log is read and checked by code that shares
//! nothing with the rules under test but the words. Nothing here may ask a clock, draw randomness that is not the seed's, or start a
//! thread for one seed: a seed that fails must fail again.

pub mod checks;
mod driver;
mod household;
mod network;
mod policies;
mod report;
pub mod series;
mod settings;
mod tasks;
mod world;

pub use report::{Faults, Figures, Finding, Report};
pub use settings::{Bug, Settings};

/// Runs one seed and checks what it left behind.
pub fn run(seed: u64, settings: Settings) -> Report {
    let (mut report, aftermath) = world::World::new(seed, settings).run();
    checks::check(&aftermath, seed, settings, &mut report);
    report
}

/// What one seed leaves in the log, for those who derive something from it.
pub fn log_of(seed: u64, settings: Settings) -> Vec<tact_event_log::Stored> {
    world::World::new(seed, settings).run().1.log
}
