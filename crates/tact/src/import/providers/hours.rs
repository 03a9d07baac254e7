//! Working hours as other directories write them. What cannot be read is said and left out, never put right by guess.

use chrono::NaiveTime;
use tact_domain::{DailyHours, parse_clock_time};

use super::mapping::{HourColumns, Style};

/// What a day's cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    Closed,
    Open(DailyHours),
}

/// Reads a day's cell.
///
/// # Errors
/// Why nobody knows what is meant.
pub(super) fn read(text: &str, columns: &HourColumns) -> Result<Day, &'static str> {
    if columns.closed.iter().any(|word| word == text) {
        return Ok(Day::Closed);
    }
    if columns.whole_day.iter().any(|word| word == text) {
        // Equal ends mean the whole day.
        return Ok(Day::Open(DailyHours { from: NaiveTime::MIN, until: NaiveTime::MIN }));
    }
    let wrong = match columns.style {
        Style::Twelve => "is not hours such as `800AM-430PM`",
        Style::TwentyFour => "is not hours such as `08:00-16:30`",
    };
    let (from, until) = text.split_once(['-', '\u{2013}']).ok_or(wrong)?;
    let time = |text: &str| match columns.style {
        Style::Twelve => twelve(text.trim()),
        Style::TwentyFour => parse_clock_time(text.trim()).ok(),
    };
    let (from, until) = (time(from).ok_or(wrong)?, time(until).ok_or(wrong)?);
    if from == until {
        return Err("begins and ends at one time");
    }
    if until < from && until != NaiveTime::MIN && !columns.overnight {
        return Err("ends before it begins; set `overnight = true` in the mapping if hours over midnight are meant");
    }
    Ok(Day::Open(DailyHours { from, until }))
}

/// `800AM`, `1230PM`, `8AM`, `8:00 AM`.
fn twelve(text: &str) -> Option<NaiveTime> {
    let text = text.to_ascii_uppercase();
    let (digits, afternoon) = match (text.strip_suffix("AM"), text.strip_suffix("PM")) {
        (Some(digits), _) => (digits, false),
        (_, Some(digits)) => (digits, true),
        _ => return None,
    };
    let digits = digits.trim().replace(':', "");
    if !(1..=4).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hour, minute) = digits.split_at(if digits.len() > 2 { digits.len() - 2 } else { digits.len() });
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, if minute.is_empty() { 0 } else { minute.parse().ok()? });
    (1..=12).contains(&hour).then(|| NaiveTime::from_hms_opt(hour % 12 + if afternoon { 12 } else { 0 }, minute, 0))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(style: Style, overnight: bool) -> HourColumns {
        let columns = std::array::from_fn(|_| String::new());
        HourColumns { columns, style, closed: vec!["-".to_owned()], whole_day: vec!["24/7".to_owned()], overnight }
    }

    #[test]
    fn hours_are_read_and_garbage_is_not() {
        let twelve = columns(Style::Twelve, false);
        let open = |from: &str, until: &str| {
            Ok(Day::Open(DailyHours { from: parse_clock_time(from).unwrap(), until: parse_clock_time(until).unwrap() }))
        };
        for (text, expected) in [
            ("800AM-430PM", open("08:00", "16:30")),
            ("1200AM-1200PM", open("00:00", "12:00")),
            ("800AM-1200AM", open("08:00", "00:00")),
            ("8AM-12PM", open("08:00", "12:00")),
            ("24/7", open("00:00", "00:00")),
            ("-", Ok(Day::Closed)),
        ] {
            assert_eq!(read(text, &twelve), expected, "{text}");
        }
        for garbage in
            ["AM-PM", "800-430", "800AM-1200", "1300AM-200PM", "800AM-460PM", "800AM-800AM", "800AM-430AM", "", "null", "x"]
        {
            assert!(read(garbage, &twelve).is_err(), "{garbage}");
        }
        assert_eq!(read("1000PM-600AM", &columns(Style::Twelve, true)), open("22:00", "06:00"));
        assert_eq!(read("08:00-16:30", &columns(Style::TwentyFour, false)), open("08:00", "16:30"));
        assert!(read("8:00-16:30", &columns(Style::TwentyFour, false)).is_err());
    }
}
