//! What is said to patients: a text for each purpose, channel and language, with places for what differs from patient to patient.
//!
//! A template must never hold what [`check`] refuses, and what is made of one must never be logged.

pub mod check;
mod dates;
pub mod sms;
pub mod words;

use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;
use smol_str::SmolStr;
use tact_domain::toml_text::{Mistake, Reader, Table};
use tact_domain::{Channel, Purpose, Time, nearest_word};

/// The templates that ship, for the default policy's purposes.
pub const DEFAULT: &str = include_str!("../../../../templates/default.toml");

/// The channels that a gateway can serve.
pub const MACHINE: [Channel; 4] = [Channel::AutoCall, Channel::Sms, Channel::Email, Channel::Messenger];

/// The tags that make a text an advertisement: it then needs a purpose that rests on consent (P8).
pub const PROMOTIONAL_TAGS: [&str; 4] = ["promotion", "discount", "price", "offer"];

/// A place in a text for what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The patient's name.
    Name,
    /// The day of the appointment, in the patient's own zone and in words.
    Date,
    /// Its time of day, in the same zone.
    Time,
    /// The branch's name.
    Branch,
    /// The branch's telephone number.
    BranchPhone,
    /// Where and when every appointment is that the message is about: `North, 3 March, 09:30, 10:00; East, 3 March, 12:00`.
    Appointments,
}

impl Place {
    /// Each with its word. There is none for a service or a clinician: either may betray what is being treated.
    const WORDS: [(&'static str, Self); 6] = [
        ("name", Self::Name),
        ("date", Self::Date),
        ("time", Self::Time),
        ("branch", Self::Branch),
        ("branch_phone", Self::BranchPhone),
        ("appointments", Self::Appointments),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, place)| *place == self).map_or("", |(word, _)| word)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Place(Place),
}

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(Vec<Piece>);

/// What stands in the places of a message. What is not known stays away, and a text that needs it is not sent.
#[derive(Clone, Default)]
pub struct Filling {
    /// The name of the one patient.
    pub name: Option<String>,
    /// The branch's name.
    pub branch: Option<String>,
    /// Its number.
    pub branch_phone: Option<String>,
    /// The appointments: one, or one of each patient who is told with the same message.
    pub appointments: Vec<Told>,
}

/// An appointment as a patient is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When it starts.
    pub at: Time,
    /// The zone to say it in.
    pub zone: Tz,
    /// The branch's name.
    pub branch: Option<String>,
}

impl fmt::Debug for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filling(hidden)")
    }
}

impl Text {
    /// Reads a text: `{name}` is a place, `{{` and `}}` are braces.
    ///
    /// # Errors
    /// What is wrong, and the nearest place that is known.
    pub fn read(text: &str) -> Result<Self, String> {
        let (mut pieces, mut words) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            words.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                words.push_str(brace);
                rest = after;
                continue;
            }
            let inside = rest.split_once('}').filter(|_| brace == "{");
            let Some((name, after)) = inside else {
                return Err(format!(
                    "a `{brace}` stands alone; write a place such as {{date}}, or {brace}{brace} for the sign itself"
                ));
            };
            let Some((_, place)) = Place::WORDS.iter().find(|(word, _)| *word == name) else {
                let known = Place::WORDS.map(|(word, _)| word);
                let hint = match nearest_word(name, known) {
                    Some(near) => format!("did you mean {{{near}}}?"),
                    None => format!("known are {}", known.map(|word| format!("{{{word}}}")).join(", ")),
                };
                return Err(format!("{{{}}} is no place of a template; {hint}", name.chars().take(40).collect::<String>()));
            };
            if !words.is_empty() {
                pieces.push(Piece::Words(std::mem::take(&mut words)));
            }
            pieces.push(Piece::Place(*place));
            rest = after;
        }
        words.push_str(rest);
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        Ok(Self(pieces))
    }

    /// Its places.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Place(place) => Some(*place),
            Piece::Words(_) => None,
        })
    }

    /// The text with something in each place.
    fn with(&self, mut of: impl FnMut(Place) -> Option<String>) -> Result<String, Place> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => text.push_str(words),
                Piece::Place(place) => text.push_str(&of(*place).ok_or(*place)?),
            }
        }
        Ok(text)
    }

    /// The text for one patient.
    ///
    /// # Errors
    /// The place for which nothing is known.
    pub fn filled(&self, filling: &Filling, language: &str) -> Result<String, Place> {
        self.with(|place| match place {
            Place::Name => filling.name.clone(),
            Place::Date => filling.appointments.first().map(|told| dates::day(language, told.at, told.zone)),
            Place::Time => filling.appointments.first().map(|told| dates::time_of_day(told.at, told.zone)),
            Place::Branch => filling.branch.clone(),
            Place::BranchPhone => filling.branch_phone.clone(),
            Place::Appointments => dates::appointments(language, &filling.appointments),
        })
    }

    /// The words alone, a blank in each place.
    fn bare(&self) -> String {
        self.with(|_| Some(" ".to_owned())).unwrap_or_default()
    }
}

