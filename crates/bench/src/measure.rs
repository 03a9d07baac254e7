//! Pairs of measurements, taken in turn so that the machine's moods fall on both alike.

use std::time::Instant;

use anyhow::Result;
use comfy_table::Table;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    /// CPU seconds per operation: of this process, and of the server beside it.
    pub(crate) cpu: f64,
}

/// The CPU seconds that a process has used so far, from `/proc`.
fn cpu_of(pid: &str) -> f64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().filter_map(|&at| fields.get(at)?.parse::<f64>().ok()).sum();
    // Linux counts in hundredths of a second on every platform that matters here.
    ticks / 100.0
}

/// Every process that this one started and that has not ended.
fn children() -> Vec<String> {
    let me = std::process::id().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
        .filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1).map(|parent| parent == me)).unwrap_or(false)
        })
        .collect()
}

fn cpu() -> f64 {
    cpu_of("self") + children().iter().map(|pid| cpu_of(pid)).sum::<f64>()
}

/// Measures so many operations.
pub(crate) async fn sample<F: Future<Output = Result<usize>>>(operations: F) -> Result<Sample> {
    let (begun, used) = (Instant::now(), cpu());
    let done = operations.await? as f64;
    let (took, used) = (begun.elapsed().as_secs_f64(), cpu() - used);
    Ok(Sample { per_second: done / took, cpu: used / done })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints pairs of (bare, ours) as one row.
pub(crate) fn report(what: &str, target: f64, pairs: &[(Sample, Sample)]) {
    let ratios: Vec<f64> = pairs.iter().map(|(bare, ours)| ours.per_second / bare.per_second).collect();
    let of = |value: fn(&(Sample, Sample)) -> f64| median(pairs.iter().map(value).collect());
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let mut table = Table::new();
    table.set_header(["what", "bare /s", "ours /s", "ratio", "range", "target", "bare cpu us/op", "ours cpu us/op"]);
    table.add_row([
        what.to_owned(),
        format!("{:.0}", of(|p| p.0.per_second)),
        format!("{:.0}", of(|p| p.1.per_second)),
        format!("{:.2}", median(ratios)),
        format!("{least:.2}-{most:.2}"),
        format!("{target:.2}"),
        format!("{:.1}", of(|p| p.0.cpu) * 1e6),
        format!("{:.1}", of(|p| p.1.cpu) * 1e6),
    ]);
    println!("{table}");
}
