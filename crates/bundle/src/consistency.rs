//! Two signed statements of one log, held against each other.

use tlog::{Hash, ProofError, verify_consistency};

use crate::refused::{Invalid, Refused};

/// A signed statement of a size and a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The signed note.
    pub note: String,
    /// How many records it speaks of.
    pub size: u64,
    /// The root that it states.
    pub root: Hash,
}

/// Checks that the log of `later` extends that of `earlier`, which it signed before.
///
/// # Errors
///
/// [`Refused::Rollback`] if it is shorter, [`Refused::Fork`] if it is another one.
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
