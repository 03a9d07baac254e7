//! What is known of the log up to a position: where each stream has come, and the tree over everything.

use std::collections::HashMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tact_domain::envelope::{Hash, hash};
use tact_evidence::tree::leaf_hash;

use crate::{Entry, Frontier};

/// The last event of a stream.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    number: u64,
    position: u64,
    hash: Hash,
}

/// What is known up to a position. Some 90 bytes for each stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) last: u64,
    pub(crate) tree: Frontier,
    /// By the first half of the SHA-256 of their names.
    streams: HashMap<[u8; 16], Last>,
}

/// An event that contradicts those before it in its stream, by its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw(pub String);

/// What an event says of its place. Everything else in it is none of the archive's business.
#[derive(Deserialize)]
struct Claims {
    subject: String,
    streamsequence: u64,
    previoushash: String,
}

fn key(stream: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&Sha256::digest(stream.as_bytes())[..16]);
    key
}

impl Tally {
    /// The number and the position before it of an event that comes next in a stream.
    pub(crate) fn place(&self, stream: &str) -> (u64, u64) {
        self.streams.get(&key(stream)).map_or((1, 0), |last| (last.number + 1, last.position))
    }

    /// Holds an event against its place.
    pub(crate) fn fits(&self, entry: &Entry) -> Result<(), String> {
        if entry.position != self.last + 1 {
            return Err(match entry.position.checked_sub(self.last + 2) {
                Some(_) => format!("events {} to {} are missing", self.last + 1, entry.position - 1),
                None => format!("it says that it is event {}, which has been", entry.position),
            });
        }
        let (number, after) = self.place(&entry.stream);
        if (entry.number, entry.after) != (number, after) {
            return Err(format!(
                "it is the next of stream {}, number {number} behind {after}, and says that it is number {} behind {}",
                entry.stream, entry.number, entry.after
            ));
        }
        Ok(())
    }

    /// Takes an event in; what is wrong with what it says of itself. The hash of its leaf comes back, since others count by it too.
    pub(crate) fn take(&mut self, entry: &Entry) -> (Hash, Option<Flaw>) {
        let leaf = leaf_hash(&entry.bytes);
        self.tree.push(leaf);
        self.last = entry.position;
        let last = self.streams.entry(key(&entry.stream)).or_default();
        let flaw = contradicts(entry, &last.hash).map(Flaw);
        *last = Last { number: entry.number, position: entry.position, hash: hash(&entry.bytes) };
        (leaf, flaw)
    }
}

/// How an event contradicts its place by its own word.
fn contradicts(entry: &Entry, before: &Hash) -> Option<String> {
    let claims: Claims = match serde_json::from_slice(&entry.bytes) {
        Ok(claims) => claims,
        Err(error) => return Some(format!("it is no event of ours: {error}")),
    };
    if claims.subject != entry.stream {
        return Some(format!("it stands in stream {} and says that it belongs to {}", entry.stream, claims.subject));
    }
    if claims.streamsequence != entry.number {
        return Some(format!("it is number {} of its stream and says that it is {}", entry.number, claims.streamsequence));
    }
    (claims.previoushash != hex::encode(before))
        .then(|| "it does not carry the hash of the event before it in its stream".to_owned())
}