/// What one message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// For e-mail: the subject.
    pub subject: Option<Text>,
    /// What is written, or read out to whoever answers.
    pub text: Text,
    /// For calls: what is said to a machine; absent: nothing, the robot hangs up.
    pub voicemail: Option<Text>,
}

impl Wording {
    /// All that it says.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        self.subject.iter().chain(std::iter::once(&self.text)).chain(&self.voicemail)
    }
}

/// One template: for a purpose, a channel and a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What it is about.
    pub tags: Vec<SmolStr>,
    /// What is said to one patient.
    pub alone: Wording,
    /// What is said once for several who share a number; absent: each of them is told alone.
    pub together: Option<Wording>,
    /// Where it stands in its file: line and column.
    pub at: (usize, usize),
}

/// By what a template is found.
pub type Key = (Purpose, Channel, SmolStr);

/// The templates of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Templates {
    all: BTreeMap<Key, Template>,
    /// The language of those whose own is not written in: the first in the file.
    fallback: SmolStr,
}

/// A template's own text for a patient, and the language that it is in.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'t> {
    /// The template.
    pub template: &'t Template,
    /// Its language.
    pub language: &'t SmolStr,
}

impl Templates {
    /// Reads a file of templates.
    ///
    /// # Errors
    /// Every mistake, with its place.
    pub fn read(text: &str) -> Result<Self, Vec<Mistake>> {
        let (mut reader, document) = Reader::new(text);
        let table = reader.document(&document, &["fallback", "template"]);
        let mut templates = Self::default();
        let fallback = table.required(&mut reader, "fallback").and_then(|value| reader.string(value, "fallback"));
        templates.fallback = fallback.unwrap_or_default().into();
        let list = table.required(&mut reader, "template").and_then(|value| reader.list(value, "template"));
        for entry in list.unwrap_or_default() {
            let Some(table) = reader.any_table(entry, "template") else { continue };
            templates.entry(&mut reader, table);
        }
        if reader.is_clean() && !templates.languages().contains(&templates.fallback) {
            reader.mistake(
                table.key_at("fallback"),
                format!("`fallback` is `{}`, in which no template is written", templates.fallback),
            );
        }
        if reader.is_clean() { Ok(templates) } else { Err(reader.into_mistakes()) }
    }

    fn entry<'t>(&mut self, reader: &mut Reader<'t>, table: Table<'_, 't>) {
        let purpose: Option<Purpose> = table.required(reader, "purpose").and_then(|value| reader.parsed(value, "purpose"));
        let channels: Vec<Channel> =
            table.required(reader, "channels").and_then(|value| reader.words(value, "channels")).unwrap_or_default();
        let tags: Vec<SmolStr> = table.get("tags").map_or(Some(Vec::new()), |value| tags(reader, value)).unwrap_or_default();
        let mut written = 0;
        for (language, at, value) in table.iter().filter(|(key, ..)| !["purpose", "channels", "tags"].contains(key)) {
            if !is_language(language) {
                reader.mistake(
                    at,
                    format!("unknown field `{language}`; known are `purpose`, `channels`, `tags` and languages such as `ru`"),
                );
                continue;
            }
            written += 1;
            let Some(table) = reader.table(value, language, &["subject", "text", "voicemail", "together"]) else { continue };
            let table = table.named_at(at);
            let alone = wording(reader, &table, &channels);
            let together = table.get("together").and_then(|value| {
                let inner =
                    reader.table(value, "together", &["subject", "text", "voicemail"])?.named_at(table.key_at("together"));
                wording(reader, &inner, &channels)
            });
            let (Some(purpose), Some(alone)) = (&purpose, alone) else { continue };
            for channel in &channels {
                if !MACHINE.contains(channel) {
                    reader.mistake(
                        table.at,
                        format!("`{channel}` is made by people; templates are for {}", MACHINE.map(Channel::as_str).join(", ")),
                    );
                }
                if together.is_some() && !channel.uses_number() {
                    reader
                        .mistake(table.key_at("together"), format!("`{channel}` goes to no telephone number: nobody shares one"));
                }
                let template =
                    Template { tags: tags.clone(), alone: alone.clone(), together: together.clone(), at: reader.place(table.at) };
                if self.all.insert((purpose.clone(), *channel, language.into()), template).is_some() {
                    reader.mistake(table.at, format!("`{purpose}` by `{channel}` in `{language}` is written twice"));
                }
            }
        }
        if written == 0 {
            reader.mistake(table.at, "no language is written; add one such as `ru = { text = \"..\" }`");
        }
    }

    /// The languages that are written in.
    pub fn languages(&self) -> Vec<SmolStr> {
        let mut languages: Vec<SmolStr> = self.all.keys().map(|(_, _, language)| language.clone()).collect();
        languages.sort();
        languages.dedup();
        languages
    }

    /// Every template by its purpose, channel and language.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Template)> {
        self.all.iter()
    }

    /// The template for a patient who speaks a language, a BCP 47 tag: in that language, whatever its region, else in the fallback's.
    pub fn choose(&self, purpose: &Purpose, channel: Channel, language: Option<&str>) -> Option<Chosen<'_>> {
        let own = language.map(|tag| tag.split('-').next().unwrap_or(tag).to_lowercase());
        [own.as_deref(), Some(self.fallback.as_str())].into_iter().flatten().find_map(|language| {
            let (key, template) = self.all.get_key_value(&(purpose.clone(), channel, language.into()))?;
            Some(Chosen { template, language: &key.2 })
        })
    }
}

