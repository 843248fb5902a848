//! The check that trusts nothing: the tree made again from every entry.
//!
//! Reading a few tiles and checking them against each other can be fooled: a forged entry with
//! a leaf hash forged to match looks right in its own tile. So every entry is hashed here, every
//! tile that was handed in is compared with the one that comes out, and only a tree that ends
//! with the given size and root is accepted.

use std::error::Error;

use crate::prover::read;
use crate::{Hash, ProveError, RightEdge, TileIndex, TileReader, leaf_hash};

/// Why a log is not what its root says.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError<E: Error + 'static> {
    /// A tile holds other hashes than the entries make.
    #[error("{} is not what the entries make it", .0.path())]
    Tile(TileIndex),
    /// There are more or fewer entries than the size says.
    #[error("there are {found} entries instead of {expected}")]
    Size {
        /// The size that was claimed.
        expected: u64,
        /// The number of entries that came.
        found: u64,
    },
    /// The entries make another root.
    #[error("the entries of a log of size {size} make another root")]
    Root {
        /// The size at which the roots differ.
        size: u64,
    },
    /// A tile is missing or could not be read.
    #[error("a tile could not be compared")]
    Read(#[source] ProveError<E>),
}

/// Makes a log's tree again, entry by entry, and compares it with the log's own tiles.
pub struct Rebuild<'r, R> {
    edge: RightEdge,
    tiles: &'r R,
}

impl<'r, R: TileReader> Rebuild<'r, R> {
    /// Starts at the first entry.
    pub fn new(tiles: &'r R) -> Rebuild<'r, R> {
        Rebuild { edge: RightEdge::new(), tiles }
    }

    /// The edge of the tree that the entries so far make.
    #[must_use]
    pub fn edge(&self) -> &RightEdge {
        &self.edge
    }

    /// Adds the next entry, and compares the tiles that it completes.
    ///
    /// # Errors
    ///
    /// A [`RebuildError`]: the log is bad, and nothing after this tells more.
    pub fn push(&mut self, entry: &[u8]) -> Result<(), RebuildError<R::Error>> {
        self.push_leaf(leaf_hash(entry))
    }

    /// As [`Rebuild::push`], for one who has just hashed the next entry with [`leaf_hash`].
    ///
    /// # Errors
    ///
    /// As [`Rebuild::push`].
    pub fn push_leaf(&mut self, leaf: Hash) -> Result<(), RebuildError<R::Error>> {
        for made in self.edge.push(leaf) {
            if read(self.tiles, made.index()).map_err(RebuildError::Read)? != made {
                return Err(RebuildError::Tile(made.index()));
            }
        }
        Ok(())
    }

    /// Compares the tiles that stayed partial, if the log has them, then the number of entries
    /// and the root. On success this returns the edge of the tree, to go on from.
    ///
    /// # Errors
    ///
    /// A [`RebuildError`]: the log is not the one that has this size and root.
    pub fn finish(self, size: u64, root: &Hash) -> Result<RightEdge, RebuildError<R::Error>> {
        let found = self.edge.size();
        if found != size {
            return Err(RebuildError::Size { expected: size, found });
        }
        for level in 0..=TileIndex::MAX_LEVEL {
            let partial = TileIndex::at(level, (size >> (8 * level)) >> 8, size);
            let Some(made) = partial.and_then(|index| self.edge.tile(index)) else { continue };
            let index = made.index();
            let read = self.tiles.tile(index).map_err(ProveError::Read);
            let theirs = read.map_err(RebuildError::Read)?;
            if theirs.is_some_and(|tile| tile.prefix(index.width()).as_ref() != Some(&made)) {
                return Err(RebuildError::Tile(index));
            }
        }
        if self.edge.root() == *root { Ok(self.edge) } else { Err(RebuildError::Root { size }) }
    }
}
