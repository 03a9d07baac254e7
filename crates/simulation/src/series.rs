//! Many seeds, spread over the cores: each seed stays on one thread.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Report, Settings, run};

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Series {
    /// All together.
    pub report: Report,
    /// The seeds that failed, in order, with what each found first.
    pub failed: Vec<(u64, String)>,
}

/// Runs the seeds `from` to `from + seeds` on so many threads; stops early when `enough` seeds have failed. `done` hears after each seed.
pub fn series(from: u64, seeds: u64, threads: usize, settings: Settings, enough: usize, done: impl Fn() + Sync) -> Series {
    let next = AtomicU64::new(from);
    let stop = AtomicBool::new(false);
    let all = Mutex::new(Series::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = Report::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    let mut report = caught(seed, settings);
                    if let Some(first) = report.findings.first() {
                        let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        all.failed.push((seed, first.to_string()));
                        stop.store(all.failed.len() >= enough, Ordering::Relaxed);
                    }
                    report.findings.truncate(3);
                    own.add(report);
                    done();
                }
                all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).report.add(own);
            });
        }
    });
    let mut all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    all.failed.sort();
    all
}

/// Runs a seed; a panic in it is a finding.
pub fn caught(seed: u64, settings: Settings) -> Report {
    std::panic::catch_unwind(|| run(seed, settings)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let mut report = Report::default();
        report.figures.seeds = 1;
        report.find("panic", words.unwrap_or_else(|| "a panic without words".to_owned()));
        report
    })
}

/// The fewest commands with which the seed still fails: what comes after them had no part in it.
pub fn shortest(seed: u64, settings: Settings) -> usize {
    let fails = |commands| !caught(seed, Settings { commands, trace: false, ..settings }).findings.is_empty();
    let (mut good, mut bad) = (0, settings.commands);
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if fails(middle) { bad = middle } else { good = middle }
    }
    bad
}
