//! The edge of a growing tree: its frontier and its partial tiles, all in memory.

use crate::prover::{Rows, read};
use crate::{Frontier, Hash, ProveError, Prover, TILE_WIDTH, Tile, TileIndex, TileReader};

/// A growing tree: the frontier, and of each level the one tile that is not yet full.
///
/// At most 8 KiB a level (three levels up to 16 million leaves), so that a copy for readers is
/// cheap. Tiles come out as they are completed; keeping them is the caller's part, best in the
/// same atomic write as the entries that completed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    frontier: Frontier,
    /// The bytes of each level's partial tile, level 0 first. Empty where there is none.
    levels: Vec<Vec<u8>>,
}

impl Edge {
    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> Edge {
        Edge::default()
    }

    /// The edge of the first `full_tiles` × 256 leaves, from the stored full tiles alone.
    ///
    /// What comes after them (fewer than 256 leaves, if no tile was lost) the caller then
    /// pushes. Reads fewer than 256 tiles a level. The tiles are taken on trust: compare
    /// [`Edge::root`] with a root you know.
    ///
    /// # Errors
    ///
    /// A [`ProveError`], [`ProveError::Missing`] naming the tile that is not there.
    pub fn recover<R: TileReader>(
        full_tiles: u64,
        stored: &R,
    ) -> Result<Edge, ProveError<R::Error>> {
        let size = full_tiles.checked_mul(u64::from(TILE_WIDTH));
        let size = size.filter(|size| *size <= Frontier::MAX_SIZE);
        let out_of_range =
            ProveError::OutOfRange { index: full_tiles, size: Frontier::MAX_SIZE >> 8 };
        let size = size.ok_or(out_of_range)?;
        let mut levels = vec![Vec::new()];
        for below in 0..TileIndex::MAX_LEVEL {
            let tiles = size >> (8 * (below + 1));
            if tiles == 0 {
                break;
            }
            let mut bytes = Vec::new();
            for number in (tiles & !0xff)..tiles {
                let out_of_range = ProveError::OutOfRange { index: number, size };
                let index = TileIndex::full(below, number).ok_or(out_of_range)?;
                let root = Rows::new(&read(stored, index)?).root();
                bytes.extend_from_slice(root.ok_or(ProveError::Missing(index))?.as_bytes());
            }
            levels.push(bytes);
        }
        let mut edge = Edge { frontier: Frontier::new(), levels };
        let own = |index| Ok::<_, R::Error>(edge.tile_at(index, size));
        edge.frontier = Prover::new(&own, size).frontier()?;
        Ok(edge)
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The frontier, for a snapshot to keep.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Adds a leaf by its [`leaf_hash`](crate::leaf_hash) and returns the full tiles (8,192
    /// bytes) that it completes, the lowest level first: mostly none, one in 256 leaves, two
    /// in 65,536.
    pub fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        let levels = &mut self.levels;
        self.frontier.push_and_see(leaf, |height, hash| {
            if height % 8 == 0 {
                let level = usize::try_from(height / 8).unwrap_or(usize::MAX);
                if levels.len() <= level {
                    levels.resize_with(level + 1, Vec::new);
                }
                if let Some(bytes) = levels.get_mut(level) {
                    bytes.extend_from_slice(hash.as_bytes());
                }
            }
        });
        self.take_completed()
    }

    fn take_completed(&mut self) -> Vec<Tile> {
        let size = self.size();
        let mut completed = Vec::new();
        for (level, bytes) in (0..=TileIndex::MAX_LEVEL).zip(&mut self.levels) {
            if bytes.len() < usize::from(TILE_WIDTH) * Hash::LEN {
                break;
            }
            let index = TileIndex::full(level, ((size >> (8 * level)) >> 8).saturating_sub(1));
            let tile = index.and_then(|index| Tile::new(index, std::mem::take(bytes)).ok());
            completed.extend(tile);
        }
        completed
    }

    /// The hashes asked for, if they are in a partial tile of the edge; `None` if they are in a
    /// full tile (look in the store) or not in the tree at all.
    #[must_use]
    pub fn tile(&self, index: TileIndex) -> Option<Tile> {
        self.tile_at(index, self.size())
    }

    fn tile_at(&self, index: TileIndex, size: u64) -> Option<Tile> {
        if (size >> (8 * index.level())) >> 8 != index.number() {
            return None;
        }
        let bytes = self.levels.get(usize::from(index.level()))?;
        let bytes = bytes.get(..usize::from(index.width()) * Hash::LEN)?.to_vec();
        Tile::new(index, bytes).ok()
    }

    /// Reads partial tiles from this edge and completed ones from `stored`, which is asked for
    /// full tiles only. With it a [`Prover`] makes proofs at any size up to the edge's.
    pub fn over<R: TileReader>(&self, stored: R) -> OverEdge<'_, R> {
        OverEdge { edge: self, stored }
    }
}

/// An [`Edge`] over the store of its completed tiles. Made by [`Edge::over`].
pub struct OverEdge<'e, R> {
    edge: &'e Edge,
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
