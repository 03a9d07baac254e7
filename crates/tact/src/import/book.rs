//! Reads a book: bytes to rows, each of them taken or refused with its line, its column and the reason. Knows nothing of what is recorded already.
//!
//! A reason never repeats an id of a patient: it is shown to whoever runs the import, and may end up in a ticket.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use chrono::{Datelike, NaiveDate, NaiveTime};
use csv::{ByteRecord, StringRecord};
use smol_str::SmolStr;
use tact_domain::patient::admit::EARLIEST;
use tact_domain::zone::local_to_utc;
use tact_domain::{Branch, ChangedBy, Time};
use tact_personal::Details;
use tact_service::fields;

use super::account::Refusal;
use super::csv_text;
use super::encoding::Wrong;
use super::mapping::{Mapping, read_local};

/// The longest id that another system may use, in bytes.
const LONGEST_ID: usize = 200;

/// What became of a visit, so far as the book says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Completed,
    Missed,
    Cancelled(ChangedBy, Time),
}

/// A consent that a row tells of, the first to do so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// Which of the mapping's consents.
    pub(super) number: u8,
    /// The document's number, as the book has it.
    pub(super) document: SmolStr,
    pub(super) time: Time,
}

/// One appointment.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// The patient: an index into [`Book::patients`].
    pub(super) patient: u32,
    /// The branch: an index into [`Book::branches`].
    pub(super) branch: u16,
    /// Which contacts of the mapping were made, a bit each.
    pub(super) contacts: u16,
    pub(super) fate: Fate,
    pub(super) consents: Vec<Given>,
    pub(super) appointment: SmolStr,
    pub(super) booked_at: Time,
    pub(super) starts_at: Time,
}

/// A book as it was read: nothing of it is recorded yet.
#[derive(Debug, Default)]
pub struct Book {
    pub(super) rows: Vec<Row>,
    /// The ids of its patients, in the order of their first rows.
    pub(super) patients: Vec<SmolStr>,
    /// Who they are, and the language to speak, patient by patient. Of several rows, the last one that says something holds.
    pub(super) people: Vec<(Details, Option<SmolStr>)>,
    /// Its branches, with their names.
    pub(super) branches: Vec<(Branch, String)>,
    pub(super) refused: Vec<Refusal>,
    /// How many rows there were, refused ones included.
    pub(super) read: u64,
    /// The name of the column in which a visit's outcome stands, with its number.
    pub(super) outcome_column: Option<(usize, String)>,
    pub(super) booked_column: (usize, String),
}

/// Reads a book from a file, packed with gzip or not.
///
/// # Errors
/// The file cannot be read to its end, is not text in the encoding that the mapping states, or lacks a column of the mapping. Rows that cannot be taken are no errors: they
/// are among the refused.
pub fn read(path: &Path, mapping: &Mapping) -> anyhow::Result<Book> {
    let text = csv_text::open(path)?;
    read_from(text, mapping).with_context(|| format!("{} cannot be imported", path.display()))
}

fn read_from(text: impl Read, mapping: &Mapping) -> anyhow::Result<Book> {
    let (mut reader, header) = csv_text::rows(text, mapping.delimiter, mapping.encoding)?;
    let columns = Columns::find(&header, mapping)?;
    let mut intake = Intake { mapping, columns, header, ..Intake::new(mapping) };
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).with_context(|| format!("broken off after {} rows", intake.book.read))? {
        intake.book.read += 1;
        let line = record.position().map_or(0, csv::Position::line);
        // The next row begins on the line behind this one's last.
        let lines = reader.position().line().saturating_sub(line).max(1);
        for (at, bytes) in record.iter().enumerate() {
            // One field in another encoding than stated is enough to know it of all.
            if let Err(Wrong::File(way_out)) = mapping.encoding.text(bytes) {
                let name = intake.header.get(at).unwrap_or_default();
                bail!("line {line}, column {} (`{name}`): {way_out}", at + 1);
            }
        }
        match intake.row(&record, (line, lines)) {
            Ok(row) => intake.book.rows.push(row),
            Err((column, reason)) => {
                let column = column.map(|at| intake.named(at));
                intake.book.refused.push(Refusal { line, column, reason });
            }
        }
    }
    let mut book = intake.book;
    let named = |at: usize| (at + 1, intake.header.get(at).unwrap_or_default().to_owned());
    book.outcome_column = intake.columns.outcome.map(named);
    book.booked_column = named(intake.columns.booked);
    Ok(book)
}

