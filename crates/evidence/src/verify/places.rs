//! Whether leaves are in a log's tree. Many proofs share the upper part of their way: what was computed once is compared from then on.

use std::collections::HashMap;

use tact_domain::envelope::Hash;

use crate::tree::{node_hash, way};

/// Subtrees with fewer leaves are not remembered, and no more than so many are.
const WIDE: u64 = 64;
const MOST: usize = 400_000;

/// The subtrees of one log that are known to lie below its root, by their range of leaves.
#[derive(Debug, Default)]
pub(super) struct Places {
    known: HashMap<(u64, u64), Hash>,
}

impl Places {
    /// Whether the proof leads from the leaf to the root. Every hash of the proof is looked at.
    pub(super) fn includes(&mut self, leaf: Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> bool {
        if index >= size {
            return false;
        }
        let steps = way(index, size);
        if steps.len() != proof.len() {
            return false;
        }
        let mut passed = Vec::with_capacity(2 * proof.len());
        let mut hash = leaf;
        let mut rest = steps.iter().zip(proof);
        while let Some((step, beside)) = rest.next() {
            if let Some(known) = self.known.get(&step.own) {
                // Whatever is known has everything beside its way known as well, if there was room for it.
                let same = |(step, beside): (&crate::tree::Step, &Hash)| {
                    self.known.get(&step.beside).is_none_or(|known| known == beside)
                };
                let all_known =
                    std::iter::once((step, beside)).chain(rest.clone()).all(|(step, _)| self.known.contains_key(&step.beside));
                if all_known {
                    return *known == hash && std::iter::once((step, beside)).chain(rest).all(same);
                }
            }
            passed.push((step.own, hash));
            passed.push((step.beside, *beside));
            hash = if step.beside.0 < step.own.0 { node_hash(beside, &hash) } else { node_hash(&hash, beside) };
        }
        if hash != *root {
            return false;
        }
        if self.known.len() + passed.len() <= MOST {
            self.known.extend(passed.into_iter().filter(|((from, until), _)| until - from >= WIDE || *until == size));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::tree::{Hashes, Node, inclusion, leaf_hash, root};

    struct Whole;

    impl Hashes for Whole {
        type Error = Infallible;
        fn hash(&mut self, node: Node) -> Result<Hash, Infallible> {
            if node.level == 0 {
                return Ok(leaf_hash(&node.number.to_be_bytes()));
            }
            let below = |number| Node { level: node.level - 1, number };
            Ok(node_hash(&self.hash(below(node.number * 2))?, &self.hash(below(node.number * 2 + 1))?))
        }
    }

    #[test]
    fn what_is_remembered_lets_nothing_through() {
        for size in [1, 2, 64, 65, 200, 513, 700] {
            let Ok(root) = root(&mut Whole, size);
            let mut places = Places::default();
            for index in (0..size).chain((0..size).rev()) {
                let leaf = leaf_hash(&index.to_be_bytes());
                let Ok(proof) = inclusion(&mut Whole, index, size);
                assert!(places.includes(leaf, index, size, &root, &proof), "{index} of {size}");
                assert!(!places.includes(leaf_hash(b"other"), index, size, &root, &proof));
                for at in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[at][7] ^= 4;
                    assert!(!places.includes(leaf, index, size, &root, &wrong), "{index} of {size}, hash {at}");
                }
            }
        }
    }
}
