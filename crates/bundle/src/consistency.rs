//! The consistency of two signed statements of one log.

use tlog::note::VerifierKey;
use tlog::{Hash, ProofError, verify_consistency};

use crate::refused::{Invalid, Refused};

/// A signed statement of a size and a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The signed note.
    pub note: String,
    /// The number of records that it commits to.
    pub size: u64,
    /// The root hash.
    pub root: Hash,
    /// The key of the log that signed it.
    pub by: VerifierKey,
}

/// Checks that the tree of `later` extends that of `earlier`.
///
/// # Errors
///
/// [`Refused::Rollback`] if it is smaller, [`Refused::Fork`] if it is a different tree.
pub fn extends(earlier: &Statement, later: &Statement, proof: &[Hash]) -> Result<(), Refused> {
    let checked = verify_consistency(earlier.size, &earlier.root, later.size, &later.root, proof);
    match checked {
        Ok(()) => Ok(()),
        Err(ProofError::Shrunk { old, new }) => {
            Err(Refused::Rollback { size: new, once: old, checkpoint: earlier.note.clone() })
        }
        Err(ProofError::Root | ProofError::OldRoot) => Err(fork(earlier, later)),
        Err(error @ (ProofError::Length { .. } | ProofError::NoSuchLeaf { .. })) => {
            Err(Invalid::Consistency(error).into())
        }
    }
}

pub(crate) fn fork(one: &Statement, other: &Statement) -> Refused {
    Refused::Fork { one: one.note.clone(), other: other.note.clone() }
}
