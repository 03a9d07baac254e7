//! The text of a scenario: one story in TOML, and every way in which it can be unreadable.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;
use tact_domain::patient::{Ask, Event, OnNumber};
use tact_domain::toml_text::{Mistake, Reader, Table, Value};
use tact_domain::values::nearest_word;
use tact_domain::zone::local_to_utc;
use tact_domain::{Branch, Channel, Code, Purpose, Time, to_millis};
use toml::de::DeValue;
use uuid::Uuid;

use crate::data;
use crate::names::{Names, derived};

/// A story as it was written.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// In which its times without an offset are.
    pub time_zone: Tz,
    /// `default`, or a path relative to the file.
    pub policy: String,
    /// Those who share a telephone number, number by number; everybody else has one of their own.
    pub numbers: Vec<Vec<Uuid>>,
    /// What happens, in the order of recording.
    pub steps: Vec<Step>,
    /// Its names for ids.
    pub names: Names,
}

/// One step of a story.
#[derive(Debug, Clone)]
pub struct Step {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// When it happens.
    pub at: Time,
    /// To whom.
    pub patient: Uuid,
    /// What.
    pub what: What,
    /// What is to come of it.
    pub expect: Expect,
}

/// What happens in a step.
#[derive(Debug, Clone)]
pub enum What {
    /// An event, and when it was written down.
    Event(Box<Event>, Time),
    /// Somebody asks for a permit, for a contact that may cover another patient's permit as well.
    Ask(Ask, Option<Uuid>),
    /// Somebody looks at a quota.
    Quota(Purpose, Option<Uuid>),
    /// Somebody looks at the worklist.
    Due(Branch),
}

/// What is expected of a step; what is absent may be as it likes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// Whether a permit is granted.
    pub permitted: Option<bool>,
    /// Codes that must be among the reasons.
    pub because: Vec<Code>,
    /// Codes that must not.
    pub not_because: Vec<Code>,
    /// When the permit dies.
    pub expires_at: Option<Time>,
    /// How much of the limit is used.
    pub used: Option<u32>,
    /// How much is left.
    pub left: Option<u32>,
    /// When asking makes sense again; `Some(None)`: never by itself.
    pub next: Option<Option<Time>>,
    /// The worklist.
    pub due: Option<Vec<String>>,
    /// For entries of the worklist: codes that must be among what stands in the way.
    pub blocked: BTreeMap<String, Vec<Code>>,
    /// Whether the contact is a breach.
    pub breach: Option<bool>,
    /// What the input is refused for: a field's name or a part of the message.
    pub refused_input: Option<String>,
}

/// Reads times as a story writes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Tz);

impl Clock {
    pub(crate) fn time<'t>(&self, reader: &mut Reader<'t>, value: &Value<'t>, name: &str) -> Option<Time> {
        let text = match value.get_ref() {
            DeValue::Datetime(time) => time.to_string(),
            _ => reader.string(value, name)?.to_owned(),
        };
        let read = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc()).ok().or_else(|| {
            let form = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
            let local = form.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
            let short = || DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M%:z").map(|time| time.to_utc()).ok();
            local.map(|local| local_to_utc(self.0, local)).or_else(short)
        });
        if read.is_none() {
            let message = format!(
                "`{name}`: `{text}` is not a time; write it as `2026-03-02T11:00:00`, with an offset such as `+03:00` if it is not local"
            );
            reader.mistake(value.span().start, message);
        }
        read.map(to_millis)
    }
}

const ROOT: &[&str] = &["name", "time_zone", "policy", "numbers", "step"];
const STEP: &[&str] = &["at", "patient", "event", "data", "recorded_at", "ask", "permit", "quota", "due", "expect"];

/// Reads a scenario's text.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn read(text: &str) -> Result<Scenario, Vec<Mistake>> {
    let (mut reader, document) = Reader::new(text);
    let broken = !reader.is_clean();
    let root = reader.document(&document, ROOT);
    if broken {
        return Err(reader.into_mistakes());
    }
    let name = root.required(&mut reader, "name").and_then(|value| reader.string(value, "name"));
    let time_zone = root.required(&mut reader, "time_zone").and_then(|value| time_zone(&mut reader, value));
    let policy = root.required(&mut reader, "policy").and_then(|value| reader.string(value, "policy"));
    let mut author = Author { reader, names: Names::default(), clock: Clock(time_zone.unwrap_or(Tz::UTC)), permits: 0 };
    author.names.id("p");
    let mut numbers = Vec::new();
    if let Some(shared) = root.get("numbers") {
        for people in author.reader.list(shared, "numbers").unwrap_or_default() {
            let people = author.reader.list(people, "numbers").unwrap_or_default();
            let ids = people.iter().filter_map(|name| data::name(&mut author.reader, &mut author.names, name, "numbers"));
            numbers.push(ids.collect());
        }
    }
    let mut steps = Vec::new();
    let items = root.required(&mut author.reader, "step").and_then(|value| author.reader.list(value, "step"));
    for item in items.unwrap_or_default() {
        steps.extend(author.step(item));
    }
    let Author { reader, names, .. } = author;
    match (name, time_zone, policy) {
        (Some(name), Some(time_zone), Some(policy)) if reader.is_clean() => {
            Ok(Scenario { name: name.to_owned(), time_zone, policy: policy.to_owned(), numbers, steps, names })
        }
        _ => Err(reader.into_mistakes()),
    }
}

