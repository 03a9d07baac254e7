//! Tiles: how the hashes of a tree are kept and published (C2SP tlog-tiles). A tile holds up to 256 hashes of one level, eight levels
//! above those of the tile below it; a full one never changes.

use std::collections::HashMap;

use tact_domain::envelope::Hash;

use crate::tree::{Hashes, Node, node_hash};

/// Levels of the tree in one tile.
pub const HEIGHT: u8 = 8;
/// Hashes in a full tile.
pub const WIDTH: usize = 256;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// The level of its hashes in the tree, in steps of [`HEIGHT`].
    pub level: u8,
    /// Which of its level, from 0.
    pub number: u64,
}

impl TileId {
    /// The tile that holds what a complete subtree's hash is made of.
    pub fn of(node: Node) -> Self {
        let level = node.level / HEIGHT;
        // So many hashes of the tile belong to the subtree, a power of two.
        let rest = node.level % HEIGHT;
        Self { level, number: node.number >> (HEIGHT - rest) }
    }

    /// How many hashes the tile has in a tree of so many leaves; 0 if it has none yet.
    pub fn width(self, size: u64) -> usize {
        let hashes = size.checked_shr(u32::from(self.level) * u32::from(HEIGHT)).unwrap_or(0);
        let before = self.number.saturating_mul(WIDTH as u64);
        usize::try_from(hashes.saturating_sub(before).min(WIDTH as u64)).unwrap_or(WIDTH)
    }

    /// Its path below `tile/` (C2SP tlog-tiles): `<level>/<number>`, or `<level>/<number>.p/<width>` for one that is not full.
    pub fn path(self, width: usize) -> String {
        let mut rest = self.number / 1000;
        let mut number = format!("{:03}", self.number % 1000);
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let partial = if width < WIDTH { format!(".p/{width}") } else { String::new() };
        format!("{}/{number}{partial}", self.level)
    }

    /// Reads [`TileId::path`] back, with the width that it names.
    pub fn from_path(path: &str) -> Option<(Self, usize)> {
        let (level, rest) = path.split_once('/')?;
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().ok().filter(|width| (1..WIDTH).contains(width))?),
            None => (rest, WIDTH),
        };
        let mut number = 0u64;
        for part in digits.split('/') {
            let part: u64 = part.strip_prefix('x').unwrap_or(part).parse().ok()?;
            number = number.checked_mul(1000)?.checked_add(part)?;
        }
        let tile = Self { level: level.parse().ok().filter(|level| *level < 8)?, number };
        // One spelling only: what another says is another path.
        (tile.path(width) == path).then_some((tile, width))
    }
}

/// The hash above some hashes, as many as a power of two.
fn above(hashes: &[Hash]) -> Option<Hash> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    level.first().copied()
}

/// The hash of a complete subtree from the tile that holds it; `None` if the tile is too short.
fn hash_in(tile: &[Hash], node: Node) -> Option<Hash> {
    let rest = node.level % HEIGHT;
    let width = 1usize << rest;
    let from = usize::try_from(node.number % (1 << (HEIGHT - rest))).ok()? * width;
    above(tile.get(from..from + width)?)
}

/// Tiles that were fetched beforehand. What a proof needs is known before it is made, so nothing waits in the middle.
#[derive(Debug, Clone, Default)]
pub struct Tiles(pub HashMap<TileId, Vec<Hash>>);

/// A tile that is not there, or does not hold what was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tile {} is missing or too short", .0.path(WIDTH))]
pub struct Missing(pub TileId);

impl Hashes for Tiles {
    type Error = Missing;
    fn hash(&mut self, node: Node) -> Result<Hash, Missing> {
        let tile = TileId::of(node);
        self.0.get(&tile).and_then(|hashes| hash_in(hashes, node)).ok_or(Missing(tile))
    }
}

