//! Local time, and a record of every use of it.
//!
//! The rules of time zones change, and old decisions must come out the same afterwards. So a decision records the version of the
//! time zone database and each offset that it used, and is made again from those and never from today's database.

use std::cell::RefCell;
use std::collections::BTreeMap;

use chrono::{DateTime, Duration, FixedOffset, Months, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Time;

/// The version of the IANA time zone database that this build knows, such as `2025b`.
pub const DATABASE: &str = chrono_tz::IANA_TZDB_VERSION;

/// What a decision used of a time zone; part of the recorded decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ZoneUsed {
    /// The zone's name, such as `Europe/Moscow`.
    pub name: SmolStr,
    /// The version of the time zone database.
    pub tzdb: SmolStr,
    /// The offset from UTC at the moment of the decision, in seconds east.
    pub offset: i32,
    /// Every look-up of the local time at a moment that this one offset would not have answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_local: Vec<Lookup>,
    /// Every look-up of the moment of a local time that this one offset would not have answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_utc: Vec<Lookup>,
}

/// One look-up: a local time and the moment it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The local time.
    pub local: NaiveDateTime,
    /// The moment in UTC.
    pub utc: Time,
}

#[derive(Debug)]
enum Source {
    Database(Tz),
    Record { offset: FixedOffset, to_local: BTreeMap<Time, NaiveDateTime>, to_utc: BTreeMap<NaiveDateTime, Time> },
}

/// A time zone as one decision sees it: from the database, or from what an earlier decision recorded of it.
#[derive(Debug)]
pub struct Zone {
    source: Source,
    name: SmolStr,
    tzdb: SmolStr,
    trace: RefCell<Trace>,
}

/// The look-ups made, in their order, apart by direction: around a change of the clocks the two are not each other's inverse.
#[derive(Debug, Default)]
struct Trace {
    to_local: Vec<Lookup>,
    to_utc: Vec<Lookup>,
}

impl Zone {
    /// A zone of the database.
    pub fn new(tz: Tz) -> Self {
        Self { source: Source::Database(tz), name: tz.name().into(), tzdb: DATABASE.into(), trace: RefCell::default() }
    }

    /// The zone as an earlier decision used it. What that decision did not look up is answered with its one offset.
    pub fn recorded(used: &ZoneUsed) -> Self {
        let offset = FixedOffset::east_opt(used.offset).unwrap_or(Utc.fix());
        Self {
            source: Source::Record {
                offset,
                to_local: used.to_local.iter().map(|l| (l.utc, l.local)).collect(),
                to_utc: used.to_utc.iter().map(|l| (l.local, l.utc)).collect(),
            },
            name: used.name.clone(),
            tzdb: used.tzdb.clone(),
            trace: RefCell::default(),
        }
    }

    /// The local time at a moment.
    pub fn local(&self, utc: Time) -> NaiveDateTime {
        let local = match &self.source {
            Source::Database(tz) => utc.with_timezone(tz).naive_local(),
            Source::Record { offset, to_local, .. } => {
                to_local.get(&utc).copied().unwrap_or_else(|| utc.with_timezone(offset).naive_local())
            }
        };
        self.trace.borrow_mut().to_local.push(Lookup { local, utc });
        local
    }

    /// The moment that a local time stands for. One that a change of the clocks skips moves forward to the first that exists; one
    /// that it repeats is the earlier.
    pub fn utc(&self, local: NaiveDateTime) -> Time {
        let utc = match &self.source {
            Source::Database(tz) => local_to_utc(*tz, local),
            Source::Record { offset, to_utc, .. } => to_utc.get(&local).copied().unwrap_or_else(|| (local - *offset).and_utc()),
        };
        self.trace.borrow_mut().to_utc.push(Lookup { local, utc });
        utc
    }

    /// The moment so many calendar months later (or earlier, if negative) by the local calendar. A month after the 31st is the month's last day.
    pub fn add_months(&self, utc: Time, months: i32) -> Time {
        let local = self.local(utc);
        let count = Months::new(months.unsigned_abs());
        let moved = if months < 0 { local.checked_sub_months(count) } else { local.checked_add_months(count) };
        self.utc(moved.unwrap_or(local))
    }

    /// What has been used of this zone so far, for a decision made at `now`.
    pub fn used(&self, now: Time) -> ZoneUsed {
        let offset = (self.local(now) - now.naive_utc()).num_seconds();
        let offset_seconds = i32::try_from(offset).unwrap_or_default();
        let trace = self.trace.borrow();
        let deviating = |lookups: &[Lookup]| {
            let deviates = |l: &&Lookup| l.local - l.utc.naive_utc() != Duration::seconds(offset);
            let mut found: Vec<Lookup> = lookups.iter().filter(deviates).copied().collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        ZoneUsed {
            name: self.name.clone(),
            tzdb: self.tzdb.clone(),
            offset: offset_seconds,
            to_local: deviating(&trace.to_local),
            to_utc: deviating(&trace.to_utc),
        }
    }
}

/// The moment that a local time stands for in a zone of the database; skipped and repeated times as in [`Zone::utc`].
pub fn local_to_utc(tz: Tz, local: NaiveDateTime) -> Time {
    // The widest gap ever made skipped a whole day (Samoa, 2011); gaps begin and end on whole minutes since zones exist.
    let mut at = local;
    for _ in 0..=26 * 60 {
        if let Some(found) = tz.from_local_datetime(&at).earliest() {
            return found.with_timezone(&Utc);
        }
        at = at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(at) + Duration::minutes(1);
    }
    DateTime::from_naive_utc_and_offset(local, Utc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    fn at(y: i32, m: u32, d: u32, h: u32, min: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(y, m, d).unwrap().and_hms_opt(h, min, 0).unwrap()
    }

    #[test]
    fn a_skipped_local_time_moves_forward_to_the_first_that_exists() {
        let utc = local_to_utc(Tz::Europe__Berlin, at(2026, 3, 29, 2, 30));
        assert_eq!(utc, at(2026, 3, 29, 1, 0).and_utc());
    }

    #[test]
    fn a_repeated_local_time_is_the_earlier() {
        let utc = local_to_utc(Tz::Europe__Berlin, at(2026, 10, 25, 2, 30));
        assert_eq!(utc, at(2026, 10, 25, 0, 30).and_utc());
    }

    #[test]
    fn a_whole_skipped_day_is_passed_over() {
        let utc = local_to_utc(Tz::Pacific__Apia, at(2011, 12, 30, 12, 0));
        assert_eq!(utc, at(2011, 12, 30, 10, 0).and_utc());
    }

    #[test]
    fn a_month_after_the_31st_is_the_last_day() {
        let zone = Zone::new(Tz::Europe__Moscow);
        let later = zone.add_months(zone.utc(at(2026, 8, 31, 12, 0)), 6);
        assert_eq!(zone.local(later), at(2027, 2, 28, 12, 0));
    }

    #[test]
    fn a_record_answers_as_the_database_did() {
        let zone = Zone::new(Tz::Europe__Berlin);
        let now = at(2026, 1, 15, 12, 0).and_utc();
        let summer = zone.add_months(now, 6);
        let gap = zone.utc(at(2026, 3, 29, 2, 30));
        let used = zone.used(now);
        assert_eq!(used.offset, 3600);
        let again = Zone::recorded(&used);
        assert_eq!(again.add_months(now, 6), summer);
        assert_eq!(again.utc(at(2026, 3, 29, 2, 30)), gap);
        assert_eq!(again.used(now), used);
    }
}
