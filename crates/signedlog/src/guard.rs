//! The last checkpoint, sealed where the end of the log is guarded: outside the log, so that a log
//! that lost records does not lose with them what it signed for them.

use std::sync::Arc;

use bytes::Bytes;
use eventlog::{Guarded, Log, Seq};

use crate::error::IntegrityError;
use crate::key_chain::KeyChain;
use crate::tree::TreeHead;

/// Puts a signed checkpoint into the guard. It reaches the disk off the commit's path.
pub(crate) fn seal(log: &dyn Log, note: &Arc<str>) {
    log.seal(Bytes::from_owner(Note(Arc::clone(note))));
}

/// What the guard's checkpoint says; `None` for a log that has no record and no checkpoint yet.
///
/// # Errors
///
/// [`IntegrityError::Seal`]: it holds no checkpoint, or one that none of `keys` signed.
pub(crate) fn sealed(log: &dyn Log, keys: &KeyChain) -> Result<Option<TreeHead>, IntegrityError> {
    match log.guarded() {
        Guarded { seal: Some(note), .. } => {
            let checkpoint = keys.open(&note).map_err(|_| IntegrityError::Seal)?;
            Ok(Some(TreeHead { size: checkpoint.size(), root: checkpoint.root() }))
        }
        // A first start that ended before the guard was written again.
        Guarded { length: Seq(0), seal: None } => Ok(None),
        Guarded { seal: None, .. } => Err(IntegrityError::Seal),
    }
}

/// A shared text as the owner of bytes: sealing copies nothing.
struct Note(Arc<str>);

impl AsRef<[u8]> for Note {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
