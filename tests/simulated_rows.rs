//! The read models of simulated runs: made as the log grows, in batches, by projectors that are broken off wherever the seed says, they equal those
//! that are made at once. The runs have in them what no book of an ordinary clinic has: merges and their undoing, late facts, several policies.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tact_database::Target;
use tact_domain::Time;
use tact_event_log::{Append, EventLog, MemoryLog, NewEvent, Position, Stored};
use tact_projector::{Memory, Now, Projector, Settings};
use tact_read_models::{ReadDb, dump};
use tact_simulation::log_of;
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(60);

type Tables = Vec<(&'static str, Vec<String>)>;

async fn database() -> (ReadDb, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let read = ReadDb::open(&Target::sqlite(folder.path()), WAIT).await.unwrap();
    (read, folder)
}

fn projector(log: &MemoryLog, read: &ReadDb, batch: usize, cache: usize, now: Time) -> Projector {
    let now: Now = Arc::new(move || now);
    let settings = Settings { name: tact_testbed::fresh_name("reader"), batch, cache, patience: WAIT };
    Projector::new(Arc::new(log.clone()), read.clone(), now, settings)
}

/// Appends what another log held.
async fn append(log: &MemoryLog, last: &mut HashMap<tact_event_log::StreamId, Position>, stored: &Stored) {
    let after = last.get(&stored.stream).copied().unwrap_or_default();
    let new = NewEvent { id: stored.id, bytes: stored.bytes.clone() };
    let Append::Done(position) = log.append(stored.stream, after, new).await.unwrap() else { panic!("nobody else appends") };
    last.insert(stored.stream, position);
}

/// Polls a future so many times and drops it: a crash at that point, unless it was done before.
async fn crash_after<F: Future>(polls: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// The tables made as the log grows; an event may be left out, as a projector that skips one would.
async fn grown(seed: u64, all: &[Stored], now: Time, skipped: Option<usize>) -> Tables {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (read, _folder) = database().await;
    let log = MemoryLog::new();
    let mut last = HashMap::new();
    let mut next = 0;
    while next < all.len() {
        let until = all.len().min(next + rng.random_range(1..200));
        for (number, stored) in all.iter().enumerate().take(until).skip(next) {
            if skipped != Some(number) {
                append(&log, &mut last, stored).await;
            }
        }
        next = until;
        let (batch, cache) = (rng.random_range(1..60), rng.random_range(1..20));
        let work = projector(&log, &read, batch, cache, now);
        if rng.random_bool(0.6) {
            if let Some(done) = crash_after(rng.random_range(1..60), work.catch_up()).await {
                done.unwrap();
            }
        } else {
            work.catch_up().await.unwrap();
        }
    }
    projector(&log, &read, 100, 50, now).catch_up().await.unwrap();
    dump(&read.db()).await.unwrap()
}

async fn at_once(seed: u64, all: &[Stored], now: Time) -> Tables {
    let (read, _folder) = database().await;
    let log = MemoryLog::new();
    let mut last = HashMap::new();
    for stored in all {
        append(&log, &mut last, stored).await;
    }
    projector(&log, &read, 2000, 20_000, now).catch_up().await.unwrap();
    crate::audit::assert_current(&format!("seed {seed}"), &read, &log).await;
    dump(&read.db()).await.unwrap()
}

fn in_memory(all: &[Stored], now: Time) -> Tables {
    let mut tables = Memory::default();
    tables.start(all, usize::MAX, 1);
    let prepared = tables.prepare(all, now).unwrap().expect("a projector is at work");
    tables.write(prepared).unwrap();
    while tables.apply_policy(now, usize::MAX).unwrap() {}
    tables.dump()
}

fn sorted(mut tables: Tables) -> Tables {
    tables.iter_mut().for_each(|(_, rows)| rows.sort_unstable());
    tables
}

/// A moment behind everything that is recorded.
fn behind(all: &[Stored]) -> Time {
    let recorded = |stored: &Stored| {
        let json: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap();
        json["recordedat"].as_str().unwrap().parse::<Time>().unwrap()
    };
    all.iter().map(recorded).max().unwrap() + chrono::Duration::hours(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_models_that_grew_through_crashes_equal_those_made_at_once() {
    let settings = tact_simulation::Settings { commands: 250, ..tact_simulation::Settings::default() };
    for seed in 1..=40 {
        let all = log_of(seed, settings);
        let now = behind(&all);
        let (grown, fresh) = (grown(seed, &all, now, None).await, at_once(seed, &all, now).await);
        for ((table, grown), (_, fresh)) in grown.iter().zip(&fresh) {
            let differs = grown.iter().zip(fresh).find(|(g, f)| g != f);
            assert!(grown == fresh, "seed {seed}: {table} has {} rows, made at once {}; {differs:#?}", grown.len(), fresh.len());
        }
        // The simulation holds every run against tables in memory: those must be the tables that a database has.
        let (memory, fresh) = (sorted(in_memory(&all, now)), sorted(fresh));
        for (memory, fresh) in memory.iter().zip(&fresh) {
            assert_eq!(memory, fresh, "seed {seed}: in memory and in the database");
        }
        assert_eq!(memory.len(), fresh.len());
        assert!(grown.iter().any(|(table, rows)| *table == "contacts" && !rows.is_empty()), "seed {seed} led to no contact");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_a_projector_skips_is_found_out() {
    let settings = tact_simulation::Settings { commands: 250, ..tact_simulation::Settings::default() };
    let all = log_of(1, settings);
    let now = behind(&all);
    let contact = |stored: &Stored| std::str::from_utf8(&stored.bytes).unwrap().contains("\"contact.made\"");
    let skipped = all.iter().position(contact).unwrap();
    let grown = grown(1, &all, now, Some(skipped)).await;
    assert!(grown != at_once(1, &all, now).await, "event {} was left out and nothing differs", all[skipped].id);
}
