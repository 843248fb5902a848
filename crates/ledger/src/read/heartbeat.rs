//! What the log says also when nothing happens: that it had no more than this then.

use std::sync::Arc;

use keys::Timestamp;
use signedlog::{Heartbeat, SignedRoot, TreeHead};

use crate::error::Error;
use crate::ledger::Ledger;

impl Ledger {
    /// A statement that the log had no more than this at a moment: at most a minute old, and at most a
    /// second if the log has grown since.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn heartbeat(&self) -> Result<SignedRoot, Error> {
        let (now, monotonic) = (self.state().clock.now(), self.state().clock.monotonic());
        // After the clock: what came later is not denied.
        let head = self.log().head();
        let last = &self.state().heartbeat;
        if let Some(signed) = last.good(head.size(), monotonic) {
            return Ok(signed);
        }
        let tree = TreeHead { size: head.size(), root: head.root() };
        let signed = self.sign_heartbeat(tree, now)?;
        last.set(signed.clone(), monotonic);
        Ok(signed)
    }

    /// The newest checkpoint, and the statement that the log had no more at a moment: this one.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn checkpoint_of_now(&self) -> Result<(SignedRoot, SignedRoot), Error> {
        let now = self.state().clock.now();
        // After the clock: what came later is not denied.
        let checkpoint = self.checkpoint()?;
        let tree = TreeHead { size: checkpoint.size, root: checkpoint.root };
        let heartbeat = self.sign_heartbeat(tree, now)?;
        Ok((checkpoint, heartbeat))
    }

    /// The same of the tree with `size` records, which the log had no more than at `now`.
    pub(crate) fn heartbeat_at(&self, size: u64, now: Timestamp) -> Result<SignedRoot, Error> {
        let root = self.log().head().root_at(size)?;
        self.sign_heartbeat(TreeHead { size, root }, now)
    }

    fn sign_heartbeat(&self, head: TreeHead, now: Timestamp) -> Result<SignedRoot, Error> {
        let time_s = u64::try_from(now.micros() / 1_000_000).unwrap_or(0);
        let note = Heartbeat { head, time_s }.sign(self.log().signing()?).map_err(Error::fault)?;
        Ok(SignedRoot { note: Arc::from(note), size: head.size, root: head.root })
    }
}
