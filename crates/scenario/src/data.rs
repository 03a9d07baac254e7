//! The data of an event as a story writes it: with names for ids and local times, turned into what the event's type reads.

use serde_json::{Map, Value as Json};
use tact_domain::Time;
use tact_domain::envelope::Unreadable;
use tact_domain::patient::Event;
use tact_domain::toml_text::{Reader, Value};
use tact_domain::values::nearest_word;
use toml::de::DeValue;

use crate::names::Names;
use crate::text::Clock;

/// Fields that hold ids, in whatever event they stand.
const IDS: &[&str] = &[
    "appointment",
    "about",
    "permit",
    "contact",
    "request",
    "referral",
    "provider",
    "recommended",
    "recommended_by",
    "guardian",
    "into",
    "document",
    "clinician",
    "feedback",
    "note",
    "text",
    "reason",
];
/// Fields that hold moments.
const TIMES: &[&str] = &["starts_at", "expires_at"];

/// The kinds of event that a story is told in. A decision is not told, it is asked for.
pub(crate) fn kinds() -> Vec<&'static str> {
    let asked_for = ["contact.permitted", "contact.refused"];
    Event::KINDS.iter().map(|(kind, _)| *kind).filter(|kind| !asked_for.contains(kind)).collect()
}

/// Reads the data of an event, or says where it is wrong.
pub(crate) fn event<'t>(
    reader: &mut Reader<'t>,
    names: &mut Names,
    clock: &Clock,
    kind: &str,
    at: usize,
    data: Option<&Value<'t>>,
) -> Option<Event> {
    let mut fields = Map::new();
    let before = reader.mistakes_so_far();
    if let Some(value) = data {
        for (key, _, value) in reader.any_table(value, "data")?.iter() {
            if let Some(json) = field(reader, names, clock, kind, key, value) {
                fields.insert(key.to_owned(), json);
            }
        }
    }
    if reader.mistakes_so_far() > before {
        return None;
    }
    if kind == "patient.absorbed" {
        // A story need not spell out what the merge carries over: it is known.
        fields.entry("facts").or_insert_with(|| Json::Object(Map::new()));
    }
    let version = Event::KINDS.iter().find(|(known, _)| *known == kind).map_or(1, |(_, version)| *version);
    let raw = serde_json::value::to_raw_value(&Json::Object(fields)).expect("text keys and finite numbers only");
    match Event::read(kind, version, &raw) {
        Ok(event) => Some(event),
        Err(Unreadable::Data { error, .. }) => {
            explain(reader, kind, &error, at, data);
            None
        }
        Err(error) => {
            reader.mistake(at, error.to_string());
            None
        }
    }
}

fn field<'t>(
    reader: &mut Reader<'t>,
    names: &mut Names,
    clock: &Clock,
    kind: &str,
    key: &str,
    value: &Value<'t>,
) -> Option<Json> {
    match key {
        "from" if kind.starts_with("patient.") => id(reader, names, value, key),
        _ if IDS.contains(&key) => id(reader, names, value, key),
        _ if TIMES.contains(&key) => Some(moment(clock.time(reader, value, key)?)),
        "window" => {
            let table = reader.table(value, "window", &["from", "until"])?;
            let mut window = Map::new();
            for edge in ["from", "until"] {
                let time = table.required(reader, edge).and_then(|value| clock.time(reader, value, edge));
                window.insert(edge.to_owned(), moment(time?));
            }
            Some(Json::Object(window))
        }
        "evidence" => {
            let table = reader.any_table(value, "evidence")?;
            let fields =
                table.iter().map(|(key, _, value)| Some((key.to_owned(), field(reader, names, clock, kind, key, value)?)));
            fields.collect::<Option<Map<_, _>>>().map(Json::Object)
        }
        _ => plain(reader, key, value),
    }
}

fn id<'t>(reader: &mut Reader<'t>, names: &mut Names, value: &Value<'t>, key: &str) -> Option<Json> {
    Some(Json::String(name(reader, names, value, key)?.to_string()))
}

/// A name as the id that it stands for.
pub(crate) fn name<'t>(reader: &mut Reader<'t>, names: &mut Names, value: &Value<'t>, key: &str) -> Option<uuid::Uuid> {
    let text = reader.string(value, key)?;
    if text.is_empty() {
        reader.mistake(value.span().start, format!("`{key}` is empty; give it a name such as `a1`"));
        return None;
    }
    Some(names.id(text))
}

fn moment(time: Time) -> Json {
    Json::String(time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

fn plain<'t>(reader: &mut Reader<'t>, key: &str, value: &Value<'t>) -> Option<Json> {
    match value.get_ref() {
        DeValue::String(text) => Some(Json::String(text.to_string())),
        DeValue::Boolean(yes) => Some(Json::Bool(*yes)),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Some(number.into()),
            Err(_) => {
                reader.mistake(value.span().start, format!("`{key}` is {digits}, which is too large"));
                None
            }
        },
        DeValue::Float(digits) => Some(Json::String(digits.to_string())),
        // A time of day such as `20:00:00`, which TOML writes with its seconds.
        DeValue::Datetime(time) if time.date.is_none() && time.offset.is_none() => {
            let text = time.to_string();
            Some(Json::String(text.strip_suffix(":00").filter(|short| short.len() == 5).unwrap_or(&text).to_owned()))
        }
        DeValue::Datetime(time) => Some(Json::String(time.to_string())),
        DeValue::Array(items) => items.iter().map(|item| plain(reader, key, item)).collect::<Option<Vec<_>>>().map(Json::Array),
        DeValue::Table(fields) => {
            let fields =
                fields.iter().map(|(key, value)| Some((key.get_ref().to_string(), plain(reader, key.get_ref(), value)?)));
            fields.collect::<Option<Map<_, _>>>().map(Json::Object)
        }
    }
}

/// Says what is wrong with an event's data at the place where it is: the words that the message quotes are looked for in the text.
fn explain<'t>(reader: &mut Reader<'t>, kind: &str, error: &str, at: usize, data: Option<&Value<'t>>) {
    let message = error.split(" at line ").next().unwrap_or(error);
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let offender = quoted.first().copied().unwrap_or_default();
    let found = data.and_then(|data| find(data, offender));
    let place = found.or(data.map(|data| data.span().start)).unwrap_or(at);
    let near = if message.starts_with("unknown field") { nearest_word(offender, quoted.iter().skip(1).copied()) } else { None };
    let message = match near {
        Some(near) => format!("unknown field `{offender}`; did you mean `{near}`?"),
        None => message.to_owned(),
    };
    reader.mistake(place, format!("{kind}: {message}"));
}

/// Where a key or a text stands in a value.
fn find(value: &Value<'_>, word: &str) -> Option<usize> {
    match value.get_ref() {
        DeValue::String(text) if text == word => Some(value.span().start),
        DeValue::Integer(digits) if digits.as_str() == word => Some(value.span().start),
        DeValue::Array(items) => items.iter().find_map(|item| find(item, word)),
        DeValue::Table(fields) => {
            let key = fields.keys().find(|key| key.get_ref() == word).map(|key| key.span().start);
            key.or_else(|| fields.values().find_map(|value| find(value, word)))
        }
        _ => None,
    }
}
