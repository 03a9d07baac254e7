//! Times as people read them: local to the patient, with the distance from UTC, in either language.

use chrono::{DateTime, Datelike, FixedOffset, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use tact_domain::{DailyHours, Time, Window};

use crate::Language;

const ENGLISH: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const RUSSIAN: [&str; 12] =
    ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"];

/// By whose clock times are shown.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// A zone of the database; UTC where none is known.
    Zone(Tz),
    /// The distance from UTC that a decision recorded of itself.
    Fixed(FixedOffset),
}

impl Clock {
    /// The clock that a decision recorded: so many seconds east of UTC.
    pub fn recorded(seconds: i32) -> Self {
        Self::Fixed(FixedOffset::east_opt(seconds).unwrap_or_else(|| Utc.fix()))
    }

    /// Its name: that of the zone, or `UTC` with the distance.
    pub fn name(self) -> String {
        match self {
            Self::Zone(zone) => zone.name().to_owned(),
            Self::Fixed(offset) => format!("UTC{offset}"),
        }
    }

    fn local(self, time: Time) -> DateTime<FixedOffset> {
        let offset = match self {
            Self::Zone(zone) => zone.offset_from_utc_datetime(&time.naive_utc()).fix(),
            Self::Fixed(offset) => offset,
        };
        time.with_timezone(&offset)
    }

    /// The day: `2 March 2026`.
    pub fn date(self, language: Language, time: Time) -> String {
        day(language, self.local(time))
    }

    /// The time of day, to the second, and the distance from UTC: `14:00:07 (UTC+3)`.
    pub fn time_of_day(self, time: Time) -> String {
        let local = self.local(time);
        format!("{} ({})", local.format("%H:%M:%S"), distance(local))
    }

    /// Day, time and distance: `2 March 2026, 14:00 (UTC+3)`. Seconds are shown where there are any.
    pub fn moment(self, language: Language, time: Time) -> String {
        let local = self.local(time);
        let of_day = if local.second() == 0 { local.format("%H:%M") } else { local.format("%H:%M:%S") };
        format!("{}, {of_day} ({})", day(language, local), distance(local))
    }

    /// For `datetime` of HTML: RFC 3339.
    pub fn machine(self, time: Time) -> String {
        self.local(time).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }

    /// From when until when. A span within one day names the day once.
    pub fn window(self, language: Language, window: &Window) -> String {
        let (from, until) = (self.local(window.from), self.local(window.until));
        if from.date_naive() == until.date_naive() && from.offset() == until.offset() {
            let (day, offset) = (day(language, from), distance(from));
            return format!("{day}, {}–{} ({offset})", from.format("%H:%M"), until.format("%H:%M"));
        }
        let (from, until) = (self.moment(language, window.from), self.moment(language, window.until));
        match language {
            Language::English => format!("from {from} until {until}"),
            Language::Russian => format!("с {from} до {until}"),
        }
    }
}

fn day(language: Language, local: DateTime<FixedOffset>) -> String {
    let month = usize::try_from(local.month0()).unwrap_or_default();
    match language {
        Language::English => format!("{} {} {}", local.day(), ENGLISH[month], local.year()),
        Language::Russian => format!("{} {} {} г.", local.day(), RUSSIAN[month], local.year()),
    }
}

fn distance(local: DateTime<FixedOffset>) -> String {
    let minutes = local.offset().local_minus_utc() / 60;
    let sign = if minutes < 0 { '−' } else { '+' };
    match (minutes.abs() / 60, minutes.abs() % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// Hours of the day: `from 19:00 until 10:30`.
pub fn hours(language: Language, hours: &DailyHours) -> String {
    let (from, until) = (hours.from.format("%H:%M"), hours.until.format("%H:%M"));
    if hours.from == hours.until {
        return language.of("the whole day", "весь день").to_owned();
    }
    match language {
        Language::English => format!("from {from} until {until}"),
        Language::Russian => format!("с {from} до {until}"),
    }
}

/// How long it took, in the largest unit that fits: `3 days`.
pub fn span(language: Language, duration: chrono::Duration) -> String {
    let whole = |n: i64| u64::try_from(n.max(0)).unwrap_or_default();
    if duration.num_days() >= 1 {
        language.count(whole(duration.num_days()), ["day", "days"], ["день", "дня", "дней"])
    } else if duration.num_hours() >= 1 {
        language.count(whole(duration.num_hours()), ["hour", "hours"], ["час", "часа", "часов"])
    } else {
        language.count(whole(duration.num_minutes()), ["minute", "minutes"], ["минута", "минуты", "минут"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_the_patients_with_the_distance_from_utc() {
        let moscow = Clock::Zone(Tz::Europe__Moscow);
        assert_eq!(moscow.moment(Language::English, at("2026-03-02T22:00:00Z")), "3 March 2026, 01:00 (UTC+3)");
        assert_eq!(moscow.moment(Language::Russian, at("2026-05-01T21:30:09Z")), "2 мая 2026 г., 00:30:09 (UTC+3)");
        assert_eq!(Clock::Zone(Tz::UTC).time_of_day(at("2026-03-02T22:00:00Z")), "22:00:00 (UTC)");
        let newfoundland = Clock::Zone(Tz::America__St_Johns);
        assert_eq!(newfoundland.time_of_day(at("2026-01-02T22:00:00Z")), "18:30:00 (UTC−3:30)");
        assert_eq!(newfoundland.machine(at("2026-01-02T22:00:00.250Z")), "2026-01-02T18:30:00.250-03:30");
        // What a decision recorded holds, whatever the database says today.
        assert_eq!(Clock::recorded(-12600).time_of_day(at("2026-07-02T22:00:00Z")), "18:30:00 (UTC−3:30)");
    }

    #[test]
    fn a_span_names_its_day_once_unless_the_clocks_change_in_it() {
        let berlin = Clock::Zone(Tz::Europe__Berlin);
        let window = Window { from: at("2026-03-05T08:00:00Z"), until: at("2026-03-05T14:00:00Z") };
        assert_eq!(berlin.window(Language::Russian, &window), "5 марта 2026 г., 09:00–15:00 (UTC+1)");
        let change = Window { from: at("2026-03-29T00:00:00Z"), until: at("2026-03-29T10:00:00Z") };
        let said = berlin.window(Language::English, &change);
        assert_eq!(said, "from 29 March 2026, 01:00 (UTC+1) until 29 March 2026, 12:00 (UTC+2)");
    }
}
