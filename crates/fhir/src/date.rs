//! FHIR's dates: a year, a month, a day, or a moment with its offset. What is less than a moment is never completed by a guess: it stays a span,
//! whose ends are taken in a time zone.

use chrono::{Datelike, Days, Months, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use tact_domain::zone::local_to_utc;
use tact_domain::{Time, to_millis};

/// A `dateTime` of R4, as precise as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Date {
    /// To the second or finer. A leap second is the second behind it.
    Moment(Time),
    /// A day.
    Day(NaiveDate),
    /// A month, by its first day.
    Month(NaiveDate),
    /// A year, by its first day.
    Year(NaiveDate),
}

fn digits(bytes: &[u8]) -> Option<u32> {
    (!bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit))
        .then(|| bytes.iter().fold(0u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0'))))
}

impl Date {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, in words that do not repeat it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "is not a date of FHIR; write `2026`, `2026-03`, `2026-03-15` or `2026-03-15T10:00:00+03:00`";
        let bytes = text.as_bytes();
        let part = |from: usize, until: usize| bytes.get(from..until).and_then(digits);
        let year = part(0, 4).filter(|year| (1..=9999).contains(year)).ok_or(FORM)?;
        let day_of = |month: u32, day: u32| {
            NaiveDate::from_ymd_opt(i32::try_from(year).unwrap_or_default(), month, day)
                .ok_or("names a day that the calendar does not have")
        };
        let hyphen = |at: usize| bytes.get(at) == Some(&b'-');
        match bytes.len() {
            4 => Ok(Self::Year(day_of(1, 1)?)),
            7 if hyphen(4) => Ok(Self::Month(day_of(part(5, 7).ok_or(FORM)?, 1)?)),
            10.. if hyphen(4) && hyphen(7) => {
                let day = day_of(part(5, 7).ok_or(FORM)?, part(8, 10).ok_or(FORM)?)?;
                if bytes.len() == 10 { Ok(Self::Day(day)) } else { Self::moment(day, &bytes[10..]).map(Self::Moment) }
            }
            _ => Err(FORM),
        }
    }

    /// `T10:00:00.000+03:00`, behind a day.
    fn moment(day: NaiveDate, clock: &[u8]) -> Result<Time, &'static str> {
        const FORM: &str = "is not a time of FHIR; write it with seconds and an offset, such as `2026-03-15T10:00:00+03:00`";
        let part = |from: usize| clock.get(from..from + 2).and_then(digits);
        let is = |at: usize, byte: u8| clock.get(at) == Some(&byte);
        if !(is(0, b'T') && is(3, b':') && is(6, b':')) {
            return Err(FORM);
        }
        let (hour, minute, second) = (part(1).ok_or(FORM)?, part(4).ok_or(FORM)?, part(7).ok_or(FORM)?);
        if hour > 23 || minute > 59 || second > 60 {
            return Err("names an hour, minute or second that the clock does not have");
        }
        let mut rest = &clock[9..];
        let mut nanoseconds = 0u32;
        if let Some(fraction) = rest.strip_prefix(b".") {
            let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0 {
                return Err(FORM);
            }
            for place in 0..9 {
                nanoseconds = nanoseconds * 10 + fraction[..length].get(place).map_or(0, |digit| u32::from(digit - b'0'));
            }
            rest = &fraction[length..];
        }
        let offset = match rest {
            b"Z" => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (hours, minutes) = (digits(&[*h1, *h2]).ok_or(FORM)?, digits(&[*m1, *m2]).ok_or(FORM)?);
                if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
                    return Err("has an offset from UTC that no place on earth has; it goes from -14:00 to +14:00");
                }
                let minutes = i64::from(hours * 60 + minutes);
                if *sign == b'+' { minutes } else { -minutes }
            }
            _ => return Err(FORM),
        };
        let since_midnight = i64::from(hour * 3600 + minute * 60 + second);
        let local = day.and_time(chrono::NaiveTime::MIN) + TimeDelta::seconds(since_midnight);
        let utc = local.checked_sub_signed(TimeDelta::minutes(offset)).ok_or(FORM)?;
        Ok(to_millis(utc.and_utc() + TimeDelta::nanoseconds(nanoseconds.into())))
    }

    /// Its first moment.
    pub fn first(self, zone: Tz) -> Time {
        match self {
            Self::Moment(time) => time,
            Self::Day(day) | Self::Month(day) | Self::Year(day) => local_to_utc(zone, day.and_time(chrono::NaiveTime::MIN)),
        }
    }

    /// Its last moment, to the millisecond.
    pub fn last(self, zone: Tz) -> Time {
        let next = match self {
            Self::Moment(time) => return time,
            Self::Day(day) => day.checked_add_days(Days::new(1)),
            Self::Month(day) => day.checked_add_months(Months::new(1)),
            Self::Year(day) => day.checked_add_months(Months::new(12)),
        };
        let next = next.unwrap_or(NaiveDate::MAX);
        local_to_utc(zone, next.and_time(chrono::NaiveTime::MIN)) - TimeDelta::milliseconds(1)
    }

    /// The day, if it names one.
    pub fn day(self, zone: Tz) -> Option<NaiveDate> {
        match self {
            Self::Moment(time) => Some(time.with_timezone(&zone).date_naive()),
            Self::Day(day) => Some(day),
            Self::Month(_) | Self::Year(_) => None,
        }
    }

    /// Whether Tact can record something at it: from 1900 to 9999.
    pub fn is_recordable(self, zone: Tz) -> bool {
        let first = self.first(zone);
        first >= tact_domain::patient::admit::EARLIEST && first.year() <= 9999
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Time {
        match Date::parse(text).unwrap() {
            Date::Moment(time) => time,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn moments_have_their_offset_and_a_leap_second_is_the_second_behind_it() {
        let same =
            ["2026-03-15T07:00:00Z", "2026-03-15T10:00:00+03:00", "2026-03-15T10:00:00.000+03:00", "2026-03-14T17:00:00-14:00"];
        for text in same {
            assert_eq!(moment(text), "2026-03-15T07:00:00Z".parse::<Time>().unwrap(), "{text}");
        }
        assert_eq!(moment("2016-12-31T23:59:60Z"), "2017-01-01T00:00:00Z".parse::<Time>().unwrap());
        assert_eq!(moment("2016-12-31T23:59:60.5Z"), "2017-01-01T00:00:00.500Z".parse::<Time>().unwrap());
        assert_eq!(moment("2026-03-15T07:00:00.123456789Z"), "2026-03-15T07:00:00.123Z".parse::<Time>().unwrap());
    }

    #[test]
    fn what_is_less_than_a_moment_stays_a_span() {
        let moscow = chrono_tz::Europe::Moscow;
        let span = |text: &str| {
            let date = Date::parse(text).unwrap();
            (date.first(moscow).to_rfc3339(), date.last(moscow).to_rfc3339())
        };
        let to = |first: &str, last: &str| (format!("{first}T21:00:00+00:00"), format!("{last}T20:59:59.999+00:00"));
        assert_eq!(span("2015"), to("2014-12-31", "2015-12-31"));
        assert_eq!(span("2015-02"), to("2015-01-31", "2015-02-28"));
        assert_eq!(span("2016-02-29"), to("2016-02-28", "2016-02-29"));
    }

    #[test]
    fn what_is_no_date_is_refused_without_being_repeated() {
        let bad = [
            "",
            "15",
            "0000",
            "2015-2",
            "2015-13",
            "2015-02-29",
            "2015-02-30T10:00:00Z",
            "2015-02-03T10:00Z",
            "2015-02-03T10:00:00",
            "2015-02-03 10:00:00Z",
            "2015-02-03T24:00:00Z",
            "2015-02-03T10:60:00Z",
            "2015-02-03T10:00:61Z",
            "2015-02-03T10:00:00+15:00",
            "2015-02-03T10:00:00.Z",
            "2015-02-03T10:00:00+0300",
            "20150203",
            "2015-02-03T",
            "２０１５",
            "2015-02-03T10:00:00Zz",
        ];
        for text in bad {
            let said = Date::parse(text).unwrap_err();
            assert!(text.len() < 5 || !said.contains(text), "{text}: {said}");
        }
    }
}