/// Where the mapping's columns stand, from 0.
#[derive(Default)]
struct Columns {
    patient: usize,
    appointment: usize,
    booked: usize,
    visit: usize,
    branch: usize,
    outcome: Option<usize>,
    cancelled_at: Option<usize>,
    contacts: Vec<usize>,
    name: Vec<usize>,
    phone: Option<usize>,
    email: Option<usize>,
    birth_date: Option<usize>,
    language: Option<usize>,
    /// For each consent: agreed, the document, the date.
    consents: Vec<[usize; 3]>,
}

impl Columns {
    fn find(header: &StringRecord, mapping: &Mapping) -> anyhow::Result<Self> {
        let find = |wanted: &str| csv_text::column(header, wanted);
        let maybe = |wanted: Option<&String>| wanted.map(|wanted| find(wanted)).transpose();
        let person = &mapping.person;
        Ok(Self {
            patient: find(&mapping.patient)?,
            appointment: find(&mapping.appointment)?,
            booked: find(&mapping.booked.0)?,
            visit: find(&mapping.visit.0)?,
            branch: find(&mapping.branch)?,
            outcome: mapping.outcome.as_ref().map(|fates| find(&fates.column)).transpose()?,
            cancelled_at: match mapping.outcome.as_ref().and_then(|fates| fates.cancelled_at.as_ref()) {
                Some(when) => Some(find(&when.column)?),
                None => None,
            },
            contacts: mapping.contacts.iter().map(|contact| find(&contact.column)).collect::<anyhow::Result<_>>()?,
            name: person.name.iter().map(|column| find(column)).collect::<anyhow::Result<_>>()?,
            phone: maybe(person.phone.as_ref())?,
            email: maybe(person.email.as_ref())?,
            birth_date: maybe(person.birth_date.as_ref().map(|(column, _)| column))?,
            language: maybe(person.language.as_ref())?,
            consents: mapping
                .consents
                .iter()
                .map(|consent| Ok([find(&consent.column)?, find(&consent.document)?, find(&consent.date.column)?]))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

/// Why a row is refused: the column at fault, from 0, if it is one, and the reason.
type Fault = (Option<usize>, String);

struct Intake<'m> {
    mapping: &'m Mapping,
    columns: Columns,
    header: StringRecord,
    book: Book,
    patients: HashMap<SmolStr, u32>,
    appointments: HashMap<SmolStr, u64>,
    /// Consents that a row before has told of: whose, which, and by which document.
    consents: HashSet<(SmolStr, u8, SmolStr)>,
    /// By the name as the book writes it.
    branches: HashMap<String, u16>,
}

impl<'m> Intake<'m> {
    fn new(mapping: &'m Mapping) -> Self {
        Self {
            mapping,
            columns: Columns::default(),
            header: StringRecord::new(),
            book: Book::default(),
            patients: HashMap::new(),
            appointments: HashMap::new(),
            consents: HashSet::new(),
            branches: HashMap::new(),
        }
    }

    fn named(&self, at: usize) -> (usize, String) {
        (at + 1, self.header.get(at).unwrap_or_default().to_owned())
    }

    /// Reads a row that begins on a line and goes over so many.
    fn row(&mut self, record: &ByteRecord, (line, lines): (u64, u64)) -> Result<Row, Fault> {
        if record.len() != self.header.len() {
            let columns = if record.len() == 1 { "1 column".to_owned() } else { format!("{} columns", record.len()) };
            let mut reason = format!("it has {columns}, the first line has {}", self.header.len());
            if lines > 1 {
                reason.push_str(&format!(
                    "; it goes on to line {}, and all of that is lost if a quotation mark was not closed",
                    line + lines - 1
                ));
            }
            return Err((None, reason));
        }
        let columns = &self.columns;
        let patient = self.id(record, columns.patient)?;
        let appointment = self.id(record, columns.appointment)?;
        if let Some(first) = self.appointments.get(&*appointment) {
            return Err((Some(columns.appointment), format!("line {first} is about the same appointment")));
        }
        let (format, visit_time) = (&self.mapping.visit.1, self.mapping.visit_time);
        let booked_at = self.time(record, columns.booked, &self.mapping.booked.1, None)?;
        let starts_at = self.time(record, columns.visit, format, visit_time)?;
        let fate = self.fate(record, booked_at)?;
        let contacts = self.contacts(record)?;
        let mut consents = self.consents(record)?;
        let (person, language) = self.person(record, booked_at)?;
        let branch = self.field(record, columns.branch)?;
        // Everything else about the row is good by now: only rows that are taken add patients and branches.
        let branch = self.branch(&branch)?;
        let appointment = SmolStr::new(appointment);
        self.appointments.insert(appointment.clone(), line);
        consents.retain(|given| self.consents.insert((SmolStr::new(&*patient), given.number, given.document.clone())));
        let patient = self.patient(&patient);
        let (known, spoken) = &mut self.book.people[patient as usize];
        *known = Details {
            name: person.name.or(known.name.take()),
            phone: person.phone.or(known.phone.take()),
            email: person.email.or(known.email.take()),
            address: None,
            birth_date: person.birth_date.or(known.birth_date.take()),
        };
        *spoken = language.or(spoken.take());
        Ok(Row { line, patient, branch, contacts, fate, consents, appointment, booked_at, starts_at })
    }

    fn patient(&mut self, id: &str) -> u32 {
        if let Some(known) = self.patients.get(id) {
            return *known;
        }
        let index = u32::try_from(self.book.patients.len()).expect("a book in memory has fewer than four milliard patients");
        self.book.patients.push(id.into());
        self.book.people.push(Default::default());
        self.patients.insert(id.into(), index);
        index
    }

    fn branch(&mut self, name: &str) -> Result<u16, Fault> {
        if let Some(known) = self.branches.get(name) {
            return Ok(*known);
        }
        let at = Some(self.columns.branch);
        if name.is_empty() {
            return Err((at, "it is empty; every appointment is at a branch".to_owned()));
        }
        let code = self.mapping.branch_codes.get(name).cloned().or_else(|| super::slug::code(name));
        let Some(code) = code else {
            let said = self.quoted(name);
            return Err((at, format!("no code can be made of {said}; state one in the mapping's `[branch.codes]`")));
        };
        // Names with one code differ in case, accents or punctuation only: it is one branch, written in two ways.
        let index = self.book.branches.iter().position(|(known, _)| *known == code).unwrap_or_else(|| {
            self.book.branches.push((code, name.to_owned()));
            self.book.branches.len() - 1
        });
        let index = u16::try_from(index).map_err(|_| (at, "the book has more than 65,536 branches".to_owned()))?;
        self.branches.insert(name.to_owned(), index);
        Ok(index)
    }

    fn time(&self, record: &ByteRecord, at: usize, format: &str, time: Option<NaiveTime>) -> Result<Time, Fault> {
        let text = self.field(record, at)?;
        let Some(local) = read_local(&text, format, time) else {
            return Err((Some(at), format!("{} is not a time in the form `{format}`", self.quoted(&text))));
        };
        let utc = local_to_utc(self.mapping.time_zone, local);
        if utc < EARLIEST || local.year() > 9999 {
            return Err((Some(at), format!("{} lies outside the years 1900 to 9999", self.quoted(&text))));
        }
        Ok(utc)
    }

    fn fate(&self, record: &ByteRecord, booked_at: Time) -> Result<Fate, Fault> {
        let (Some(at), Some(fates)) = (self.columns.outcome, &self.mapping.outcome) else { return Ok(Fate::Open) };
        let word = self.field(record, at)?;
        let is = |list: &[String]| list.iter().any(|known| *known == word);
        let by = match () {
            () if is(&fates.completed) => return Ok(Fate::Completed),
            () if is(&fates.missed) => return Ok(Fate::Missed),
            () if is(&fates.open) => return Ok(Fate::Open),
            () if is(&fates.cancelled_by_patient) => ChangedBy::Patient,
            () if is(&fates.cancelled_by_clinic) => ChangedBy::Clinic,
            () => return Err((Some(at), self.unknown_word(&word, &fates.lists()))),
        };
        match (self.columns.cancelled_at, &fates.cancelled_at) {
            // An empty date is none: it happened at some time since the booking.
            (Some(at), Some(when)) if !self.field(record, at)?.is_empty() => {
                Ok(Fate::Cancelled(by, self.time(record, at, &when.format, when.time)?.max(booked_at)))
            }
            _ => Ok(Fate::Cancelled(by, booked_at)),
        }
    }

    fn contacts(&self, record: &ByteRecord) -> Result<u16, Fault> {
        let mut made = 0;
        for (bit, (contact, at)) in self.mapping.contacts.iter().zip(&self.columns.contacts).enumerate() {
            let word = self.field(record, *at)?;
            if contact.yes.iter().any(|yes| *yes == word) {
                made |= 1 << bit;
            } else if !contact.no.iter().any(|no| *no == word) {
                return Err((Some(*at), self.unknown_word(&word, &[&contact.yes, &contact.no])));
            }
        }
        Ok(made)
    }

    fn consents(&self, record: &ByteRecord) -> Result<Vec<Given>, Fault> {
        let mut given = Vec::new();
        for ((number, consent), [at, document, date]) in (0u8..).zip(&self.mapping.consents).zip(&self.columns.consents) {
            let word = self.field(record, *at)?;
            if consent.no.iter().any(|no| *no == word) {
                continue;
            }
            if !consent.yes.iter().any(|yes| *yes == word) {
                return Err((Some(*at), self.unknown_word(&word, &[&consent.yes, &consent.no])));
            }
            let number_of = self.field(record, *document)?;
            if number_of.is_empty() || number_of.len() > LONGEST_ID {
                let reason = format!("without a document there is no consent; write its number, at most {LONGEST_ID} bytes");
                return Err((Some(*document), reason));
            }
            let time = self.time(record, *date, &consent.date.format, consent.date.time)?;
            given.push(Given { number, document: SmolStr::new(number_of), time });
        }
        Ok(given)
    }

    /// Who the patient is, so far as this row says. Nothing of it is repeated in a reason.
    fn person(&self, record: &ByteRecord, booked_at: Time) -> Result<(Details, Option<SmolStr>), Fault> {
        let columns = &self.columns;
        let line = |at: usize| self.line(record, at);
        let fault = |at: usize| move |reason: &'static str| (Some(at), reason.to_owned());
        let mut name = Vec::new();
        for at in &columns.name {
            name.extend(line(*at)?);
        }
        let name = Some(name.join(" ")).filter(|name| !name.is_empty());
        let first = columns.name.first().copied().unwrap_or_default();
        if name.as_ref().is_some_and(|name| name.chars().count() > fields::MAX_LINE) {
            return Err((Some(first), format!("the name has more than {} characters", fields::MAX_LINE)));
        }
        let mut details = Details { name, ..Details::default() };
        if let Some(at) = columns.phone
            && let Some(phone) = line(at)?
        {
            fields::telephone(&phone).map_err(fault(at))?;
            details.phone = Some(phone);
        }
        if let Some(at) = columns.email
            && let Some(email) = line(at)?
        {
            fields::mail(&email).map_err(fault(at))?;
            details.email = Some(email);
        }
        if let (Some(at), Some((_, format))) = (columns.birth_date, &self.mapping.person.birth_date)
            && let Some(text) = line(at)?
        {
            let Ok(born) = NaiveDate::parse_from_str(&text, format) else {
                return Err((Some(at), format!("it is not a day of the calendar in the form `{format}`")));
            };
            fields::birth_date(born, booked_at.date_naive() + chrono::Duration::days(1)).map_err(fault(at))?;
            details.birth_date = Some(born.to_string());
        }
        let mut language = None;
        if let Some(at) = columns.language
            && let Some(tag) = line(at)?
        {
            fields::language(&tag).map_err(fault(at))?;
            language = Some(SmolStr::new(tag));
        }
        Ok((details, language))
    }

    /// A text about a person on one line, whatever line breaks it was written with; `None` if it is empty.
    fn line(&self, record: &ByteRecord, at: usize) -> Result<Option<String>, Fault> {
        let text = self.text(record, at)?;
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        no_control(&line, at)?;
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    fn field<'r>(&self, record: &'r ByteRecord, at: usize) -> Result<Cow<'r, str>, Fault> {
        let text = self.text(record, at)?;
        no_control(&text, at)?;
        Ok(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        })
    }

    fn text<'r>(&self, record: &'r ByteRecord, at: usize) -> Result<Cow<'r, str>, Fault> {
        self.mapping.encoding.text(record.get(at).unwrap_or_default()).map_err(|wrong| match wrong {
            Wrong::File(way_out) => (Some(at), way_out.to_owned()),
            Wrong::Byte { at: byte_at, byte } => {
                let name = self.mapping.encoding.name();
                (Some(at), format!("byte {byte_at} of it, 0x{byte:02X}, is not {name}; save the file as UTF-8"))
            }
        })
    }

    fn id<'r>(&self, record: &'r ByteRecord, at: usize) -> Result<Cow<'r, str>, Fault> {
        let id = self.field(record, at)?;
        match id.len() {
            0 => Err((Some(at), "it is empty; without an id a second import could not know this row again".to_owned())),
            1..=LONGEST_ID => Ok(id),
            longer => Err((Some(at), format!("it has {longer} bytes; an id has at most {LONGEST_ID}"))),
        }
    }

    fn unknown_word(&self, word: &str, known: &[&Vec<String>]) -> String {
        let known: Vec<&str> = known.iter().copied().flatten().map(String::as_str).collect();
        format!("{} is none of the mapping's words {}", self.quoted(word), tact_domain::toml_text::list(&known))
    }

    /// A value as a reason may repeat it. Where the book has people in it, a column that slipped may hold one of them.
    fn quoted(&self, text: &str) -> String {
        if self.mapping.person.is_empty() { format!("`{}`", cut(text)) } else { "it".to_owned() }
    }
}

fn no_control(text: &str, at: usize) -> Result<(), Fault> {
    match text.chars().find(|c| c.is_control()) {
        Some(control) => Err((Some(at), format!("it holds the control character U+{:04X}", u32::from(control)))),
        None => Ok(()),
    }
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
