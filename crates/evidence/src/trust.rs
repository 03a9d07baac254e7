//! The keys that somebody trusts, and since when and until when: given by hand, and by what the trusted keys themselves have signed.

use std::fmt;
use std::str::FromStr;

use tact_domain::Time;

use crate::checkpoint::Succession;
use crate::note::{KeyId, Note, NoteError, PublicKey};

/// A key, and when it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// Not before.
    pub from: Option<Time>,
    /// Not from this moment on.
    pub until: Option<Time>,
}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)?;
        let written = |time: Time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        if let Some(from) = self.from {
            write!(f, " from {}", written(from))?;
        }
        if let Some(until) = self.until {
            write!(f, " until {}", written(until))?;
        }
        Ok(())
    }
}

impl FromStr for TrustedKey {
    type Err = String;

    /// `<key> [from <time>] [until <time>]`, as `tact keys list` prints them.
    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let key = words.next().unwrap_or_default().parse().map_err(|e: NoteError| e.to_string())?;
        let mut trusted = Self { key, from: None, until: None };
        while let Some(word) = words.next() {
            let time = words.next().ok_or_else(|| format!("`{word}` stands at the end, without a time"))?;
            let time =
                time.parse().map_err(|_| format!("`{time}` behind `{word}` is not a time such as 2026-03-02T09:00:00Z"))?;
            match word {
                "from" => trusted.from = Some(time),
                "until" => trusted.until = Some(time),
                other => return Err(format!("`{other}` is neither `from` nor `until`")),
            }
        }
        Ok(trusted)
    }
}

/// Why a note is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Not a note, not signed by a trusted key, or forged.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The key that signed it did not hold yet, or no longer.
    #[error("signed by {key} at {time}, but that key holds only {holds}")]
    Expired {
        /// The key.
        key: KeyId,
        /// When the note was signed, by its own word.
        time: String,
        /// When the key holds.
        holds: String,
    },
}

/// All keys that are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust(pub Vec<TrustedKey>);

impl FromStr for Trust {
    type Err = String;

    /// A key a line; empty lines and lines that begin with `#` say nothing.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut keys = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                keys.push(line.parse().map_err(|problem| format!("line {number}: {problem}"))?);
            }
        }
        if keys.is_empty() { Err("it holds no key".to_owned()) } else { Ok(Self(keys)) }
    }
}

impl Trust {
    /// The key that signed a note, whenever that was.
    ///
    /// # Errors
    /// [`Distrust::Note`].
    pub fn signer(&self, note: &Note<'_>) -> Result<&TrustedKey, Distrust> {
        let key = note.signed_by(self.0.iter().map(|trusted| &trusted.key))?;
        self.0.iter().find(|trusted| trusted.key == *key).ok_or_else(|| NoteError::Malformed("its key is gone").into())
    }

    /// The key that signed a note which says to be of a moment.
    ///
    /// # Errors
    /// [`Distrust`], also if the key did not hold at that moment.
    pub fn signer_at(&self, note: &Note<'_>, time: Time) -> Result<&TrustedKey, Distrust> {
        let trusted = self.signer(note)?;
        if trusted.from.is_some_and(|from| time < from) || trusted.until.is_some_and(|until| until <= time) {
            let holds = trusted.to_string();
            let holds = holds.split_once(' ').map_or("", |(_, holds)| holds).to_owned();
            return Err(Distrust::Expired { key: trusted.key.id().clone(), time: time.to_rfc3339(), holds });
        }
        Ok(trusted)
    }

    /// Believes what a trusted key says of its successor: the one ends and the other begins.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn succeed(&mut self, note: &str, network: &str) -> Result<(), String> {
        let note = Note::parse(note).map_err(|e| e.to_string())?;
        let said = Succession::read(note.text).map_err(|e| e.to_string())?;
        if said.network != network {
            return Err(format!("it is of the network `{}`, not of `{network}`", said.network));
        }
        let next: PublicKey = said.next.parse().map_err(|e: NoteError| e.to_string())?;
        if self.0.iter().any(|known| known.key == next) {
            // Given by hand, or said before: whoever knows the new key need not trust the old one.
            return Ok(());
        }
        let before = self.signer_at(&note, said.from - chrono::Duration::milliseconds(1)).map_err(|e| e.to_string())?.key.clone();
        // It shows that whoever announced the new key also had it.
        note.signed_by([&next]).map_err(|e| format!("the new key has not signed it: {e}"))?;
        for known in self.0.iter_mut().filter(|known| known.key == before) {
            known.until = Some(known.until.map_or(said.from, |until| until.min(said.from)));
        }
        self.0.push(TrustedKey { key: next, from: Some(said.from), until: None });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::PrivateKey;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_gives_way_to_the_next() {
        let old = PrivateKey::new("tact/net", &[1; 32]).unwrap();
        let new = PrivateKey::new("tact/net", &[2; 32]).unwrap();
        let from = at("2026-05-01T00:00:00Z");
        let said = Succession { network: "net".into(), next: new.public().to_string(), from }.to_string();
        let succession = new.sign_too(&old.sign(&said)).unwrap();
        let mut trust: Trust = old.public().to_string().parse().unwrap();
        assert!(trust.clone().succeed(&old.sign(&said), "net").unwrap_err().contains("has not signed"));
        assert!(trust.clone().succeed(&new.sign(&said), "net").unwrap_err().contains("not signed by"));
        assert!(trust.clone().succeed(&succession, "other").unwrap_err().contains("`net`, not of `other`"));
        trust.succeed(&succession, "net").unwrap();
        for (key, time, holds) in [
            (&old, "2026-04-30T23:59:59.999Z", true),
            (&old, "2026-05-01T00:00:00Z", false),
            (&new, "2026-04-30T23:59:59.999Z", false),
            (&new, "2026-05-01T00:00:00Z", true),
        ] {
            let note = key.sign("text\n");
            let signed = trust.signer_at(&Note::parse(&note).unwrap(), at(time)).map(|_| ());
            assert_eq!(signed.is_ok(), holds, "{time}: {signed:?}");
            if let Err(error) = signed {
                assert!(error.to_string().contains("holds only"), "{error}");
            }
        }
        // As a list it says the same.
        let list: Vec<String> = trust.0.iter().map(ToString::to_string).collect();
        assert_eq!(list.join("\n").parse::<Trust>().unwrap(), trust);
    }

    #[test]
    fn a_list_of_keys_says_what_is_wrong_with_it() {
        let key = PrivateKey::new("tact/net", &[1; 32]).unwrap().public();
        for (text, part) in [
            (String::new(), "no key"),
            ("# nothing\n".to_owned(), "no key"),
            ("\nrubbish".to_owned(), "line 2: not a key"),
            (format!("{key} until"), "without a time"),
            (format!("{key} since 2026-01-01T00:00:00Z"), "neither"),
            (format!("{key} from yesterday"), "not a time"),
        ] {
            let error = text.parse::<Trust>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
