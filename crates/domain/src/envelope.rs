//! The envelope of an event: one CloudEvents 1.0 JSON message in structured mode, and the bytes that are stored and hashed.
//!
//! The bytes are written once, here, and are the same on every backend. Nothing in them comes from a backend.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Timelike};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::Time;
use crate::patient::events::Event;
use crate::values::Branch;

/// SHA-256 of an event's stored bytes; all zeros stand for "no event before".
pub type Hash = [u8; 32];

/// The hash of an event's stored bytes.
pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A person on the staff, by id.
    Staff(Uuid),
    /// A program, by name, such as `tact` or `import`.
    System(SmolStr),
    /// The patient.
    Patient,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Staff(id) => write!(f, "staff:{id}"),
            Self::System(name) => write!(f, "system:{name}"),
            Self::Patient => f.write_str("patient"),
        }
    }
}

impl FromStr for Actor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("staff", id)) => id.parse().map(Self::Staff).map_err(|e| format!("`{id}` is not a UUID: {e}")),
            Some(("system", name)) => Ok(Self::System(name.into())),
            None if text == "patient" => Ok(Self::Patient),
            _ => Err(format!("`{text}` is not an actor: `staff:<uuid>`, `system:<name>` or `patient`")),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Everything about an event but its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The event's id.
    pub id: Uuid,
    /// The network that it belongs to; the CloudEvents `source` is `/tact/<network>`.
    pub network: SmolStr,
    /// What it is about: the patient's UUID, `n-` and a number's fingerprint, `policy`, `directory` or `access`.
    pub subject: SmolStr,
    /// When it happened, which may be long before it was recorded.
    pub time: Time,
    /// When it was recorded.
    pub recorded_at: Time,
    /// Who did it.
    pub actor: Actor,
    /// The branch at which it was recorded, if at one.
    pub branch: Option<Branch>,
    /// Its place in its stream, from 1.
    pub sequence: u64,
    /// The event that set it off, if one did.
    pub cause: Option<Uuid>,
    /// A keyed hash of the command that appended it, so that one idempotency key cannot stand for two commands.
    pub command: Option<u64>,
    /// The SHA-256 of the stored bytes of the event before it in its stream; zeros for the first.
    pub previous: Hash,
}

/// An event read back from the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<E = Event> {
    /// Everything but its data.
    pub envelope: Envelope,
    /// Its data.
    pub event: E,
}

/// Why a stored event cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not a CloudEvents message of ours.
    #[error("not an event of ours: {0}")]
    Envelope(String),
    /// A type that this version of Tact does not know.
    #[error("events of type `{0}` are not known to this version of Tact")]
    Kind(String),
    /// A version of the type that this version of Tact does not know.
    #[error("version {version} of `{kind}` is not known to this version of Tact")]
    Version {
        /// The type.
        kind: String,
        /// Its version.
        version: u16,
    },
    /// The data is not what its type says.
    #[error("the data of `{kind}` is damaged: {error}")]
    Data {
        /// The type.
        kind: String,
        /// What is wrong.
        error: String,
    },
    /// It stands at another place than it says, or does not carry the hash of the event before it.
    #[error("the chain is broken: {0}")]
    Chain(String),
}

/// Data that can stand in an event: of a patient's stream or one of those beside them.
pub trait Payload: Serialize + Sized {
    /// The type's name.
    fn kind(&self) -> &'static str;
    /// The version in which it is written.
    fn version(&self) -> u16;
    /// Reads it back.
    ///
    /// # Errors
    /// [`Unreadable`] if the type, its version or the data is not known here.
    fn read(kind: &str, version: u16, data: &RawValue) -> Result<Self, Unreadable>;
}

impl Payload for Event {
    fn kind(&self) -> &'static str {
        Event::kind(self)
    }
    fn version(&self) -> u16 {
        Event::version(self)
    }
    fn read(kind: &str, version: u16, data: &RawValue) -> Result<Self, Unreadable> {
        Event::read(kind, version, data)
    }
}

#[derive(Serialize)]
struct Outgoing<'a, E> {
    specversion: &'static str,
    id: Uuid,
    source: Source<'a>,
    #[serde(rename = "type")]
    kind: &'static str,
    typeversion: u16,
    subject: &'a str,
    time: Moment,
    datacontenttype: &'static str,
    recordedat: Moment,
    actor: &'a Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<&'a Branch>,
    streamsequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<HexU64>,
    previoushash: HexHash<'a>,
    data: &'a E,
}

struct Source<'a>(&'a str);

impl Serialize for Source<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("/tact/{}", self.0))
    }
}

/// A moment as chrono writes it, in a fraction of the time: every event has two.
struct Moment(Time);

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (date, time) = (self.0.date_naive(), self.0.time());
        let (millis, rest) = (time.nanosecond() / 1_000_000, time.nanosecond() % 1_000_000);
        let year = match u32::try_from(date.year()) {
            Ok(year) if year <= 9999 && rest == 0 && millis < 1000 => year,
            // Of other years, finer than a millisecond, or in a leap second: rare, and chrono's to write.
            _ => return self.0.serialize(s),
        };
        let mut text = *b"0000-00-00T00:00:00.000Z";
        digits(&mut text[0..4], year);
        digits(&mut text[5..7], date.month());
        digits(&mut text[8..10], date.day());
        digits(&mut text[11..13], time.hour());
        digits(&mut text[14..16], time.minute());
        digits(&mut text[17..19], time.second());
        let text = if millis == 0 {
            text[19] = b'Z';
            &text[..20]
        } else {
            digits(&mut text[20..23], millis);
            &text[..]
        };
        s.serialize_str(std::str::from_utf8(text).map_err(serde::ser::Error::custom)?)
    }
}

