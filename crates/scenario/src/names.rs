//! Names such as `a1`, which stand for ids in a story. The same name is the same id in every story, so that a story told twice is the same.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The names of a story.
#[derive(Debug, Clone, Default)]
pub struct Names {
    known: BTreeMap<Uuid, String>,
}

impl Names {
    /// The id that a name stands for; an id stands for itself.
    pub fn id(&mut self, name: &str) -> Uuid {
        let id = name.parse().unwrap_or_else(|_| derived(name));
        self.known.entry(id).or_insert_with(|| name.to_owned());
        id
    }

    /// The name of an id; the id itself, if nobody named it.
    pub fn name(&self, id: Uuid) -> String {
        self.known.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// An id that depends on a text alone, of version 8: made by whoever uses it, by their own rule.
pub(crate) fn derived(text: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::new().chain_update("tact scenario\0").chain_update(text).finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
