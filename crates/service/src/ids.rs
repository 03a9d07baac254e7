//! Ids, and the one place that draws random numbers.
//!
//! What a command creates gets ids that are a keyed hash of who asked and under which idempotency key, so that asking again can never
//! create anything a second time. The key is the network's secret: without it, nobody can tell a caller's keys from the ids.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// The network's secret for ids and fingerprints: 32 bytes.
#[derive(Clone)]
pub struct IdKey(Hmac<Sha256>);

impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey(hidden)")
    }
}

impl IdKey {
    /// A key from its 32 bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            // The length keeps ("ab", "c") apart from ("a", "bc").
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// An id of what the command makes: UUID version 8 (RFC 9562, section 5.8).
    pub fn derive(&self, parts: &[&[u8]]) -> Uuid {
        let digest = self.digest(parts);
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// The fingerprint of a telephone number in one form: what its stream is called by. The same for ever, since streams are found by it.
    pub fn number(&self, form: &[u8]) -> Uuid {
        self.derive(&[b"telephone number", form])
    }

    /// By what name the feed for analysts knows something that has this id: the same for ever, and without the key nobody can tell the one from
    /// the other. No other id of the network is made under this label. UUID version 8.
    pub fn pseudonym(&self, id: Uuid) -> Uuid {
        self.derive(&[b"feed pseudonym", id.as_bytes()])
    }

    /// A fingerprint of a command, to tell whether a key is used for another one. Keyed, since commands may hold personal data.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> u64 {
        let digest = self.digest(parts);
        u64::from_be_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]])
    }
}

/// So many random bytes from the operating system.
///
/// # Panics
/// If the operating system has none to give: nothing that needs a secret may go on then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new random id, ordered by time: UUID version 7 (RFC 9562, section 5.7).
pub fn fresh(now: tact_domain::Time) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random::<10>()).into_uuid()
}
