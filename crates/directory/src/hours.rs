//! Working hours: on which days, from when until when, and whether a door is open at a moment.

use std::collections::BTreeMap;

use chrono::{Datelike, Weekday};
use chrono_tz::Tz;
use smol_str::SmolStr;
use tact_domain::{DailyHours, Time, nearest_word};
use tact_service::Problem;

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// By day, from when until when; hours may run over midnight, equal ends mean the whole day.
pub(crate) type Hours = BTreeMap<SmolStr, DailyHours>;

/// # Errors
/// A problem that names a day which is none, and the nearest.
pub(crate) fn check(hours: &Hours) -> Result<(), Problem> {
    match hours.keys().find(|day| !DAYS.contains(&day.as_str())) {
        None => Ok(()),
        Some(day) => {
            let said: String = day.chars().take(40).collect();
            let near = nearest_word(day, DAYS).map(|near| format!("; did you mean `{near}`?"));
            let hint = near.unwrap_or_else(|| format!("; the days are {}", DAYS.join(", ")));
            Err(Problem::field("hours", format!("`{said}` is not a day{hint}")))
        }
    }
}

/// Whether it is open at a moment; `None` if no hours are known.
pub(crate) fn open(hours: &Hours, zone: Tz, at: Time) -> Option<bool> {
    if hours.is_empty() {
        return None;
    }
    let local = at.with_timezone(&zone).naive_local();
    let of = |day: Weekday| hours.get(DAYS[day.num_days_from_monday() as usize]);
    let time = local.time();
    let today = of(local.weekday()).is_some_and(|day| if day.from > day.until { time >= day.from } else { day.contains(time) });
    let since_yesterday = of(local.weekday().pred()).is_some_and(|day| day.from > day.until && time < day.until);
    Some(today || since_yesterday)
}

/// When a door that is shut at a moment opens next, at most a week later; `None` if no hours are known, or it is open.
pub(crate) fn opens(hours: &Hours, zone: Tz, at: Time) -> Option<Time> {
    if open(hours, zone, at) != Some(false) {
        return None;
    }
    let today = at.with_timezone(&zone).date_naive();
    let begin = |days: u64| {
        let date = today.checked_add_days(chrono::Days::new(days))?;
        let day = hours.get(DAYS[date.weekday().num_days_from_monday() as usize])?;
        Some(tact_domain::Zone::new(zone).utc(date.and_time(day.from)))
    };
    // A change of the clocks may make a begin fall on a moment at which it is still shut; the next one counts then.
    (0..=8).filter_map(begin).find(|&begin| begin > at && open(hours, zone, begin) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[(&str, &str, &str)]) -> Hours {
        let time = |text: &str| tact_domain::parse_clock_time(text).unwrap();
        days.iter().map(|(day, from, until)| ((*day).into(), DailyHours { from: time(from), until: time(until) })).collect()
    }

    #[test]
    fn a_door_is_open_within_its_hours_in_its_own_zone() {
        let day = hours(&[("monday", "09:00", "18:00"), ("friday", "22:00", "06:00"), ("sunday", "00:00", "00:00")]);
        let berlin = Tz::Europe__Berlin;
        // 2026-03-02 is a Monday; Berlin is one hour ahead of UTC then.
        for (at, expected) in [
            ("2026-03-02T07:59:59Z", false),
            ("2026-03-02T08:00:00Z", true),
            ("2026-03-02T16:59:59Z", true),
            ("2026-03-02T17:00:00Z", false),
            ("2026-03-03T10:00:00Z", false),
            ("2026-03-06T20:59:59Z", false),
            ("2026-03-06T21:00:00Z", true),
            ("2026-03-07T04:59:59Z", true),
            ("2026-03-07T05:00:00Z", false),
            ("2026-03-06T04:00:00Z", false),
            ("2026-03-08T12:00:00Z", true),
        ] {
            assert_eq!(open(&day, berlin, at.parse().unwrap()), Some(expected), "{at}");
        }
        assert_eq!(open(&Hours::new(), berlin, "2026-03-02T07:59:59Z".parse().unwrap()), None);
    }

    #[test]
    fn a_door_that_is_shut_opens_at_its_next_hour() {
        let berlin = Tz::Europe__Berlin;
        let day = hours(&[("monday", "09:00", "18:00"), ("friday", "22:00", "06:00")]);
        for (at, expected) in [
            ("2026-03-02T07:59:59Z", Some("2026-03-02T08:00:00Z")),
            ("2026-03-02T08:00:00Z", None),
            ("2026-03-02T17:00:00Z", Some("2026-03-06T21:00:00Z")),
            // Over the change of the clocks on the 29th: nine o'clock is an hour earlier by UTC.
            ("2026-03-28T05:00:00Z", Some("2026-03-30T07:00:00Z")),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(opens(&day, berlin, at.parse().unwrap()), expected, "{at}");
        }
        let once = hours(&[("monday", "09:00", "18:00")]);
        assert_eq!(opens(&once, berlin, "2026-03-02T18:00:00Z".parse().unwrap()), Some("2026-03-09T08:00:00Z".parse().unwrap()));
        assert_eq!(opens(&Hours::new(), berlin, "2026-03-02T18:00:00Z".parse().unwrap()), None);
        // Two o'clock is skipped that night: the door opens when there is a time again.
        let night = hours(&[("sunday", "02:30", "05:00")]);
        assert_eq!(opens(&night, berlin, "2026-03-28T23:00:00Z".parse().unwrap()), Some("2026-03-29T01:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_day_that_is_none_is_named() {
        assert!(check(&hours(&[("monday", "09:00", "18:00")])).is_ok());
        assert!(check(&hours(&[("Monday", "09:00", "18:00")])).is_err());
    }
}
