//! What the content of a field must be, whichever service reads it: texts of a bearable length without control characters, lists that
//! name each thing once. It never changes what it was given.

use std::fmt::Display;

use chrono::NaiveDate;
use smol_str::SmolStr;
use tact_domain::Time;
use tact_domain::patient::admit::{EARLIEST, FARTHEST_APPOINTMENT};

use crate::app::text;
use crate::problem::Problem;

/// The most characters that a name, an address or another text of one line may have.
pub const MAX_LINE: usize = 200;

/// The most entries that a list may have.
pub const MAX_LIST: usize = 100;

/// A text of one line: 1 to [`MAX_LINE`] characters, none of them a control character, not blank.
///
/// # Errors
/// A problem that names the field.
pub fn line(field: &'static str, words: &str) -> Result<(), Problem> {
    text(field, words, MAX_LINE)?;
    match words.chars().position(char::is_control) {
        Some(at) => Err(Problem::field(field, format!("holds a line break or tab at place {}; write it on one line", at + 1))),
        None => Ok(()),
    }
}

/// A time zone by its name; an unknown one is refused with the nearest.
///
/// # Errors
/// A problem that names the field, `time_zone`.
pub fn time_zone(name: &str) -> Result<SmolStr, Problem> {
    if name.parse::<chrono_tz::Tz>().is_ok() {
        return Ok(name.into());
    }
    let near = tact_domain::nearest_word(name, chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name()));
    let hint = near
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_else(|| "; write a name such as `Europe/Moscow`".to_owned());
    Err(Problem::field(
        "time_zone",
        format!("`{}` is not the name of a time zone{hint}", name.chars().take(80).collect::<String>()),
    ))
}

/// A telephone number: 5 to 15 digits, with spaces and the usual signs between them.
///
/// # Errors
/// What is wrong with it; the number is not repeated.
pub fn telephone(text: &str) -> Result<(), &'static str> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let plain = text.chars().all(|c| c.is_ascii_digit() || " ()-+.".contains(c));
    if plain && (5..=15).contains(&digits) {
        return Ok(());
    }
    Err("is not a telephone number; write 5 to 15 digits, with the country's code: +7 495 000-00-00")
}

/// An address for electronic mail, at most 254 characters.
///
/// # Errors
/// What is wrong with it; the address is not repeated.
pub fn mail(text: &str) -> Result<(), &'static str> {
    let formed = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if formed && text.chars().count() <= 254 {
        return Ok(());
    }
    Err("is not an address for electronic mail; it has the form name@example.org")
}

/// A date of birth: from 1880 to today.
///
/// # Errors
/// What is wrong with it; the date is not repeated.
pub fn birth_date(born: NaiveDate, today: NaiveDate) -> Result<(), &'static str> {
    let first = NaiveDate::from_ymd_opt(1880, 1, 1).unwrap_or_default();
    if born < first || born > today {
        return Err("it is not between 1880-01-01 and today");
    }
    Ok(())
}

/// A language tag, BCP 47: letters, digits and hyphens.
///
/// # Errors
/// What is wrong with it.
pub fn language(tag: &str) -> Result<(), &'static str> {
    let well_formed = (2..=35).contains(&tag.len())
        && tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if well_formed { Ok(()) } else { Err("is not a language tag (BCP 47); write one such as `ru` or `en-GB`") }
}

/// A short word that goes into an event and so must not be free text: 1 to 64 of a-z, 0-9, `_` and `-`.
///
/// # Errors
/// A problem that names the field.
pub fn word(field: &str, text: &str) -> Result<SmolStr, Problem> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if fits {
        return Ok(SmolStr::new(text));
    }
    Err(Problem::field(
        field,
        "it must be one word of 1 to 64 of a-z, 0-9, `_` and `-`, such as `paper`; free text has no place here",
    ))
}

/// A list that names each thing once, and at most [`MAX_LIST`] of them. It may be empty.
///
/// # Errors
/// A problem that names the field and what stands in it twice.
pub fn distinct<T: PartialEq + Display>(field: &str, list: &[T]) -> Result<(), Problem> {
    if list.len() > MAX_LIST {
        return Err(Problem::field(field, format!("it has {} entries, the most is {MAX_LIST}", list.len())));
    }
    let twice = list.iter().enumerate().find(|(at, item)| list[..*at].contains(item));
    match twice {
        Some((_, item)) => Err(Problem::field(field, format!("`{item}` stands in it twice; name each once"))),
        None => Ok(()),
    }
}

/// A list like [`distinct`] that names at least one thing.
///
/// # Errors
/// A problem that names the field.
pub fn some_distinct<T: PartialEq + Display>(field: &str, list: &[T]) -> Result<(), Problem> {
    if list.is_empty() {
        return Err(Problem::field(field, "it is empty; name at least one"));
    }
    distinct(field, list)
}

/// A moment that something may be planned for: from 1900 to ten years after `now`.
///
/// # Errors
/// A problem that names the field.
pub fn plausible(field: &str, time: Time, now: Time) -> Result<(), Problem> {
    if time < EARLIEST {
        return Err(Problem::field(field, format!("{time} is before 1900")));
    }
    if time > now + FARTHEST_APPOINTMENT {
        return Err(Problem::field(field, format!("{time} is more than ten years ahead")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_hold_no_control_characters() {
        let long = "я".repeat(MAX_LINE);
        for good in ["North", "Ärztehaus am Zoo", &long] {
            assert_eq!(line("name", good), Ok(()), "{good}");
        }
        let too_long = "я".repeat(MAX_LINE + 1);
        for bad in ["", "  ", "a\0b", "a\nb", "a\u{7f}", "a\u{85}b", &too_long] {
            assert!(line("name", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lists_name_each_thing_once() {
        assert_eq!(distinct::<&str>("themes", &[]), Ok(()));
        assert!(some_distinct::<&str>("themes", &[]).is_err());
        assert_eq!(some_distinct("themes", &["a", "b"]), Ok(()));
        assert!(distinct("themes", &["a", "b", "a"]).is_err());
        assert!(distinct("themes", &(0..=MAX_LIST).collect::<Vec<_>>()).is_err());
    }

    #[test]
    fn a_word_is_no_sentence() {
        assert!(word("method", "web_form").is_ok());
        for bad in ["", "Anna said so", "PAPER", &"x".repeat(65)] {
            assert!(word("method", bad).is_err(), "{bad}");
        }
    }
}
