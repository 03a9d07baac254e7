//! A policy's text: TOML that a clinic's head can read aloud, and what can be wrong with it.
//!
//! A text that could mean two things, or that could let more contacts through than its author thinks, does not load. The version is no part of
//! the text: it is the name under which the text is published.

use std::collections::BTreeMap;

use chrono::{Duration, NaiveDate};
use toml::de::DeValue;

use super::*;
pub use crate::toml_text::Mistake;
use crate::toml_text::{self, Reader, Table, Value};

const ROOT: &[&str] = &["network", "purpose"];
const NETWORK: &[&str] = &["quiet_hours", "holidays", "permit_valid_for", "overall"];
const RULE: &[&str] = &[
    "forbidden",
    "basis",
    "occasion",
    "unless_booked_ahead",
    "window",
    "announced",
    "limits",
    "channels",
    "permit_valid_for",
    "overrides",
    "agenda",
    "reason_required",
];
const LIMIT: &[&str] = &["attempts", "reached", "feedback", "per", "channels"];
const UNITS: &[&str] = &["minute", "minutes", "hour", "hours", "day", "days", "month", "months"];

/// The most that a limit may allow; more limits nothing.
const MOST: u32 = 1000;
/// The longest span that a policy may speak of, in days: ten years.
const LONGEST_DAYS: i64 = 3660;
/// The longest that a permit may live, in days: a letter takes some.
const LONGEST_PERMIT_DAYS: i64 = 7;

/// Reads a policy's text. `version` is the name under which it is published.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn parse(text: &str, version: &str) -> Result<Policy, Vec<Mistake>> {
    let (mut reader, document) = Reader::new(text);
    let broken = !reader.is_clean();
    let root = reader.document(&document, ROOT);
    let network = network(&mut reader, root, broken);
    let mut purposes = BTreeMap::new();
    match root.get("purpose") {
        None if broken => {}
        None => reader.mistake(0, "the policy names no purpose; write at least one, such as `[purpose.appointment_reminder]`"),
        Some(value) => {
            let Some(table) = reader.any_table(value, "purpose") else { return Err(reader.into_mistakes()) };
            for (name, at, value) in table.iter() {
                let rule = Author { reader: &mut reader, purpose: name, default_life: network.permit_valid_for }.rule(value, at);
                match name.parse::<Purpose>() {
                    Ok(purpose) => {
                        rule.map(|rule| purposes.insert(purpose, rule));
                    }
                    Err(error) => reader.mistake(at, error.to_string()),
                }
            }
            if purposes.is_empty() && reader.is_clean() {
                reader.mistake(
                    value.span().start,
                    "the policy names no purpose; write at least one, such as `[purpose.appointment_reminder]`",
                );
            }
        }
    }
    if !reader.is_clean() {
        return Err(reader.into_mistakes());
    }
    Ok(Policy {
        version: version.into(),
        purposes,
        overall: network.overall,
        quiet_hours: network.quiet_hours,
        holidays: network.holidays,
    })
}

/// Reads a policy's text from bytes, which may be anything.
///
/// # Errors
/// Every mistake found, in the order of the text; the first byte that is not UTF-8, if there is one.
pub fn parse_bytes(bytes: &[u8], version: &str) -> Result<Policy, Vec<Mistake>> {
    let text = toml_text::utf8(bytes).map_err(|mistake| vec![mistake])?;
    // Some editors begin a file with a byte order mark; TOML knows none.
    parse(text.strip_prefix('\u{feff}').unwrap_or(text), version)
}

#[derive(Default)]
struct Network {
    overall: Vec<Limit>,
    quiet_hours: Option<DailyHours>,
    holidays: Vec<NaiveDate>,
    permit_valid_for: Option<Duration>,
}

fn network<'t>(reader: &mut Reader<'t>, root: Table<'_, 't>, broken: bool) -> Network {
    let Some(value) = root.get("network") else {
        if !broken {
            reader.mistake(0, "`[network]` is missing; write it with at least `permit_valid_for = \"30 minutes\"`");
        }
        return Network::default();
    };
    let Some(table) = reader.table(value, "network", NETWORK) else { return Network::default() };
    let mut network = Network::default();
    if let Some(value) = table.get("quiet_hours") {
        network.quiet_hours = quiet_hours(reader, value);
    }
    if let Some(value) = table.get("holidays") {
        network.holidays = holidays(reader, value);
    }
    if let Some(value) = table.get("overall") {
        for item in reader.list(value, "overall").unwrap_or_default() {
            let Some(limit) = limit(reader, item) else { continue };
            if limit.per == Per::Occasion {
                reader.mistake(
                    item.span().start,
                    "a limit over all purposes has no occasion; give it a period, such as `per = \"30 days\"`",
                );
            } else if limit.measure == Measure::Feedback {
                reader.mistake(
                    item.span().start,
                    "feedback is no contact; a limit over all purposes counts `attempts` or `reached`",
                );
            } else {
                network.overall.push(limit);
            }
        }
    }
    if let Some(value) = table.required(reader, "permit_valid_for") {
        network.permit_valid_for = permit_life(reader, value);
    }
    network
}

