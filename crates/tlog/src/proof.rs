//! Checking proofs: a few hashes against roots that are trusted for another reason.
//!
//! Nothing here looks at tiles. The number of hashes a proof must have follows from the sizes
//! alone and is checked first, so a longer or shorter proof is refused whatever it holds.

use crate::{Hash, empty_root, node_hash};

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf in a tree of this size.
    #[error("leaf {index} is not in a tree of size {size}")]
    NoSuchLeaf {
        /// The leaf's index, from 0.
        index: u64,
        /// The tree's size in leaves.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("a tree of size {new} cannot extend one of size {old}")]
    Shrunk {
        /// The older size in leaves.
        old: u64,
        /// The newer size in leaves.
        new: u64,
    },
    /// The sizes call for another number of hashes.
    #[error("the proof has {found} hashes instead of {expected}")]
    Length {
        /// The number that the sizes call for.
        expected: usize,
        /// The number that came.
        found: usize,
    },
    /// The hashes do not lead to the root of the tree (in a consistency proof: the newer one).
    #[error("the proof does not lead to the root")]
    Root,
    /// The hashes do not lead to the root of the older tree.
    #[error("the proof does not lead to the root of the older tree")]
    OldRoot,
}

/// Checks that the leaf with this hash is leaf `index` of the tree of `size` leaves with `root`.
///
/// `proof` is the audit path of RFC 6962 §2.1.1, from the leaf's sibling up.
///
/// # Errors
///
/// A [`ProofError`]: the leaf is not proved to be there.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let found = root_from_inclusion(leaf, index, size, proof)?;
    if found == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// The root that an inclusion proof leads to.
pub(crate) fn root_from_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let path = Path::new(index, size);
    let expected = path.inner + path.border;
    let (inner, border) = split(proof, path.inner, expected, proof.len())?;
    Ok(above_border(climb(*leaf, inner, index), border))
}

/// Checks that the tree of `new` leaves extends the tree of `old` leaves: same leaves, in the
/// same order, then others.
///
/// `proof` is that of RFC 6962 §2.1.2. From size 0, and between equal sizes, it is empty; the
/// roots are still compared (the root of size 0 with [`empty_root`]).
///
/// # Errors
///
/// A [`ProofError`]. With roots that were both signed, [`ProofError::Shrunk`] is a rollback and
/// any other a fork, unless the proof itself came damaged.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if old == 0 && *old_root != empty_root() {
        return Err(ProofError::OldRoot);
    }
    if old == 0 || old == new {
        split(proof, 0, 0, proof.len())?;
        return if old == new && old_root != new_root { Err(ProofError::Root) } else { Ok(()) };
    }
    // The walk starts at the largest complete subtree that ends the older tree. When that is
    // the whole older tree its hash is known and left out of the proof.
    let path = Path::new(old - 1, new);
    let shift = old.trailing_zeros();
    let inner = path.inner.saturating_sub(shift as usize);
    let given = usize::from(!old.is_power_of_two());
    let expected = given + inner + path.border;
    let (start, rest) = match proof.split_first() {
        Some((first, rest)) if given == 1 => (*first, rest),
        Some(_) | None => (*old_root, proof),
    };
    let (inner, border) = split(rest, inner, expected, proof.len())?;
    let turns = (old - 1) >> shift;
    if above_border(climb_left(start, inner, turns), border) != *old_root {
        return Err(ProofError::OldRoot);
    }
    if above_border(climb(start, inner, turns), border) != *new_root {
        return Err(ProofError::Root);
    }
    Ok(())
}

/// The shape of the way from a leaf to the root: `inner` steps below the point where it joins
/// the way from the last leaf, then `border` steps with a complete tree on the left each.
struct Path {
    inner: usize,
    border: usize,
}

impl Path {
    /// `index` is below `size`.
    fn new(index: u64, size: u64) -> Path {
        let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        let steps = |bits: u32| bits as usize;
        Path { inner: steps(inner), border: steps(border) }
    }
}

/// The proof's part below the border and the part along it, if it has the right length.
fn split(
    proof: &[Hash],
    inner: usize,
    expected: usize,
    found: usize,
) -> Result<(&[Hash], &[Hash]), ProofError> {
    if expected == found {
        proof.split_at_checked(inner).ok_or(ProofError::Length { expected, found })
    } else {
        Err(ProofError::Length { expected, found })
    }
}

/// Up through siblings; bit *i* of `turns` says that the *i*-th is on the left.
fn climb(start: Hash, siblings: &[Hash], turns: u64) -> Hash {
    siblings.iter().zip(bits(turns)).fold(start, |hash, (sibling, left)| {
        if left { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) }
    })
}

/// As [`climb`], but siblings on the right are newer than the tree in question: left out.
fn climb_left(start: Hash, siblings: &[Hash], turns: u64) -> Hash {
    siblings
        .iter()
        .zip(bits(turns))
        .fold(start, |hash, (sibling, left)| if left { node_hash(sibling, &hash) } else { hash })
}

fn above_border(start: Hash, siblings: &[Hash]) -> Hash {
    siblings.iter().fold(start, |hash, sibling| node_hash(sibling, &hash))
}

fn bits(turns: u64) -> impl Iterator<Item = bool> {
    (0..u64::BITS).map(move |bit| (turns >> bit) & 1 == 1)
}
