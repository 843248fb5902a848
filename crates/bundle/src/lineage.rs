//! What a log was called and which keys signed it, and what of it was lost on the way.
//!
//! An operator who takes a log that is not the one signed for begins a new origin, and says so in a
//! note that both keys sign. So the loss is on record; whoever trusts a key from before must hear of it.

use ledger::{KeyChain, Succession, TreeHead};
use tlog::note::VerifierKey;

use crate::archive::{self, Stored};
use crate::consistency::Statement;
use crate::layout;
use crate::opened::raw;
use crate::refused::{Invalid, Refused};

/// Checks that nothing that `trusted`, or a later key, signed for was lost, as far as the notes between
/// the keys and the present size tell.
///
/// # Errors
///
/// [`Refused::RolledBack`]; [`Invalid::Stranger`] for a key that is none of the chain's.
pub fn not_rolled_back(chain: &KeyChain, trusted: &VerifierKey, size: u64) -> Result<(), Refused> {
    let successions = chain.successions_after(trusted).ok_or(Invalid::Stranger)?;
    let anew = successions.iter().filter(|succession| !succession.is_rotation);
    let mut lost =
        anew.filter(|succession| succession.admits_loss() || size < succession.last.size);
    lost.next().map_or(Ok(()), |succession| Err(rolled_back(chain, succession)))
}

/// The verdict on a log in which the succession lost something.
pub(crate) fn rolled_back(chain: &KeyChain, succession: &Succession) -> Refused {
    let old = chain.eras().find(|era| era.ended == Some(succession));
    Refused::RolledBack {
        origin: old.map_or_else(String::new, |era| era.key.name().to_owned()),
        last: succession.last.size,
        from: succession.from.map(|from| from.size),
        note: succession.note().to_owned(),
    }
}

/// What the log was when only its key was changed. It is that still, unless a new origin took an older
/// log later.
pub(crate) fn rotations(chain: &KeyChain) -> impl Iterator<Item = Statement> + '_ {
    let rotations = chain.eras().filter_map(|era| {
        let rotation = era.ended.filter(|ended| ended.is_rotation)?;
        let TreeHead { size, root } = rotation.last;
        Some(Statement { note: rotation.note().to_owned(), size, root, by: era.key.clone() })
    });
    rotations.filter(|rotation| lost_later(chain, rotation).is_none())
}

/// The last new origin whose log does not have all that the statement is of.
fn lost_later<'c>(chain: &'c KeyChain, statement: &Statement) -> Option<&'c Succession> {
    let later = chain.successions_after(&statement.by).unwrap_or_default();
    let mut anew = later.iter().rev().filter(|succession| !succession.is_rotation);
    anew.find(|succession| succession.contains_at_most() < statement.size)
}

/// `refused`, which the comparison of `statement` with the log gave, unless that the log is another
/// is on record: then that is the finding.
#[must_use]
pub fn explained(chain: &KeyChain, statement: &Statement, refused: Refused) -> Refused {
    if !matches!(refused, Refused::Fork { .. } | Refused::Rollback { .. }) {
        return refused;
    }
    lost_later(chain, statement).map_or(refused, |succession| rolled_back(chain, succession))
}

/// The keys of the log in a bundle, which may be good for nothing else; `None` if they cannot be read.
pub fn key_chain<S: Stored + ?Sized>(stored: &S) -> Option<KeyChain> {
    let placed = archive::members(stored).ok()?;
    let keys = placed.iter().find(|placed| placed.name == layout::KEYS)?;
    let text = String::from_utf8(raw(stored, keys, layout::KEYS).ok()?).ok()?;
    KeyChain::parse(&text).ok()
}
