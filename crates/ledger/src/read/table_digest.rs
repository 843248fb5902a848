//! The key table as one number, by a replay of its own.

use std::sync::Arc;

use eventlog::Seq;

use crate::caller::{AUDIT, Caller};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::state::State;

/// Records that are replayed between two looks whether the digest is still wanted.
const STEP: u64 = 1 << 16;

impl Ledger {
    /// SHA-256 over the key table as of a length of the log (now, if `None`), and that length.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts; [`Error::BeyondTheLog`];
    /// [`Error::Overloaded`] while another one is made.
    pub fn table_digest(
        &self,
        caller: &Caller,
        length: Option<Seq>,
    ) -> Result<(Seq, [u8; 32]), Error> {
        caller.require_all(AUDIT)?;
        let size = self.state().size();
        let length = length.unwrap_or(size);
        if length > size {
            return Err(Error::BeyondTheLog { length: size });
        }
        // A second table takes as much memory as the first one: one at a time.
        let _alone = self.state().rebuilding.try_lock().ok_or(Error::Overloaded)?;
        // Replayed, not read off the live table: that one moves while it is walked.
        let (log, clock) = (self.state().log.share(), Arc::clone(&self.state().clock));
        let mut state = State::new(log, clock, None);
        state.keyring = Arc::clone(&self.state().keyring);
        while state.size() < length {
            self.still_wanted()?;
            let step = Seq(length.0.min(state.size().0 + STEP));
            state.catch_up(step).map_err(Error::fault)?;
        }
        Ok((length, state.table.digest()))
    }
}
