//! What a book's columns mean: a small TOML file, and what can be wrong with it. What the book itself lacks, the mapping states.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use smol_str::SmolStr;
use tact_domain::toml_text::{self, Mistake, Reader, Table, Value};
use tact_domain::{AppointmentKind, Branch, Channel, Outcome, Purpose, nearest_word, parse_clock_time};

use super::encoding::Encoding;

/// The most kinds of contact that a mapping may state.
const MOST_CONTACTS: usize = 16;

/// What the columns of an appointment book mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The other system's name; ids there are kept under it.
    pub system: SmolStr,
    /// The zone whose clock the book's times show.
    pub time_zone: Tz,
    /// In which encoding the book's letters are written.
    pub encoding: Encoding,
    /// What parts the columns; one ASCII character.
    pub delimiter: u8,
    /// What the book says of who its patients are.
    pub person: PersonColumns,
    /// Consents that the book says were given.
    pub consents: Vec<ConsentColumn>,
    /// The column of the patient's id there.
    pub patient: String,
    /// The column of the appointment's id there.
    pub appointment: String,
    /// What every appointment of the book is for.
    pub kind: AppointmentKind,
    /// The column of the time of booking, and how it is written.
    pub booked: (String, String),
    /// The column of the visit's start, and how it is written.
    pub visit: (String, String),
    /// The time of day at which visits begin, if the book has their days only.
    pub visit_time: Option<NaiveTime>,
    /// The column of the branch's name.
    pub branch: String,
    /// The codes of branches whose names do not make good ones.
    pub branch_codes: BTreeMap<String, Branch>,
    /// What became of the visit, if the book says so.
    pub outcome: Option<Fates>,
    /// Contacts that the book says were made.
    pub contacts: Vec<ContactColumn>,
}

/// What became of a visit, by the book's own words.
#[derive(Debug, Clone, PartialEq)]
pub struct Fates {
    /// The column.
    pub column: String,
    /// The words for: the patient came.
    pub completed: Vec<String>,
    /// The words for: the patient did not come.
    pub missed: Vec<String>,
    /// The words for: nobody has said yet.
    pub open: Vec<String>,
    /// The words for: the patient cancelled it.
    pub cancelled_by_patient: Vec<String>,
    /// The words for: the clinic cancelled it.
    pub cancelled_by_clinic: Vec<String>,
    /// When it was cancelled, if the book says so; if not, it is taken to have been when it was booked.
    pub cancelled_at: Option<When>,
}

/// A column that holds a time or a day, and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    /// The column.
    pub column: String,
    /// How it is written.
    pub format: String,
    /// The time of day, if the column holds days only.
    pub time: Option<NaiveTime>,
}

/// The columns that say who a patient is. What they hold goes to the personal data and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonColumns {
    /// The parts of the name, in the order in which they are put together.
    pub name: Vec<String>,
    /// The telephone number.
    pub phone: Option<String>,
    /// The address for electronic mail.
    pub email: Option<String>,
    /// The date of birth, and how it is written.
    pub birth_date: Option<(String, String)>,
    /// The language to speak, a BCP 47 tag.
    pub language: Option<String>,
}

impl PersonColumns {
    /// Whether the book says anything of who its patients are.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A column that says whether a patient agreed to something, those that prove it, and what the mapping states of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentColumn {
    /// The column.
    pub column: String,
    /// The words for: agreed.
    pub yes: Vec<String>,
    /// The words for: did not agree.
    pub no: Vec<String>,
    /// What for.
    pub purpose: Purpose,
    /// On which channels.
    pub channels: Vec<Channel>,
    /// By which method it was given.
    pub method: SmolStr,
    /// The column of the document's number: without a document there is no consent.
    pub document: String,
    /// When it was given.
    pub date: When,
}

impl Fates {
    /// All its words.
    pub(super) fn lists(&self) -> [&Vec<String>; 5] {
        [&self.completed, &self.missed, &self.open, &self.cancelled_by_patient, &self.cancelled_by_clinic]
    }
}

/// A column that says whether a contact was made, and what the mapping states of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactColumn {
    /// The column.
    pub column: String,
    /// The words for: it was made.
    pub yes: Vec<String>,
    /// The words for: it was not.
    pub no: Vec<String>,
    /// What for.
    pub purpose: Purpose,
    /// How.
    pub channel: Channel,
    /// How it ended.
    pub outcome: Outcome,
    /// So many days before the visit.
    pub days_before: u32,
    /// At this local time.
    pub at: NaiveTime,
}