/// What is said on these channels.
fn wording<'t>(reader: &mut Reader<'t>, table: &Table<'_, 't>, channels: &[Channel]) -> Option<Wording> {
    let text = |reader: &mut Reader<'t>, key: &str| {
        let value = table.get(key)?;
        let read = Text::read(reader.string(value, key)?.trim());
        read.map_err(|problem| reader.mistake(value.span().start, format!("`{key}`: {problem}"))).ok()
    };
    let (subject, body, voicemail) = (text(reader, "subject"), text(reader, "text"), text(reader, "voicemail"));
    table.required(reader, "text");
    for channel in channels {
        if (*channel == Channel::Email) != subject.is_some() {
            let problem = if subject.is_some() { "only e-mail has a `subject`" } else { "e-mail needs a `subject`" };
            reader.mistake(table.at, problem);
        }
        if voicemail.is_some() && *channel != Channel::AutoCall {
            reader.mistake(table.key_at("voicemail"), "only `auto_call` has a `voicemail`");
        }
    }
    Some(Wording { subject, text: body?, voicemail })
}

/// Tags: words that go into no event, so that any will do.
fn tags<'t>(reader: &mut Reader<'t>, value: &tact_domain::toml_text::Value<'t>) -> Option<Vec<SmolStr>> {
    let items = reader.list(value, "tags")?;
    Some(items.iter().filter_map(|item| reader.string(item, "tags").map(SmolStr::from)).collect())
}

fn is_language(word: &str) -> bool {
    (2..=3).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_unknown_ones_named() {
        let text = Text::read("{name}, {date} в {time} {{точно}}").unwrap();
        let told =
            |at: &str, branch: &str| Told { at: at.parse().unwrap(), zone: Tz::Europe__Moscow, branch: Some(branch.to_owned()) };
        let filling = Filling {
            name: Some("Анна".to_owned()),
            appointments: vec![told("2026-03-03T06:30:00Z", "Север")],
            ..Filling::default()
        };
        assert_eq!(text.filled(&filling, "ru").unwrap(), "Анна, 3 марта в 09:30 {точно}");
        assert_eq!(text.filled(&Filling { appointments: Vec::new(), ..filling }, "ru"), Err(Place::Date));
        let (all, mut several) = (Text::read("{appointments}").unwrap(), Filling::default());
        assert_eq!(all.filled(&several, "ru"), Err(Place::Appointments));
        several.appointments = vec![
            told("2026-03-03T09:00:00Z", "Восток"),
            told("2026-03-03T07:00:00Z", "Север"),
            told("2026-03-03T06:30:00Z", "Север"),
        ];
        assert_eq!(all.filled(&several, "ru").unwrap(), "Север, 3 марта, 09:30, 10:00; Восток, 3 марта, 12:00");
        for (bad, said) in
            [("{dat}", "{date}"), ("{clinician}", "known are"), ("a } b", "stands alone"), ("{name", "stands alone")]
        {
            let error = Text::read(bad).unwrap_err();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }

    #[test]
    fn the_language_falls_back() {
        let templates = Templates::read(DEFAULT).unwrap();
        let reminder: Purpose = "appointment_reminder".parse().unwrap();
        for (spoken, chosen) in [(Some("en-GB"), "en"), (Some("RU"), "ru"), (Some("de"), "ru"), (None, "ru")] {
            assert_eq!(templates.choose(&reminder, Channel::Sms, spoken).unwrap().language, chosen, "{spoken:?}");
        }
        assert!(templates.choose(&"win_back".parse().unwrap(), Channel::Sms, None).is_none());
    }

    #[test]
    fn mistakes_are_said_with_their_places() {
        let text = "fallback = \"ru\"\n[[template]]\npurpose = \"appointment_reminder\"\nchannels = [\"smz\", \"phone\"]\nru = { text = \"{dat}\", subject = \"x\" }\nrussian = 1\n";
        let mistakes: Vec<String> = Templates::read(text).unwrap_err().iter().map(ToString::to_string).collect();
        let all = mistakes.join("\n");
        for said in ["line 4", "`sms`", "line 5", "{date}", "unknown field `russian`"] {
            assert!(all.contains(said), "{said}: {all}");
        }
    }
}
