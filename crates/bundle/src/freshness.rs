//! Whether what a server shows is of now: an old answer, shown again, misses a new heartbeat.

use keys::Timestamp;
use ledger::{Heartbeat, KeyChain};
use tlog::note::VerifierKey;

use crate::consistency::Statement;
use crate::refused::{Invalid, Refused};

/// A heartbeat of a log: what it had at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The tree.
    pub statement: Statement,
    /// When.
    pub at: Timestamp,
}

/// By how many seconds the clocks of log, auditor and whoever else tells a time may differ.
pub(crate) const CLOCKS_DIFFER_S: u64 = 300;

impl Beat {
    /// Reads a heartbeat that one of `keys`, which are of the chain, signed.
    ///
    /// # Errors
    ///
    /// [`Invalid::Unsigned`]
    pub fn open(text: &str, chain: &KeyChain, keys: &[VerifierKey]) -> Result<Beat, Invalid> {
        let opened = Heartbeat::open(text.as_bytes(), chain, keys);
        let (heartbeat, by) = opened.map_err(Invalid::unsigned("the heartbeat"))?;
        let Heartbeat { head, time_s } = heartbeat;
        let statement =
            Statement { note: text.to_owned(), size: head.size, root: head.root, by: by.clone() };
        let at = Timestamp::from_secs(i64::try_from(time_s).unwrap_or(i64::MAX));
        Ok(Beat { statement, at })
    }

    /// Checks that it is not from before `not_before`, nor from after `now` by more than clocks differ.
    ///
    /// # Errors
    ///
    /// [`Refused::Stale`]; [`Invalid::Future`].
    pub fn is_fresh(&self, not_before: Timestamp, now: Timestamp) -> Result<(), Refused> {
        is_of_now(self.at, not_before, now)
    }
}

/// Whether a signed time is not from before `not_before`, nor from after `now` by more than clocks differ.
pub(crate) fn is_of_now(
    at: Timestamp,
    not_before: Timestamp,
    now: Timestamp,
) -> Result<(), Refused> {
    if at > now.plus_secs(CLOCKS_DIFFER_S) {
        return Err(Invalid::Future(at.to_string()).into());
    }
    if at < not_before { Err(Refused::Stale { since: at.to_string() }) } else { Ok(()) }
}
