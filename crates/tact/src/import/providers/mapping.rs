//! What the columns of a directory of providers mean: a small TOML file. What is not stated there is not known; nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use smol_str::SmolStr;
use tact_domain::toml_text::{self, Mistake, Reader, Table, Value};
use tact_domain::{ServiceCode, nearest_word};

use super::super::mapping::Author;

/// The days as a mapping names them, Monday first.
pub const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// What the columns mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The other directory's name; ids are made of it and of the ids there.
    pub system: SmolStr,
    /// What parts the columns; one ASCII character.
    pub delimiter: u8,
    /// Words that say that nothing is known.
    pub nothing: BTreeSet<String>,
    /// The columns of a site.
    pub site: SiteColumns,
    /// The columns of working hours, if there are some.
    pub hours: Option<HourColumns>,
    /// Columns whose words tell the time zone, the first that knows one deciding. A word may stand for no zone that is known.
    pub zones: Vec<(String, BTreeMap<String, Option<Tz>>)>,
    /// Where services stand.
    pub services: Services,
}

/// The columns of a site.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteColumns {
    /// Its id there.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The parts of its address, in their order.
    pub address: Vec<String>,
    /// Its published number.
    pub phone: Option<String>,
    /// Its site on the web.
    pub website: Option<String>,
    /// Degrees north and east.
    pub place: Option<(String, String)>,
    /// A column, and the words in it for which a site is left out on purpose.
    pub leave_out: Option<(String, Vec<String>)>,
}

/// How hours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `800AM-430PM`, `8AM-12PM`.
    Twelve,
    /// `08:00-16:30`.
    TwentyFour,
}

/// The columns of working hours.
#[derive(Debug, Clone, PartialEq)]
pub struct HourColumns {
    /// For each day, Monday first.
    pub columns: [String; 7],
    /// How they are written.
    pub style: Style,
    /// The words for: closed.
    pub closed: Vec<String>,
    /// The words for: open all day and night.
    pub whole_day: Vec<String>,
    /// Whether hours that run over midnight are meant. If not, they are taken for a slip.
    pub overnight: bool,
}

/// Where services stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Services {
    /// The column of the site's id in a file of its own, one row a service; `None`: they stand with the site.
    pub site: Option<String>,
    /// The column of their names.
    pub column: String,
    /// What parts several names, where they stand with the site.
    pub separator: String,
    /// The network's codes for names there. A name without one is written as a code, where it can be.
    pub codes: BTreeMap<String, ServiceCode>,
}

const ROOT: &[&str] = &["system", "delimiter", "nothing", "site", "hours", "time_zone", "services"];
const SITE: &[&str] = &["id", "name", "address", "phone", "website", "latitude", "longitude", "leave_out"];
const HOURS: &[&str] = &["columns", "style", "closed", "whole_day", "overnight"];
const SERVICES: &[&str] = &["site", "column", "separator", "codes"];

/// Reads a mapping.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn parse(bytes: &[u8]) -> Result<Mapping, Vec<Mistake>> {
    let text = toml_text::utf8(bytes).map_err(|mistake| vec![mistake])?;
    let (mut reader, document) = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    let root = reader.document(&document, ROOT);
    let mapping = mapping(&mut Author { reader: &mut reader }, root);
    match mapping {
        Some(mapping) if reader.is_clean() => Ok(mapping),
        _ => Err(reader.into_mistakes()),
    }
}

/// `None` only where a mistake has been kept.
fn mapping<'t>(author: &mut Author<'_, 't>, root: Table<'_, 't>) -> Option<Mapping> {
    let system = author.text(root, "system").map(SmolStr::from);
    let delimiter = root.get("delimiter").map_or(Some(b','), |value| author.delimiter(value));
    let nothing = author.word_list(root, "nothing");
    let site = author.section(root, "site", SITE).and_then(|table| site(author, table));
    let hours = match root.get("hours") {
        Some(value) => author.reader.table(value, "hours", HOURS).and_then(|table| hours(author, table)).map(Some),
        None => Some(None),
    };
    let zones = match root.get("time_zone") {
        Some(value) => {
            author.reader.list(value, "time_zone").and_then(|items| items.iter().map(|item| zones(author, item)).collect())
        }
        None => Some(Vec::new()),
    };
    let services = author.section(root, "services", SERVICES).and_then(|table| services(author, table));
    Some(Mapping {
        system: system?,
        delimiter: delimiter?,
        nothing: nothing?.into_iter().collect(),
        site: site?,
        hours: hours?,
        zones: zones?,
        services: services?,
    })
}

fn optional<'t>(author: &mut Author<'_, 't>, table: Table<'_, 't>, key: &str) -> Option<Option<String>> {
    match table.get(key) {
        Some(value) => author.reader.string(value, key).map(|text| Some(text.to_owned())),
        None => Some(None),
    }
}