const ROOT: &[&str] = &[
    "system",
    "time_zone",
    "encoding",
    "delimiter",
    "patient",
    "person",
    "appointment",
    "booked",
    "visit",
    "branch",
    "outcome",
    "contact",
    "consent",
];
const OUTCOME: &[&str] =
    &["column", "completed", "missed", "open", "cancelled_by_patient", "cancelled_by_clinic", "cancelled_at"];
const PERSON: &[&str] = &["name", "phone", "email", "birth_date", "language"];
const CONSENT: &[&str] = &["column", "yes", "no", "purpose", "channels", "method", "document", "date"];
const CONTACT: &[&str] = &["column", "yes", "no", "purpose", "channel", "outcome", "days_before", "at"];

/// Reads a mapping.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn parse(bytes: &[u8]) -> Result<Mapping, Vec<Mistake>> {
    let text = toml_text::utf8(bytes).map_err(|mistake| vec![mistake])?;
    let (mut reader, document) = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    let root = reader.document(&document, ROOT);
    let mapping = Author { reader: &mut reader }.mapping(root);
    match mapping {
        Some(mapping) if reader.is_clean() => Ok(mapping),
        _ => Err(reader.into_mistakes()),
    }
}

/// Reads the parts that mappings of all kinds have in common, and those of a book's.
pub(crate) struct Author<'r, 't> {
    pub(crate) reader: &'r mut Reader<'t>,
}

