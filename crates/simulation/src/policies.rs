//! Policies to publish: the one that ships, with numbers, periods and hours as the seed says, so that limits are met often.

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use tact_domain::policy;

/// The text of a policy.
pub(crate) fn text(rng: &mut SmallRng) -> String {
    if rng.random_bool(0.15) {
        return policy::DEFAULT.to_owned();
    }
    let mut text = String::with_capacity(policy::DEFAULT.len());
    for line in policy::DEFAULT.lines() {
        let mut line = line.to_owned();
        if line.starts_with("quiet_hours") {
            line = match rng.random_range(0..4) {
                0 => String::new(),
                1 => format!(
                    "quiet_hours = {{ from = \"{:02}:30\", until = \"{:02}:00\" }}",
                    rng.random_range(18..24),
                    rng.random_range(5..11)
                ),
                2 => "quiet_hours = { from = \"01:00\", until = \"05:30\" }".to_owned(),
                _ => line,
            };
        } else if line.starts_with("holidays") && rng.random_bool(0.3) {
            let month = rng.random_range(1..=12);
            let days: Vec<String> = (1..=28).step_by(2).map(|day| format!("2026-{month:02}-{day:02}")).collect();
            line = format!("holidays = [{}]", days.join(", "));
        } else if line.starts_with("permit_valid_for") {
            let lives = ["30 minutes", "5 minutes", "3 hours", "2 days"];
            line = format!("permit_valid_for = \"{}\"", lives.choose(rng).expect("not empty"));
        } else if line.contains("attempts = ") || line.contains("reached = ") || line.contains("feedback = ") {
            line = limits(&line, rng);
        } else if line.starts_with("window") && line.contains("24 hours before") && rng.random_bool(0.4) {
            line = "window = { from = \"3 days before\", until = \"10 minutes before\" }".to_owned();
        } else if line.starts_with("window") && rng.random_bool(0.5) {
            line = line
                .replace("6 months after\"", "2 hours after\"")
                .replace("until = \"2 hours after\"", "until = \"1 months after\"");
            line = line.replace("14 days after\", until", "20 minutes after\", until").replace("1 day after", "1 hour after");
        }
        text.push_str(&line);
        text.push('\n');
    }
    // What was written together may contradict itself: then the one that ships will do.
    if policy::text::parse(&text, "x").is_ok() { text } else { policy::DEFAULT.to_owned() }
}

/// The line with other numbers and periods.
fn limits(line: &str, rng: &mut SmallRng) -> String {
    let mut parts = Vec::new();
    for part in line.split('{') {
        let mut part = part.to_owned();
        for measure in ["attempts = ", "reached = "] {
            if let Some(at) = part.find(measure)
                && rng.random_bool(0.6)
            {
                let start = at + measure.len();
                let end = part[start..].find(',').map_or(part.len(), |n| start + n);
                let most = if rng.random_bool(0.03) { 0 } else { rng.random_range(1..=4) };
                part.replace_range(start..end, &most.to_string());
            }
        }
        if rng.random_bool(0.6) {
            let periods = ["24 hours", "30 days", "2 days", "90 minutes", "1 months", "6 months"];
            for known in ["24 hours", "30 days", "6 months"] {
                let (from, to) = (format!("per = \"{known}\""), format!("per = \"{}\"", periods.choose(rng).expect("not empty")));
                if part.contains(&from) {
                    part = part.replace(&from, &to);
                    break;
                }
            }
        }
        parts.push(part);
    }
    parts.join("{")
}
