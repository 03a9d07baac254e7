//! Days and times as a patient is told them: in words, by the patient's own clock.

use chrono::{Datelike, Timelike};
use chrono_tz::Tz;
use tact_domain::Time;

use super::Told;

const RUSSIAN: [&str; 12] =
    ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"];
const ENGLISH: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// The day: `3 марта`, `3 March`; in other languages `2026-03-03`, which everybody reads.
pub(super) fn day(language: &str, at: Time, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    let month = usize::try_from(local.month0()).unwrap_or_default();
    match language {
        "ru" => format!("{} {}", local.day(), RUSSIAN[month]),
        "en" => format!("{} {}", local.day(), ENGLISH[month]),
        _ => local.format("%Y-%m-%d").to_string(),
    }
}

/// The time of day: `09:30`.
pub(super) fn time_of_day(at: Time, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// Several appointments, the earliest first; those of one branch and day stand together. `None` if there is none, or a branch has no name.
pub(super) fn appointments(language: &str, told: &[Told]) -> Option<String> {
    let mut told: Vec<&Told> = told.iter().collect();
    told.sort_by_key(|told| told.at);
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for one in told {
        let head = format!("{}, {}", one.branch.as_ref()?, day(language, one.at, one.zone));
        let time = time_of_day(one.at, one.zone);
        match groups.iter_mut().find(|(known, _)| *known == head) {
            Some((_, times)) if times.contains(&time) => {}
            Some((_, times)) => times.push(time),
            None => groups.push((head, vec![time])),
        }
    }
    let groups: Vec<String> = groups.iter().map(|(head, times)| format!("{head}, {}", times.join(", "))).collect();
    (!groups.is_empty()).then(|| groups.join("; "))
}
