//! A list of clients with the number of their contacts: what its columns mean, and its rows.
//!
//! A row that cannot be understood ends the reading: figures over some of the rows would look like those over all.

use std::path::Path;

use anyhow::{Context, Result, bail};
use csv::StringRecord;
use tact_domain::toml_text::{self, Mistake, Reader};
use tact_what_if::caps::Clients;

use crate::import::csv_text;
use crate::import::mapping::Author;

/// What a list's columns mean.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapping {
    delimiter: u8,
    /// The column of the number of contacts.
    pub(super) contacts: String,
    /// Whether the last of them succeeded.
    pub(super) success: Success,
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
    let root = reader.document(&document, &["delimiter", "contacts", "success"]);
    let mut author = Author { reader: &mut reader };
    let delimiter = root.get("delimiter").map_or(Some(b','), |value| author.delimiter(value));
    let contacts = author.section(root, "contacts", &["column"]).and_then(|table| author.column(table));
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
    match (delimiter, contacts, success) {
        (Some(delimiter), Some(contacts), Some(success)) if reader.is_clean() => Ok(Mapping { delimiter, contacts, success }),
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
    let (mut reader, header) = csv_text::rows(text, mapping.delimiter)?;
    let contacts = csv_text::column(&header, &mapping.contacts)?;
    let success = csv_text::column(&header, &mapping.success.column)?;
    let mut clients = Clients::default();
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
        let Ok(number) = field(contacts).parse() else {
            bail!("{} is not a number of contacts, from 0 to {}", of(contacts, &mapping.contacts), u32::MAX);
        };
        let known = |words: &[String]| words.iter().any(|word| word == field(success));
        let succeeded = known(&mapping.success.yes);
        if !succeeded && !known(&mapping.success.no) {
            let way_out = "is neither among the mapping's `yes` nor among its `no`; add it to one of them";
            bail!("{} {way_out}", of(success, &mapping.success.column));
        }
        if number == 0 && succeeded {
            bail!("line {line}: a client without a contact succeeded, but successes are to come with the last contact");
        }
        clients.add(number, succeeded);
    }
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