fn quiet_hours<'t>(reader: &mut Reader<'t>, value: &Value<'t>) -> Option<DailyHours> {
    let table = reader.table(value, "quiet_hours", &["from", "until"])?;
    let from = table.required(reader, "from").and_then(|v| clock_time(reader, v, "from"));
    let until = table.required(reader, "until").and_then(|v| clock_time(reader, v, "until"));
    let hours = DailyHours { from: from?, until: until? };
    if hours.from == hours.until {
        reader.mistake(value.span().start, "quiet hours that end when they begin last all day; nobody could ever be called");
        return None;
    }
    Some(hours)
}

fn clock_time<'t>(reader: &mut Reader<'t>, value: &Value<'t>, name: &str) -> Option<chrono::NaiveTime> {
    let text = reader.string(value, name)?;
    parse_clock_time(text).map_err(|error| reader.mistake(value.span().start, format!("`{name}`: {error}"))).ok()
}

fn holidays<'t>(reader: &mut Reader<'t>, value: &Value<'t>) -> Vec<NaiveDate> {
    let mut days = Vec::new();
    for item in reader.list(value, "holidays").unwrap_or_default() {
        let text = match item.get_ref() {
            DeValue::Datetime(date) => date.to_string(),
            _ => match reader.string(item, "holidays") {
                Some(text) => text.to_owned(),
                None => continue,
            },
        };
        match NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
            Ok(day) if days.contains(&day) => {
                reader.mistake(item.span().start, format!("the holiday {day} is there twice; once is enough"))
            }
            Ok(day) => days.push(day),
            Err(_) => reader.mistake(item.span().start, format!("`{text}` is not a day; write it as `2026-01-01`")),
        }
    }
    days.sort_unstable();
    days
}

fn permit_life<'t>(reader: &mut Reader<'t>, value: &Value<'t>) -> Option<Duration> {
    let period = period_of(reader, value, "permit_valid_for")?;
    let life = period.fixed().filter(|life| *life <= Duration::days(LONGEST_PERMIT_DAYS));
    if life.is_none() {
        let message = format!(
            "a permit that lives {period} would let what it was granted on be forgotten; at most {LONGEST_PERMIT_DAYS} days"
        );
        reader.mistake(value.span().start, message);
    }
    life
}

/// A length of time that is not zero.
fn period_of<'t>(reader: &mut Reader<'t>, value: &Value<'t>, name: &str) -> Option<Period> {
    let text = reader.string(value, name)?;
    let read = period(text).and_then(|period| match period.bounds().1.is_zero() || period == Period::Months(0) {
        true => Err(format!("`{text}` is no time at all; write a length such as `30 minutes`")),
        false => Ok(period),
    });
    read.map_err(|error| reader.mistake(value.span().start, format!("`{name}`: {error}"))).ok()
}

/// Reads a length of time such as `24 hours`.
fn period(text: &str) -> Result<Period, String> {
    let form = || format!("`{text}` is not a length of time; write it as `30 minutes`, `24 hours`, `14 days` or `6 months`");
    let (number, unit) = text.split_once(' ').ok_or_else(form)?;
    let unit = unit.trim_start();
    if unit.is_empty() || number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(form());
    }
    let too_long = || format!("`{text}` is longer than ten years");
    let number: u32 = number.parse().map_err(|_| too_long())?;
    let period = match unit {
        "minute" | "minutes" => Period::Minutes(number),
        "hour" | "hours" => Period::Hours(number),
        "day" | "days" => Period::Days(number),
        "month" | "months" => Period::Months(number),
        _ => {
            let hint = match nearest_word(unit, UNITS.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "known are minutes, hours, days and months".to_owned(),
            };
            return Err(format!("`{unit}` in `{text}` is not a unit of time; {hint}"));
        }
    };
    if nominal(period) > Duration::days(LONGEST_DAYS) { Err(too_long()) } else { Ok(period) }
}

