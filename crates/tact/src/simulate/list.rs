//! A list of contacts, or of clients with the number of their contacts: what its columns mean, and its rows.
//!
//! A row that cannot be understood ends the reading: figures over some of the rows would look like those over all.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use csv::StringRecord;
use smol_str::SmolStr;
use tact_domain::toml_text::{self, Mistake, Reader};
use tact_what_if::caps::Clients;

use crate::import::csv_text;
use crate::import::mapping::Author;

/// What a list's columns mean.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapping {
    delimiter: u8,
    /// What a row is.
    pub(super) row: Row,
    /// Whether it succeeded.
    pub(super) success: Success,
}

/// What one row of a list is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Row {
    /// A client; the column says how many contacts there were, the last of which may have succeeded.
    Client(String),
    /// A contact of the client whom the column names; a client's rows are in the order of the contacts.
    Contact(String),
}

impl Row {
    /// Its column.
    pub(super) fn column(&self) -> &str {
        match self {
            Self::Client(column) | Self::Contact(column) => column,
        }
    }

    /// How such rows are read.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Client(_) => "A row is a client; a success came with the client's last contact.",
            Self::Contact(_) => {
                "A row is a contact, and a client's rows are in the order of the contacts; the first success counts."
            }
        }
    }
}

/// The column that says whether it did, and its words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Success {
    pub(super) column: String,
    yes: Vec<String>,
    no: Vec<String>,
}

/// Reads a mapping: every mistake found, in the order of the text, if there is one.
fn parse(bytes: &[u8]) -> Result<Mapping, Vec<Mistake>> {
    let text = toml_text::utf8(bytes).map_err(|mistake| vec![mistake])?;
    let (mut reader, document) = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    let root = reader.document(&document, &["delimiter", "contacts", "client", "success"]);
    let mut author = Author { reader: &mut reader };
    let delimiter = root.get("delimiter").map_or(Some(b','), |value| author.delimiter(value));
    let row = match (root.get("contacts"), root.get("client")) {
        (Some(value), Some(_)) => {
            let message =
                "`[contacts]` and `[client]` are both here: a row is either a client with a number of contacts, or one contact";
            author.reader.mistake(value.span().start, message);
            None
        }
        (None, Some(_)) => author.section(root, "client", &["column"]).and_then(|table| author.column(table)).map(Row::Contact),
        (_, None) => author.section(root, "contacts", &["column"]).and_then(|table| author.column(table)).map(Row::Client),
    };
    let success = author.section(root, "success", &["column", "yes", "no"]).and_then(|table| {
        let success =
            Success { column: author.column(table)?, yes: author.word_list(table, "yes")?, no: author.word_list(table, "no")? };
        author.said_once(table.at, &[&success.yes, &success.no]);
        if success.yes.is_empty() {
            let message = "`yes` is missing: write the words that say the contact succeeded, such as `yes = [\"1\"]`";
            author.reader.mistake(table.at, message);
        }
        Some(success)
    });
    match (delimiter, row, success) {
        (Some(delimiter), Some(row), Some(success)) if reader.is_clean() => Ok(Mapping { delimiter, row, success }),
        _ => Err(reader.into_mistakes()),
    }
}

/// Reads a mapping and the list that it is for.
pub(super) fn read(list: &Path, mapping: &Path) -> Result<(Clients, Mapping)> {
    let name = mapping.display();
    let text = std::fs::read(mapping).with_context(|| format!("{name} cannot be read"))?;
    let mapping = match parse(&text) {
        Ok(mapping) => mapping,
        Err(mistakes) => {
            let mistakes: Vec<String> = mistakes.iter().map(|mistake| format!("{name}: {mistake}")).collect();
            bail!("the mapping cannot be used\n{}", mistakes.join("\n"));
        }
    };
    let clients = read_from(csv_text::open(list)?, &mapping).with_context(|| format!("{} cannot be used", list.display()))?;
    Ok((clients, mapping))
}

