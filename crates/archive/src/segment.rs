//! The form of a segment: its lines, and how an event is written and read.

use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tact_domain::envelope::Hash;
use uuid::Uuid;

/// The longest line of JSON that is read.
const LINE: u64 = 64 * 1024;
/// The longest event that is read: more than any log takes.
const EVENT: u64 = 16 * 1024 * 1024;

/// An event as the log holds it, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its position in the log.
    pub position: u64,
    /// Its stream, by name.
    pub stream: String,
    /// Its number in its stream, from 1.
    pub number: u64,
    /// The position of the event before it in its stream; 0: it is the first.
    pub after: u64,
    /// The id under which it is stored.
    pub id: Uuid,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The line before an event's bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    position: u64,
    stream: String,
    number: u64,
    after: u64,
    id: Uuid,
    length: u64,
}

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// [`crate::FORMAT`].
    pub(crate) format: u32,
    pub(crate) archive: Uuid,
    pub(crate) network: String,
    pub(crate) first: u64,
    /// The last hash of the segment before it.
    pub(crate) previous: String,
}

/// The last line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    pub(crate) count: u64,
    pub(crate) last: u64,
    /// The root over all events up to here.
    pub(crate) root: String,
}

#[derive(Serialize)]
struct Last<'a> {
    end: &'a End,
}

/// What stands at a place of a segment.
#[derive(Debug)]
pub(crate) enum Item {
    Event(Entry),
    End(End),
}

fn link(before: &Hash, line: &[u8], bytes: &[u8]) -> Hash {
    Sha256::new().chain_update(before).chain_update(line).chain_update(bytes).finalize().into()
}

/// Writes a segment's lines, and keeps its chain.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    pub(crate) to: W,
    pub(crate) chain: Hash,
}

impl<W: Write> Lines<W> {
    pub(crate) fn begin(mut to: W, head: &Head) -> std::io::Result<Self> {
        let mut line = serde_json::to_vec(head)?;
        line.push(b'\n');
        to.write_all(&line)?;
        Ok(Self { to, chain: Sha256::digest(&line).into() })
    }

    pub(crate) fn event(&mut self, entry: &Entry) -> std::io::Result<()> {
        let Entry { position, stream, number, after, id, bytes } = entry;
        let place = Place {
            position: *position,
            stream: stream.clone(),
            number: *number,
            after: *after,
            id: *id,
            length: bytes.len() as u64,
        };
        let mut line = serde_json::to_vec(&place)?;
        line.push(b'\n');
        self.chain = link(&self.chain, &line, bytes);
        self.to.write_all(&line)?;
        self.to.write_all(bytes)?;
        writeln!(self.to, "\n{}", hex::encode(self.chain))
    }

    pub(crate) fn end(&mut self, end: &End) -> std::io::Result<()> {
        let line = serde_json::to_string(&Last { end })?;
        writeln!(self.to, "{line}")?;
        self.to.flush()
    }
}

/// Reads them back.
#[derive(Debug)]
pub(crate) struct Reading<R> {
    from: R,
    pub(crate) chain: Hash,
}

/// Why a place cannot be read: what is wrong, and the position where it is known.
pub(crate) type Wrong = (Option<u64>, String);

impl<R: BufRead> Reading<R> {
    pub(crate) fn begin(mut from: R) -> Result<(Self, Head), Wrong> {
        let line = line(&mut from)?;
        let head = serde_json::from_slice(&line).map_err(|error| (None, format!("its first line cannot be read: {error}")))?;
        Ok((Self { from, chain: Sha256::digest(&line).into() }, head))
    }

    /// The next event, or the end. `expected` is the position that should come.
    pub(crate) fn next(&mut self, expected: u64) -> Result<Item, Wrong> {
        let at = |problem: String| (Some(expected), problem);
        let line = line(&mut self.from).map_err(|(_, problem)| at(problem))?;
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any {
            Place(Place),
            End { end: End },
        }
        let place = match serde_json::from_slice(&line).map_err(|error| at(format!("its line cannot be read: {error}")))? {
            Any::Place(place) => place,
            Any::End { end } => {
                let mut more = [0; 1];
                return match self.from.read(&mut more) {
                    Ok(0) => Ok(Item::End(end)),
                    Ok(_) => Err((None, "something stands behind its end".to_owned())),
                    Err(error) => Err((None, error.to_string())),
                };
            }
        };
        let Place { position, stream, number, after, id, length } = place;
        if length > EVENT {
            return Err(at(format!("an event of {length} bytes is more than any log takes")));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let read = self.from.by_ref().take(length).read_to_end(&mut bytes).map_err(|error| at(error.to_string()))?;
        if read as u64 != length {
            return Err(at("the file ends in the middle of it".to_owned()));
        }
        self.chain = link(&self.chain, &line, &bytes);
        let mut tail = [0; 66];
        self.from.read_exact(&mut tail).map_err(|_| at("the file ends behind its bytes".to_owned()))?;
        if tail[0] != b'\n' || tail[65] != b'\n' || tail[1..65] != *hex::encode(self.chain).as_bytes() {
            return Err(at("it is not as it was written: its hash is another".to_owned()));
        }
        Ok(Item::Event(Entry { position, stream, number, after, id, bytes }))
    }
}

fn line(from: &mut impl BufRead) -> Result<Vec<u8>, Wrong> {
    let mut line = Vec::new();
    from.take(LINE).read_until(b'\n', &mut line).map_err(|error| (None, error.to_string()))?;
    match line.last() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() as u64 == LINE => Err((None, "a line is too long".to_owned())),
        _ => Err((None, "the file ends before its last line".to_owned())),
    }
}
