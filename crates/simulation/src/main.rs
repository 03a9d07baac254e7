//! `simulate`: runs seeds of the simulation and prints the figures; a seed that fails is printed with its last steps.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use tact_simulation::Settings;
use tact_simulation::series::{caught, series, shortest};

/// Drive services through faults, seed by seed, and check that the promise holds.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print every step of the one seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// How many commands each seed gives.
    #[arg(long, default_value_t = Settings::default().commands)]
    commands: usize,
    /// How many threads to use; each seed stays on one.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
    /// Stop after so many failing seeds.
    #[arg(long, default_value_t = 5)]
    enough: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = Settings { commands: arguments.commands, ..Settings::default() };
    match arguments.seed {
        Some(seed) => one(seed, Settings { trace: arguments.trace, ..settings }),
        None => many(&arguments, settings),
    }
}

fn one(seed: u64, settings: Settings) -> ExitCode {
    let report = caught(seed, settings);
    for line in &report.trace {
        println!("{line}");
    }
    print!("{}{}", report.figures, report.faults);
    for finding in &report.findings {
        println!("seed {seed}: {finding}");
    }
    if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many(arguments: &Arguments, settings: Settings) -> ExitCode {
    let begun = Instant::now();
    let done = AtomicU64::new(0);
    let told = || {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(1000) {
            eprintln!("{done} seeds in {:.0} s", begun.elapsed().as_secs_f64());
        }
    };
    let all = series(arguments.from, arguments.seeds, arguments.threads, settings, arguments.enough, told);
    println!("done:\n{}faults:\n{}refusals by reason:", all.report.figures, all.report.faults);
    for (code, count) in &all.report.codes {
        println!("  {count:>12}  {code}");
    }
    println!("events by type:");
    for (kind, count) in &all.report.kinds {
        println!("  {count:>12}  {kind}");
    }
    println!("{:.1} s on {} threads", begun.elapsed().as_secs_f64(), arguments.threads);
    for (seed, finding) in &all.failed {
        println!("seed {seed} failed: {finding}");
    }
    let Some((seed, _)) = all.failed.first() else { return ExitCode::SUCCESS };
    let commands = shortest(*seed, settings);
    let report = caught(*seed, Settings { commands, trace: true, ..settings });
    println!("\nseed {seed} fails with {commands} commands; its last steps:");
    for line in report.trace.iter().skip(report.trace.len().saturating_sub(60)) {
        println!("{line}");
    }
    for finding in report.findings.iter().take(5) {
        println!("{finding}");
    }
    println!("again: cargo run --release -p tact-simulation -- --seed {seed} --commands {commands} --trace");
    ExitCode::FAILURE
}
