//! The growing edge of a Merkle tree: the roots of its complete subtrees, which is all that adding leaves and saying the root takes.

use tact_domain::envelope::Hash;
use tact_evidence::tree::{empty_root, node_hash};

/// The edge of the tree over the leaves so far (RFC 6962, section 2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The largest first: one for each bit of `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tact_evidence::tile::Edge;
    use tact_evidence::tree::leaf_hash;

    use super::*;

    #[test]
    fn its_root_is_that_of_the_ledger_s_tree() {
        let (mut frontier, mut edge) = (Frontier::default(), Edge::default());
        assert_eq!(frontier.root(), edge.root());
        for n in 0..600u64 {
            let leaf = leaf_hash(&n.to_be_bytes());
            frontier.push(leaf);
            edge.push([leaf]);
            assert_eq!((frontier.size(), frontier.root()), (edge.size(), edge.root()), "{n}");
        }
    }
}
