//! Checkpoints: what a network states at a moment, signed, about everything that it has recorded until then.
//!
//! Each log has one in the form of C2SP tlog-checkpoint, with the map of its streams in a further line. One checkpoint of the network
//! stands over those of its logs. Whoever keeps one can tell later whether anything before it was changed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tact_domain::Time;
use tact_domain::envelope::{Hash, hash};

use crate::tree::{empty_root, leaf_hash, node_hash};

/// The name under which a network signs; also the first line of its checkpoints.
pub fn network_origin(network: &str) -> String {
    format!("tact/{network}")
}

/// The name of a log: `tact/<network>/<epoch>/<first shard>-<last shard>`.
///
/// A network that is divided anew begins an epoch, whose logs have the last checkpoint of the log before them as their first leaf.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogName {
    /// The network's code.
    pub network: String,
    /// How many times the network has been divided before.
    pub epoch: u32,
    /// The first shard whose streams it holds.
    pub first: u8,
    /// The last one.
    pub last: u8,
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}-{}", network_origin(&self.network), self.epoch, self.first, self.last)
    }
}

impl LogName {
    /// Reads the name of one; `None` if it is not one.
    pub fn read(origin: &str) -> Option<Self> {
        let mut parts = origin.strip_prefix("tact/")?.split('/');
        let (network, epoch, range) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?, parts.next()?);
        let (first, last) = range.split_once('-')?;
        let name = Self { network, epoch, first: first.parse().ok()?, last: last.parse().ok()? };
        (name.first <= name.last && name.to_string() == origin).then_some(name)
    }

    /// Whether it holds the streams of a shard.
    pub fn holds(&self, shard: u8) -> bool {
        (self.first..=self.last).contains(&shard)
    }
}

/// The shard of a stream: of a patient's or a number's the first byte of the SHA-256 of the UUID's 16 bytes; 0 for those of the network itself.
pub fn shard(stream: &str) -> u8 {
    stream.strip_prefix("n-").unwrap_or(stream).parse::<uuid::Uuid>().map_or(0, |id| hash(id.as_bytes())[0])
}

/// What one log states: the first lines are those of C2SP tlog-checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCheckpoint {
    /// The log.
    pub log: LogName,
    /// How many leaves it has.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
    /// How many streams have events in it.
    pub streams: u64,
    /// The root of the map from each stream to its end.
    pub map: Hash,
}

/// What the network states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCheckpoint {
    /// The network's code.
    pub network: String,
    /// How many logs it has.
    pub logs: u64,
    /// The root of the tree whose leaves are the texts of the logs' checkpoints, in the order of their shards.
    pub root: Hash,
    /// Which of the network's checkpoints it is, from 1.
    pub number: u64,
    /// The SHA-256 of the text of the one before it; zeros for the first.
    pub previous: Hash,
    /// When it was signed.
    pub time: Time,
}

/// That one key follows another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The network's code.
    pub network: String,
    /// The public key that signs from now on.
    pub next: String,
    /// From when on.
    pub from: Time,
}

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: {problem}")]
pub struct NotOne {
    what: &'static str,
    problem: String,
}

fn b64(hash: &Hash) -> String {
    BASE64.encode(hash)
}

/// The lines of a text, taken one by one.
struct Lines<'a> {
    what: &'static str,
    lines: std::str::Split<'a, char>,
}

impl<'a> Lines<'a> {
    fn of(what: &'static str, text: &'a str) -> Result<Self, NotOne> {
        let body = text.strip_suffix('\n').ok_or_else(|| NotOne { what, problem: "its last line is cut".to_owned() })?;
        Ok(Self { what, lines: body.split('\n') })
    }

    fn error(&self, problem: String) -> NotOne {
        NotOne { what: self.what, problem }
    }

    fn next(&mut self, name: &str) -> Result<&'a str, NotOne> {
        self.lines.next().ok_or_else(|| self.error(format!("the line with its {name} is missing")))
    }

    /// The rest of a line that begins with a word.
    fn after(&mut self, word: &'static str) -> Result<&'a str, NotOne> {
        let line = self.next(word)?;
        line.strip_prefix(word)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| self.error(format!("a line should begin with `{word}`: {line:?}")))
    }

    fn number(&self, name: &str, text: &str) -> Result<u64, NotOne> {
        let number: Option<u64> = text.parse().ok();
        number.filter(|n| n.to_string() == text).ok_or_else(|| self.error(format!("its {name} is not a number: {text:?}")))
    }

    fn hash(&self, name: &str, text: &str) -> Result<Hash, NotOne> {
        let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| self.error(format!("its {name} is not the base64 of 32 bytes: {text:?}")))
    }

    fn time(&self, text: &str) -> Result<Time, NotOne> {
        text.parse().map_err(|_| self.error(format!("its time is none: {text:?}")))
    }

    /// Nothing may follow, and the text must be exactly what its meaning is written as.
    fn end(mut self, text: &str, meaning: &impl fmt::Display) -> Result<(), NotOne> {
        if let Some(line) = self.lines.next() {
            return Err(self.error(format!("a line too many: {line:?}")));
        }
        if meaning.to_string() != text {
            return Err(self.error("it is not spelt as such a text is".to_owned()));
        }
        Ok(())
    }
}

fn written(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

impl fmt::Display for LogCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, size, root, streams, map } = self;
        write!(f, "{log}\n{size}\n{}\nmap {streams} {}\n", b64(root), b64(map))
    }
}