/// The right edge of a growing tree: of each level the tile that is not full. From it follow the root and, as leaves come, the tiles to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// By level, the hashes of the tile that is not full.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The tiles from which the edge of a tree of so many leaves is read back, one a level.
    pub fn tiles(size: u64) -> Vec<TileId> {
        let level = |level: u8| {
            let hashes = size.checked_shr(u32::from(level) * u32::from(HEIGHT)).unwrap_or(0);
            (hashes > 0).then_some(TileId { level, number: hashes / WIDTH as u64 })
        };
        (0..8).map_while(level).filter(|tile| tile.width(size) > 0).collect()
    }

    /// The edge of a tree of so many leaves.
    ///
    /// # Errors
    /// If one of [`Edge::tiles`] is missing or too short.
    pub fn read(size: u64, tiles: &Tiles) -> Result<Self, Missing> {
        let mut edge = Self { size, levels: Vec::new() };
        for tile in Self::tiles(size) {
            let hashes = tiles.0.get(&tile).and_then(|hashes| hashes.get(..tile.width(size))).ok_or(Missing(tile))?;
            edge.levels.resize(usize::from(tile.level), Vec::new());
            edge.levels.push(hashes.to_vec());
        }
        Ok(edge)
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds leaves by their hashes; every tile that has changed, as it is now.
    pub fn push(&mut self, leaves: impl IntoIterator<Item = Hash>) -> HashMap<TileId, Vec<Hash>> {
        let mut changed = HashMap::new();
        for leaf in leaves {
            self.push_at(0, leaf, &mut changed);
            self.size += 1;
        }
        for (level, hashes) in (0u8..).zip(&self.levels) {
            let number = (self.size >> (u32::from(level) * u32::from(HEIGHT))) / WIDTH as u64;
            if !hashes.is_empty() {
                changed.insert(TileId { level, number }, hashes.clone());
            }
        }
        changed
    }

    fn push_at(&mut self, level: u8, hash: Hash, changed: &mut HashMap<TileId, Vec<Hash>>) {
        if self.levels.len() <= usize::from(level) {
            self.levels.push(Vec::with_capacity(WIDTH));
        }
        let tile = &mut self.levels[usize::from(level)];
        tile.push(hash);
        if tile.len() < WIDTH {
            return;
        }
        let full = std::mem::replace(tile, Vec::with_capacity(WIDTH));
        // `size` does not count the leaf that is being added yet.
        let number = ((self.size + 1) >> (u32::from(level) * u32::from(HEIGHT))) / WIDTH as u64 - 1;
        let next = above(&full).unwrap_or_default();
        changed.insert(TileId { level, number }, full);
        self.push_at(level + 1, next, changed);
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        crate::tree::root(&mut &*self, self.size)
            .unwrap_or_else(|missing| unreachable!("the edge holds every part of its own root: {missing}"))
    }
}

impl Hashes for &Edge {
    type Error = Missing;
    fn hash(&mut self, node: Node) -> Result<Hash, Missing> {
        let tile = TileId::of(node);
        self.levels.get(usize::from(tile.level)).and_then(|hashes| hash_in(hashes, node)).ok_or(Missing(tile))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{included_root, inclusion, inclusion_parts, leaf_hash, root};

    fn leaves(from: u64, until: u64) -> impl Iterator<Item = Hash> {
        (from..until).map(|n| leaf_hash(&n.to_be_bytes()))
    }

    #[test]
    fn tiles_that_grew_in_steps_are_those_that_grew_at_once() {
        let mut kept = Tiles::default();
        let mut edge = Edge::default();
        let mut steps = 1u64;
        while edge.size() < 70_000 {
            let size = edge.size();
            kept.0.extend(edge.push(leaves(size, size + steps)));
            steps = steps * 3 % 7919 + 1;
            let read = Edge::read(edge.size(), &kept).unwrap();
            assert_eq!(read.root(), edge.root(), "{} leaves", edge.size());
            assert_eq!(root(&mut kept, edge.size()), Ok(edge.root()));
        }
        let size = edge.size();
        let mut once = Edge::default();
        let at_once = once.push(leaves(0, size));
        assert_eq!(once.root(), edge.root());
        for (tile, hashes) in &at_once {
            assert_eq!(kept.0[tile], *hashes, "{tile:?}");
            assert_eq!(tile.width(size), hashes.len(), "{tile:?}");
        }
        assert_eq!(kept.0.len(), at_once.len());
        for index in [0, 1, 255, 256, 65_535, 65_536, size - 1] {
            let needed: std::collections::HashSet<_> = inclusion_parts(index, size).into_iter().map(TileId::of).collect();
            let mut fetched = Tiles(needed.into_iter().map(|tile| (tile, kept.0[&tile].clone())).collect());
            let proof = inclusion(&mut fetched, index, size).unwrap();
            assert_eq!(included_root(leaf_hash(&index.to_be_bytes()), index, size, &proof), Some(edge.root()));
        }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |level, number| TileId { level, number };
        for (tile, width, path) in [
            (tile(0, 0), 256, "0/000"),
            (tile(0, 1_234_067), 256, "0/x001/x234/067"),
            (tile(1, 17), 112, "1/017.p/112"),
            (tile(0, 1000), 1, "0/x001/000.p/1"),
        ] {
            assert_eq!(tile.path(width), path);
            assert_eq!(TileId::from_path(path), Some((tile, width)));
        }
        for path in [
            "",
            "0",
            "0/",
            "0/1",
            "0/001.p/0",
            "0/001.p/256",
            "0/001.p/01",
            "8/000",
            "00/000",
            "0/001/000",
            "0/x1/000",
            "0/-01",
            "0/x000/001",
        ] {
            assert_eq!(TileId::from_path(path), None, "{path}");
        }
    }
}