/// Fills the places with a number's last decimal digits.
fn digits(places: &mut [u8], mut number: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

struct HexU64(u64);

impl Serialize for HexU64 {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:016x}", self.0))
    }
}

struct HexHash<'a>(&'a Hash);

impl Serialize for HexHash<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut text = [0u8; 64];
        hex::encode_to_slice(self.0, &mut text).map_err(serde::ser::Error::custom)?;
        s.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

#[derive(Deserialize)]
struct Incoming<'a> {
    specversion: &'a str,
    id: Uuid,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    typeversion: u16,
    subject: SmolStr,
    time: Time,
    recordedat: Time,
    actor: Actor,
    branch: Option<Branch>,
    streamsequence: u64,
    cause: Option<Uuid>,
    command: Option<&'a str>,
    previoushash: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Envelope {
    /// Writes the event as it will be stored and hashed.
    pub fn write<E: Payload>(&self, event: &E) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        let outgoing = Outgoing {
            specversion: "1.0",
            id: self.id,
            source: Source(&self.network),
            kind: event.kind(),
            typeversion: event.version(),
            subject: &self.subject,
            time: Moment(self.time),
            datacontenttype: "application/json",
            recordedat: Moment(self.recorded_at),
            actor: &self.actor,
            branch: self.branch.as_ref(),
            streamsequence: self.sequence,
            cause: self.cause,
            command: self.command.map(HexU64),
            previoushash: HexHash(&self.previous),
            data: event,
        };
        serde_json::to_writer(&mut bytes, &outgoing)
            .expect("events hold nothing that JSON cannot: string keys and finite numbers only");
        bytes
    }
}

impl<E: Payload> Recorded<E> {
    /// Reads a stored event.
    ///
    /// # Errors
    /// [`Unreadable`] if this version of Tact cannot say what the event means. Its stream is then set aside; it is never skipped.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let raw: Incoming<'_> = serde_json::from_slice(bytes).map_err(|e| Unreadable::Envelope(e.to_string()))?;
        let network = raw.source.strip_prefix("/tact/").filter(|_| raw.specversion == "1.0");
        let network =
            network.ok_or_else(|| Unreadable::Envelope(format!("CloudEvents {} from {}", raw.specversion, raw.source)))?;
        let mut previous = Hash::default();
        hex::decode_to_slice(raw.previoushash, &mut previous)
            .map_err(|e| Unreadable::Envelope(format!("previoushash `{}`: {e}", raw.previoushash)))?;
        let command = raw.command.map(|text| u64::from_str_radix(text, 16)).transpose();
        let envelope = Envelope {
            id: raw.id,
            network: network.into(),
            subject: raw.subject,
            time: raw.time,
            recorded_at: raw.recordedat,
            actor: raw.actor,
            branch: raw.branch,
            sequence: raw.streamsequence,
            cause: raw.cause,
            command: command.map_err(|e| Unreadable::Envelope(format!("command: {e}")))?,
            previous,
        };
        Ok(Self { envelope, event: E::read(raw.kind, raw.typeversion, raw.data)? })
    }

    /// Reads a stored event and holds it against its place: the stream it was found in, its number there, and the hash of the event before it.
    ///
    /// # Errors
    /// [`Unreadable`], also if the event claims another place than the one it was found at.
    pub fn read_at(bytes: &[u8], subject: &str, sequence: u64, previous: &Hash) -> Result<Self, Unreadable> {
        let read = Self::read(bytes)?;
        let envelope = &read.envelope;
        if envelope.subject != subject {
            return Err(Unreadable::Chain(format!("found in the stream of {subject}, says it belongs to {}", envelope.subject)));
        }
        if envelope.sequence != sequence {
            return Err(Unreadable::Chain(format!("found as event {sequence}, says it is {}", envelope.sequence)));
        }
        if envelope.previous != *previous {
            return Err(Unreadable::Chain(format!("event {sequence} does not carry the hash of the event before it")));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_chrono_writes_them() {
        let shown = [
            "2026-03-02T09:00:00Z",
            "2026-03-02T09:00:00.001Z",
            "2026-12-31T23:59:59.999Z",
            "1900-01-01T00:00:00.120Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.500Z",
            "2026-03-02T09:00:00.000001Z",
            "2026-03-02T09:00:00.123456789Z",
            "2016-12-31T23:59:60Z",
        ];
        let far = [Time::MIN_UTC, Time::MAX_UTC];
        for time in shown.into_iter().map(|text| text.parse().unwrap()).chain(far) {
            let (ours, chronos) = (serde_json::to_string(&Moment(time)).unwrap(), serde_json::to_string(&time).unwrap());
            assert_eq!(ours, chronos);
        }
    }
}
