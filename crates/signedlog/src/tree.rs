//! The Merkle tree over a log: a leaf for each record, and a head.

use std::fmt;

use tlog::Hash;

/// A leaf of the Merkle tree over a log: SHA-256(0x00 ‖ record bytes), RFC 6962 §2.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub struct Leaf(pub [u8; 32]);

impl Leaf {
    /// The leaf of a record's stored bytes.
    #[must_use]
    pub fn of(record: &[u8]) -> Leaf {
        Leaf(tlog::leaf_hash(record).0)
    }
}

impl From<Leaf> for Hash {
    fn from(leaf: Leaf) -> Hash {
        Hash(leaf.0)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The head of a Merkle tree: all that it commits to at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// How many leaves it has.
    pub size: u64,
    /// Its root hash.
    pub root: Hash,
}

impl TreeHead {
    /// The head of a tree without leaves.
    #[must_use]
    pub fn empty() -> TreeHead {
        TreeHead { size: 0, root: tlog::empty_root() }
    }
}
