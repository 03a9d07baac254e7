//! Times as a browser's field for date and time gives them: local, without a zone. A page says by which clock it means them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use tact_domain::zone::local_to_utc;

/// What is now, where no answer of the API says it: for what a page shows first, and never for what is asked or recorded.
#[expect(clippy::disallowed_methods, reason = "only which months a page begins with")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The moment that was typed, by a zone's clock. A time that the clock repeats is the earlier. `None`: it is no time, or the clock skips it.
pub(crate) fn typed(text: &str, zone: &str) -> Option<DateTime<Utc>> {
    let zone: Tz = zone.parse().ok()?;
    let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"].iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    zone.from_local_datetime(&local).earliest().map(|at| at.to_utc())
}

/// When a day begins by a zone's clock: at midnight, or where the clock skips that, at the first moment after it.
pub(crate) fn begins(day: NaiveDate, zone: &str) -> Option<DateTime<Utc>> {
    let zone: Tz = zone.parse().ok()?;
    Some(local_to_utc(zone, day.and_time(NaiveTime::MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_by_the_clock_there() {
        for (text, zone, expected) in [
            ("2026-03-02T14:05", "Europe/Moscow", Some("2026-03-02T11:05:00Z")),
            ("2026-03-02T14:05:30", "Asia/Tomsk", Some("2026-03-02T07:05:30Z")),
            ("2026-03-29T02:30", "Europe/Berlin", None),
            ("2026-10-25T02:30", "Europe/Berlin", Some("2026-10-25T00:30:00Z")),
            ("2026-03-02", "Europe/Moscow", None),
            ("tomorrow", "Europe/Moscow", None),
            ("2026-03-02T14:05", "Moscow", None),
        ] {
            assert_eq!(typed(text, zone), expected.map(|text| text.parse().unwrap()), "{text} {zone}");
        }
    }

    #[test]
    fn a_day_without_a_midnight_begins_all_the_same() {
        let of = |day: &str, zone| begins(day.parse().unwrap(), zone).map(|at| at.to_rfc3339());
        assert_eq!(of("2026-03-02", "Europe/Moscow").as_deref(), Some("2026-03-01T21:00:00+00:00"));
        assert_eq!(of("2026-04-24", "Africa/Cairo").as_deref(), Some("2026-04-23T22:00:00+00:00"), "from 00:00 to 01:00 at once");
        assert_eq!(of("2026-03-02", "Moscow"), None);
    }
}
