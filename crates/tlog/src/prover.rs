//! Making proofs from tiles, for a tree of any size up to the present one.
//!
//! A proof touches at most two tiles a level: one on the way up from its leaf, one at the right
//! edge. A full tile is asked for by its full index; a partial one by the width it had at the
//! size in question.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;

use crate::frontier::fold_right;
use crate::{Frontier, Hash, Tile, TileIndex, empty_root, node_hash};

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

/// Makes proofs in a tree of one size, and keeps the tiles it has read for the next proof.
///
/// A batch of proofs at one size costs little more than one. At most 64 tiles are kept, 16 KiB
/// each. The tiles are taken on trust, see the crate's introduction.
pub struct Prover<'r, R> {
    reader: &'r R,
    size: u64,
    kept: BTreeMap<(u8, u64), Rows>,
}

/// What a [`Prover`] has worked out, to go on with in a later one of the same tree, at any size:
/// complete subtrees never change.
#[derive(Default)]
pub struct WorkedOut(BTreeMap<(u8, u64), Rows>);

/// How many tiles a prover keeps: an inclusion proof needs at most 16.
const KEPT: usize = 64;

impl<'r, R: TileReader> Prover<'r, R> {
    /// A prover for the tree of the first `size` leaves that `reader` has.
    pub fn new(reader: &'r R, size: u64) -> Prover<'r, R> {
        Prover::resume(reader, size, WorkedOut::default())
    }

    /// As [`Prover::new`], going on with what an earlier prover of the same tree left.
    pub fn resume(reader: &'r R, size: u64, worked_out: WorkedOut) -> Prover<'r, R> {
        Prover { reader, size, kept: worked_out.0 }
    }

    /// What [`Prover::resume`] goes on with.
    #[must_use]
    pub fn pause(self) -> WorkedOut {
        WorkedOut(self.kept)
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
        self.path(index, 0, self.size)
    }

    /// The part of the audit path of leaf `index` that lies within its tile, if that is the last
    /// one of the tree: the rest, [`Prover::inclusion_of_last_tile`], is the same for all leaves
    /// of that tile.
    ///
    /// # Errors
    ///
    /// A [`ProveError`], [`ProveError::OutOfRange`] for a leaf of another tile; the prover is fit
    /// for use again.
    pub fn inclusion_in_last_tile(
        &mut self,
        index: u64,
    ) -> Result<Vec<Hash>, ProveError<R::Error>> {
        self.path(index, self.last_tile(), self.size)
    }

    /// The audit path of the last tile's root, from its sibling up; empty if there is one tile.
    ///
    /// # Errors
    ///
    /// A [`ProveError`]; the prover is fit for use again.
    pub fn inclusion_of_last_tile(&mut self) -> Result<Vec<Hash>, ProveError<R::Error>> {
        let (first, last) = (self.last_tile(), self.size.saturating_sub(1));
        let mut path = self.inclusion(last)?;
        let within = self.path(last, first, self.size)?.len();
        Ok(path.split_off(within))
    }

    /// The first leaf of the last tile. The leaves from there on are a subtree: what lies before
    /// them is split off first, a power of two of at least a tile's width at a time.
    fn last_tile(&self) -> u64 {
        self.size.saturating_sub(1) & !0xff
    }

    /// The audit path of leaf `index` in the subtree over leaves `start` to `end`.
    fn path(
        &mut self,
        index: u64,
        mut start: u64,
        mut end: u64,
    ) -> Result<Vec<Hash>, ProveError<R::Error>> {
        if index < start || index >= end {
            return Err(ProveError::OutOfRange { index, size: self.size });
        }
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + left_size(end - start);
            if index < middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Ok(path)
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

    /// The right edge of the tree, to go on from.
    ///
    /// # Errors
    ///
    /// A [`ProveError`]; the prover is fit for use again.
    pub fn frontier(&mut self) -> Result<Frontier, ProveError<R::Error>> {
        let nodes = self.subtrees(0, self.size)?;
        let out_of_range = ProveError::OutOfRange { index: self.size, size: Frontier::MAX_SIZE };
        Frontier::from_parts(self.size, nodes).ok_or(out_of_range)
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
        Ok(fold_right(&self.subtrees(start, end)?).unwrap_or_else(empty_root))
    }

    /// The complete subtrees that make up `start` to `end`, the largest first.
    fn subtrees(&mut self, start: u64, end: u64) -> Result<Vec<Hash>, ProveError<R::Error>> {
        let mut from = start;
        let mut roots = Vec::new();
        while let Some(height) = (end - from).checked_ilog2() {
            roots.push(self.subtree(u8::try_from(height).unwrap_or(u8::MAX), from >> height)?);
            from += 1 << height;
        }
        Ok(roots)
    }

    /// The root of the complete subtree of `height` that is `position` (from 0) in its row.
    fn subtree(&mut self, height: u8, position: u64) -> Result<Hash, ProveError<R::Error>> {
        let (level, row) = (height / 8, height % 8);
        let first = position << row;
        let place = usize::try_from((first & 0xff) >> row).unwrap_or(usize::MAX);
        let size = self.size;
        let rows = self.rows(level, first >> 8)?;
        let hash = rows.0.get(usize::from(row)).and_then(|row| row.get(place)).copied();
        hash.ok_or(ProveError::OutOfRange { index: first, size })
    }

    fn rows(&mut self, level: u8, number: u64) -> Result<&Rows, ProveError<R::Error>> {
        if self.kept.len() >= KEPT && !self.kept.contains_key(&(level, number)) {
            self.kept.clear();
        }
        let index = TileIndex::at(level, number, self.size)
            .ok_or(ProveError::OutOfRange { index: number, size: self.size })?;
        match self.kept.entry((level, number)) {
            Entry::Occupied(mut kept) => {
                // The tree was smaller when it was kept.
                if kept.get().width() < usize::from(index.width()) {
                    kept.get_mut().extend(&read(self.reader, index)?);
                }
                Ok(kept.into_mut())
            }
            Entry::Vacant(free) => Ok(free.insert(Rows::new(&read(self.reader, index)?))),
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

/// A tile's hashes, and above them the nodes they make: row *i* is the nodes of height *i*.
pub(crate) struct Rows(Vec<Vec<Hash>>);

impl Rows {
    pub(crate) fn new(tile: &Tile) -> Rows {
        let mut rows = Rows(vec![Vec::new()]);
        rows.extend(tile);
        rows
    }

    /// How many hashes of the tile are in.
    fn width(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    /// Takes in the hashes that the tile has beyond those that are in.
    fn extend(&mut self, tile: &Tile) {
        let have = self.width();
        let mut added: Vec<Hash> = tile.hashes().skip(have).collect();
        for height in 0.. {
            if self.0.len() == height {
                self.0.push(Vec::new());
            }
            let Some(row) = self.0.get_mut(height) else { return };
            // The first of them may be the right one of a pair.
            let from = row.len() & !1;
            row.append(&mut added);
            added = pairs(row.get(from..).unwrap_or_default());
            if added.is_empty() {
                return;
            }
        }
    }

    /// The root of a full tile's hashes; `None` if it is a partial tile.
    pub(crate) fn root(&self) -> Option<Hash> {
        self.0.get(8).and_then(|row| row.first()).copied()
    }
}

fn pairs(row: &[Hash]) -> Vec<Hash> {
    let (pairs, _) = row.as_chunks::<2>();
    pairs.iter().map(|[left, right]| node_hash(left, right)).collect()
}

/// The largest power of two below `size`, which is at least 2: how RFC 6962 splits a tree.
fn left_size(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// One inclusion proof; see [`Prover::inclusion`].
///
/// # Errors
///
/// A [`ProveError`].
pub fn inclusion_proof<R: TileReader>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    Prover::new(reader, size).inclusion(index)
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

/// The frontier that the tree had at `size`; see [`Prover::frontier`].
///
/// # Errors
///
/// A [`ProveError`].
pub fn frontier_at<R: TileReader>(reader: &R, size: u64) -> Result<Frontier, ProveError<R::Error>> {
    Prover::new(reader, size).frontier()
}

/// The root that the tree had at `size`; see [`Prover::root`].
///
/// # Errors
///
/// A [`ProveError`].
pub fn root_at<R: TileReader>(reader: &R, size: u64) -> Result<Hash, ProveError<R::Error>> {
    Prover::new(reader, size).root()
}
