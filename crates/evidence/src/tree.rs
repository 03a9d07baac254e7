//! The Merkle tree of a transparency log (RFC 6962, section 2.1; RFC 9162, section 2.1): hashes, and proofs made and checked.
//!
//! A tree is asked for hashes of complete subtrees only, by level and number, so that it can be kept in tiles. Nothing here reads or
//! writes anything.

use sha2::{Digest, Sha256};
use tact_domain::envelope::Hash;

/// The hash of a leaf: SHA-256 of a zero byte and the leaf (RFC 6962, section 2.1).
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0]);
    sha.update(leaf);
    sha.finalize().into()
}

/// The hash of an inner node: SHA-256 of a one byte and its two children (RFC 6962, section 2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut sha = Sha256::new();
    sha.update([1]);
    sha.update(left);
    sha.update(right);
    sha.finalize().into()
}

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A complete subtree: of the 2^`level` leaves from `number` * 2^`level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// How many levels above the leaves, which are at level 0; below 64.
    pub level: u8,
    /// Which of its level, from 0.
    pub number: u64,
}

/// Whoever knows the hashes of complete subtrees.
pub trait Hashes {
    /// Why a hash could not be had.
    type Error;
    /// The hash of a complete subtree.
    ///
    /// # Errors
    /// If it is not known.
    fn hash(&mut self, node: Node) -> Result<Hash, Self::Error>;
}

/// The complete subtrees, from left to right, that make up the leaves from `from` until `until`, which lie in one subtree of the tree's
/// shape: `from` is a multiple of the greatest power of two that is not greater than their number.
fn parts(from: u64, until: u64) -> Vec<Node> {
    let mut at = from;
    let mut parts = Vec::new();
    while at < until {
        let level = (until - at).ilog2() as u8;
        parts.push(Node { level, number: at >> level });
        at += 1 << level;
    }
    parts
}

/// Every complete subtree whose hash the root of a tree of so many leaves is made of.
pub fn root_parts(size: u64) -> Vec<Node> {
    parts(0, size)
}

fn fold<H: Hashes>(hashes: &mut H, parts: &[Node]) -> Result<Hash, H::Error> {
    let mut root: Option<Hash> = None;
    for part in parts.iter().rev() {
        let left = hashes.hash(*part)?;
        root = Some(root.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(root.unwrap_or_else(empty_root))
}

/// The root of the tree of the first `size` leaves.
///
/// # Errors
/// If a hash is not known.
pub fn root<H: Hashes>(hashes: &mut H, size: u64) -> Result<Hash, H::Error> {
    fold(hashes, &root_parts(size))
}

/// The greatest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// A step on the way from a leaf to the root: the subtree at hand and the one beside it, each as a range of leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) own: (u64, u64),
    pub(crate) beside: (u64, u64),
}

/// The way from a leaf to the root, from the leaf up.
pub(crate) fn way(index: u64, size: u64) -> Vec<Step> {
    let (mut from, mut until) = (0, size);
    let mut steps = Vec::with_capacity(40);
    while until - from > 1 {
        let middle = from + split(until - from);
        let (left, right) = ((from, middle), (middle, until));
        let (own, beside) = if index < middle { (left, right) } else { (right, left) };
        steps.push(Step { own, beside });
        (from, until) = own;
    }
    steps.reverse();
    steps
}

/// The complete subtrees that an inclusion proof needs.
pub fn inclusion_parts(index: u64, size: u64) -> Vec<Node> {
    way(index, size).into_iter().flat_map(|step| parts(step.beside.0, step.beside.1)).collect()
}

/// The proof that a leaf is in the tree of the first `size` leaves (RFC 6962, section 2.1.1). `index` is below `size`.
///
/// # Errors
/// If a hash is not known.
pub fn inclusion<H: Hashes>(hashes: &mut H, index: u64, size: u64) -> Result<Vec<Hash>, H::Error> {
    way(index, size).into_iter().map(|step| fold(hashes, &parts(step.beside.0, step.beside.1))).collect()
}

/// The root of the tree in which a proof puts a leaf; `None` if the proof does not fit the place.
pub fn included_root(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let steps = way(index, size);
    if steps.len() != proof.len() {
        return None;
    }
    Some(steps.iter().zip(proof).fold(leaf, |hash, (step, other)| {
        if step.beside.0 < step.own.0 { node_hash(other, &hash) } else { node_hash(&hash, other) }
    }))
}

/// What a consistency proof consists of: ranges of leaves.
fn consistent(old: u64, size: u64) -> Vec<(u64, u64)> {
    let (mut from, mut until) = (0, size);
    let mut whole = true;
    let mut found = Vec::new();
    // RFC 6962, section 2.1.2: SUBPROOF(m, D[n], b), from the root down.
    while old != until {
        let middle = from + split(until - from);
        if old <= middle {
            found.push((middle, until));
            until = middle;
        } else {
            found.push((from, middle));
            from = middle;
            whole = false;
        }
    }
    if !whole {
        found.push((from, until));
    }
    found.reverse();
    found
}

/// The complete subtrees that a consistency proof needs.
pub fn consistency_parts(old: u64, size: u64) -> Vec<Node> {
    if old == 0 || old >= size {
        return Vec::new();
    }
    consistent(old, size).into_iter().flat_map(|(from, until)| parts(from, until)).collect()
}

/// The proof that the tree of the first `old` leaves is the beginning of that of the first `size` (RFC 6962, section 2.1.2). Empty for a
/// tree without leaves and for equal sizes.
///
/// # Errors
/// If a hash is not known.
pub fn consistency<H: Hashes>(hashes: &mut H, old: u64, size: u64) -> Result<Vec<Hash>, H::Error> {
    if old == 0 || old >= size {
        return Ok(Vec::new());
    }
    consistent(old, size).into_iter().map(|(from, until)| fold(hashes, &parts(from, until))).collect()
}

/// Whether a proof shows that the tree with the root `old_root` is the beginning of the one with the root `root`.
pub fn is_consistent(old: u64, old_root: &Hash, size: u64, root: &Hash, proof: &[Hash]) -> bool {
    if old > size {
        return false;
    }
    if old == size {
        return proof.is_empty() && old_root == root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    let ranges = consistent(old, size);
    if ranges.len() != proof.len() {
        return false;
    }
    let mut steps = ranges.iter().zip(proof);
    // Where the old tree is itself a complete subtree of the new one, the proof begins with what lies beside it.
    let (mut was, mut is) = if ranges.first().is_some_and(|(from, until)| *from < old && *until == old) {
        let Some((_, first)) = steps.next() else { return false };
        (*first, *first)
    } else {
        (*old_root, *old_root)
    };
    for ((from, _), hash) in steps {
        if *from >= old {
            is = node_hash(&is, hash);
        } else {
            was = node_hash(hash, &was);
            is = node_hash(hash, &is);
        }
    }
    was == *old_root && is == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every hash of a tree in memory, computed by the definition and by nothing else in this file.
    struct Whole(Vec<Hash>);

    impl Hashes for Whole {
        type Error = ();
        fn hash(&mut self, node: Node) -> Result<Hash, ()> {
            let (from, width) = ((node.number << node.level) as usize, 1usize << node.level);
            defined(self.0.get(from..from + width).ok_or(())?).ok_or(())
        }
    }

    /// MTH of RFC 6962, section 2.1, word for word.
    fn defined(leaves: &[Hash]) -> Option<Hash> {
        match leaves {
            [] => None,
            [one] => Some(*one),
            more => {
                let k = more.len().next_power_of_two() / 2;
                Some(node_hash(&defined(&more[..k])?, &defined(&more[k..])?))
            }
        }
    }

    fn whole(size: u64) -> Whole {
        Whole((0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect())
    }

    #[test]
    fn roots_are_those_of_the_published_examples() {
        // Certificate Transparency's own test vectors.
        let leaves: [&[u8]; 3] = [b"", b"\x00", b"\x10"];
        let mut tree = Whole(leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ];
        for (size, expected) in (0..).zip(roots) {
            assert_eq!(hex::encode(root(&mut tree, size).unwrap()), expected, "{size} leaves");
        }
    }

    #[test]
    fn every_leaf_is_proved_and_no_other() {
        for size in 1..=70u64 {
            let mut tree = whole(size);
            let expected = defined(&tree.0).unwrap();
            assert_eq!(root(&mut tree, size).unwrap(), expected);
            for index in 0..size {
                let proof = inclusion(&mut tree, index, size).unwrap();
                let leaf = tree.0[index as usize];
                assert_eq!(included_root(leaf, index, size, &proof), Some(expected));
                for other in (0..size).filter(|other| *other != index) {
                    assert_ne!(included_root(leaf, other, size, &proof), Some(expected), "{index} passes for {other} of {size}");
                }
                assert_ne!(included_root(leaf_hash(b"other"), index, size, &proof), Some(expected));
                for at in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[at][31] ^= 1;
                    assert_ne!(included_root(leaf, index, size, &wrong), Some(expected));
                    wrong.remove(at);
                    assert_eq!(included_root(leaf, index, size, &wrong), None);
                }
            }
            assert_eq!(included_root(tree.0[0], size, size, &[]), None);
        }
    }

    #[test]
    fn every_beginning_is_proved_and_no_other() {
        for size in 0..=40u64 {
            let mut tree = whole(size);
            let now = root(&mut tree, size).unwrap();
            for old in 0..=size {
                let was = root(&mut tree, old).unwrap();
                let proof = consistency(&mut tree, old, size).unwrap();
                assert!(is_consistent(old, &was, size, &now, &proof), "{old} of {size}");
                let other = leaf_hash(b"other");
                assert!(!is_consistent(old, &other, size, &now, &proof));
                assert!(!is_consistent(old, &was, size, &other, &proof) || old == 0, "{old} of {size}");
                if old > 0 {
                    assert!(!is_consistent(old - 1, &was, size, &now, &proof));
                }
                for at in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[at][0] ^= 0x80;
                    assert!(!is_consistent(old, &was, size, &now, &wrong), "{old} of {size}, hash {at}");
                    wrong.remove(at);
                    assert!(!is_consistent(old, &was, size, &now, &wrong));
                }
            }
            assert!(!is_consistent(size + 1, &now, size, &now, &[]));
        }
    }
}
