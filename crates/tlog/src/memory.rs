//! A whole tree in memory, for trees that are made anew and not stored.

use std::convert::Infallible;

use crate::{Hash, RightEdge, Tile, TileIndex, TileReader};

/// A tree with all its tiles, about 32 bytes a leaf. Read it through a [`Prover`](crate::Prover).
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    edge: RightEdge,
    /// The completed tiles of each level, in order.
    completed: Vec<Vec<Tile>>,
}

impl MemoryTree {
    /// The empty tree.
    #[must_use]
    pub fn new() -> MemoryTree {
        MemoryTree::default()
    }

    /// Adds a leaf by its [`leaf_hash`](crate::leaf_hash).
    pub fn push(&mut self, leaf: Hash) {
        for tile in self.edge.push(leaf) {
            let level = usize::from(tile.index().level());
            if self.completed.len() <= level {
                self.completed.resize_with(level + 1, Vec::new);
            }
            if let Some(tiles) = self.completed.get_mut(level) {
                tiles.push(tile);
            }
        }
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.edge.root()
    }
}

impl FromIterator<Hash> for MemoryTree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> MemoryTree {
        let mut tree = MemoryTree::new();
        for leaf in leaves {
            tree.push(leaf);
        }
        tree
    }
}

impl TileReader for MemoryTree {
    type Error = Infallible;

    fn tile(&self, index: TileIndex) -> Result<Option<Tile>, Infallible> {
        if let Some(tile) = self.edge.tile(index) {
            return Ok(Some(tile));
        }
        let tiles = self.completed.get(usize::from(index.level()));
        let number = usize::try_from(index.number()).ok();
        let tile = tiles.zip(number).and_then(|(tiles, number)| tiles.get(number));
        Ok(tile.and_then(|tile| tile.prefix(index.width())))
    }
}
