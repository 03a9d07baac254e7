//! What a sender's codes and places mean to the network: a small TOML file that the network edits, and what can be wrong with it.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use smol_str::SmolStr;
use tact_domain::toml_text::{self, Mistake, Reader, Table, Value};
use tact_domain::{AppointmentKind, Branch, ChangedBy, Channel, Purpose, nearest_word};

use crate::codes;

/// What a sender's codes and places mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The sender's name; ids there are kept under it.
    pub system: SmolStr,
    /// The zone in which days are meant that have no offset, and in which patients live unless something else is known.
    pub time_zone: Tz,
    /// The addresses under which the sender's own resources are known: `https://his.example/fhir`.
    pub bases: Vec<String>,
    /// The systems of identifiers that are kept beside the sender's own ids.
    pub identifiers: Vec<String>,
    /// Branches by what names them: `Organization/17`, `Location/3`, `system|value`, a name, or `*`.
    pub branches: BTreeMap<String, Branch>,
    /// Who is taken to have moved or cancelled an appointment where the sender does not say.
    pub changed_by: ChangedBy,
    /// What appointments are for.
    pub appointment: Kinds,
    /// What visits are for.
    pub encounter: Kinds,
    /// The classes of encounters that are visits.
    pub classes: Vec<String>,
    /// What procedures count as; without a default: what is not listed is refused.
    pub procedure: Kinds,
    /// The purposes of consents, by code.
    pub purposes: BTreeMap<String, Purpose>,
    /// Channels, by code, beside those that Tact knows.
    pub channels: BTreeMap<String, Channel>,
    /// Categories of requests by which a patient was told to expect a contact, with its purpose.
    pub announced: BTreeMap<String, Purpose>,
    /// Categories of requests that are the patient's own, whoever wrote them down.
    pub callbacks: Vec<String>,
}

/// What codes count as.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kinds {
    /// For what is not listed.
    pub default: Option<AppointmentKind>,
    /// By code; `None`: known, and nothing that is kept.
    pub codes: BTreeMap<String, Option<AppointmentKind>>,
}

impl Kinds {
    /// What the first code that is known counts as; `Err`: none is known.
    pub(crate) fn of(&self, keys: impl Iterator<Item = String>) -> Result<Option<AppointmentKind>, ()> {
        for key in keys {
            if let Some(kind) = codes::of_system(&key, codes::KIND).and_then(|word| word.parse().ok()) {
                return Ok(Some(kind));
            }
            if let Some(kind) = self.codes.get(&key) {
                return Ok(*kind);
            }
        }
        self.default.map(Some).ok_or(())
    }
}

const ROOT: &[&str] = &[
    "system",
    "time_zone",
    "bases",
    "identifiers",
    "changed_by",
    "systems",
    "branches",
    "appointment",
    "encounter",
    "procedure",
    "consent",
    "channel",
    "request",
];
/// The keys of a table of kinds.
const KINDS: &[&str] = &["default", "classes", "consultation", "procedure", "surgery", "checkup", "none"];
/// The classes that are visits unless the mapping says otherwise: ambulatory, at home, by video.
const CLASSES: &[&str] = &["AMB", "HH", "VR", "FLD"];

/// Reads a mapping.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn parse(bytes: &[u8]) -> Result<Mapping, Vec<Mistake>> {
    let text = toml_text::utf8(bytes).map_err(|mistake| vec![mistake])?;
    let (mut reader, document) = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    let root = reader.document(&document, ROOT);
    let mapping = Author { reader: &mut reader, systems: BTreeMap::new() }.mapping(root);
    match mapping {
        Some(mapping) if reader.is_clean() => Ok(mapping),
        _ => Err(reader.into_mistakes()),
    }
}

struct Author<'r, 't> {
    reader: &'r mut Reader<'t>,
    /// Short names of code systems.
    systems: BTreeMap<String, String>,
}

