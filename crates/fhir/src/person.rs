//! A Patient: who somebody is. What of it cannot be kept is left out and said; the person is not refused for it.

use smol_str::{SmolStr, ToSmolStr};

use crate::date::Date;
use crate::model::{Address, ContactPoint, HumanName, Patient, Period, Text};
use crate::read::{Of, Refusal};
use crate::said::{Person, Said};

/// The most characters of a name, of an address, and of a mail address.
const LONGEST_NAME: usize = 200;
const LONGEST_ADDRESS: usize = 500;
const LONGEST_EMAIL: usize = 254;

pub(crate) fn patient(of: &mut Of<'_>, read: &Patient<'_>) -> Result<Said, Refusal> {
    let mut person = Person { site: Of::sites([read.managing_organization.as_ref()]), ..Person::default() };
    person.name = name(of, &read.name);
    person.phone = phone(of, &read.telecom);
    person.email = email(of, &read.telecom);
    person.address = address(of, &read.address);
    person.birth_date = birth_date(of, read.birth_date.as_ref());
    person.language = language(of, read);
    let kept = read.identifier.iter().filter_map(|identifier| {
        let system = identifier.system.as_deref()?;
        let value = identifier.value.as_deref().filter(|value| (1..=200).contains(&value.len()))?;
        of.mapping.identifiers.iter().any(|kept| kept == system).then(|| (system.to_smolstr(), value.to_smolstr()))
    });
    person.identifiers = kept.collect();
    // Both are personal in a way, and neither is repeated.
    let died = match &read.deceased_date_time {
        None => None,
        Some(text) => match Date::parse(text) {
            Ok(date) if date.is_recordable(of.mapping.time_zone) => Some(date),
            Ok(_) => return of.refuse("deceasedDateTime", "value", "lies outside the years 1900 to 9999"),
            Err(reason) => return of.refuse("deceasedDateTime", "value", reason),
        },
    };
    match (died, read.deceased_boolean) {
        (Some(_), Some(_)) => {
            return of.refuse("deceased", "structure", "says two things; R4 has one of `deceasedBoolean` and `deceasedDateTime`");
        }
        (Some(date), None) => person.died = Some(Some(date)),
        (None, Some(true)) => person.died = Some(None),
        (None, Some(false)) => person.alive = true,
        (None, None) => {}
    }
    for (at, link) in read.link.iter().enumerate() {
        if let Some(kind @ ("replaced-by" | "replaces")) = link.r#type.as_deref() {
            of.remark(
                &format!("link[{at}]"),
                format!(
                    "says `{kind}`; whether two patients are one is for a person to say, with POST /v1/patients/{{patient}}/merge"
                ),
            );
        }
    }
    if read.active == Some(false) {
        of.remark(
            "active",
            "is false; Tact knows no such state, so the person is as before. Record a death, a merge or an erasure",
        );
    }
    Ok(Said::Person(Box::new(person)))
}

/// Whether a span of time has an end: what is over is not used any more. An end that lies ahead is rare enough to be taken for one too.
fn is_over(period: Option<&Period<'_>>) -> bool {
    period.is_some_and(|period| period.end.is_some())
}

fn some<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn fits(text: &str, longest: usize) -> bool {
    text.chars().count() <= longest && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn name(of: &mut Of<'_>, names: &[HumanName<'_>]) -> Option<String> {
    let rank = |name: &HumanName<'_>| match name.r#use.as_deref() {
        Some("official") => 0,
        Some("usual") => 1,
        None => 2,
        Some("old" | "maiden" | "temp" | "anonymous") => 9,
        Some(_) => 3,
    };
    let whole = |name: &HumanName<'_>| {
        let given = name.given.iter().flatten().map(|part| part.trim());
        let parts: Vec<&str> = given.chain(some(name.family.as_ref())).filter(|part| !part.is_empty()).collect();
        match some(name.text.as_ref()) {
            _ if !parts.is_empty() => Some(parts.join(" ")),
            text => text.map(str::to_owned),
        }
    };
    let usable = names.iter().enumerate().filter(|(_, name)| !is_over(name.period.as_ref()) && rank(name) < 9);
    let mut usable: Vec<_> = usable.filter_map(|(at, name)| Some((rank(name), at, whole(name)?))).collect();
    usable.sort();
    let (_, at, name) = usable.into_iter().next()?;
    if fits(&name, LONGEST_NAME) {
        return Some(name);
    }
    of.remark(
        &format!("name[{at}]"),
        format!("is longer than {LONGEST_NAME} characters or holds control characters; it is left out"),
    );
    None
}

/// A number as people write it: 5 to 15 digits, and signs between them.
fn is_number(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (5..=15).contains(&digits) && text.chars().all(|c| c.is_ascii_digit() || " ()-+./".contains(c))
}

