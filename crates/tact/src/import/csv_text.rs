//! CSV files as people have them: packed or not, with a byte order mark or not, and columns that are found by name.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use csv::{Reader, StringRecord};
use tact_domain::nearest_word;
use tact_domain::toml_text::list;

use super::encoding::{Encoding, IS_UTF8, Wrong};

/// A file's text, unpacked if need be.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let start = file.fill_buf().with_context(|| format!("{} cannot be read", path.display()))?;
    let packed = start.starts_with(&[0x1f, 0x8b]);
    if start.starts_with(b"PK\x03\x04") {
        bail!("{} is a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV in UTF-8", path.display());
    }
    Ok(if packed { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// The rows behind the first line, and the names of the columns in it.
pub(crate) fn rows<R: Read>(text: R, delimiter: u8, encoding: Encoding) -> anyhow::Result<(Reader<BufReader<R>>, StringRecord)> {
    let mut text = BufReader::new(text);
    let start = text.fill_buf()?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        bail!("it is text in UTF-16; save it as UTF-8");
    }
    let mark = if start.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    if mark > 0 && encoding != Encoding::Utf8 {
        bail!("line 1, column 1: {IS_UTF8}");
    }
    text.consume(mark);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text);
    let names = reader.byte_headers()?.clone();
    if names.is_empty() {
        bail!("it is empty; the first line must name the columns");
    }
    let mut header = StringRecord::new();
    for (at, name) in names.iter().enumerate() {
        match encoding.text(name) {
            Ok(name) => header.push_field(&name),
            Err(Wrong::File(way_out)) => bail!("line 1, column {}: {way_out}", at + 1),
            Err(Wrong::Byte { .. }) => bail!("its first line is not {}; save the file as UTF-8", encoding.name()),
        }
    }
    Ok((reader, header))
}

/// Where the one column of this name stands, from 0.
pub(crate) fn column(header: &StringRecord, wanted: &str) -> anyhow::Result<usize> {
    let names: Vec<&str> = header.iter().map(str::trim).collect();
    let mut found = names.iter().enumerate().filter(|(_, name)| **name == wanted).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => bail!("it has two columns `{wanted}`; the mapping cannot mean both"),
        (None, _) if names.len() == 1 => {
            bail!("its first line is one column; set the mapping's `delimiter` to what parts the columns")
        }
        (None, _) => match nearest_word(wanted, names.iter().copied()) {
            Some(near) => bail!("it has no column `{wanted}`; did you mean `{near}`?"),
            None => bail!("it has no column `{wanted}`; it has {}", list(&names)),
        },
    }
}
