//! Benchmarks: ours against the bare engine on the same work, as medians of interleaved pairs in one run. No test depends on them.
//!
//! `cargo run --release -p tact-bench -- all` makes every table of docs/BENCHMARKS.md that this crate makes.

mod desk;
mod dispatch;
mod embedded;
mod evidence;
mod feed;
mod fhir;
mod http;
mod jetstream;
mod measure;
mod memory;
mod projector;
mod what_if;
mod work;

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Decide and append on JetStream against bare publishing.
    Jetstream,
    /// The same with `sync_interval: always`.
    JetstreamAlways,
    /// Over HTTP against bare publishing.
    Http,
    /// Decide and append on the embedded log against bare grouped SQLite.
    Embedded,
    /// Verifying histories against SHA-256 and JSON parsing, and what a notary costs those who append.
    Evidence,
    /// Filling the feed for analysts against a bare copy of the same stream.
    Feed,
    /// The dispatcher, against a gateway that answers after 50 ms, against a bare client that posts the same bodies.
    Dispatch,
    /// The page of a branch's day with 100,000 patients against a static file of the same server.
    Desk,
    /// The projector on PostgreSQL against a loop that writes the same rows.
    Projector,
    /// Simulating another policy over a year of a million decisions against reading it.
    Simulate,
    /// Reading FHIR against parsing it, and taking it in against appending the same events.
    Fhir,
    /// One patient's history from cold against the bare read, the size of a cached patient, the size of an idle server.
    Memory,
    /// An embedded server that does nothing, in this process; what `memory` starts.
    Idle,
    /// All of it.
    All,
}

/// Ours against the bare engine, in interleaved pairs.
#[derive(Debug, Parser)]
struct Cli {
    /// What to measure.
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// How many interleaved pairs.
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// How many patients.
    #[arg(long, default_value_t = 10_000)]
    patients: usize,
    /// How many decisions the simulated year has.
    #[arg(long, default_value_t = 1_000_000)]
    decisions: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    if cli.what == What::Idle {
        return memory::idle_child().await;
    }
    let wanted = |what| cli.what == what || cli.what == What::All;
    if wanted(What::Simulate) {
        what_if::run(cli.pairs, cli.decisions).await?;
    }
    if cli.what == What::Simulate {
        return Ok(());
    }
    if wanted(What::Dispatch) {
        dispatch::run(cli.pairs, cli.patients).await?;
    }
    if cli.what == What::Dispatch {
        return Ok(());
    }
    if wanted(What::Desk) {
        desk::run(cli.pairs).await?;
    }
    if cli.what == What::Desk {
        return Ok(());
    }
    if wanted(What::Fhir) {
        fhir::run(cli.pairs, cli.patients).await?;
    }
    if cli.what == What::Fhir {
        return Ok(());
    }
    let work = work::Work::new(cli.patients).await?;
    if wanted(What::Jetstream) {
        jetstream::run(&work, cli.pairs, false).await?;
    }
    if wanted(What::JetstreamAlways) {
        jetstream::run(&work, cli.pairs, true).await?;
    }
    if wanted(What::Http) {
        http::run(&work, cli.pairs).await?;
    }
    if wanted(What::Embedded) {
        embedded::run(&work, cli.pairs).await?;
    }
    if wanted(What::Evidence) {
        evidence::run(&work, cli.pairs).await?;
    }
    if wanted(What::Feed) {
        feed::run(&work, cli.pairs).await?;
    }
    if wanted(What::Projector) {
        projector::run(&work, cli.pairs).await?;
    }
    if wanted(What::Memory) {
        memory::run(&work, cli.pairs).await?;
    }
    Ok(())
}
