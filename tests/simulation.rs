//! The promise, simulated: some hundred seeds, and defects built in on purpose that must be found. `cargo run --release -p tact-simulation`
//! runs more of them, and replays one.

use tact_simulation::series::series;
use tact_simulation::{Bug, Settings};

const SEEDS: u64 = 400;

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

#[test]
fn many_seeds_keep_the_promise() {
    let settings = Settings { commands: 400, ..Settings::default() };
    let all = series(1, SEEDS, threads(), settings, 3, || {});
    let (seed, finding) = all.failed.first().cloned().unwrap_or_default();
    assert!(
        all.failed.is_empty(),
        "seed {seed} breaks the promise: {finding}\nreplay it with: cargo run --release -p tact-simulation -- --seed {seed} --commands 400 --trace"
    );
    println!("{:?}", all.report.figures);
    assert_eq!(all.report.figures.seeds, SEEDS);
}

#[test]
fn a_log_without_its_concurrency_check_is_found_out() {
    found_out(Bug::NoConcurrencyCheck);
}

#[test]
fn a_limit_that_allows_one_too_many_is_found_out() {
    found_out(Bug::LooserLimit);
}

fn found_out(bug: Bug) {
    let settings = Settings { commands: 400, bug: Some(bug), ..Settings::default() };
    let all = series(1, 200, threads(), settings, 1, || {});
    assert!(!all.failed.is_empty(), "200 seeds ran with {bug:?} built in, and nothing was found");
}