fn site<'t>(author: &mut Author<'_, 't>, table: Table<'_, 't>) -> Option<SiteColumns> {
    let place = match (table.get("latitude"), table.get("longitude")) {
        (None, None) => None,
        _ => Some((author.text(table, "latitude")?.to_owned(), author.text(table, "longitude")?.to_owned())),
    };
    let leave_out = match table.get("leave_out") {
        Some(value) => {
            let inner = author.reader.table(value, "leave_out", &["column", "words"])?;
            Some((author.column(inner)?, author.word_list(inner, "words")?))
        }
        None => None,
    };
    Some(SiteColumns {
        id: author.text(table, "id")?.to_owned(),
        name: author.text(table, "name")?.to_owned(),
        address: author.word_list(table, "address")?,
        phone: optional_text(author, table, "phone")?,
        website: optional_text(author, table, "website")?,
        place,
        leave_out,
    })
}

fn optional_text<'t>(author: &mut Author<'_, 't>, table: Table<'_, 't>, key: &str) -> Option<Option<String>> {
    match table.get(key) {
        Some(_) => author.text(table, key).map(|text| Some(text.to_owned())),
        None => Some(None),
    }
}

fn hours<'t>(author: &mut Author<'_, 't>, table: Table<'_, 't>) -> Option<HourColumns> {
    let columns = author.section(table, "columns", &DAYS)?;
    let mut names = Vec::with_capacity(DAYS.len());
    for day in DAYS {
        names.push(author.text(columns, day)?.to_owned());
    }
    let style = match author.text(table, "style")? {
        "12h" => Style::Twelve,
        "24h" => Style::TwentyFour,
        other => {
            let at = table.key_at("style");
            author.reader.mistake(at, format!("`style` is `{other}`; write `12h` for `800AM-430PM` or `24h` for `08:00-16:30`"));
            return None;
        }
    };
    let (closed, whole_day) = (author.word_list(table, "closed")?, author.word_list(table, "whole_day")?);
    author.said_once(table.at, &[&closed, &whole_day]);
    let overnight = table.get("overnight").map_or(Some(false), |value| author.reader.boolean(value, "overnight"))?;
    Some(HourColumns { columns: names.try_into().ok()?, style, closed, whole_day, overnight })
}

fn zones<'t>(author: &mut Author<'_, 't>, value: &Value<'t>) -> Option<(String, BTreeMap<String, Option<Tz>>)> {
    let table = author.reader.table(value, "time_zone", &["column", "zones"])?;
    let column = author.column(table)?;
    let words = table.required(author.reader, "zones")?;
    let words = author.reader.any_table(words, "zones")?;
    let mut zones = BTreeMap::new();
    for (word, at, value) in words.iter() {
        let name = author.reader.string(value, word)?;
        let zone = match name {
            "" => None,
            name => match name.parse() {
                Ok(zone) => Some(zone),
                Err(_) => {
                    let near = nearest_word(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
                    let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                    author.reader.mistake(at, format!("`{name}` is not the name of a time zone{hint}"));
                    continue;
                }
            },
        };
        zones.insert(word.to_owned(), zone);
    }
    Some((column, zones))
}

fn services<'t>(author: &mut Author<'_, 't>, table: Table<'_, 't>) -> Option<Services> {
    let mut codes = BTreeMap::new();
    if let Some(value) = table.get("codes") {
        let words = author.reader.any_table(value, "codes")?;
        for (name, _, value) in words.iter() {
            codes.insert(name.to_owned(), author.reader.parsed(value, name)?);
        }
    }
    Some(Services {
        site: optional_text(author, table, "site")?,
        column: author.column(table)?,
        separator: optional(author, table, "separator")?.filter(|text| !text.is_empty()).unwrap_or_else(|| ";".to_owned()),
        codes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_that_ships_can_be_read() {
        let text = include_bytes!("../../../../../mappings/va-facilities.toml");
        let mapping = parse(text).unwrap();
        assert_eq!(mapping.system, "va");
        assert_eq!(mapping.zones.len(), 2);
        assert_eq!(mapping.services.site.as_deref(), Some("Sta6a"));
    }

    #[test]
    fn every_mistake_is_named_with_its_way_out() {
        let text = "system = \"x\"\n[site]\nid = \"a\"\nnam = \"b\"\n[hours]\nstyle = \"13h\"\ncolumns = { monday = \"m\" }\n\
            [[time_zone]]\ncolumn = \"z\"\nzones = { A = \"Europe/Moskow\" }\n[services]\ncolumn = \"s\"\n";
        let said: Vec<String> = parse(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect();
        for part in ["did you mean `name`", "`tuesday` is missing", "did you mean `Europe/Moscow`"] {
            assert!(said.iter().any(|mistake| mistake.contains(part)), "{part}: {said:?}");
        }
    }
}
