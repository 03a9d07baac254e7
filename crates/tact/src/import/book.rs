//! Reads a book: bytes to rows, each of them taken or refused with its line, its column and the reason. Knows nothing of what is recorded already.
//!
//! A reason never repeats an id of a patient: it is shown to whoever runs the import, and may end up in a ticket.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use chrono::{Datelike, NaiveTime};
use csv::{ByteRecord, StringRecord};
use smol_str::SmolStr;
use tact_domain::patient::admit::EARLIEST;
use tact_domain::zone::local_to_utc;
use tact_domain::{Branch, Time};

use super::account::Refusal;
use super::csv_text;
use super::mapping::{Mapping, read_local};

/// The longest id that another system may use, in bytes.
const LONGEST_ID: usize = 200;

/// What became of a visit, so far as the book says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Completed,
    Missed,
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
/// The file cannot be read to its end, is not text in UTF-8, or lacks a column of the mapping. Rows that cannot be taken are no errors: they
/// are among the refused.
pub fn read(path: &Path, mapping: &Mapping) -> anyhow::Result<Book> {
    let text = csv_text::open(path)?;
    read_from(text, mapping).with_context(|| format!("{} cannot be imported", path.display()))
}

fn read_from(text: impl Read, mapping: &Mapping) -> anyhow::Result<Book> {
    let (mut reader, header) = csv_text::rows(text, mapping.delimiter)?;
    let columns = Columns::find(&header, mapping)?;
    let mut intake = Intake { mapping, columns, header, ..Intake::new(mapping) };
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).with_context(|| format!("broken off after {} rows", intake.book.read))? {
        intake.book.read += 1;
        let line = record.position().map_or(0, csv::Position::line);
        // The next row begins on the line behind this one's last.
        let lines = reader.position().line().saturating_sub(line).max(1);
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
    contacts: Vec<usize>,
}

impl Columns {
    fn find(header: &StringRecord, mapping: &Mapping) -> anyhow::Result<Self> {
        let find = |wanted: &str| csv_text::column(header, wanted);
        Ok(Self {
            patient: find(&mapping.patient)?,
            appointment: find(&mapping.appointment)?,
            booked: find(&mapping.booked.0)?,
            visit: find(&mapping.visit.0)?,
            branch: find(&mapping.branch)?,
            outcome: mapping.outcome.as_ref().map(|fates| find(&fates.column)).transpose()?,
            contacts: mapping.contacts.iter().map(|contact| find(&contact.column)).collect::<anyhow::Result<_>>()?,
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
        let patient = id(record, columns.patient)?;
        let appointment = id(record, columns.appointment)?;
        if let Some(first) = self.appointments.get(appointment) {
            return Err((Some(columns.appointment), format!("line {first} is about the same appointment")));
        }
        let (format, visit_time) = (&self.mapping.visit.1, self.mapping.visit_time);
        let booked_at = self.time(record, columns.booked, &self.mapping.booked.1, None)?;
        let starts_at = self.time(record, columns.visit, format, visit_time)?;
        let fate = self.fate(record)?;
        let contacts = self.contacts(record)?;
        let branch = field(record, columns.branch)?;
        // Everything else about the row is good by now: only rows that are taken add patients and branches.
        let branch = self.branch(branch)?;
        let appointment = SmolStr::new(appointment);
        self.appointments.insert(appointment.clone(), line);
        let patient = self.patient(patient);
        Ok(Row { line, patient, branch, contacts, fate, appointment, booked_at, starts_at })
    }

    fn patient(&mut self, id: &str) -> u32 {
        if let Some(known) = self.patients.get(id) {
            return *known;
        }
        let index = u32::try_from(self.book.patients.len()).expect("a book in memory has fewer than four milliard patients");
        self.book.patients.push(id.into());
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
            return Err((at, format!("no code can be made of `{}`; state one in the mapping's `[branch.codes]`", cut(name))));
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
        let text = field(record, at)?;
        let Some(local) = read_local(text, format, time) else {
            return Err((Some(at), format!("`{}` is not a time in the form `{format}`", cut(text))));
        };
        let utc = local_to_utc(self.mapping.time_zone, local);
        if utc < EARLIEST || local.year() > 9999 {
            return Err((Some(at), format!("`{}` lies outside the years 1900 to 9999", cut(text))));
        }
        Ok(utc)
    }

    fn fate(&self, record: &ByteRecord) -> Result<Fate, Fault> {
        let (Some(at), Some(fates)) = (self.columns.outcome, &self.mapping.outcome) else { return Ok(Fate::Open) };
        let word = field(record, at)?;
        let is = |list: &[String]| list.iter().any(|known| known == word);
        match () {
            () if is(&fates.completed) => Ok(Fate::Completed),
            () if is(&fates.missed) => Ok(Fate::Missed),
            () if is(&fates.open) => Ok(Fate::Open),
            () => Err((Some(at), unknown_word(word, [&fates.completed, &fates.missed, &fates.open]))),
        }
    }

    fn contacts(&self, record: &ByteRecord) -> Result<u16, Fault> {
        let mut made = 0;
        for (bit, (contact, at)) in self.mapping.contacts.iter().zip(&self.columns.contacts).enumerate() {
            let word = field(record, *at)?;
            if contact.yes.iter().any(|yes| yes == word) {
                made |= 1 << bit;
            } else if !contact.no.iter().any(|no| no == word) {
                return Err((Some(*at), unknown_word(word, [&contact.yes, &contact.no, &Vec::new()])));
            }
        }
        Ok(made)
    }
}

fn unknown_word(word: &str, known: [&Vec<String>; 3]) -> String {
    let known: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
    format!("`{}` is none of the mapping's words {}", cut(word), tact_domain::toml_text::list(&known))
}

fn field(record: &ByteRecord, at: usize) -> Result<&str, Fault> {
    let bytes = record.get(at).unwrap_or_default();
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        (Some(at), format!("byte {} of it, 0x{byte:02X}, is not UTF-8; save the file as UTF-8", error.valid_up_to() + 1))
    })?;
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err((Some(at), format!("it holds the control character U+{:04X}", u32::from(control))));
    }
    Ok(text.trim())
}

fn id(record: &ByteRecord, at: usize) -> Result<&str, Fault> {
    match field(record, at)? {
        "" => Err((Some(at), "it is empty; without an id a second import could not know this row again".to_owned())),
        id if id.len() > LONGEST_ID => Err((Some(at), format!("it has {} bytes; an id has at most {LONGEST_ID}", id.len()))),
        id => Ok(id),
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
