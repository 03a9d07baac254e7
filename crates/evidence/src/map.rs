//! The map of streams: for each stream how many events it has and the hash of the last, sorted by the hash of the stream's name, under
//! one root. So one proof shows that a stream's end was not cut off, or that there is no such stream.
//!
//! It is a binary trie over SHA-256 keys in which a subtree with a single stream is that stream's leaf, whatever its depth. Its
//! root depends on what it holds and not on how it grew. It is kept in nodes of four levels, since a database likes few rows that
//! are not too small.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tact_domain::envelope::Hash;

use crate::tree::node_hash;

/// Under what a stream stands in the map: the SHA-256 of its name. Whoever is shown a proof learns no other stream's name from it.
pub type Key = Hash;

/// A stream's key.
pub fn key(stream: &str) -> Key {
    Sha256::digest(stream.as_bytes()).into()
}

/// The hash of nothing: of a subtree without streams.
pub const NOTHING: Hash = [0; 32];

/// What the map says of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// How many events it has, at least one.
    pub count: u64,
    /// The SHA-256 of the stored bytes of the last one.
    pub head: Hash,
}

/// A stream in the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Its key.
    pub key: Key,
    /// Its end.
    pub end: End,
}

impl Leaf {
    /// SHA-256 of a zero byte, the key, the count as eight bytes, most significant first, and the last hash.
    pub fn hash(&self) -> Hash {
        let mut sha = Sha256::new();
        sha.update([0]);
        sha.update(self.key);
        sha.update(self.end.count.to_be_bytes());
        sha.update(self.end.head);
        sha.finalize().into()
    }
}

/// Levels of the trie in one node, and the bits of a key that choose a slot of it.
const BITS: usize = 4;
const SLOTS: usize = 1 << BITS;

/// The way from the root to a node: so many digits of four bits, the rest zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// How many digits, 0 for the root, at most 64.
    depth: u8,
    key: Key,
}