impl<'t> Author<'_, 't> {
    /// `None` only where a mistake has been kept.
    fn mapping(&mut self, root: Table<'_, 't>) -> Option<Mapping> {
        let system = self.system(root);
        let time_zone = self.time_zone(root);
        self.systems = self.texts(root, "systems")?;
        let changed_by = match root.get("changed_by") {
            Some(value) => self.reader.parsed(value, "changed_by"),
            None => Some(ChangedBy::Clinic),
        };
        let branches = self.branches(root);
        let appointment = self.kinds(root, "appointment");
        let encounter = self.kinds(root, "encounter");
        let procedure = self.kinds(root, "procedure");
        let classes = match root.get("encounter").and_then(|value| self.reader.any_table(value, "encounter")) {
            Some(table) => match table.get("classes") {
                Some(value) => self.reader.words(value, "classes"),
                None => Some(CLASSES.iter().map(|class| (*class).to_owned()).collect()),
            },
            None => Some(CLASSES.iter().map(|class| (*class).to_owned()).collect()),
        };
        let purposes = self.coded(root, "consent");
        let channels = self.coded(root, "channel");
        let request = match root.get("request") {
            Some(value) => self.reader.table(value, "request", &["callback", "announced"]),
            None => None,
        };
        let (callbacks, announced) = match request {
            Some(table) => (self.code_list(table, "callback"), self.coded(table, "announced")),
            None => (Some(Vec::new()), Some(BTreeMap::new())),
        };
        let default = Kinds { default: Some(AppointmentKind::Consultation), codes: BTreeMap::new() };
        let or_consultation = |kinds: Kinds| match kinds.default {
            Some(_) => kinds,
            None => Kinds { default: default.default, ..kinds },
        };
        Some(Mapping {
            system: system?,
            time_zone: time_zone?,
            bases: self.list(root, "bases")?.into_iter().map(|base| base.trim_end_matches('/').to_owned()).collect(),
            identifiers: self.list(root, "identifiers")?,
            branches: branches?,
            changed_by: changed_by?,
            appointment: or_consultation(appointment?),
            encounter: or_consultation(encounter?),
            classes: classes?,
            procedure: procedure?,
            purposes: purposes?,
            channels: channels?,
            announced: announced?,
            callbacks: callbacks?,
        })
    }

    fn list(&mut self, root: Table<'_, 't>, key: &str) -> Option<Vec<String>> {
        match root.get(key) {
            Some(value) => self.reader.words(value, key),
            None => Some(Vec::new()),
        }
    }

    fn system(&mut self, root: Table<'_, 't>) -> Option<SmolStr> {
        let value = root.required(self.reader, "system")?;
        let system = self.reader.string(value, "system")?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if !(1..=64).contains(&system.len()) || !system.bytes().all(plain) {
            self.reader.mistake(value.span().start, format!("`system` is `{system}`; write 1 to 64 of a-z, 0-9, `_` and `-`"));
            return None;
        }
        Some(system.into())
    }

    fn time_zone(&mut self, root: Table<'_, 't>) -> Option<Tz> {
        let value = root.required(self.reader, "time_zone")?;
        let name = self.reader.string(value, "time_zone")?;
        if let Ok(zone) = name.parse() {
            return Some(zone);
        }
        let near = nearest_word(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint =
            near.map_or_else(|| "; write a name such as `Europe/Moscow`".to_owned(), |near| format!("; did you mean `{near}`?"));
        self.reader.mistake(value.span().start, format!("`{name}` is not the name of a time zone{hint}"));
        None
    }

    fn texts(&mut self, root: Table<'_, 't>, name: &str) -> Option<BTreeMap<String, String>> {
        let Some(value) = root.get(name) else { return Some(BTreeMap::new()) };
        let table = self.reader.any_table(value, name)?;
        let mut texts = BTreeMap::new();
        for (key, _, value) in table.iter() {
            texts.insert(key.to_owned(), self.reader.string(value, key)?.to_owned());
        }
        Some(texts)
    }

    fn branches(&mut self, root: Table<'_, 't>) -> Option<BTreeMap<String, Branch>> {
        let value = root.required(self.reader, "branches")?;
        let table = self.reader.any_table(value, "branches")?;
        let mut branches = BTreeMap::new();
        for (key, _, value) in table.iter() {
            branches.insert(key.to_owned(), self.reader.parsed(value, key)?);
        }
        if branches.is_empty() {
            self.reader.mistake(value.span().start, "`branches` is empty; write at least `\"*\" = \"the-code-of-a-branch\"`");
        }
        Some(branches)
    }

    /// A code as it is looked up: the short name of its system written out. Without a bar it cannot be told from a word.
    fn code(&mut self, at: usize, text: &str) -> Option<String> {
        let Some((system, code)) = text.split_once('|') else {
            self.reader.mistake(
                at,
                format!("`{text}` is not a code with its system; write `sct|80146002`, with `sct` named in `[systems]`, or `|52` for a code without a system"),
            );
            return None;
        };
        if let Some(long) = self.systems.get(system) {
            return Some(format!("{long}|{code}"));
        }
        if system.is_empty() || system.contains(':') {
            return Some(text.to_owned());
        }
        let near = nearest_word(system, self.systems.keys().map(String::as_str));
        let hint = near.map_or_else(|| "; name it in `[systems]`".to_owned(), |near| format!("; did you mean `{near}`?"));
        self.reader.mistake(at, format!("`{system}` is not the short name of a code system{hint}"));
        None
    }

    fn code_list(&mut self, table: Table<'_, 't>, key: &str) -> Option<Vec<String>> {
        let Some(value) = table.get(key) else { return Some(Vec::new()) };
        let items = self.reader.list(value, key)?;
        items
            .iter()
            .map(|item| {
                let text = self.reader.string(item, key)?.to_owned();
                self.code(item.span().start, &text)
            })
            .collect()
    }

    fn coded<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        root: Table<'_, 't>,
        name: &str,
    ) -> Option<BTreeMap<String, T>> {
        let Some(value) = root.get(name) else { return Some(BTreeMap::new()) };
        let table = self.reader.any_table(value, name)?;
        let mut coded = BTreeMap::new();
        for (key, at, value) in table.iter() {
            let code = self.code(at, key)?;
            coded.insert(code, self.reader.parsed(value, key)?);
        }
        Some(coded)
    }

    fn kinds(&mut self, root: Table<'_, 't>, name: &str) -> Option<Kinds> {
        let Some(value) = root.get(name) else { return Some(Kinds::default()) };
        let known =
            if name == "encounter" { KINDS.to_vec() } else { KINDS.iter().copied().filter(|key| *key != "classes").collect() };
        let table = self.reader.table(value, name, &known)?;
        let mut kinds = Kinds::default();
        if let Some(value) = table.get("default") {
            kinds.default = Some(self.kind_word(value)?);
        }
        for word in AppointmentKind::WORDS.iter().copied().chain(["none"]) {
            let kind = word.parse().ok();
            for code in self.code_list(table, word)? {
                if kinds.codes.insert(code.clone(), kind).is_some_and(|before| before != kind) {
                    self.reader.mistake(table.at, format!("the code `{code}` stands for two things here; it can mean one"));
                }
            }
        }
        Some(kinds)
    }

    fn kind_word(&mut self, value: &Value<'t>) -> Option<AppointmentKind> {
        self.reader.parsed(value, "default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "system = \"his\"\ntime_zone = \"Europe/Moscow\"\n\n[systems]\nsct = \"http://snomed.info/sct\"\n\n[branches]\n\"*\" = \"north\"\n\n[procedure]\nsurgery = [\"sct|80146002\"]\nnone = [\"|52\"]\n";

    #[track_caller]
    fn mistakes(text: &str, expected: &[&str]) {
        let found: Vec<String> = parse(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn short_names_stand_for_systems() {
        let mapping = parse(SMALL.as_bytes()).unwrap();
        assert_eq!(
            mapping.procedure.of(["http://snomed.info/sct|80146002".to_owned()].into_iter()),
            Ok(Some(AppointmentKind::Surgery))
        );
        assert_eq!(mapping.procedure.of(["|52".to_owned()].into_iter()), Ok(None));
        assert_eq!(mapping.procedure.of(["http://snomed.info/sct|1".to_owned()].into_iter()), Err(()), "nothing is guessed");
        assert_eq!(mapping.appointment.of(std::iter::empty()), Ok(Some(AppointmentKind::Consultation)));
    }

    #[test]
    fn mistakes_name_their_place_and_the_way_out() {
        mistakes(
            &SMALL.replace("\"sct|80146002\"", "\"sct80146002\", \"snct|1\""),
            &[
                "line 11, column 12: `sct80146002` is not a code with its system; write `sct|80146002`, with `sct` named in `[systems]`, or `|52` for a code without a system",
            ],
        );
        mistakes(
            &SMALL.replace("sct|80146002", "snct|80146002"),
            &["line 11, column 12: `snct` is not the short name of a code system; did you mean `sct`?"],
        );
        mistakes(
            &SMALL.replace("surgery", "surgry").replace("Europe/Moscow", "Europe/Moskow"),
            &[
                "line 2, column 13: `Europe/Moskow` is not the name of a time zone; did you mean `Europe/Moscow`?",
                "line 11, column 1: unknown field `surgry`; did you mean `surgery`?",
            ],
        );
        mistakes(
            &SMALL.replace("none = [\"|52\"]", "none = [\"sct|80146002\"]"),
            &["line 10, column 1: the code `http://snomed.info/sct|80146002` stands for two things here; it can mean one"],
        );
    }
}
