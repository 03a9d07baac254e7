//! The promise, simulated: a thousand seeds, and defects built in on purpose that must be found. `cargo run --release -p tact-simulation`
//! runs more of them, and replays one.

use tact_simulation::series::series;
use tact_simulation::{Bug, Settings};

const SEEDS: u64 = 1000;

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
    let report = &all.report;
    println!("{}{}", report.figures, report.faults);
    assert_eq!(report.figures.seeds, SEEDS);
    // A fault that never happened, and a check that never had anything to look at, would prove nothing.
    for (words, count) in report.faults.each().into_iter().chain(report.figures.each()) {
        assert!(count > 0, "{SEEDS} seeds ran without one of: {words}");
    }
}

#[test]
fn a_log_without_its_concurrency_check_is_found_out() {
    found_out(Bug::NoConcurrencyCheck);
}

#[test]
fn a_limit_that_allows_one_too_many_is_found_out() {
    found_out(Bug::LooserLimit);
}

#[tokio::test]
async fn a_run_is_the_same_inside_a_runtime() {
    // One whose services lock often: a runtime lets a lock wait after 128 of them.
    let settings = Settings { commands: 1500, ..Settings::default() };
    let inside = tact_simulation::run(1, settings);
    let outside = std::thread::spawn(move || tact_simulation::run(1, settings)).join().unwrap();
    assert!(inside.findings.is_empty(), "{:?}", inside.findings);
    assert_eq!((inside.figures, inside.faults), (outside.figures, outside.faults));
}

#[test]
fn a_projector_that_misses_an_event_is_found_out() {
    found_out(Bug::SkippedEvent);
}

#[test]
fn a_projector_that_counts_an_event_twice_is_found_out() {
    found_out(Bug::CountedTwice);
}

fn found_out(bug: Bug) {
    let settings = Settings { commands: 400, bug: Some(bug), ..Settings::default() };
    let all = series(1, 200, threads(), settings, 1, || {});
    assert!(!all.failed.is_empty(), "200 seeds ran with {bug:?} built in, and nothing was found");
}