impl LogCheckpoint {
    /// Reads the text of one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, NotOne> {
        let mut lines = Lines::of("checkpoint of a log", text)?;
        let origin = lines.next("origin")?;
        let log = LogName::read(origin).ok_or_else(|| lines.error(format!("its origin is {origin:?}")))?;
        let size = lines.next("size")?;
        let size = lines.number("size", size)?;
        let root = lines.next("root")?;
        let root = lines.hash("root", root)?;
        let rest = lines.after("map")?;
        let (streams, map) = rest.split_once(' ').ok_or_else(|| lines.error(format!("its map lacks a root: {rest:?}")))?;
        let read = Self { streams: lines.number("number of streams", streams)?, map: lines.hash("map", map)?, log, size, root };
        lines.end(text, &read)?;
        Ok(read)
    }
}

impl fmt::Display for NetworkCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, logs, root, number, previous, time } = self;
        write!(f, "{}\n{logs}\n{}\nnumber {number}\n", network_origin(network), b64(root))?;
        write!(f, "previous {}\ntime {}\n", b64(previous), written(*time))
    }
}

impl NetworkCheckpoint {
    /// Reads the text of one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, NotOne> {
        let mut lines = Lines::of("checkpoint of a network", text)?;
        let origin = lines.next("origin")?;
        let network = origin.strip_prefix("tact/").filter(|network| !network.contains('/'));
        let network = network.ok_or_else(|| lines.error(format!("its origin is {origin:?}")))?.to_owned();
        let logs = lines.next("number of logs")?;
        let logs = lines.number("number of logs", logs)?;
        let root = lines.next("root")?;
        let root = lines.hash("root", root)?;
        let number = lines.after("number")?;
        let number = lines.number("number", number)?;
        let previous = lines.after("previous")?;
        let previous = lines.hash("previous one", previous)?;
        let time = lines.after("time")?;
        let read = Self { time: lines.time(time)?, network, logs, root, number, previous };
        lines.end(text, &read)?;
        Ok(read)
    }

    /// The SHA-256 of its text, which the next one carries.
    pub fn hash(&self) -> Hash {
        hash(self.to_string().as_bytes())
    }
}

impl fmt::Display for Succession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys\nnext {}\nfrom {}\n", network_origin(&self.network), self.next, written(self.from))
    }
}

impl Succession {
    /// Reads the text of one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, NotOne> {
        let mut lines = Lines::of("succession of keys", text)?;
        let origin = lines.next("origin")?;
        let network = origin.strip_prefix("tact/").and_then(|rest| rest.strip_suffix(" keys"));
        let network = network.ok_or_else(|| lines.error(format!("its origin is {origin:?}")))?.to_owned();
        let next = lines.after("next")?.to_owned();
        let from = lines.after("from")?;
        let read = Self { from: lines.time(from)?, network, next };
        lines.end(text, &read)?;
        Ok(read)
    }
}

/// The root of the tree whose leaves are these texts (RFC 6962, section 2.1): there are few, and it is made at once.
pub fn root_of_texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Hash {
    fn over(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
                node_hash(&over(left), &over(right))
            }
        }
    }
    let leaves: Vec<Hash> = texts.into_iter().map(|text| leaf_hash(text.as_bytes())).collect();
    over(&leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> LogCheckpoint {
        let log = LogName { network: "net".into(), epoch: 0, first: 0, last: 255 };
        LogCheckpoint { log, size: 12, root: [3; 32], streams: 4, map: [5; 32] }
    }

    fn network() -> NetworkCheckpoint {
        let time = "2026-03-02T09:00:00.250Z".parse().unwrap();
        NetworkCheckpoint { network: "net".into(), logs: 1, root: [1; 32], number: 7, previous: [2; 32], time }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(LogCheckpoint::read(&log().to_string()), Ok(log()));
        assert_eq!(NetworkCheckpoint::read(&network().to_string()), Ok(network()));
        let next = Succession { network: "net".into(), next: "tact/net+00000000+AA".into(), from: network().time };
        assert_eq!(Succession::read(&next.to_string()), Ok(next));
        assert!(log().to_string().starts_with("tact/net/0/0-255\n12\nAwMD"), "{}", log());
    }

    #[test]
    fn other_spellings_are_not_read() {
        let text = log().to_string();
        for (from, to, part) in [
            ("0/0-255", "0/0-256", "origin"),
            ("0/0-255", "0/7-6", "origin"),
            ("0/0-255", "0/00-255", "origin"),
            ("\n12\n", "\n012\n", "size"),
            ("\n12\n", "\n-12\n", "size"),
            ("\nmap 4", "\nmap  4", "number of streams"),
            ("\nmap 4", "\nMap 4", "begin with `map`"),
            ("AwM=\n", "AwN=\n", "base64"),
            ("AwM=\n", "AwM\n", "base64"),
        ] {
            let error = LogCheckpoint::read(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(part), "{to:?}: {error}");
        }
        assert!(LogCheckpoint::read(&format!("{text}more\n")).is_err());
        assert!(LogCheckpoint::read(text.trim_end()).is_err());
        let text = network().to_string().replace(".250Z", ".25Z");
        assert!(NetworkCheckpoint::read(&text).unwrap_err().to_string().contains("spelt"));
    }
}
