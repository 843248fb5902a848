//! Making proofs from tiles, for a tree of any size up to the present one.
//!
//! A proof touches at most two tiles a level: one on the way up from its leaf, one at the right
//! edge. A full tile is asked for by its full index; a partial one by the width it had at the
//! size in question.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::ops::Range;

use crate::frontier::root_over;
use crate::nodes::Nodes;
use crate::{Hash, Tile, TileIndex, empty_root};

/// Something that can hand out tiles. A closure `Fn(TileIndex) -> Result<Option<Tile>, E>` is one.
pub trait TileReader {
    /// What can go wrong in reading.
    type Error: Error + 'static;

    /// The tile's hashes: as many as the index says, or more of the same tile.
    ///
    /// `None` is a tile that the log does not have.
    ///
    /// # Errors
    ///
    /// Whatever kept it from being read.
    fn tile(&self, index: TileIndex) -> Result<Option<Tile>, Self::Error>;
}

impl<F, E> TileReader for F
where
    F: Fn(TileIndex) -> Result<Option<Tile>, E>,
    E: Error + 'static,
{
    type Error = E;

    fn tile(&self, index: TileIndex) -> Result<Option<Tile>, E> {
        self(index)
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError<E: Error + 'static> {
    /// A refusal: leaf `index`, or a tree of that size, is not within a tree of `size` leaves.
    #[error("{index} is not within a tree of size {size}")]
    OutOfRange {
        /// The leaf asked about, or the older size.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A fault: the log does not have a tile that it must have, or fewer hashes of it.
    #[error("{} is missing", .0.path())]
    Missing(TileIndex),
    /// A fault: a tile could not be read.
    #[error("a tile could not be read")]
    Read(#[source] E),
}

/// Makes proofs in a tree of one size, and caches the tiles it has read for the next proof.
///
/// A batch of proofs at one size costs little more than one. At most 64 tiles are cached, 16 KiB
/// each. The tiles are taken on trust, see the crate's introduction.
pub struct Prover<'r, R> {
    reader: &'r R,
    size: u64,
    tiles: BTreeMap<(u8, u64), Nodes>,
}

/// How many tiles a prover caches: an inclusion proof needs at most 16.
const CACHED_TILES: usize = 64;

impl<'r, R: TileReader> Prover<'r, R> {
    /// A prover for the tree of the first `size` leaves that `reader` has.
    pub fn new(reader: &'r R, size: u64) -> Prover<'r, R> {
        Prover { reader, size, tiles: BTreeMap::new() }
    }

    /// The size of the tree, in leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The audit path of leaf `index`, from its sibling up (RFC 6962 §2.1.1).
    ///
    /// # Errors
    ///
    /// A [`ProveError`]; the prover is fit for use again.
    pub fn inclusion(&mut self, index: u64) -> Result<Vec<Hash>, ProveError<R::Error>> {
        if index >= self.size {
            return Err(ProveError::OutOfRange { index, size: self.size });
        }
        siblings(0..self.size, index..index + 1, |range| self.range(range.start, range.end))
    }

    /// The proof that this tree extends its own first `old` leaves (RFC 6962 §2.1.2). Empty
    /// for `old` 0 and for `old` equal to the size.
    ///
    /// # Errors
    ///
    /// A [`ProveError`]; the prover is fit for use again.
    pub fn consistency(&mut self, old: u64) -> Result<Vec<Hash>, ProveError<R::Error>> {
        if old > self.size {
            return Err(ProveError::OutOfRange { index: old, size: self.size });
        }
        if old == 0 || old == self.size {
            return Ok(Vec::new());
        }
        let (mut start, mut end) = (0, self.size);
        let mut path = Vec::new();
        while end != old {
            let middle = start + left_size(end - start);
            if old <= middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(start, middle)?);
                start = middle;
            }
        }
        // What is left ends the older tree. If it is all of it, the verifier knows its hash.
        if start > 0 {
            path.push(self.range(start, end)?);
        }
        path.reverse();
        Ok(path)
    }

    /// The root of the tree.
    ///
    /// # Errors
    ///
    /// A [`ProveError`]; the prover is fit for use again.
    pub fn root(&mut self) -> Result<Hash, ProveError<R::Error>> {
        self.range(0, self.size)
    }

    /// The hash over leaves `start` to `end`; `start` is where a split of the tree puts it.
    fn range(&mut self, start: u64, end: u64) -> Result<Hash, ProveError<R::Error>> {
        Ok(root_over(self.subtrees(start, end)?.iter().rev()).unwrap_or_else(empty_root))
    }

    /// The complete subtrees that make up `start` to `end`, the largest first.
    fn subtrees(&mut self, start: u64, end: u64) -> Result<Vec<Hash>, ProveError<R::Error>> {
        let mut from = start;
        let mut roots = Vec::new();
        while let Some(height) = (end - from).checked_ilog2() {
            roots.push(self.subtree(height, from >> height)?);
            from += 1 << height;
        }
        Ok(roots)
    }

    /// The root of the complete subtree of `height` that is `position` (from 0) in its row.
    fn subtree(&mut self, height: u32, position: u64) -> Result<Hash, ProveError<R::Error>> {
        #[expect(clippy::cast_possible_truncation, reason = "a height is below 64")]
        let (level, row) = ((height / 8) as u8, height % 8);
        let first = position << row;
        let place = usize::from((first & 0xff) as u8) >> row;
        let size = self.size;
        let hash = self.nodes(level, first >> 8)?.get(row, place).copied();
        hash.ok_or(ProveError::OutOfRange { index: first, size })
    }

    fn nodes(&mut self, level: u8, number: u64) -> Result<&Nodes, ProveError<R::Error>> {
        if self.tiles.len() >= CACHED_TILES && !self.tiles.contains_key(&(level, number)) {
            self.tiles.clear();
        }
        match self.tiles.entry((level, number)) {
            Entry::Occupied(tile) => Ok(tile.into_mut()),
            Entry::Vacant(free) => {
                let index = TileIndex::at(level, number, self.size)
                    .ok_or(ProveError::OutOfRange { index: number, size: self.size })?;
                Ok(free.insert(read(self.reader, index)?.hashes().collect()))
            }
        }
    }
}

/// The tile with exactly the hashes that `index` asks for.
pub(crate) fn read<R: TileReader>(
    reader: &R,
    index: TileIndex,
) -> Result<Tile, ProveError<R::Error>> {
    let missing = || ProveError::Missing(index);
    let tile = reader.tile(index).map_err(ProveError::Read)?.ok_or_else(missing)?;
    let found = tile.index();
    if found == index {
        Ok(tile)
    } else if (found.level(), found.number()) == (index.level(), index.number()) {
        tile.prefix(index.width()).ok_or_else(missing)
    } else {
        Err(missing())
    }
}

/// The hashes beside the way from the leaves `from` down to `to`, a part of them that a split
/// of the tree makes: in the order of a proof, from below up.
pub(crate) fn siblings<E>(
    mut from: Range<u64>,
    to: Range<u64>,
    mut hash: impl FnMut(Range<u64>) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::with_capacity(8);
    while from != to && from.end - from.start > 1 {
        let middle = from.start + left_size(from.end - from.start);
        if to.start < middle {
            path.push(hash(middle..from.end)?);
            from.end = middle;
        } else {
            path.push(hash(from.start..middle)?);
            from.start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The largest power of two below `size`, which is at least 2: how RFC 6962 splits a tree.
fn left_size(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// One consistency proof; see [`Prover::consistency`].
///
/// # Errors
///
/// A [`ProveError`].
pub fn consistency_proof<R: TileReader>(
    reader: &R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    Prover::new(reader, new).consistency(old)
}
