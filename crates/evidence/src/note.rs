//! Signed notes (C2SP signed-note): a text, and under it lines of who has signed it. And the keys that sign, in the spelling that Go's
//! `sumdb/note` has made common.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Ed25519 (RFC 8032) is the one algorithm that is written and read: C2SP's number for it.
const ED25519: u8 = 1;
/// What a line with a signature begins with.
const DASH: &str = "\u{2014} ";
/// The longest note that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;
/// The most signatures that are looked at in one note.
const MAX_SIGNATURES: usize = 32;

/// What is wrong with a note or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// A key that cannot be read. The text of a private key is never repeated.
    #[error("not a key: {0}")]
    Key(&'static str),
    /// Nobody who is trusted has signed it.
    #[error("not signed by {wanted}, but by {found}")]
    Unsigned {
        /// The keys that are trusted.
        wanted: String,
        /// The keys that have signed.
        found: String,
    },
    /// A signature by a trusted key that does not fit the text.
    #[error("the signature of {0} does not fit the text: one of them has been changed")]
    Forged(KeyId),
}

/// A key's name and the first four bytes of its hash: how a signature says by whom it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId {
    /// The name, without spaces and `+`.
    pub name: String,
    /// The hash.
    pub hash: u32,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}", self.name, self.hash)
    }
}

/// A key that can tell who signed: `<name>+<hash>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: VerifyingKey,
}

/// A key that signs. Never shown: [`fmt::Debug`] says whose it is.
#[derive(Clone)]
pub struct PrivateKey {
    id: KeyId,
    key: SigningKey,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, hidden)", self.id)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// The first four bytes of SHA-256 of name, line feed, algorithm and key (C2SP signed-note).
fn key_hash(name: &str, key: &VerifyingKey) -> u32 {
    let mut sha = Sha256::new();
    sha.update(name.as_bytes());
    sha.update([b'\n', ED25519]);
    sha.update(key.as_bytes());
    let digest = sha.finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Takes `<name>+<hash>+<base64>` apart: name, hash, and what the base64 stands for, algorithm first.
fn taken_apart(text: &str) -> Result<(&str, u32, [u8; 32]), NoteError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::Key("it is `name+hash+key`, and this has fewer parts"));
    };
    if !is_name(name) {
        return Err(NoteError::Key("its name is empty or holds a space"));
    }
    let number = u32::from_str_radix(hash, 16)
        .ok()
        .filter(|_| hash.len() == 8)
        .ok_or(NoteError::Key("its hash is not 8 hexadecimal digits"))?;
    let bytes = BASE64.decode(key).map_err(|_| NoteError::Key("what stands behind the hash is not base64"))?;
    let (algorithm, bytes) = bytes.split_first().ok_or(NoteError::Key("nothing stands behind the hash"))?;
    if *algorithm != ED25519 {
        return Err(NoteError::Key("it is not of the algorithm Ed25519, the only one in use"));
    }
    let bytes = bytes.try_into().map_err(|_| NoteError::Key("it does not have 32 bytes"))?;
    Ok((name, number, bytes))
}

impl PublicKey {
    /// Whose it is.
    pub fn id(&self) -> &KeyId {
        &self.id
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = std::iter::once(ED25519).chain(*self.key.as_bytes()).collect();
        write!(f, "{}+{}", self.id, BASE64.encode(bytes))
    }
}

impl FromStr for PublicKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        if text.starts_with("PRIVATE+KEY+") {
            return Err(NoteError::Key("this is a private key: keep it secret, and give the public one"));
        }
        let (name, hash, bytes) = taken_apart(text)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| NoteError::Key("its bytes are not a point of the curve"))?;
        if key_hash(name, &key) != hash {
            return Err(NoteError::Key("its hash does not fit name and key: it has been changed or cut"));
        }
        Ok(Self { id: KeyId { name: name.to_owned(), hash }, key })
    }
}

impl PrivateKey {
    /// A key from its 32 secret bytes.
    ///
    /// # Errors
    /// A name that is empty or holds white space or `+`.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Key("its name is empty or holds a space or `+`"));
        }
        let key = SigningKey::from_bytes(secret);
        let hash = key_hash(name, &key.verifying_key());
        Ok(Self { id: KeyId { name: name.to_owned(), hash }, key })
    }

    /// Whose it is.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key that tells its signatures.
    pub fn public(&self) -> PublicKey {
        PublicKey { id: self.id.clone(), key: self.key.verifying_key() }
    }

    /// The text to keep in a file that nobody else may read. This is the secret itself.
    pub fn secret_text(&self) -> String {
        let bytes: Vec<u8> = std::iter::once(ED25519).chain(self.key.to_bytes()).collect();
        format!("PRIVATE+KEY+{}+{}", self.id, BASE64.encode(bytes))
    }

    /// Signs a text, which must end with a line feed.
    pub fn sign(&self, text: &str) -> String {
        let mut note = format!("{text}\n");
        note.push_str(&self.line(text));
        note
    }

    /// Signs a note that others have signed too.
    ///
    /// # Errors
    /// If it is not a note.
    pub fn sign_too(&self, note: &str) -> Result<String, NoteError> {
        let text = Note::parse(note)?.text;
        Ok(format!("{note}{}", self.line(text)))
    }

    fn line(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let bytes: Vec<u8> = self.id.hash.to_be_bytes().into_iter().chain(signature).collect();
        format!("{DASH}{} {}\n", self.id.name, BASE64.encode(bytes))
    }
}

