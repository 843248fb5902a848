//! The edge of a growing tree: its newest tiles, all in memory.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::nodes::Nodes;
use crate::prover::siblings;
use crate::{Hash, Tile, TileIndex, TileReader, empty_root, node_hash};

/// A growing tree: of each level the one tile that is not yet full, and the last full ones of
/// the lowest.
///
/// A copy shares all tiles with the one it is of; a tile is copied (at most 16 KiB) when one of
/// the two grows. Tiles come out as they are completed; keeping them is the caller's part, best
/// in the same atomic write as the entries that completed them.
#[derive(Clone, Debug, Default)]
pub struct RightEdge {
    size: u64,
    /// Each level's partial tile, level 0 first. Empty where there is none.
    levels: Vec<Arc<Nodes>>,
    /// The last full tiles of level 0, the last one first.
    recent: VecDeque<Arc<Nodes>>,
    /// The hashes over the last complete subtree, the last two, and so on up to the root.
    ends: OnceLock<Vec<Hash>>,
}

/// A tile that is asked for is not of the edge, or no longer.
struct NotHeld;

impl RightEdge {
    /// How many full tiles of level 0 an edge holds: proofs are wanted most of what is newest.
    pub const RECENT: usize = 4;

    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> RightEdge {
        RightEdge::default()
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.ends().last().copied().unwrap_or_else(empty_root)
    }

    /// The roots of the complete subtrees that make up the tree, the smallest (rightmost) first.
    fn subtrees(&self) -> impl Iterator<Item = &Hash> {
        self.levels.iter().flat_map(|nodes| nodes.subtrees())
    }

    fn ends(&self) -> &[Hash] {
        self.ends.get_or_init(|| {
            let mut ends: Vec<Hash> = Vec::new();
            for left in self.subtrees() {
                ends.push(ends.last().map_or(*left, |right| node_hash(left, right)));
            }
            ends
        })
    }

    /// Adds a leaf by its [`leaf_hash`](crate::leaf_hash) and returns the full tiles (8,192
    /// bytes) that it completes, the lowest level first: mostly none, one in 256 leaves, two
    /// in 65,536.
    pub fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        let mut completed = Vec::new();
        let mut hash = leaf;
        self.size += 1;
        self.ends.take();
        for level in 0..=TileIndex::MAX_LEVEL {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Arc::default());
            }
            let Some(partial) = self.levels.get_mut(usize::from(level)) else { break };
            let nodes = Arc::make_mut(partial);
            nodes.push(hash);
            let Some(root) = nodes.root().copied() else { break };
            let full = std::mem::take(partial);
            completed.push(full_tile(&full, level, ((self.size >> (8 * level)) >> 8) - 1));
            if level == 0 {
                self.recent.truncate(RightEdge::RECENT - 1);
                self.recent.push_front(full);
            }
            hash = root;
        }
        completed
    }

    /// The hashes asked for, if they are in a partial tile of the edge; `None` if they are in a
    /// full tile (look in the store) or not in the tree at all.
    #[must_use]
    pub fn tile(&self, index: TileIndex) -> Option<Tile> {
        if (self.size >> (8 * index.level())) >> 8 != index.number() {
            return None;
        }
        tile_of(self.levels.get(usize::from(index.level()))?, index)
    }

    /// The part of the audit path of leaf `index` that lies within its tile, from the leaf's
    /// sibling up (RFC 6962 §2.1.1). `None` if the edge does not hold that tile: it has the
    /// partial one, and up to [`RightEdge::RECENT`] full ones.
    #[must_use]
    pub fn inclusion_in_tile(&self, index: u64) -> Option<Vec<Hash>> {
        let leaves = self.leaves_of(index >> 8)?;
        leaves.contains(&index).then(|| self.path(leaves, index..index + 1)).flatten()
    }

    /// The rest of that path, which all leaves of tile `number` of level 0 have in common.
    /// `None` if the edge does not hold all of it.
    #[must_use]
    pub fn inclusion_of_tile(&self, number: u64) -> Option<Vec<Hash>> {
        self.path(0..self.size, self.leaves_of(number)?)
    }

    /// The leaves of tile `number` of level 0; `None` if it has none.
    fn leaves_of(&self, number: u64) -> Option<Range<u64>> {
        let index = TileIndex::at(0, number, self.size)?;
        let first = number << 8;
        Some(first..first + u64::from(index.width()))
    }

    fn path(&self, from: Range<u64>, to: Range<u64>) -> Option<Vec<Hash>> {
        siblings(from, to, |range| self.range(&range).ok_or(NotHeld)).ok()
    }

    /// The hash over a range of leaves that a split of the tree makes: a complete subtree, or the
    /// end of the tree.
    fn range(&self, range: &Range<u64>) -> Option<Hash> {
        let width = range.end - range.start;
        if !width.is_power_of_two() {
            return self.ends().get(width.count_ones() as usize - 1).copied();
        }
        let (level, height) = (width.ilog2() / 8, width.ilog2() % 8);
        let place = range.start >> (8 * level);
        let newest = (self.size >> (8 * level)) >> 8;
        let tile = match newest.checked_sub(place >> 8)? {
            0 => self.levels.get(level as usize),
            back if level == 0 => self.recent.get(usize::try_from(back - 1).ok()?),
            _ => None,
        };
        tile?.get(height, usize::try_from((place & 0xff) >> height).ok()?).copied()
    }

    /// Reads partial tiles from this edge and completed ones from `stored`, which is asked for
    /// full tiles only. With it a [`Prover`](crate::Prover) makes proofs at any size up to the edge's.
    pub fn over<R: TileReader>(&self, stored: R) -> OverEdge<'_, R> {
        OverEdge { edge: self, stored }
    }
}

/// Tile `number` of `level`, which these hashes have just completed.
#[expect(clippy::expect_used, reason = "a tile left out would be missing for ever")]
fn full_tile(nodes: &Nodes, level: u8, number: u64) -> Tile {
    let index = TileIndex::full(level, number).expect("a level has at most 2^56 tiles");
    tile_of(nodes, index).expect("a full tile has 256 hashes")
}

/// The first hashes of a tile, as many as `index` says; `None` if there are fewer.
fn tile_of(nodes: &Nodes, index: TileIndex) -> Option<Tile> {
    let width = usize::from(index.width());
    let mut bytes = Vec::with_capacity(width * Hash::LEN);
    nodes.hashes().take(width).for_each(|hash| bytes.extend_from_slice(hash.as_bytes()));
    Tile::new(index, bytes).ok()
}

/// A [`RightEdge`] over the store of its completed tiles. Made by [`RightEdge::over`].
pub struct OverEdge<'e, R> {
    edge: &'e RightEdge,
    stored: R,
}

impl<R: TileReader> TileReader for OverEdge<'_, R> {
    type Error = R::Error;

    /// Exactly the hashes asked for, also when the tile has since grown or been completed.
    fn tile(&self, index: TileIndex) -> Result<Option<Tile>, R::Error> {
        if let Some(tile) = self.edge.tile(index) {
            return Ok(Some(tile));
        }
        match TileIndex::full(index.level(), index.number()) {
            Some(full) if full.is_within(self.edge.size()) => {
                let tile = self.stored.tile(full)?;
                Ok(tile.and_then(|tile| tile.prefix(index.width())))
            }
            Some(_) | None => Ok(None),
        }
    }
}
