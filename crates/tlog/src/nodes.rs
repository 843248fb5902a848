//! The nodes of one tile: its hashes, and what they add up to.

use crate::{Hash, TILE_WIDTH, node_hash};

/// The hashes of a tile, up to 256, and every node above them that they complete.
///
/// They lie in the order in which they are completed (that of `StoredHashIndex` in
/// golang.org/x/mod/sumdb/tlog), so that the tile grows at the end only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nodes {
    width: usize,
    nodes: Vec<Hash>,
}

impl Nodes {
    /// The height of a full tile's root.
    const TOP: u32 = TILE_WIDTH.ilog2();

    /// Takes the next hash of a tile that is not full.
    pub(crate) fn push(&mut self, hash: Hash) {
        let (mut node, mut position) = (hash, self.width);
        self.nodes.push(node);
        for height in 0..self.width.trailing_ones() {
            #[expect(clippy::expect_used, reason = "without it the root would be a wrong one")]
            let left = self.get(height, position - 1).expect("left of a complete node is one");
            node = node_hash(left, &node);
            self.nodes.push(node);
            position /= 2;
        }
        self.width += 1;
    }

    /// The node at `height` above the hashes that is `position` (from 0) in its row.
    pub(crate) fn get(&self, height: u32, position: usize) -> Option<&Hash> {
        // It comes with the last hash below it, after that one and those between.
        let last = ((position + 1) << height) - 1;
        let before = 2 * last - last.count_ones() as usize;
        self.nodes.get(before + height as usize)
    }

    /// The hashes of the tile.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = &Hash> {
        (0..self.width).filter_map(|position| self.get(0, position))
    }

    /// The roots of the complete subtrees that make up a tile that is not full, the smallest
    /// (rightmost) first.
    pub(crate) fn subtrees(&self) -> impl Iterator<Item = &Hash> {
        let set = |height: &u32| (self.width >> height) & 1 == 1;
        let heights = (0..Nodes::TOP).filter(set);
        heights.filter_map(|height| self.get(height, (self.width >> height) - 1))
    }

    /// The root of a full tile's hashes; `None` if it is not full.
    pub(crate) fn root(&self) -> Option<&Hash> {
        self.get(Nodes::TOP, 0)
    }
}

impl Extend<Hash> for Nodes {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, hashes: I) {
        hashes.into_iter().for_each(|hash| self.push(hash));
    }
}

impl FromIterator<Hash> for Nodes {
    fn from_iter<I: IntoIterator<Item = Hash>>(hashes: I) -> Nodes {
        let mut nodes = Nodes::default();
        nodes.extend(hashes);
        nodes
    }
}