fn read_from(text: impl std::io::Read, mapping: &Mapping) -> Result<Clients> {
    let (mut reader, header) = csv_text::rows(text, mapping.delimiter, crate::import::encoding::Encoding::Utf8)?;
    let of_row = csv_text::column(&header, mapping.row.column())?;
    let success = csv_text::column(&header, &mapping.success.column)?;
    let mut clients = Clients::default();
    // By client, where a row is a contact: how many so far, and the first that succeeded.
    let mut told: HashMap<SmolStr, (u32, Option<u32>)> = HashMap::new();
    let mut record = StringRecord::new();
    let mut rows = 0u64;
    while reader.read_record(&mut record).with_context(|| format!("broken off after {rows} rows"))? {
        rows += 1;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            bail!("line {line}: it has {} columns, the first line has {}", record.len(), header.len());
        }
        let field = |at: usize| record.get(at).unwrap_or_default().trim();
        let of = |at: usize, name: &str| format!("line {line}, column {} (`{name}`): `{}`", at + 1, cut(field(at)));
        let known = |words: &[String]| words.iter().any(|word| word == field(success));
        let succeeded = known(&mapping.success.yes);
        if !succeeded && !known(&mapping.success.no) {
            let way_out = "is neither among the mapping's `yes` nor among its `no`; add it to one of them";
            bail!("{} {way_out}", of(success, &mapping.success.column));
        }
        match &mapping.row {
            Row::Client(column) => {
                let Ok(number) = field(of_row).parse() else {
                    bail!("{} is not a number of contacts, from 0 to {}", of(of_row, column), u32::MAX);
                };
                if number == 0 && succeeded {
                    bail!("line {line}: a client without a contact succeeded, but successes are to come with the last contact");
                }
                clients.add(number, succeeded.then_some(number));
            }
            // Not repeated in a message: it may be somebody's number.
            Row::Contact(column) if field(of_row).is_empty() => {
                bail!("line {line}, column {} (`{column}`): it is empty; every contact is somebody's", of_row + 1);
            }
            Row::Contact(_) => {
                let (number, first) = told.entry(SmolStr::new(field(of_row))).or_default();
                *number += 1;
                *first = first.or(succeeded.then_some(*number));
            }
        }
    }
    told.into_values().for_each(|(number, first)| clients.add(number, first));
    Ok(clients)
}

/// A field as a message shows it.
fn cut(field: &str) -> String {
    field.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../../mappings/bank-marketing.toml");

    fn list(text: &str) -> Result<Clients, String> {
        read_from(text.as_bytes(), &parse(SHIPPED.as_bytes()).unwrap()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn rows_are_clients_with_their_contacts() {
        let report = list("\u{feff}\"age\";campaign;\"y\"\n30;2;\"no\"\n40;3;\"yes\"\n").unwrap().capped(&[2]);
        assert_eq!((report.clients, report.contacts, report.successes, report.caps[0].lost), (2, 5, 1, 1));
    }

    #[test]
    fn rows_may_be_contacts_of_clients_who_are_named() {
        let mapping = parse(SHIPPED.replace("[contacts]", "[client]").replace("\"campaign\"", "\"id\"").as_bytes()).unwrap();
        let read = |text: &str| read_from(text.as_bytes(), &mapping).map_err(|error| format!("{error:#}"));
        let report = read("id;y\na;no\nb;yes\na;yes\na;no\na;yes\n").unwrap().capped(&[1, 2]);
        assert_eq!((report.clients, report.contacts, report.successes, report.most), (2, 5, 2, 4));
        let found: Vec<_> = report.caps.iter().map(|row| (row.spared, row.lost)).collect();
        assert_eq!(found, [(3, 1), (2, 0)]);
        assert!(read("id;y\n ;no\n").unwrap_err().contains("line 2, column 1 (`id`): it is empty"));
        let both = format!("{SHIPPED}\n[client]\ncolumn = \"id\"\n");
        assert!(parse(both.as_bytes()).unwrap_err()[0].to_string().contains("are both here"));
    }

    #[test]
    fn what_cannot_be_understood_is_named_with_its_line_and_the_way_out() {
        for (text, expected) in [
            ("campaign;y\n1;no\n-1;no\n", "line 3, column 1 (`campaign`): `-1` is not a number of contacts"),
            ("campaign;y\n1;perhaps\n", "line 2, column 2 (`y`): `perhaps` is neither among the mapping's `yes`"),
            ("campaign;y\n1\n", "line 2: it has 1 columns, the first line has 2"),
            ("campaign,y\n1,no\n", "set the mapping's `delimiter`"),
            ("campain;y\n", "it has no column `campaign`; did you mean `campain`?"),
            ("campaign;y\n0;yes\n", "line 2: a client without a contact succeeded"),
            ("", "it is empty"),
        ] {
            let said = list(text).unwrap_err();
            assert!(said.contains(expected), "{text:?}: {said}");
        }
    }

    #[test]
    fn mistakes_of_a_mapping_are_all_named() {
        let found = parse(SHIPPED.replace("yes = [", "yess = [").replace("[contacts]", "[contact]").as_bytes()).unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        let expected = ["`contacts` is missing", "unknown field `contact`", "unknown field `yess`", "`yes` is missing"];
        for expected in expected {
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected}: {found:?}");
        }
    }
}
