//! A tree over 65,536 buckets: for a table that changes in place, so that what one change costs does not
//! grow with the table.
//!
//! Entries go into buckets by the first 16 bits of a hash. A bucket's root is the tree hash over its
//! entries; the root over all is that of the tree whose entries are the roots of the buckets, in order. It is
//! always complete, 16 levels high.

use crate::proof::root_from_inclusion;
use crate::{Hash, ProofError, empty_root, leaf_hash, node_hash, verify_inclusion};

/// How many buckets there are.
pub const BUCKETS: usize = 1 << HEIGHT;

/// The number of levels above the buckets, and of the hashes in a bucket's path.
const HEIGHT: usize = 16;

/// The bucket of an entry with this hash.
#[must_use]
pub fn bucket_of(hash: &[u8; Hash::LEN]) -> u16 {
    let [first, second, ..] = *hash;
    u16::from_be_bytes([first, second])
}

/// The tree above the buckets, 4 MiB.
#[derive(Clone)]
pub struct BucketTree {
    /// The root at 1; below the node at *n* are those at 2 *n* and 2 *n* + 1.
    nodes: Vec<Hash>,
}

impl BucketTree {
    /// That of buckets which are all empty.
    #[must_use]
    pub fn new() -> BucketTree {
        let mut nodes = vec![leaf_hash(empty_root().as_bytes()); 2 * BUCKETS];
        let mut width = BUCKETS;
        let mut below = leaf_hash(empty_root().as_bytes());
        while width > 1 {
            width /= 2;
            below = node_hash(&below, &below);
            nodes.iter_mut().take(2 * width).skip(width).for_each(|node| *node = below);
        }
        BucketTree { nodes }
    }

    /// Changes the roots of some buckets. One of them costs 16 hashes, all of them one each.
    pub fn set(&mut self, roots: impl IntoIterator<Item = (u16, Hash)>) {
        let mut changed: Vec<usize> = Vec::new();
        for (bucket, root) in roots {
            let place = BUCKETS + usize::from(bucket);
            if let Some(leaf) = self.nodes.get_mut(place) {
                *leaf = leaf_hash(root.as_bytes());
            }
            changed.push(place);
        }
        changed.sort_unstable();
        for _ in 0..HEIGHT {
            for place in &mut changed {
                *place /= 2;
            }
            changed.dedup();
            for &place in &changed {
                let above = node_hash(&self.node(2 * place), &self.node(2 * place + 1));
                if let Some(node) = self.nodes.get_mut(place) {
                    *node = above;
                }
            }
        }
    }

    /// The root over all buckets.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.node(1)
    }

    /// Whether this is the root of a bucket.
    #[must_use]
    pub fn has(&self, bucket: u16, root: &Hash) -> bool {
        self.node(BUCKETS + usize::from(bucket)) == leaf_hash(root.as_bytes())
    }

    /// The audit path of a bucket's root, from its sibling up: 16 hashes.
    #[must_use]
    pub fn path(&self, bucket: u16) -> Vec<Hash> {
        let place = BUCKETS + usize::from(bucket);
        (0..HEIGHT).map(|level| self.node((place >> level) ^ 1)).collect()
    }

    #[expect(clippy::expect_used, reason = "there is a node at each place from 1 on")]
    fn node(&self, place: usize) -> Hash {
        *self.nodes.get(place).expect("a place below twice the number of buckets")
    }
}

impl Default for BucketTree {
    fn default() -> BucketTree {
        BucketTree::new()
    }
}

/// The root over buckets; those that are not named are empty. Each is named once.
#[must_use]
pub fn root_over_buckets(roots: impl IntoIterator<Item = (u16, Hash)>) -> Hash {
    let mut tree = BucketTree::new();
    tree.set(roots);
    tree.root()
}

/// Checks that a bucket has this root. `path` is [`BucketTree::path`].
///
/// # Errors
///
/// A [`ProofError`]: it is not proved.
pub fn verify_bucket(
    bucket: u16,
    bucket_root: &Hash,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let leaf = leaf_hash(bucket_root.as_bytes());
    verify_inclusion(&leaf, bucket.into(), BUCKETS as u64, path, root)
}

/// Checks that the entry with this leaf hash is entry `index` of the `size` entries of a bucket. `path` is the
/// audit path in the bucket, and [`BucketTree::path`] after it.
///
/// The size is not known for another reason. It does not have to be: the paths fit one way through the tree
/// alone, so that an entry which is proved to be the last one of the bucket is that, and two which are proved
/// to be next to each other are.
///
/// # Errors
///
/// A [`ProofError`]: the entry is not proved to be there.
pub fn verify_in_bucket(
    leaf: &Hash,
    bucket: u16,
    (index, size): (u64, u64),
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let length = ProofError::Length { expected: HEIGHT, found: path.len() };
    let (within, above) =
        path.len().checked_sub(HEIGHT).and_then(|at| path.split_at_checked(at)).ok_or(length)?;
    verify_bucket(bucket, &root_from_inclusion(leaf, index, size, within)?, above, root)
}
