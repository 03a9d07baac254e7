//! Telephone numbers: how one is dialled, and whose it is. The one place that compares numbers.

use tact_database::DbError;
use uuid::Uuid;

use crate::Personal;

/// The most patients that are looked through for one number.
const PAGE: u32 = 200;

/// The digits by which numbers are compared: with the country's code. A Russian number may be written with 8, with 7 or with neither.
fn digits(number: &str) -> Option<String> {
    // An extension is dialled afterwards, and is not the number.
    let end = number.find(['x', 'X', '#', ';', ',', 'д', 'Д']).unwrap_or(number.len());
    let number = number[..end].trim();
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let plus = number.starts_with('+');
    match (digits.len(), digits.as_bytes().first()) {
        (10, Some(b'9' | b'8' | b'4' | b'3')) if !plus => Some(format!("7{digits}")),
        (11, Some(b'8')) if !plus => Some(format!("7{}", &digits[1..])),
        (8..=15, _) => Some(digits),
        _ => None,
    }
}

/// A number as it is dialled: `+` and digits (E.164); `None` if it is no number.
pub fn dialled(number: &str) -> Option<String> {
    digits(number).map(|digits| format!("+{digits}"))
}

/// The patients who have this number, by id.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn patients_by_phone(personal: &Personal, number: &str) -> Result<Vec<Uuid>, DbError> {
    let Some(wanted) = digits(number) else { return Ok(Vec::new()) };
    // Without the country's code, which may be written as 8 or not at all.
    let tail = &wanted[wanted.len().saturating_sub(10)..];
    let (mut found, mut after) = (Vec::new(), Uuid::nil());
    loop {
        let page = personal.search(tail, after, PAGE).await?;
        let same = |phone: &Option<String>| phone.as_deref().and_then(digits).as_deref() == Some(&wanted);
        found.extend(page.iter().filter(|person| same(&person.details.phone)).map(|person| person.patient));
        match page.last() {
            Some(last) if page.len() == PAGE as usize => after = last.patient,
            _ => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_in_many_spellings() {
        for spelling in ["+7 905 731-94-62", "8 (905) 731 94 62", "9057319462", "+79057319462", "8-905-731-94-62 доб. 12"] {
            assert_eq!(dialled(spelling).as_deref(), Some("+79057319462"), "{spelling}");
        }
        assert_eq!(dialled("+49 30 901820").as_deref(), Some("+4930901820"));
        assert_eq!(dialled("+86 138 0013 8000").as_deref(), Some("+8613800138000"));
        for none in ["", "12", "ask Anna", "+7 905 731-94-62 905 731 94 62"] {
            assert_eq!(dialled(none), None, "{none}");
        }
    }
}