impl<'t> Author<'_, 't> {
    /// `None` only where a mistake has been kept.
    fn mapping(&mut self, root: Table<'_, 't>) -> Option<Mapping> {
        let system = self.system(root);
        let time_zone = self.time_zone(root);
        let encoding = root.get("encoding").map_or(Some(Encoding::Utf8), |value| self.reader.parsed(value, "encoding"));
        let delimiter = root.get("delimiter").map_or(Some(b','), |value| self.delimiter(value));
        let person = root.get("person").map_or(Some(PersonColumns::default()), |value| self.person(value));
        let patient = self.section(root, "patient", &["column"]).and_then(|t| self.column(t));
        let appointment = self.section(root, "appointment", &["column", "kind"]);
        let kind = appointment.and_then(|t| {
            let value = t.required(self.reader, "kind")?;
            self.reader.parsed(value, "kind")
        });
        let appointment = appointment.and_then(|t| self.column(t));
        let booked = self.section(root, "booked", &["column", "format"]);
        let booked = booked.and_then(|t| Some((self.column(t)?, self.format(t, false)?)));
        let visit = self.section(root, "visit", &["column", "format", "time"]);
        let visit_time = match visit.and_then(|t| t.get("time")) {
            Some(value) => self.clock_time(value, "time").map(Some),
            None => Some(None),
        };
        let visit = visit.and_then(|t| Some((self.column(t)?, self.format(t, t.get("time").is_some())?)));
        let branch = self.section(root, "branch", &["column", "codes"]);
        let branch_codes = branch.and_then(|t| self.codes(t));
        let branch = branch.and_then(|t| self.column(t));
        let outcome = match root.get("outcome") {
            Some(value) => self.fates(value).map(Some),
            None => Some(None),
        };
        let contacts = match root.get("contact") {
            Some(value) => self.contacts(value),
            None => Some(Vec::new()),
        };
        let consents = match root.get("consent") {
            Some(value) => self.consents(value),
            None => Some(Vec::new()),
        };
        Some(Mapping {
            encoding: encoding?,
            person: person?,
            consents: consents?,
            system: system?,
            time_zone: time_zone?,
            delimiter: delimiter?,
            patient: patient?,
            appointment: appointment?,
            kind: kind?,
            booked: booked?,
            visit: visit?,
            visit_time: visit_time?,
            branch: branch?,
            branch_codes: branch_codes?,
            outcome: outcome?,
            contacts: contacts?,
        })
    }

    pub(crate) fn section<'v>(&mut self, root: Table<'v, 't>, name: &str, keys: &[&str]) -> Option<Table<'v, 't>> {
        let value = root.required(self.reader, name)?;
        self.reader.table(value, name, keys)
    }

    pub(crate) fn text<'v>(&mut self, table: Table<'v, 't>, key: &str) -> Option<&'v str> {
        let value = table.required(self.reader, key)?;
        let text = self.reader.string(value, key)?;
        if text.trim().is_empty() {
            self.reader.mistake(value.span().start, format!("`{key}` is empty"));
            return None;
        }
        Some(text)
    }

    pub(crate) fn column(&mut self, table: Table<'_, 't>) -> Option<String> {
        self.text(table, "column").map(str::to_owned)
    }

    fn system(&mut self, root: Table<'_, 't>) -> Option<SmolStr> {
        let system = self.text(root, "system")?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if system.len() > 64 || !system.bytes().all(plain) {
            let at = root.get("system").map_or(root.at, |value| value.span().start);
            self.reader.mistake(at, format!("`system` is `{system}`; write 1 to 64 of a-z, 0-9, `_` and `-`"));
            return None;
        }
        Some(system.into())
    }

    fn time_zone(&mut self, root: Table<'_, 't>) -> Option<Tz> {
        let name = self.text(root, "time_zone")?;
        if let Ok(zone) = name.parse() {
            return Some(zone);
        }
        let near = nearest_word(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint =
            near.map_or_else(|| "; write a name such as `Europe/Moscow`".to_owned(), |near| format!("; did you mean `{near}`?"));
        let at = root.get("time_zone").map_or(root.at, |value| value.span().start);
        self.reader.mistake(at, format!("`{name}` is not the name of a time zone{hint}"));
        None
    }

    pub(crate) fn delimiter(&mut self, value: &Value<'t>) -> Option<u8> {
        let text = self.reader.string(value, "delimiter")?;
        match text.as_bytes() {
            [one] if one.is_ascii() && !matches!(one, b'"' | b'\n' | b'\r' | 0) && !one.is_ascii_alphanumeric() => Some(*one),
            _ => {
                let message =
                    format!("`delimiter` is `{text}`; write one character such as `,` or `;`, or `\\t` for a tabulator");
                self.reader.mistake(value.span().start, message);
                None
            }
        }
    }

    fn clock_time(&mut self, value: &Value<'t>, name: &str) -> Option<NaiveTime> {
        let text = self.reader.string(value, name)?;
        match parse_clock_time(text) {
            Ok(time) => Some(time),
            Err(error) => {
                self.reader.mistake(value.span().start, format!("`{name}`: {error}"));
                None
            }
        }
    }

    /// A format is tried out at once: one that cannot read what it has written would refuse every row.
    fn format(&mut self, table: Table<'_, 't>, day_only: bool) -> Option<String> {
        let format = self.text(table, "format")?;
        let sample = NaiveDate::from_ymd_opt(2016, 5, 30)?.and_hms_opt(17, 46, 12)?;
        let well_formed = chrono::format::StrftimeItems::new(format).all(|item| item != chrono::format::Item::Error);
        let written = well_formed.then(|| sample.format(format).to_string());
        let read = written.and_then(|text| read_local(&text, format, day_only.then_some(NaiveTime::MIN)));
        let expected = if day_only { sample.date().and_time(NaiveTime::MIN) } else { sample };
        // A format without seconds loses them, and no more.
        if read.is_some_and(|read| expected - read < chrono::Duration::minutes(1) && read <= expected) {
            return Some(format.to_owned());
        }
        let at = table.get("format").map_or(table.at, |value| value.span().start);
        let way_out = if day_only {
            "write the day as in `%Y-%m-%d` (`%d.%m.%Y` for 30.05.2016)"
        } else {
            "write day and time as in `%Y-%m-%d %H:%M`; if the book has days only, state the time with `time = \"08:00\"`"
        };
        self.reader.mistake(at, format!("`format` is `{format}`, which cannot be read back; {way_out}"));
        None
    }

    fn codes(&mut self, table: Table<'_, 't>) -> Option<BTreeMap<String, Branch>> {
        let Some(value) = table.get("codes") else { return Some(BTreeMap::new()) };
        let codes = self.reader.any_table(value, "codes")?;
        let mut known = BTreeMap::new();
        for (name, _, value) in codes.iter() {
            known.insert(name.to_owned(), self.reader.parsed(value, name)?);
        }
        Some(known)
    }

    pub(crate) fn word_list(&mut self, table: Table<'_, 't>, key: &str) -> Option<Vec<String>> {
        match table.get(key) {
            Some(value) => self.reader.words(value, key),
            None => Some(Vec::new()),
        }
    }

    fn fates(&mut self, value: &Value<'t>) -> Option<Fates> {
        let table = self.reader.table(value, "outcome", OUTCOME)?;
        let fates = Fates {
            column: self.column(table)?,
            completed: self.word_list(table, "completed")?,
            missed: self.word_list(table, "missed")?,
            open: self.word_list(table, "open")?,
            cancelled_by_patient: self.word_list(table, "cancelled_by_patient")?,
            cancelled_by_clinic: self.word_list(table, "cancelled_by_clinic")?,
            cancelled_at: match table.get("cancelled_at") {
                Some(value) => Some(self.when(value, "cancelled_at")?),
                None => None,
            },
        };
        let lists = fates.lists();
        self.said_once(table.at, &lists);
        if fates.completed.is_empty() && fates.missed.is_empty() {
            self.reader.mistake(table.at, "`[outcome]` names no words; write `completed = [..]`, `missed = [..]` or both");
        }
        Some(fates)
    }

    pub(crate) fn said_once(&mut self, at: usize, lists: &[&Vec<String>]) {
        let mut seen = Vec::new();
        for word in lists.iter().flat_map(|list| list.iter()) {
            if seen.contains(&word) {
                self.reader.mistake(at, format!("the word `{word}` stands for two things here; it can mean one"));
            }
            seen.push(word);
        }
    }

    fn contacts(&mut self, value: &Value<'t>) -> Option<Vec<ContactColumn>> {
        let items = self.reader.list(value, "contact")?;
        if items.len() > MOST_CONTACTS {
            self.reader.mistake(
                value.span().start,
                format!("there are {} contacts; at most {MOST_CONTACTS} can be stated", items.len()),
            );
        }
        items.iter().map(|item| self.contact(item)).collect()
    }

    /// A column with its format, and the time of day if it holds days only.
    fn when(&mut self, value: &Value<'t>, name: &str) -> Option<When> {
        let table = self.reader.table(value, name, &["column", "format", "time"])?;
        let time = match table.get("time") {
            Some(value) => Some(self.clock_time(value, "time")?),
            None => None,
        };
        Some(When { column: self.column(table)?, format: self.format(table, time.is_some())?, time })
    }

    fn column_of(&mut self, table: Table<'_, 't>, key: &str) -> Option<Option<String>> {
        match table.get(key) {
            Some(_) => Some(Some(self.text(table, key)?.to_owned())),
            None => Some(None),
        }
    }

    fn person(&mut self, value: &Value<'t>) -> Option<PersonColumns> {
        let table = self.reader.table(value, "person", PERSON)?;
        let birth_date = match table.get("birth_date") {
            Some(value) => {
                let table = self.reader.table(value, "birth_date", &["column", "format"])?;
                Some((self.column(table)?, self.format(table, true)?))
            }
            None => None,
        };
        Some(PersonColumns {
            name: self.word_list(table, "name")?,
            phone: self.column_of(table, "phone")?,
            email: self.column_of(table, "email")?,
            birth_date,
            language: self.column_of(table, "language")?,
        })
    }

    fn consents(&mut self, value: &Value<'t>) -> Option<Vec<ConsentColumn>> {
        let items = self.reader.list(value, "consent")?;
        if items.len() > MOST_CONTACTS {
            let message = format!("there are {} consents; at most {MOST_CONTACTS} can be stated", items.len());
            self.reader.mistake(value.span().start, message);
        }
        items.iter().map(|item| self.consent(item)).collect()
    }

    fn consent(&mut self, value: &Value<'t>) -> Option<ConsentColumn> {
        let table = self.reader.table(value, "consent", CONSENT)?;
        let [purpose, channels, date] = ["purpose", "channels", "date"].map(|key| table.required(self.reader, key));
        let consent = ConsentColumn {
            column: self.column(table)?,
            yes: self.word_list(table, "yes")?,
            no: self.word_list(table, "no")?,
            purpose: self.reader.parsed(purpose?, "purpose")?,
            channels: self.reader.words(channels?, "channels")?,
            method: self.text(table, "method")?.into(),
            document: self.text(table, "document")?.to_owned(),
            date: self.when(date?, "date")?,
        };
        self.said_once(table.at, &[&consent.yes, &consent.no]);
        if consent.yes.is_empty() || consent.channels.is_empty() {
            let message = "`yes` or `channels` is empty: write the words that say the patient agreed, and for which channels";
            self.reader.mistake(table.at, message);
        }
        if tact_service::fields::word("method", &consent.method).is_err() {
            let at = table.get("method").map_or(table.at, |value| value.span().start);
            self.reader.mistake(
                at,
                format!("`method` is `{}`; write one word of a-z, 0-9, `_` and `-`, such as `paper`", consent.method),
            );
        }
        Some(consent)
    }

    fn contact(&mut self, value: &Value<'t>) -> Option<ContactColumn> {
        let table = self.reader.table(value, "contact", CONTACT)?;
        let [purpose, channel, outcome, days, at] =
            ["purpose", "channel", "outcome", "days_before", "at"].map(|key| table.required(self.reader, key));
        let contact = ContactColumn {
            column: self.column(table)?,
            yes: self.word_list(table, "yes")?,
            no: self.word_list(table, "no")?,
            purpose: self.reader.parsed(purpose?, "purpose")?,
            channel: self.reader.parsed(channel?, "channel")?,
            outcome: self.reader.parsed(outcome?, "outcome")?,
            days_before: self.reader.number(days?, "days_before", 0..=366)?,
            at: self.clock_time(at?, "at")?,
        };
        self.said_once(table.at, &[&contact.yes, &contact.no]);
        if contact.yes.is_empty() {
            self.reader
                .mistake(table.at, "`yes` is missing: write the words that say the contact was made, such as `yes = [\"1\"]`");
        }
        Some(contact)
    }
}