fn time_zone<'t>(reader: &mut Reader<'t>, value: &Value<'t>) -> Option<Tz> {
    let text = reader.string(value, "time_zone")?;
    let found = text.parse().ok();
    if found.is_none() {
        let known = chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name());
        let hint = nearest_word(text, known)
            .map_or("write a name such as `Europe/Moscow`".to_owned(), |near| format!("did you mean `{near}`?"));
        reader.mistake(value.span().start, format!("`{text}` is not a time zone; {hint}"));
    }
    found
}

struct Author<'t> {
    reader: Reader<'t>,
    names: Names,
    clock: Clock,
    /// How many permits have been asked for; those without a name get an id of their own.
    permits: u32,
}

impl<'t> Author<'t> {
    fn step(&mut self, item: &Value<'t>) -> Option<Step> {
        let table = self.reader.table(item, "step", STEP)?;
        let (line, _) = self.reader.place(table.at);
        let at = table.required(&mut self.reader, "at").and_then(|value| self.clock.time(&mut self.reader, value, "at"));
        let (what, ask_patient) = self.what(table, at)?;
        let patient =
            table.get("patient").or(ask_patient).map(|value| data::name(&mut self.reader, &mut self.names, value, "patient"));
        let patient = patient.unwrap_or_else(|| Some(self.names.id("p")));
        let expect = match table.get("expect") {
            Some(value) => self.expect(value, &what),
            None => Some(Expect::default()),
        };
        Some(Step { line, at: at?, patient: patient?, what, expect: expect? })
    }

