//! The right edge of a tree, as few hashes as will do: enough to grow it and to know its root.

use crate::{Hash, empty_root, node_hash};

/// The roots of the complete subtrees that make up a tree, the largest (leftmost) first.
///
/// There is one for each bit set in the size, so never more than 64. Adding a leaf costs one
/// node hash on average; the root costs at most 63.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The largest size that a frontier is made for; none can ever be pushed past `u64`.
    pub const MAX_SIZE: u64 = 1 << 63;

    /// The frontier of the empty tree.
    #[must_use]
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// The frontier of a tree of `size` leaves with these `nodes`, the largest subtree first.
    ///
    /// `None` if their number is not the number of bits set in `size`, or if `size` is more
    /// than [`Frontier::MAX_SIZE`]. The hashes themselves are taken on trust: compare
    /// [`Frontier::root`] with a root you know.
    #[must_use]
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Option<Frontier> {
        let whole = size <= Frontier::MAX_SIZE && u64::from(size.count_ones()) == len(&nodes);
        whole.then_some(Frontier { size, nodes })
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, the largest first: one for each bit set in the size.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Adds a leaf by its [`leaf_hash`](crate::leaf_hash).
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.nodes.pop() else { break };
            hash = node_hash(&left, &hash);
        }
        self.nodes.push(hash);
        self.size += 1;
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

fn len(nodes: &[Hash]) -> u64 {
    u64::try_from(nodes.len()).unwrap_or(u64::MAX)
}
