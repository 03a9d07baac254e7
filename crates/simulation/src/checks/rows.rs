//! The read models of the run, derived twice: once from the whole log at one go, as a rebuild does, and once as the log grew, in batches that the
//! seed cuts, by projectors that die before or behind a write and start again with what was written. Both must be equal row for row.

use chrono::Duration;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tact_domain::Time;
use tact_event_log::Stored;
use tact_projector::{Clash, Memory};

use super::log::History;
use crate::report::Report;
use crate::settings::Bug;
use crate::world::Aftermath;

pub(super) fn check(aftermath: &Aftermath, history: &History, seed: u64, bug: Option<Bug>, report: &mut Report) {
    let Some(last) = history.events.iter().map(|(.., recorded)| recorded.envelope.recorded_at).max() else { return };
    // Behind everything, and behind every policy's beginning.
    let effects = history.policies.iter().map(super::log::PublishedAt::effective_from);
    let end = effects.max().map_or(last, |effect| effect.max(last)) + Duration::hours(1);
    let log = &aftermath.log;
    let both = at_once(log, end).and_then(|fresh| Ok((fresh, grown(log, end, seed, bug, report)?)));
    match both {
        Ok((fresh, grown)) => {
            report.figures.rows += fresh.rows() as u64;
            if let Some(difference) = grown.difference(&fresh) {
                report.find("rows", format!("as they grew and as they are built anew, the read models differ: {difference}"));
            }
        }
        Err(clash) => report.find("rows", clash.to_string()),
    }
}

/// The tables made from the whole log in one batch.
fn at_once(log: &[Stored], end: Time) -> Result<Memory, Clash> {
    let mut tables = Memory::default();
    tables.start(log, usize::MAX, 1);
    if let Some(prepared) = tables.prepare(log, end)? {
        tables.write(prepared)?;
    }
    while tables.apply_policy(end, usize::MAX)? {}
    Ok(tables)
}

/// The tables made as the log grew.
fn grown(log: &[Stored], end: Time, seed: u64, bug: Option<Bug>, report: &mut Report) -> Result<Memory, Clash> {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x726f_7773_0000_0000);
    let mut tables = Memory::default();
    let (crash, most, cache) = (rng.random_range(0.0..0.3), rng.random_range(1..80), rng.random_range(0..20));
    let mut there = 0;
    let done = |tables: &Memory| log.partition_point(|stored| stored.position <= tables.position());
    while done(&tables) < log.len() {
        let starts = !tables.is_at_work();
        if starts {
            tables.start(&log[..there], cache, most);
        }
        let at = done(&tables);
        if there <= at || rng.random_bool(0.4) {
            there = log.len().min(there.max(at) + rng.random_range(1..200));
        }
        // The clock by which a policy comes into force is the projector's own: somewhere about the last recording.
        let now = log[at..there].last().map_or(end, |stored| stored_at(stored) + Duration::seconds(rng.random_range(-60..600)));
        let until = there.min(at + rng.random_range(1..=most));
        let from = match bug {
            Some(Bug::SkippedEvent) if starts && at > 0 => at + 1,
            Some(Bug::CountedTwice) if starts => at.saturating_sub(1),
            _ => at,
        };
        let prepared = tables.prepare(&log[from..until.max(from)], now)?;
        report.figures.batches += 1;
        if rng.random_bool(crash) {
            tables.crash();
            report.faults.projector_crashes += 1;
            continue;
        }
        if let Some(prepared) = prepared {
            tables.write(prepared)?;
        }
        let _ = tables.apply_policy(now, rng.random_range(1..6))?;
        if rng.random_bool(crash) {
            tables.crash();
            report.faults.projector_crashes += 1;
        }
    }
    if !tables.is_at_work() {
        tables.start(log, cache, most);
    }
    while tables.apply_policy(end, 3)? {}
    Ok(tables)
}

/// When an event was recorded; it was read before, so its bytes can be.
fn stored_at(stored: &Stored) -> Time {
    let json: Option<serde_json::Value> = serde_json::from_slice(&stored.bytes).ok();
    json.and_then(|json| json["recordedat"].as_str()?.parse().ok()).unwrap_or_default()
}
