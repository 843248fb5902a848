//! The right edge of a tree, as few hashes as will do: enough to grow it and to know its root.

use crate::{Hash, empty_root, node_hash};

/// The roots of the complete subtrees that make up a tree, the largest (leftmost) first.
///
/// There is one for each bit set in the size, so never more than 64. Adding a leaf costs one
/// node hash on average; the root costs at most 63.
///
/// ```
/// use tlog::{Frontier, empty_root, leaf_hash};
///
/// let mut frontier = Frontier::new();
/// assert_eq!(frontier.root(), empty_root());
/// frontier.push(leaf_hash(b"an entry"));
/// assert_eq!((frontier.size(), frontier.root()), (1, leaf_hash(b"an entry")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its [`leaf_hash`](crate::leaf_hash).
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            hash = node_hash(&self.pop(), &hash);
        }
        self.nodes.push(hash);
        self.size += 1;
    }

    #[expect(clippy::expect_used, reason = "without the node the root would be a wrong one")]
    fn pop(&mut self) -> Hash {
        self.nodes.pop().expect("there is a node for each bit of the size")
    }

    /// The root of the tree: the Merkle Tree Hash of RFC 6962 §2.1.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_over(self.nodes.iter().rev()).unwrap_or_else(empty_root)
    }
}

impl Extend<Hash> for Frontier {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        for leaf in leaves {
            self.push(leaf);
        }
    }
}

impl FromIterator<Hash> for Frontier {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Frontier {
        let mut frontier = Frontier::new();
        frontier.extend(leaves);
        frontier
    }
}

/// The root over complete subtrees, the smallest (rightmost) first; `None` if there are none.
pub(crate) fn root_over<'a>(subtrees: impl Iterator<Item = &'a Hash>) -> Option<Hash> {
    subtrees.copied().reduce(|right, left| node_hash(&left, &right))
}
