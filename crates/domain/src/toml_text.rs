//! TOML as people write it: policies and scenarios. Every mistake is said with its line and column, its way out, and the
//! known word that was perhaps meant; all of them at once, so that nobody has to mend a file one error at a time.
//!
//! Nothing here knows what a file means.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::values::nearest_word;

/// A mistake in a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and the way out.
    pub message: String,
}

/// A value with its place in the text.
pub type Value<'t> = Spanned<DeValue<'t>>;

/// Reads one text and keeps its mistakes.
#[derive(Debug)]
pub struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<(usize, String)>,
}

/// A table whose keys are known, with the place at which it begins.
#[derive(Debug, Clone, Copy)]
pub struct Table<'v, 't> {
    fields: &'v DeTable<'t>,
    /// Where it begins, in bytes.
    pub at: usize,
}

/// Reads bytes as text.
///
/// # Errors
/// The place of the first byte that is not UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, Mistake> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let (line, column) = place(&before, before.len());
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        Mistake { line, column, message: format!("the byte 0x{byte:02X} is not UTF-8; save the file as UTF-8 text") }
    })
}

/// Line and column, both from 1, of a place in bytes.
fn place(text: &str, at: usize) -> (usize, usize) {
    let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

impl<'t> Reader<'t> {
    /// Begins with a text. What is not TOML is a mistake, and reading goes on with what is.
    pub fn new(text: &'t str) -> (Self, Spanned<DeTable<'t>>) {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self { text, mistakes: Vec::new() };
        for error in errors {
            let span = error.span().unwrap_or_default();
            let shown =
                text.get(span.clone()).filter(|shown| (1..=40).contains(&shown.len()) && !shown.contains(char::is_control));
            let shown = shown.map(|shown| format!(" `{shown}`")).unwrap_or_default();
            reader.mistake(span.start, format!("this is not TOML: {}{shown}", error.message()));
        }
        (reader, document)
    }

    /// Keeps a mistake at a place in bytes.
    pub fn mistake(&mut self, at: usize, message: impl Into<String>) {
        self.mistakes.push((at, message.into()));
    }

    /// Whether none has been found.
    pub fn is_clean(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// How many have been found.
    pub fn mistakes_so_far(&self) -> usize {
        self.mistakes.len()
    }

    /// Line and column, both from 1, of a place in bytes.
    pub fn place(&self, at: usize) -> (usize, usize) {
        place(self.text, at)
    }

    /// The mistakes, in the order of the text.
    pub fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes;
        mistakes.sort();
        mistakes.dedup();
        let text = self.text;
        let said = |(at, message)| {
            let (line, column) = place(text, at);
            Mistake { line, column, message }
        };
        mistakes.into_iter().map(said).collect()
    }

    /// The whole document as a table with these keys.
    pub fn document<'v>(&mut self, document: &'v Spanned<DeTable<'t>>, known: &[&str]) -> Table<'v, 't> {
        self.known_keys(document.get_ref(), known);
        Table { fields: document.get_ref(), at: 0 }
    }

    /// A value as a table with these keys; every other key is a mistake.
    pub fn table<'v>(&mut self, value: &'v Value<'t>, name: &str, known: &[&str]) -> Option<Table<'v, 't>> {
        let table = self.any_table(value, name)?;
        self.known_keys(table.fields, known);
        Some(table)
    }

    /// A value as a table with any keys.
    pub fn any_table<'v>(&mut self, value: &'v Value<'t>, name: &str) -> Option<Table<'v, 't>> {
        match value.get_ref() {
            DeValue::Table(fields) => Some(Table { fields, at: value.span().start }),
            other => self.wrong_kind(value, name, "a table such as `{ from = .., until = .. }`", other),
        }
    }

    fn known_keys(&mut self, fields: &DeTable<'t>, known: &[&str]) {
        for key in fields.keys() {
            let word: &str = key.get_ref();
            if known.contains(&word) {
                continue;
            }
            let hint = match nearest_word(word, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", list(known)),
            };
            self.mistake(key.span().start, format!("unknown field `{word}`; {hint}"));
        }
    }

    /// A value as text.
    pub fn string<'v>(&mut self, value: &'v Value<'t>, name: &str) -> Option<&'v str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text),
            other => self.wrong_kind(value, name, "text in quotes", other),
        }
    }

    /// A value as `true` or `false`.
    pub fn boolean(&mut self, value: &Value<'t>, name: &str) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(yes) => Some(*yes),
            other => self.wrong_kind(value, name, "`true` or `false`", other),
        }
    }

    /// A value as a whole number within a range.
    pub fn number(&mut self, value: &Value<'t>, name: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let DeValue::Integer(digits) = value.get_ref() else {
            return self.wrong_kind(value, name, "a whole number", value.get_ref());
        };
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let fits = number.and_then(|n| u32::try_from(n).ok()).filter(|n| range.contains(n));
        if fits.is_none() {
            let (least, most) = (range.start(), range.end());
            self.mistake(value.span().start, format!("`{name}` is {digits}; it goes from {least} to {most}"));
        }
        fits
    }

    /// A value as a list.
    pub fn list<'v>(&mut self, value: &'v Value<'t>, name: &str) -> Option<&'v [Value<'t>]> {
        match value.get_ref() {
            DeValue::Array(items) => Some(items),
            other => self.wrong_kind(value, name, "a list in square brackets", other),
        }
    }

    /// A value as one of a set of words, or anything else that text can be read as.
    pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, value: &Value<'t>, name: &str) -> Option<T> {
        let text = self.string(value, name)?;
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.mistake(value.span().start, format!("`{name}`: {error}"));
                None
            }
        }
    }

    /// A value as a list of different words.
    pub fn words<T: std::str::FromStr<Err: std::fmt::Display> + PartialEq>(
        &mut self,
        value: &Value<'t>,
        name: &str,
    ) -> Option<Vec<T>> {
        let items = self.list(value, name)?;
        let mut words = Vec::with_capacity(items.len());
        for item in items {
            let Some(word) = self.parsed(item, name) else { continue };
            if words.contains(&word) {
                self.mistake(item.span().start, format!("`{name}` says this twice; once is enough"));
            } else {
                words.push(word);
            }
        }
        if items.is_empty() {
            self.mistake(
                value.span().start,
                format!("`{name}` is empty; name at least one, or leave it out if it may be left out"),
            );
        }
        Some(words)
    }

    fn wrong_kind<T>(&mut self, value: &Value<'t>, name: &str, expected: &str, got: &DeValue<'_>) -> Option<T> {
        let got = got.type_str();
        let article = if got.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
        self.mistake(value.span().start, format!("`{name}` is {article} {got}; write {expected}"));
        None
    }
}

impl<'v, 't> Table<'v, 't> {
    /// The same table, with another place to name when it lacks something: that of its name.
    #[must_use]
    pub fn named_at(self, at: usize) -> Self {
        Self { at, ..self }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'v Value<'t>> {
        self.fields.get(key)
    }

    /// The value of a key that must be there.
    pub fn required(&self, reader: &mut Reader<'t>, key: &str) -> Option<&'v Value<'t>> {
        let value = self.get(key);
        if value.is_none() {
            reader.mistake(self.at, format!("`{key}` is missing"));
        }
        value
    }

    /// Every key with its place in bytes, and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'v str, usize, &'v Value<'t>)> + use<'v, 't> {
        self.fields.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
    }

    /// The place of a key in bytes; the table's, if it is not there.
    pub fn key_at(&self, key: &str) -> usize {
        self.fields.keys().find(|k| k.get_ref() == key).map_or(self.at, |k| k.span().start)
    }
}

/// Words as people list them.
pub fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
