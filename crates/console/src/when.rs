//! Times as somebody at a desk reads them: today's by the hour, others by their day; always by one clock, whose name the page says once.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use tact_words::Language;

const ENGLISH: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const RUSSIAN: [&str; 12] =
    ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"];
const MONTHS: [&str; 12] =
    ["январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь"];

/// A clock on the wall: a zone, and what is now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wall {
    pub(crate) language: Language,
    pub(crate) zone: Tz,
    pub(crate) now: DateTime<Utc>,
}

impl Wall {
    /// A zone by its name; UTC where it is none.
    pub(crate) fn new(language: Language, zone: &str, now: DateTime<Utc>) -> Self {
        Self { language, zone: zone.parse().unwrap_or(Tz::UTC), now }
    }

    pub(crate) fn date(&self, time: DateTime<Utc>) -> NaiveDate {
        time.with_timezone(&self.zone).date_naive()
    }

    /// `14:05`.
    pub(crate) fn time(&self, time: DateTime<Utc>) -> String {
        time.with_timezone(&self.zone).format("%H:%M").to_string()
    }

    /// `today 14:05`, `tomorrow 09:30`, `3 March 14:05`, `3 March 2027 14:05`.
    pub(crate) fn moment(&self, time: DateTime<Utc>) -> String {
        format!("{} {}", self.day(self.date(time)), self.time(time))
    }

    /// Today's by its hour alone, others by their day too.
    pub(crate) fn brief(&self, time: DateTime<Utc>) -> String {
        if self.date(time) == self.date(self.now) { self.time(time) } else { self.moment(time) }
    }

    /// `today`, `tomorrow`, `yesterday`, `3 March`, `3 March 2027`.
    pub(crate) fn day(&self, day: NaiveDate) -> String {
        let today = self.date(self.now);
        let word = |english, russian| self.language.of(english, russian).to_owned();
        match (day - today).num_days() {
            0 => word("today", "сегодня"),
            1 => word("tomorrow", "завтра"),
            -1 => word("yesterday", "вчера"),
            _ if day.year() == today.year() => date(self.language, day, false),
            _ => date(self.language, day, true),
        }
    }

    /// For `datetime` of HTML.
    pub(crate) fn machine(&self, time: DateTime<Utc>) -> String {
        time.with_timezone(&self.zone).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }
}

/// `3 March 2027`, `3 марта 2027 г.`
pub(crate) fn date(language: Language, day: NaiveDate, with_year: bool) -> String {
    let month = usize::try_from(day.month0()).unwrap_or_default();
    let year = day.year();
    match (language, with_year) {
        (Language::English, false) => format!("{} {}", day.day(), ENGLISH[month]),
        (Language::English, true) => format!("{} {} {year}", day.day(), ENGLISH[month]),
        (Language::Russian, false) => format!("{} {}", day.day(), RUSSIAN[month]),
        (Language::Russian, true) => format!("{} {} {year} г.", day.day(), RUSSIAN[month]),
    }
}

/// A month such as `2026-03`: `March 2026`, `март 2026`. What is none stays as it is.
pub(crate) fn month(language: Language, text: &str) -> String {
    let read = text.split_once('-').and_then(|(year, month)| Some((year, month.parse::<usize>().ok()?.checked_sub(1)?)));
    let names = match language {
        Language::English => ENGLISH,
        Language::Russian => MONTHS,
    };
    match read.and_then(|(year, month)| Some((year, names.get(month)?))) {
        Some((year, name)) => format!("{name} {year}"),
        None => text.to_owned(),
    }
}

/// A month such as `2026-03` where there is little room: `03/26`, `03.26`. What is none stays as it is.
pub(crate) fn short_month(language: Language, text: &str) -> String {
    match text.split_once('-') {
        Some((year, month)) => {
            let year = year.get(2..).unwrap_or(year);
            language.of(&format!("{month}/{year}"), &format!("{month}.{year}")).to_owned()
        }
        None => text.to_owned(),
    }
}

/// The months from one such as `2026-03` to another, both included; none, if one of them is no month.
pub(crate) fn months(first: &str, last: &str) -> impl Iterator<Item = String> {
    let day = |text: &str| format!("{text}-01").parse::<NaiveDate>().ok();
    let span = day(first).zip(day(last)).into_iter();
    let all = span.flat_map(|(first, last)| {
        (0_u32..).map_while(move |n| first.checked_add_months(Months::new(n))).take_while(move |month| *month <= last)
    });
    all.map(|month| format!("{:04}-{:02}", month.year(), month.month()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_said_from_where_one_stands() {
        let now = "2026-03-02T20:30:00Z".parse().unwrap();
        let wall = |language| Wall::new(language, "Europe/Moscow", now);
        let at = |text: &str| text.parse().unwrap();
        for (time, english, russian) in [
            ("2026-03-02T11:05:00Z", "today 14:05", "сегодня 14:05"),
            ("2026-03-02T21:05:00Z", "tomorrow 00:05", "завтра 00:05"),
            ("2026-03-01T10:00:00Z", "yesterday 13:00", "вчера 13:00"),
            ("2026-05-03T10:00:00Z", "3 May 13:00", "3 мая 13:00"),
            ("2027-05-03T10:00:00Z", "3 May 2027 13:00", "3 мая 2027 г. 13:00"),
        ] {
            assert_eq!(wall(Language::English).moment(at(time)), english);
            assert_eq!(wall(Language::Russian).moment(at(time)), russian);
        }
        assert_eq!(wall(Language::Russian).brief(at("2026-03-02T11:05:00Z")), "14:05");
        assert_eq!(month(Language::Russian, "2026-03"), "март 2026");
        assert_eq!(month(Language::English, "2026-13"), "2026-13");
        assert_eq!(
            (short_month(Language::English, "2026-03"), short_month(Language::Russian, "2026-03")),
            ("03/26".into(), "03.26".into())
        );
        assert_eq!(months("2025-11", "2026-01").collect::<Vec<_>>(), ["2025-11", "2025-12", "2026-01"]);
        assert_eq!(months("2026-01", "2025-11").count() + months("2026", "2026-11").count(), 0);
    }
}