fn digit(key: &Key, depth: usize) -> usize {
    let byte = key[depth / 2];
    usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

fn bit(key: &Key, at: usize) -> bool {
    key[at / 8] >> (7 - at % 8) & 1 == 1
}

impl Prefix {
    /// The root's.
    pub const ROOT: Self = Self { depth: 0, key: [0; 32] };

    /// The node at this depth on the way to a key.
    pub fn of(key: &Key, depth: u8) -> Self {
        let mut cut = Self { depth, key: *key };
        let whole = usize::from(depth / 2);
        if depth % 2 == 1 {
            cut.key[whole] &= 0xF0;
        }
        cut.key[(whole + usize::from(depth % 2)).min(32)..].fill(0);
        cut
    }

    /// As it is stored: the depth and the digits, two in a byte.
    pub fn stored(&self) -> Vec<u8> {
        let mut bytes = vec![self.depth];
        bytes.extend(&self.key[..usize::from(self.depth.div_ceil(2))]);
        bytes
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Slot {
    #[default]
    Empty,
    Leaf(Leaf),
    Inner(Hash),
}

impl Slot {
    fn hash(&self) -> Hash {
        match self {
            Self::Empty => NOTHING,
            Self::Leaf(leaf) => leaf.hash(),
            Self::Inner(hash) => *hash,
        }
    }
}

/// Four levels of the trie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node([Slot; SLOTS]);

/// The hash over some neighbouring slots, as many as a power of two, and whether a single leaf is all that there is.
fn over(slots: &[Slot]) -> Slot {
    if let [one] = slots {
        return *one;
    }
    let (left, right) = slots.split_at(slots.len() / 2);
    match (over(left), over(right)) {
        (Slot::Empty, other) | (other, Slot::Empty) if !matches!(other, Slot::Inner(_)) => other,
        (left, right) => Slot::Inner(node_hash(&left.hash(), &right.hash())),
    }
}

impl Node {
    /// As it is stored: two masks of sixteen bits, of leaves and of inner slots, and then what the slots hold.
    pub fn stored(&self) -> Vec<u8> {
        let (mut leaves, mut inner) = (0u16, 0u16);
        let mut rest = Vec::new();
        for (at, slot) in self.0.iter().enumerate() {
            match slot {
                Slot::Empty => {}
                Slot::Leaf(leaf) => {
                    leaves |= 1 << at;
                    rest.extend(leaf.key);
                    rest.extend(leaf.end.count.to_be_bytes());
                    rest.extend(leaf.end.head);
                }
                Slot::Inner(hash) => {
                    inner |= 1 << at;
                    rest.extend(hash);
                }
            }
        }
        [&leaves.to_be_bytes()[..], &inner.to_be_bytes()[..], &rest].concat()
    }

    /// Reads [`Node::stored`] back; `None` if it is not one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (masks, mut rest) = bytes.split_at_checked(4)?;
        let (leaves, inner) = (u16::from_be_bytes([masks[0], masks[1]]), u16::from_be_bytes([masks[2], masks[3]]));
        let mut take = |n: usize| {
            let (taken, left) = rest.split_at_checked(n)?;
            rest = left;
            Some(taken)
        };
        let mut node = Self::default();
        for (at, slot) in node.0.iter_mut().enumerate() {
            *slot = match (leaves >> at & 1, inner >> at & 1) {
                (0, 0) => Slot::Empty,
                (1, 0) => {
                    let key = take(32)?.try_into().ok()?;
                    let count = u64::from_be_bytes(take(8)?.try_into().ok()?);
                    Slot::Leaf(Leaf { key, end: End { count, head: take(32)?.try_into().ok()? } })
                }
                (0, 1) => Slot::Inner(take(32)?.try_into().ok()?),
                _ => return None,
            };
        }
        rest.is_empty().then_some(node)
    }
}

/// Nodes of the map that were fetched: those on the way to the keys that are asked for or changed.
#[derive(Debug, Clone, Default)]
pub struct Nodes(pub HashMap<Prefix, Node>);

/// A node that is not among those that were fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node at depth {} of the map of streams is missing", .0.depth)]
pub struct Missing(pub Prefix);

impl Nodes {
    /// Of the nodes on the way to these keys, the next that must be fetched: call it, fetch, and call again until it gives none.
    pub fn wanted<'k>(&self, keys: impl IntoIterator<Item = &'k Key>) -> Vec<Prefix> {
        let mut wanted: Vec<Prefix> = keys.into_iter().filter_map(|key| self.next_on_the_way(key)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    fn next_on_the_way(&self, key: &Key) -> Option<Prefix> {
        for depth in 0..64u8 {
            let prefix = Prefix::of(key, depth);
            let Some(node) = self.0.get(&prefix) else { return Some(prefix) };
            if !matches!(node.0[digit(key, depth.into())], Slot::Inner(_)) {
                return None;
            }
        }
        None
    }

    /// What the map says of a stream.
    ///
    /// # Errors
    /// If a node on the way was not fetched.
    pub fn get(&self, key: &Key) -> Result<Option<End>, Missing> {
        for depth in 0..64u8 {
            let prefix = Prefix::of(key, depth);
            match self.0.get(&prefix).ok_or(Missing(prefix))?.0[digit(key, depth.into())] {
                Slot::Inner(_) => {}
                Slot::Leaf(leaf) if leaf.key == *key => return Ok(Some(leaf.end)),
                Slot::Leaf(_) | Slot::Empty => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Sets the ends of some streams; the nodes that have changed, and the new root.
    ///
    /// # Errors
    /// If a node on the way was not fetched; the nodes are then of no more use.
    pub fn set(&mut self, ends: &BTreeMap<Key, End>) -> Result<(Vec<Prefix>, Hash), Missing> {
        let leaves: Vec<Leaf> = ends.iter().map(|(key, end)| Leaf { key: *key, end: *end }).collect();
        let mut changed = Vec::new();
        let root = self.set_in(Prefix::ROOT, &leaves, &mut changed)?;
        Ok((changed, root.hash()))
    }

    /// The root.
    ///
    /// # Errors
    /// If the topmost node was not fetched.
    pub fn root(&self) -> Result<Hash, Missing> {
        self.0.get(&Prefix::ROOT).map(|node| over(&node.0).hash()).ok_or(Missing(Prefix::ROOT))
    }

    /// `leaves` are sorted, differ, and lie below the prefix.
    fn set_in(&mut self, prefix: Prefix, leaves: &[Leaf], changed: &mut Vec<Prefix>) -> Result<Slot, Missing> {
        let depth = usize::from(prefix.depth);
        let mut node = self.0.get(&prefix).cloned().ok_or(Missing(prefix))?;
        for group in leaves.chunk_by(|a, b| digit(&a.key, depth) == digit(&b.key, depth)) {
            let slot = &mut node.0[digit(&group[0].key, depth)];
            let below = Prefix::of(&group[0].key, prefix.depth + 1);
            *slot = match *slot {
                Slot::Inner(_) => self.set_in(below, group, changed)?,
                Slot::Leaf(there) if group.iter().all(|leaf| leaf.key != there.key) => {
                    let mut both = group.to_vec();
                    both.push(there);
                    both.sort_unstable_by_key(|leaf| leaf.key);
                    self.0.insert(below, Node::default());
                    self.set_in(below, &both, changed)?
                }
                Slot::Leaf(_) | Slot::Empty if group.len() == 1 => Slot::Leaf(group[0]),
                Slot::Leaf(_) | Slot::Empty => {
                    self.0.insert(below, Node::default());
                    self.set_in(below, group, changed)?
                }
            };
        }
        let whole = over(&node.0);
        self.0.insert(prefix, node);
        changed.push(prefix);
        Ok(whole)
    }

    /// The proof of what the map says of a stream, be it that there is none.
    ///
    /// # Errors
    /// If a node on the way was not fetched.
    pub fn prove(&self, key: &Key) -> Result<Proof, Missing> {
        let mut beside = Vec::new();
        for depth in 0..64u8 {
            let prefix = Prefix::of(key, depth);
            let node = self.0.get(&prefix).ok_or(Missing(prefix))?;
            let (mut from, mut width) = (0, SLOTS);
            while width > 1 {
                // A subtree with at most one stream is not taken further apart.
                match over(&node.0[from..from + width]) {
                    Slot::Inner(_) => {}
                    Slot::Leaf(leaf) => return Ok(Proof { beside, found: Some(leaf.into()) }),
                    Slot::Empty => return Ok(Proof { beside, found: None }),
                }
                width /= 2;
                let right = digit(key, depth.into()) & width != 0;
                let other = if right { from } else { from + width };
                beside.push(hex::encode(over(&node.0[other..other + width]).hash()));
                from += if right { width } else { 0 };
            }
            match node.0[from] {
                Slot::Inner(_) => {}
                Slot::Leaf(leaf) => return Ok(Proof { beside, found: Some(leaf.into()) }),
                Slot::Empty => return Ok(Proof { beside, found: None }),
            }
        }
        Ok(Proof { beside, found: None })
    }
}

/// What lies at the end of the way to a key, and beside it: enough to come to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The hashes beside the way, from the root down, in hexadecimal.
    pub beside: Vec<String>,
    /// The stream that stands there: the one that was asked for, another one whose way is the same so far, or none.
    pub found: Option<Found>,
}

/// A stream at the end of a way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Its key, in hexadecimal.
    pub key: String,
    /// How many events it has.
    pub count: u64,
    /// The SHA-256 of the last one, in hexadecimal.
    pub head: String,
}

impl From<Leaf> for Found {
    fn from(leaf: Leaf) -> Self {
        Self { key: hex::encode(leaf.key), count: leaf.end.count, head: hex::encode(leaf.end.head) }
    }
}

/// Reads a hash in lower-case hexadecimal digits; another spelling of the same is none.
pub fn read_hash(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash).ok()?;
    (!text.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(hash)
}

impl Proof {
    /// What the map with this root says of a stream, if the proof is one: `Some(None)` says that there is no such stream.
    pub fn check(&self, key: &Key, root: &Hash) -> Option<Option<End>> {
        if self.beside.len() > 256 {
            return None;
        }
        let found = match &self.found {
            None => None,
            Some(found) => {
                Some(Leaf { key: read_hash(&found.key)?, end: End { count: found.count, head: read_hash(&found.head)? } })
            }
        };
        // What stands there must belong there.
        if found.is_some_and(|leaf| (0..self.beside.len()).any(|at| bit(&leaf.key, at) != bit(key, at))) {
            return None;
        }
        let mut hash = found.map_or(NOTHING, |leaf| leaf.hash());
        for (at, other) in self.beside.iter().enumerate().rev() {
            let other = read_hash(other)?;
            hash = if bit(key, at) { node_hash(&other, &hash) } else { node_hash(&hash, &other) };
        }
        if hash != *root {
            return None;
        }
        Some(found.filter(|leaf| leaf.key == *key).map(|leaf| leaf.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root by the definition: of one stream its leaf, of none nothing, else of both halves by the next bit.
    fn defined(leaves: &[Leaf], depth: usize) -> Hash {
        match leaves {
            [] => NOTHING,
            [one] => one.hash(),
            more => {
                let (left, right): (Vec<Leaf>, Vec<Leaf>) = more.iter().partition(|leaf| !bit(&leaf.key, depth));
                node_hash(&defined(&left, depth + 1), &defined(&right, depth + 1))
            }
        }
    }

    fn end(n: u64) -> End {
        End { count: n + 1, head: key(&format!("head {n}")) }
    }

    /// A store that gives out stored nodes only when asked, as a database would.
    #[derive(Default)]
    struct Store(HashMap<Vec<u8>, Vec<u8>>);

    impl Store {
        fn fetch(&self, keys: &[Key]) -> Nodes {
            let mut nodes = Nodes::default();
            loop {
                let wanted = nodes.wanted(keys);
                if wanted.is_empty() {
                    return nodes;
                }
                for prefix in wanted {
                    let node = self.0.get(&prefix.stored()).map(|bytes| Node::read(bytes).unwrap());
                    assert!(node.is_some() || prefix == Prefix::ROOT, "{prefix:?} is named, but not there");
                    nodes.0.insert(prefix, node.unwrap_or_default());
                }
            }
        }
    }

    #[test]
    fn it_depends_on_what_it_holds_and_not_on_how_it_grew() {
        let mut store = Store::default();
        let mut all: BTreeMap<Key, End> = BTreeMap::new();
        for round in 0..60u64 {
            let mut batch: BTreeMap<Key, End> = (0..1 + round % 17).map(|n| (key(&format!("{round} {n}")), end(n))).collect();
            // Some go on, and some lie close to another: the same first 23 bits and more.
            if let Some(known) = all.keys().nth(round as usize / 2).copied() {
                batch.insert(known, end(1000 + round));
                let mut close = known;
                close[2 + round as usize % 30] ^= 1;
                batch.insert(close, end(round));
            }
            all.extend(batch.clone());
            let mut nodes = store.fetch(&batch.keys().copied().collect::<Vec<_>>());
            let (changed, root) = nodes.set(&batch).unwrap();
            for prefix in changed {
                store.0.insert(prefix.stored(), nodes.0[&prefix].stored());
            }
            let leaves: Vec<Leaf> = all.iter().map(|(key, end)| Leaf { key: *key, end: *end }).collect();
            assert_eq!(root, defined(&leaves, 0), "round {round}");
            assert_eq!(nodes.root(), Ok(root));
        }
        let root = store.fetch(&[]).root();
        assert!(root.is_err(), "nothing was asked for, so nothing was fetched");
        let leaves: Vec<Leaf> = all.iter().map(|(key, end)| Leaf { key: *key, end: *end }).collect();
        let root = defined(&leaves, 0);
        let absent: Vec<Key> = (0..200).map(|n| key(&format!("absent {n}"))).collect();
        for (at, asked) in all.keys().chain(&absent).enumerate() {
            let nodes = store.fetch(&[*asked]);
            assert_eq!(nodes.get(asked), Ok(all.get(asked).copied()));
            let proof = nodes.prove(asked).unwrap();
            assert_eq!(proof.check(asked, &root), Some(all.get(asked).copied()), "{proof:?}");
            let text = serde_json::to_string(&proof).unwrap();
            assert_eq!(serde_json::from_str::<Proof>(&text).unwrap(), proof);
            assert_eq!(proof.check(asked, &NOTHING), None);
            let other = all.keys().nth((at * 7 + 1) % all.len()).unwrap();
            if other != asked {
                // A proof for one stream says nothing wrong of another: nothing at all, or what is true.
                assert!(proof.check(other, &root).is_none_or(|said| said == all.get(other).copied()), "{proof:?}");
            }
            for hash in 0..proof.beside.len() {
                let mut wrong = proof.clone();
                let last = if wrong.beside[hash].ends_with('0') { "1" } else { "0" };
                wrong.beside[hash].replace_range(63.., last);
                assert_eq!(wrong.check(asked, &root), None);
                wrong.beside.remove(hash);
                assert_eq!(wrong.check(asked, &root), None);
            }
            if let Some(found) = &proof.found {
                let mut wrong = proof.clone();
                wrong.found = Some(Found { count: found.count + 1, ..found.clone() });
                assert_eq!(wrong.check(asked, &root), None);
                wrong.found = Some(Found { head: hex::encode(NOTHING), ..found.clone() });
                assert_eq!(wrong.check(asked, &root), None);
                wrong.found = Some(Found { key: hex::encode(key("x")), ..found.clone() });
                assert_eq!(wrong.check(asked, &root), None);
                wrong.found = None;
                assert_eq!(wrong.check(asked, &root), None);
            }
        }
    }

    #[test]
    fn one_stream_and_none() {
        let store = Store::default();
        let asked = key("a");
        assert_eq!(store.fetch(&[asked]).prove(&asked).unwrap().check(&asked, &NOTHING), Some(None));
        let mut nodes = store.fetch(&[asked]);
        let (_, root) = nodes.set(&BTreeMap::from([(asked, end(4))])).unwrap();
        assert_eq!(root, Leaf { key: asked, end: end(4) }.hash());
        assert_eq!(nodes.prove(&asked).unwrap().check(&asked, &root), Some(Some(end(4))));
        assert_eq!(nodes.prove(&key("b")).unwrap().check(&key("b"), &root), Some(None));
    }

    #[test]
    fn what_is_no_node_is_not_read() {
        for bytes in [&[][..], &[0; 3], &[0, 1, 0, 1], &[0, 1, 0, 0], &[0, 0, 0, 0, 9]] {
            assert_eq!(Node::read(bytes), None, "{bytes:?}");
        }
        assert_eq!(Node::read(&[0; 4]), Some(Node::default()));
    }
}