/// A length for comparisons: months are taken as 30 days.
fn nominal(period: Period) -> Duration {
    match period {
        Period::Months(n) => Duration::days(i64::from(n) * 30),
        _ => period.fixed().unwrap_or_default(),
    }
}

fn limit<'t>(reader: &mut Reader<'t>, value: &Value<'t>) -> Option<Limit> {
    let table = reader.table(value, "limit", LIMIT)?;
    let measures = [("attempts", Measure::Attempts), ("reached", Measure::Reached), ("feedback", Measure::Feedback)];
    let named: Vec<_> = measures.iter().filter(|(key, _)| table.get(key).is_some()).collect();
    let measured = match named[..] {
        [(key, measure)] => table.get(key).and_then(|value| reader.number(value, key, 0..=MOST)).map(|max| (*measure, max)),
        [] => {
            reader.mistake(
                table.at,
                "the limit does not say what it counts; write `attempts`, `reached` or `feedback` with a number",
            );
            None
        }
        _ => {
            reader.mistake(table.at, "the limit counts several things; write one limit for each");
            None
        }
    };
    let per = table.required(reader, "per").and_then(|value| match reader.string(value, "per")? {
        "occasion" => Some(Per::Occasion),
        text if period(text).is_err() && nearest_word(text, ["occasion"]).is_some() => {
            reader.mistake(value.span().start, format!("`per`: `{text}` is not a span; did you mean `occasion`?"));
            None
        }
        _ => period_of(reader, value, "per").map(Per::Rolling),
    });
    let channels = table.get("channels").map(|value| reader.words::<Channel>(value, "channels").unwrap_or_default());
    let ((measure, max), per) = (measured?, per?);
    if measure == Measure::Feedback && channels.is_some() {
        reader.mistake(table.key_at("channels"), "feedback comes on no channel of ours; remove `channels`");
    }
    if measure == Measure::Feedback && per == Per::Occasion {
        reader.mistake(table.key_at("per"), "feedback is counted per period, such as `per = \"6 months\"`");
    }
    Some(Limit::new(measure, max, per, channels))
}

/// Reads what the policy says of one purpose.
struct Author<'r, 't> {
    reader: &'r mut Reader<'t>,
    purpose: &'r str,
    default_life: Option<Duration>,
}