impl FromStr for PrivateKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let text = text.strip_prefix("PRIVATE+KEY+").ok_or(NoteError::Key("it does not begin with `PRIVATE+KEY+`"))?;
        let (name, hash, secret) = taken_apart(text)?;
        let key = Self::new(name, &secret)?;
        if key.id.hash != hash {
            return Err(NoteError::Key("its hash does not fit name and key: it has been changed or cut"));
        }
        Ok(key)
    }
}

/// A note, taken apart and not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// The text, with the line feed at its end.
    pub text: &'a str,
    signatures: Vec<(KeyId, [u8; 64])>,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    ///
    /// # Errors
    /// [`NoteError::Malformed`], with what is wrong.
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Malformed("it is longer than 64 KiB"));
        }
        if note.contains(|c: char| c.is_control() && c != '\n') {
            return Err(NoteError::Malformed("it holds control characters"));
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Malformed("no empty line stands between text and signatures"))?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let lines = lines.strip_suffix('\n').filter(|lines| !lines.is_empty());
        let lines = lines.ok_or(NoteError::Malformed("no signature stands under it, or the last line is cut"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            let line = line.strip_prefix(DASH).ok_or(NoteError::Malformed("a line of the signatures is none"))?;
            let (name, bytes) = line.split_once(' ').ok_or(NoteError::Malformed("a signature lacks a name"))?;
            let bytes = BASE64.decode(bytes).map_err(|_| NoteError::Malformed("a signature is not base64"))?;
            if !is_name(name) || bytes.len() < 5 {
                return Err(NoteError::Malformed("a signature is cut"));
            }
            let hash = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            // Of other algorithms: somebody else's, which is no concern of ours.
            if let Ok(signature) = <[u8; 64]>::try_from(&bytes[4..]) {
                signatures.push((KeyId { name: name.to_owned(), hash }, signature));
            }
            if signatures.len() > MAX_SIGNATURES {
                return Err(NoteError::Malformed("it has more than 32 signatures"));
            }
        }
        Ok(Self { text, signatures })
    }

    /// Who says to have signed it.
    pub fn signers(&self) -> impl Iterator<Item = &KeyId> {
        self.signatures.iter().map(|(id, _)| id)
    }

    /// The key, of those that are trusted, that has signed the text.
    ///
    /// # Errors
    /// [`NoteError::Forged`] if a trusted key's signature does not fit, [`NoteError::Unsigned`] if there is none.
    pub fn signed_by<'k>(&self, trusted: impl IntoIterator<Item = &'k PublicKey>) -> Result<&'k PublicKey, NoteError> {
        let mut wanted = Vec::new();
        for key in trusted {
            if let Some((_, signature)) = self.signatures.iter().find(|(id, _)| *id == key.id) {
                let signature = Signature::from_bytes(signature);
                return match key.key.verify_strict(self.text.as_bytes(), &signature) {
                    Ok(()) => Ok(key),
                    Err(_) => Err(NoteError::Forged(key.id.clone())),
                };
            }
            wanted.push(key.id.to_string());
        }
        let found: Vec<String> = self.signers().map(ToString::to_string).collect();
        let said = |names: Vec<String>| if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        Err(NoteError::Unsigned { wanted: said(wanted), found: said(found) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's `golang.org/x/mod/sumdb/note`: a key and a note that are not of our making.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_of_gos_is_read() {
        let key: PublicKey = PETER.parse().unwrap();
        assert_eq!(key.to_string(), PETER);
        let note = Note::parse(NOTE).unwrap();
        assert_eq!(note.signed_by([&key]).unwrap(), &key);
    }

    #[test]
    fn keys_and_notes_come_back_and_every_flipped_bit_is_found() {
        let key = PrivateKey::new("tact/net", &[7; 32]).unwrap();
        let back: PrivateKey = key.secret_text().parse().unwrap();
        assert_eq!(back.public(), key.public());
        assert!(!format!("{key:?}").contains(&key.secret_text()[40..]));
        let note = key.sign("tact/net\n5\n");
        let public = key.public();
        assert!(Note::parse(&note).unwrap().signed_by([&public]).is_ok());
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                let opened = Note::parse(&text).and_then(|note| note.signed_by([&public]).map(drop));
                assert!(opened.is_err(), "bit {bit} of byte {at}");
            }
        }
        let other = PrivateKey::new("tact/other", &[8; 32]).unwrap();
        let error = Note::parse(&note).unwrap().signed_by([&other.public()]).unwrap_err();
        assert_eq!(error.to_string(), format!("not signed by {}, but by {}", other.id(), key.id()));
        let both = other.sign_too(&note).unwrap();
        let both = Note::parse(&both).unwrap();
        assert!(both.signed_by([&other.public()]).is_ok() && both.signed_by([&public]).is_ok());
    }

    #[test]
    fn what_is_no_key_is_said() {
        for (text, part) in [
            ("", "fewer parts"),
            ("a+b", "fewer parts"),
            ("+c74f20a3+AAAA", "name"),
            ("PeterNeumann+c74f20a+ARpc", "8 hexadecimal"),
            ("PeterNeumann+c74f20a3+!", "base64"),
            ("PeterNeumann+c74f20a3+", "nothing"),
            ("PeterNeumann+c74f20a3+AhpcAA==", "Ed25519"),
            ("PeterNeumann+c74f20a3+ARpcAA==", "32 bytes"),
            ("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "changed or cut"),
        ] {
            let error = text.parse::<PublicKey>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let secret = PrivateKey::new("net", &[9; 32]).unwrap().secret_text();
        let error = secret.parse::<PublicKey>().unwrap_err().to_string();
        assert!(error.contains("private key") && !error.contains(&secret[20..]), "{error}");
        assert!(PrivateKey::new("a b", &[1; 32]).is_err());
    }
}