/// Reads a local time; with `time` given, the text holds the day only.
pub(super) fn read_local(text: &str, format: &str, time: Option<NaiveTime>) -> Option<chrono::NaiveDateTime> {
    match time {
        Some(time) => NaiveDate::parse_from_str(text, format).ok().map(|day| day.and_time(time)),
        None => chrono::NaiveDateTime::parse_from_str(text, format).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../../mappings/noshow-vitoria.toml");

    #[track_caller]
    fn mistakes(text: &str, expected: &[&str]) {
        let found: Vec<String> = parse(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_shipped_mapping_says_what_its_book_lacks() {
        let mapping = parse(SHIPPED.as_bytes()).unwrap();
        assert_eq!(mapping.system, "noshow-vitoria");
        assert_eq!(mapping.time_zone, Tz::America__Sao_Paulo);
        assert_eq!(mapping.visit_time, NaiveTime::from_hms_opt(8, 0, 0));
        assert_eq!(mapping.outcome.unwrap().missed, ["Yes"]);
        assert_eq!(mapping.contacts[0].at, NaiveTime::from_hms_opt(12, 0, 0).unwrap());
    }

    #[test]
    fn mistakes_name_their_place_and_the_way_out() {
        mistakes(
            &SHIPPED.replace("America/Sao_Paulo", "America/Sao_Paolo"),
            &["line 8, column 13: `America/Sao_Paolo` is not the name of a time zone; did you mean `America/Sao_Paulo`?"],
        );
        mistakes(
            &SHIPPED.replace("[booked]", "[bookd]"),
            &["line 1, column 1: `booked` is missing", "line 18, column 2: unknown field `bookd`; did you mean `booked`?"],
        );
        mistakes(
            &SHIPPED.replace("\"%Y-%m-%dT00:00:00Z\"\ntime = \"08:00\"", "\"%Y-%m-%d\""),
            &[
                "line 25, column 10: `format` is `%Y-%m-%d`, which cannot be read back; write day and time as in `%Y-%m-%d %H:%M`; if the \
               book has days only, state the time with `time = \"08:00\"`",
            ],
        );
        mistakes(
            &SHIPPED.replace("missed = [\"Yes\"]", "missed = [\"No\"]"),
            &["line 33, column 1: the word `No` stands for two things here; it can mean one"],
        );
        mistakes(
            &SHIPPED.replace("channel = \"sms\"", "channel = \"smss\""),
            &["line 45, column 11: `channel`: `smss` is not a channel; did you mean `sms`?"],
        );
        mistakes(
            &SHIPPED.replace("system = \"noshow-vitoria\"", "system = \"No show\"\ndelimiter = \";;\""),
            &[
                "line 5, column 10: `system` is `No show`; write 1 to 64 of a-z, 0-9, `_` and `-`",
                "line 6, column 13: `delimiter` is `;;`; write one character such as `,` or `;`, or `\\t` for a tabulator",
            ],
        );
    }

    #[test]
    fn a_format_without_seconds_will_do() {
        let text = SHIPPED.replace("%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M");
        assert_eq!(parse(text.as_bytes()).unwrap().booked.1, "%d.%m.%Y %H:%M");
    }
}