impl<'t> Author<'_, 't> {
    fn rule(&mut self, value: &Value<'t>, at: usize) -> Option<PurposeRule> {
        let table = self.reader.table(value, self.purpose, RULE)?;
        let table = table.named_at(at);
        if let Some(value) = table.get("forbidden") {
            return self.forbidden(table, value);
        }
        let basis = self.required(table, "basis").and_then(|v| self.word(v, "basis", &BASES));
        let occasion = table.get("occasion").and_then(|v| self.reader.parsed::<OccasionKind>(v, "occasion"));
        let window = table.get("window").and_then(|v| self.window(v, occasion));
        let unless_booked_ahead = self.flag(table, "unless_booked_ahead");
        let announced = self.flag(table, "announced");
        let agenda = self.flag(table, "agenda");
        let reason_required = self.flag(table, "reason_required");
        let channels = self.required(table, "channels").and_then(|v| self.reader.words::<Channel>(v, "channels"));
        let (overrides, quiet_hours_override_for) = self.overrides(table);
        let limits = self.limits(table, channels.as_deref());
        let permit_valid_for = match table.get("permit_valid_for") {
            Some(value) => permit_life(self.reader, value),
            None => self.default_life,
        };
        if table.get("occasion").is_none() {
            self.without_occasion(table, quiet_hours_override_for.is_some());
        }
        if basis == Some(Basis::Request)
            && table.get("occasion").is_none_or(|_| occasion.is_some_and(|o| o != OccasionKind::CallbackRequest))
        {
            self.wrong(
                table.key_at("basis"),
                "a patient asks by a callback request; with this basis write `occasion = \"callback_request\"`",
            );
        }
        if unless_booked_ahead && matches!(occasion, Some(OccasionKind::UpcomingAppointment | OccasionKind::ClinicCancellation)) {
            self.wrong(
                table.key_at("unless_booked_ahead"),
                "this occasion is itself something booked ahead, so it could never come; remove one of the two",
            );
        }
        if announced && overrides.contains(&Override::Everything) {
            self.wrong(
                table.key_at("announced"),
                "this purpose overrides everything; remove `announced` or name what it overrides",
            );
        }
        Some(PurposeRule::Allowed(Rule {
            basis: basis?,
            occasion,
            unless_booked_ahead,
            window,
            announced,
            limits,
            channels: channels?,
            permit_valid_for: permit_valid_for?,
            overrides,
            quiet_hours_override_for,
            agenda,
            reason_required,
        }))
    }

    fn wrong(&mut self, at: usize, message: &str) {
        let purpose = self.purpose;
        self.reader.mistake(at, format!("{purpose}: {message}"));
    }

    fn required<'v>(&mut self, table: Table<'v, 't>, key: &str) -> Option<&'v Value<'t>> {
        let value = table.get(key);
        if value.is_none() {
            let hint = match key {
                "basis" => "; write `care`, `consent` or `request`, or say with `forbidden = \"..\"` why it is not done",
                "channels" => "; name those that it may use, the best first, such as `channels = [\"phone\", \"sms\"]`",
                _ => "",
            };
            self.wrong(table.at, &format!("`{key}` is missing{hint}"));
        }
        value
    }

    fn forbidden(&mut self, table: Table<'_, 't>, value: &Value<'t>) -> Option<PurposeRule> {
        for (key, at, _) in table.iter().filter(|(key, ..)| *key != "forbidden" && RULE.contains(key)) {
            self.wrong(at, &format!("it is forbidden, so nothing else can hold for it; remove `{key}` or `forbidden`"));
        }
        let reason = self.reader.string(value, "forbidden")?.trim();
        if reason.is_empty() {
            self.wrong(value.span().start, "say in words why it is not done; whoever asks will read it");
            return None;
        }
        Some(PurposeRule::Forbidden(reason.to_owned()))
    }

    fn flag(&mut self, table: Table<'_, 't>, key: &str) -> bool {
        table.get(key).and_then(|value| self.reader.boolean(value, key)).unwrap_or_default()
    }

    fn word<T: Copy>(&mut self, value: &Value<'t>, name: &str, known: &[(&'static str, T)]) -> Option<T> {
        let text = self.reader.string(value, name)?;
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let hint = match nearest_word(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", toml_text::list(&words)),
            };
            self.reader.mistake(value.span().start, format!("`{text}` is not a {name}; {hint}"));
        }
        found
    }

    fn without_occasion(&mut self, table: Table<'_, 't>, quiet_for: bool) {
        let missing = "; name one, such as `occasion = \"upcoming_appointment\"`";
        let needs = [
            ("window", "a window lies around an occasion, and there is none"),
            ("announced", "an announcement is of an occasion, and there is none"),
            ("agenda", "the worklist shows occasions, and there is none"),
            ("unless_booked_ahead", "without an occasion there is nothing that a booking could end"),
        ];
        for (key, why) in needs {
            let said = table.get(key).is_some_and(|v| v.get_ref().as_bool() != Some(false));
            if said {
                self.wrong(table.key_at(key), &format!("{why}{missing}"));
            }
        }
        if quiet_for {
            self.wrong(
                table.key_at("overrides"),
                &format!("quiet hours are lifted for a time after an occasion, and there is none{missing}"),
            );
        }
        let limits = table.get("limits").and_then(|v| v.get_ref().as_array());
        for item in limits.into_iter().flatten() {
            if item.get_ref().get("per").and_then(|per| per.get_ref().as_str()) == Some("occasion") {
                self.wrong(
                    item.span().start,
                    &format!("a limit per occasion counts nothing where there is none{missing}, or give the limit a period"),
                );
            }
        }
    }

    fn limits(&mut self, table: Table<'_, 't>, channels: Option<&[Channel]>) -> Vec<Limit> {
        let way_out = "write at least one, such as `limits = [{ attempts = 1, per = \"30 days\" }]`; 0 means none at all";
        let Some(value) = table.get("limits") else {
            self.wrong(table.at, &format!("a purpose without a limit does not load; {way_out}"));
            return Vec::new();
        };
        let Some(items) = self.reader.list(value, "limits") else { return Vec::new() };
        if items.is_empty() {
            self.wrong(value.span().start, &format!("a purpose without a limit does not load; {way_out}"));
            return Vec::new();
        }
        let before = self.reader.mistakes_so_far();
        let mut limits: Vec<Limit> = Vec::with_capacity(items.len());
        for item in items {
            let Some(limit) = limit(self.reader, item) else { continue };
            let same = |known: &Limit| (known.measure, known.per, &known.channels) == (limit.measure, limit.per, &limit.channels);
            if limits.iter().any(same) {
                self.wrong(item.span().start, "two limits count the same over the same span; keep the one that is meant");
            }
            limits.push(limit);
        }
        if self.reader.mistakes_so_far() > before {
            return limits;
        }
        for &channel in channels.unwrap_or_default() {
            if !limits.iter().any(|l| l.measure != Measure::Feedback && l.counts_channel(channel)) {
                self.wrong(
                    value.span().start,
                    &format!("nothing limits contacts by `{channel}`; add a limit that counts it, or take it from `channels`"),
                );
            }
        }
        limits
    }

    fn overrides(&mut self, table: Table<'_, 't>) -> (Vec<Override>, Option<Duration>) {
        let (mut overrides, mut quiet_for) = (Vec::new(), None);
        let Some(value) = table.get("overrides") else { return (overrides, quiet_for) };
        for item in self.reader.list(value, "overrides").unwrap_or_default() {
            let at = item.span().start;
            let word = if matches!(item.get_ref(), DeValue::Table(_)) {
                let Some(entry) = self.reader.table(item, "overrides", &["quiet_hours"]) else { continue };
                let Some(length) = entry.required(self.reader, "quiet_hours") else { continue };
                let Some(period) = period_of(self.reader, length, "quiet_hours") else { continue };
                quiet_for = period.fixed().filter(|length| *length <= Duration::days(1));
                if quiet_for.is_none() {
                    self.wrong(at, "quiet hours are lifted for a day at most; for ever is `\"quiet_hours\"` alone");
                }
                Override::QuietHours
            } else {
                let Some(word) = self.reader.parsed::<Override>(item, "overrides") else { continue };
                word
            };
            if overrides.contains(&word) {
                self.wrong(at, &format!("it overrides `{word}` twice; once is enough"));
            } else {
                overrides.push(word);
            }
        }
        if overrides.len() > 1 && overrides.contains(&Override::Everything) {
            self.wrong(value.span().start, "`everything` includes the others; write it alone");
        }
        (overrides, quiet_for)
    }

    fn window(&mut self, value: &Value<'t>, occasion: Option<OccasionKind>) -> Option<RelativeWindow> {
        let table = self.reader.table(value, "window", &["from", "until"])?;
        let from = table.required(self.reader, "from").and_then(|v| self.distance(v, "from"));
        let until = table.required(self.reader, "until").and_then(|v| self.distance(v, "until"));
        let window = RelativeWindow { from: from?, until: until? };
        let (opens, closes) = (offset(window.from), offset(window.until));
        if closes <= opens {
            self.wrong(table.key_at("until"), "the window ends before it begins; `until` must lie behind `from`");
        } else if occasion == Some(OccasionKind::UpcomingAppointment) && opens >= Duration::zero() {
            self.wrong(
                table.key_at("from"),
                "an upcoming appointment is over when it starts, so this window never opens; write `before`",
            );
        } else if occasion.is_some_and(|o| o != OccasionKind::UpcomingAppointment) && closes <= Duration::zero() {
            self.wrong(
                table.key_at("until"),
                "nobody knows of this occasion before it has come, so this window never opens; write `after`",
            );
        }
        Some(window)
    }

    fn distance(&mut self, value: &Value<'t>, name: &str) -> Option<Distance> {
        let text = self.reader.string(value, name)?;
        let read = match text.rsplit_once(' ') {
            Some((length, "before")) => period(length).map(Distance::Before),
            Some((length, "after")) => period(length).map(Distance::After),
            Some((_, word)) if nearest_word(word, ["before", "after"]).is_some() => {
                let near = nearest_word(word, ["before", "after"]).unwrap_or_default();
                Err(format!("`{word}` in `{text}` is no direction; did you mean `{near}`?"))
            }
            _ => Err(format!("`{text}` does not say where; write it as `24 hours before` or `6 months after`")),
        };
        read.map_err(|error| self.reader.mistake(value.span().start, format!("`{name}`: {error}"))).ok()
    }
}

const BASES: [(&str, Basis); 3] = [("care", Basis::Care), ("consent", Basis::Consent), ("request", Basis::Request)];

/// Where an edge of a window lies, the occasion being zero; months are taken as 30 days.
fn offset(distance: Distance) -> Duration {
    match distance {
        Distance::Before(period) => -nominal(period),
        Distance::After(period) => nominal(period),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