fn phone(of: &mut Of<'_>, telecom: &[ContactPoint<'_>]) -> Option<String> {
    let numbers = telecom.iter().enumerate().filter(|(_, point)| matches!(point.system.as_deref(), Some("phone" | "sms")));
    let numbers = numbers.filter(|(_, point)| point.r#use.as_deref() != Some("old") && !is_over(point.period.as_ref()));
    let rank = |point: &ContactPoint<'_>| {
        let by_use = match point.r#use.as_deref() {
            Some("mobile") => 0,
            Some("home") | None => 1,
            Some("temp") => 2,
            Some(_) => 3,
        };
        (point.rank.unwrap_or(u32::MAX), by_use)
    };
    let mut numbers: Vec<_> = numbers.filter_map(|(at, point)| Some((rank(point), at, some(point.value.as_ref())?))).collect();
    numbers.sort();
    let mut bad = None;
    for (_, at, number) in numbers {
        let number = number.strip_prefix("tel:").unwrap_or(number);
        // An extension is nothing that can be dialled from outside.
        let number = number.split([';', 'x']).next().unwrap_or(number).trim();
        if is_number(number) {
            return Some(number.replace(['/', '.'], "-"));
        }
        bad.get_or_insert(at);
    }
    if let Some(at) = bad {
        of.remark(&format!("telecom[{at}].value"), "is not a telephone number of 5 to 15 digits; it is left out");
    }
    None
}

fn email(of: &mut Of<'_>, telecom: &[ContactPoint<'_>]) -> Option<String> {
    let mails = telecom.iter().enumerate().filter(|(_, point)| point.system.as_deref() == Some("email"));
    let mut mails = mails.filter(|(_, point)| point.r#use.as_deref() != Some("old") && !is_over(point.period.as_ref()));
    let (at, mail) = mails.find_map(|(at, point)| Some((at, some(point.value.as_ref())?)))?;
    let is_mail = mail.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if is_mail && fits(mail, LONGEST_EMAIL) {
        return Some(mail.to_owned());
    }
    of.remark(&format!("telecom[{at}].value"), "is not an address for electronic mail; it is left out");
    None
}

fn address(of: &mut Of<'_>, addresses: &[Address<'_>]) -> Option<String> {
    let rank = |address: &Address<'_>| match address.r#use.as_deref() {
        Some("home") => 0,
        None => 1,
        Some("temp") => 2,
        Some("old") => 9,
        Some(_) => 3,
    };
    let whole = |address: &Address<'_>| {
        let lines = address.line.iter().flatten().map(|line| line.trim());
        let rest = [&address.postal_code, &address.city, &address.district, &address.state, &address.country];
        let parts: Vec<&str> =
            lines.chain(rest.into_iter().filter_map(|part| some(part.as_ref()))).filter(|part| !part.is_empty()).collect();
        match some(address.text.as_ref()) {
            Some(text) => Some(text.to_owned()),
            None => (!parts.is_empty()).then(|| parts.join(", ")),
        }
    };
    let usable = addresses.iter().enumerate().filter(|(_, address)| !is_over(address.period.as_ref()) && rank(address) < 9);
    let mut usable: Vec<_> = usable.filter_map(|(at, address)| Some((rank(address), at, whole(address)?))).collect();
    usable.sort();
    let (_, at, address) = usable.into_iter().next()?;
    if fits(&address, LONGEST_ADDRESS) {
        return Some(address);
    }
    of.remark(
        &format!("address[{at}]"),
        format!("is longer than {LONGEST_ADDRESS} characters or holds control characters; it is left out"),
    );
    None
}

fn birth_date(of: &mut Of<'_>, text: Option<&Text<'_>>) -> Option<String> {
    let text = text?;
    let day = match Date::parse(text) {
        Ok(Date::Day(day)) => Some(day),
        Ok(_) => None,
        Err(reason) => {
            of.remark("birthDate", format!("{reason}; it is left out"));
            return None;
        }
    };
    let (first, plausible) = (chrono::NaiveDate::from_ymd_opt(1880, 1, 1), "is not a day since 1880; it is left out");
    match day {
        Some(day) if first.is_some_and(|first| first <= day) => Some(day.to_string()),
        Some(_) => {
            of.remark("birthDate", plausible);
            None
        }
        None => {
            of.remark("birthDate", "is less than a day; it is left out");
            None
        }
    }
}

fn language(of: &mut Of<'_>, read: &Patient<'_>) -> Option<SmolStr> {
    let spoken = &read.communication;
    let first = spoken.iter().position(|one| one.preferred == Some(true)).or((!spoken.is_empty()).then_some(0))?;
    let codes = spoken[first].language.iter().flat_map(|language| &language.coding).filter_map(|coding| coding.code.as_deref());
    let well_formed = |tag: &&str| {
        (2..=35).contains(&tag.len())
            && tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    let found = codes.into_iter().find(well_formed).map(SmolStr::new);
    if found.is_none() {
        of.remark(&format!("communication[{first}].language"), "has no code that is a language tag (BCP 47); it is left out");
    }
    found
}