    fn what<'v>(&mut self, table: Table<'v, 't>, at: Option<Time>) -> Option<(What, Option<&'v Value<'t>>)> {
        let kinds = ["event", "ask", "quota", "due"];
        let named: Vec<&str> = kinds.into_iter().filter(|kind| table.get(kind).is_some()).collect();
        let [kind] = named[..] else {
            let message =
                if named.is_empty() { "the step does nothing" } else { "the step does several things; write one step for each" };
            self.reader.mistake(table.at, format!("{message}; a step has one of `event`, `ask`, `quota` and `due`"));
            return None;
        };
        let belongs = [("data", "event"), ("recorded_at", "event"), ("permit", "ask")];
        for (key, of) in belongs.into_iter().filter(|(key, of)| table.get(key).is_some() && *of != kind) {
            self.reader.mistake(table.key_at(key), format!("`{key}` belongs to a step with `{of}`; this one has `{kind}`"));
        }
        let value = table.get(kind)?;
        match kind {
            "event" => Some((self.event(table, value, at)?, None)),
            "ask" => {
                let ask =
                    self.reader.table(value, "ask", &["purpose", "channel", "branch", "about", "reason", "patient", "with"])?;
                let purpose = self.word::<Purpose>(ask, "purpose");
                let channel = self.word::<Channel>(ask, "channel");
                let branch = self.word::<Branch>(ask, "branch");
                let about = self.name(ask, "about");
                let reason = self.name(ask, "reason");
                self.permits += 1;
                let permit = self.name(table, "permit").unwrap_or_else(|| derived(&format!("permit\0{}", self.permits)));
                let with = self.name(ask, "with");
                let (purpose, channel, branch, number) = (purpose?, channel?, branch?, OnNumber::NotAsked);
                let ask_for = Ask { permit, purpose, channel, branch, about, reason, number };
                Some((What::Ask(ask_for, with), ask.get("patient")))
            }
            "quota" => {
                let quota = self.reader.table(value, "quota", &["purpose", "about", "patient"])?;
                let about = self.name(quota, "about");
                Some((What::Quota(self.word(quota, "purpose")?, about), quota.get("patient")))
            }
            _ => {
                let due = self.reader.table(value, "due", &["branch"])?;
                Some((What::Due(self.word(due, "branch")?), None))
            }
        }
    }

    fn event(&mut self, table: Table<'_, 't>, value: &Value<'t>, at: Option<Time>) -> Option<What> {
        let kind = self.reader.string(value, "event")?;
        let known = data::kinds();
        if !known.contains(&kind) {
            let message = match (kind, nearest_word(kind, known.iter().copied())) {
                ("contact.permitted" | "contact.refused", _) => format!("`{kind}` is an answer; write a step with `ask`"),
                (_, Some(near)) => format!("`{kind}` is not an event; did you mean `{near}`?"),
                (_, None) => format!("`{kind}` is not an event; known are {}", known.join(", ")),
            };
            self.reader.mistake(value.span().start, message);
            return None;
        }
        let recorded_at = match table.get("recorded_at") {
            Some(value) => self.clock.time(&mut self.reader, value, "recorded_at"),
            None => at,
        };
        if let (Some(at), Some(recorded_at)) = (at, recorded_at)
            && recorded_at < at
        {
            self.reader.mistake(
                table.key_at("recorded_at"),
                "nothing is recorded before it happens; `recorded_at` must not be before `at`",
            );
        }
        let place = value.span().start;
        let event = data::event(&mut self.reader, &mut self.names, &self.clock, kind, place, table.get("data"))?;
        Some(What::Event(Box::new(event), recorded_at?))
    }

    fn word<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, table: Table<'_, 't>, key: &str) -> Option<T> {
        let value = table.required(&mut self.reader, key)?;
        self.reader.parsed(value, key)
    }

    fn name(&mut self, table: Table<'_, 't>, key: &str) -> Option<Uuid> {
        data::name(&mut self.reader, &mut self.names, table.get(key)?, key)
    }

    fn expect(&mut self, value: &Value<'t>, what: &What) -> Option<Expect> {
        let known: &[&str] = match what {
            What::Event(event, _) if matches!(**event, Event::Made(_)) => &["breach", "refused_input"],
            What::Event(..) => &["refused_input"],
            What::Ask(..) => &["decision", "because", "not_because", "expires_at", "next", "refused_input"],
            What::Quota(..) => &["used", "left", "next"],
            What::Due(_) => &["due", "blocked"],
        };
        let table = self.reader.table(value, "expect", known)?;
        let mut expect = Expect::default();
        for (key, at, value) in table.iter().filter(|(key, ..)| known.contains(key)) {
            match key {
                "decision" => {
                    expect.permitted = match self.reader.string(value, key)? {
                        "permitted" => Some(true),
                        "refused" => Some(false),
                        other => {
                            let near = nearest_word(other, ["permitted", "refused"])
                                .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                            self.reader.mistake(
                                value.span().start,
                                format!("`{other}` is not a decision: `permitted` or `refused`{near}"),
                            );
                            None
                        }
                    }
                }
                "because" => expect.because = self.codes(value, key),
                "not_because" => expect.not_because = self.codes(value, key),
                "expires_at" => expect.expires_at = self.clock.time(&mut self.reader, value, key),
                "next" if value.get_ref().as_str() == Some("never") => expect.next = Some(None),
                "next" => expect.next = self.clock.time(&mut self.reader, value, key).map(Some),
                "used" => expect.used = self.reader.number(value, key, 0..=1_000_000),
                "left" => expect.left = self.reader.number(value, key, 0..=1_000_000),
                "breach" => expect.breach = self.reader.boolean(value, key),
                "refused_input" => expect.refused_input = self.reader.string(value, key).map(str::to_owned),
                "due" => expect.due = self.entries(value),
                _ => expect.blocked = self.blocked(value, at),
            }
        }
        if expect.permitted == Some(true) && !expect.because.is_empty() {
            self.reader
                .mistake(table.key_at("because"), "a permit has no reasons against it; remove `because` or expect `refused`");
        }
        Some(expect)
    }

    fn codes(&mut self, value: &Value<'t>, name: &str) -> Vec<Code> {
        let items = self.reader.list(value, name).unwrap_or_default();
        items.iter().filter_map(|item| self.reader.parsed(item, name)).collect()
    }

    fn entries(&mut self, value: &Value<'t>) -> Option<Vec<String>> {
        let mut entries = Vec::new();
        for item in self.reader.list(value, "due")? {
            let Some(text) = self.reader.string(item, "due") else { continue };
            self.entry(text, item.span().start);
            entries.push(text.to_owned());
        }
        entries.sort();
        Some(entries)
    }

    fn entry(&mut self, text: &str, at: usize) {
        let purpose = text.split_once(':').and_then(|(purpose, name)| (!name.is_empty()).then_some(purpose));
        if purpose.is_none_or(|purpose| purpose.parse::<Purpose>().is_err()) {
            self.reader.mistake(at, format!("`{text}` is not an entry; write it as `appointment_reminder:a1`"));
        }
    }

    fn blocked(&mut self, value: &Value<'t>, at: usize) -> BTreeMap<String, Vec<Code>> {
        let Some(table) = self.reader.any_table(value, "blocked") else { return BTreeMap::new() };
        let mut blocked = BTreeMap::new();
        for (entry, _, codes) in table.iter() {
            self.entry(entry, at);
            blocked.insert(entry.to_owned(), self.codes(codes, entry));
        }
        blocked
    }
}
