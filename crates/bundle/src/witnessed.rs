//! What witnesses saw of a log: a checkpoint that they cosigned, and whether they are enough.

use keys::Timestamp;
use ledger::KeyChain;
use tlog::Hash;
use tlog::note::{Note, VerifierKey};
use tlog::policy::{Policy, Quorum};

use crate::consistency::{Statement, extends, fork};
use crate::freshness::is_of_now;
use crate::layout::COSIGNED;
use crate::lineage::explained;
use crate::opened::statement;
use crate::outside::OutsideTime;
use crate::refused::{Invalid, Refused};

/// A checkpoint that a quorum of a policy's witnesses cosigned.
#[derive(Clone, Debug)]
pub struct Witnessed {
    /// The number of records in it.
    pub size: u64,
    /// Who cosigned it, and when.
    pub quorum: Quorum,
    /// How many of the records at hand are beyond it: the log alone vouches for these.
    pub unwitnessed: u64,
}

impl Witnessed {
    /// The cosigned checkpoint in `note`, which one of `keys` of the chain must have signed, and a quorum
    /// of `policy` cosigned.
    ///
    /// # Errors
    ///
    /// [`Invalid::Unsigned`], [`Invalid::Unwitnessed`].
    pub fn open(
        note: &str,
        policy: &Policy,
        chain: &KeyChain,
        keys: &[VerifierKey],
    ) -> Result<(Witnessed, Statement), Invalid> {
        if note.is_empty() {
            return Err(Invalid::Unwitnessed("there is no cosigned checkpoint".to_owned()));
        }
        let signed = statement(COSIGNED, note, chain, keys)?;
        let parsed = Note::parse(note.as_bytes()).map_err(Invalid::note(COSIGNED))?;
        let judged = policy.judge(&parsed);
        let quorum = judged.map_err(|why| Invalid::Unwitnessed(why.to_string()))?;
        Ok((Witnessed { size: signed.size, quorum, unwitnessed: 0 }, signed))
    }

    /// When the log had so many records, as a quorum saw it. A policy that needs nobody knows no such moment.
    pub(crate) fn outside_time(&self) -> Option<OutsideTime> {
        let at = self.quorum.existed_s.map(moment)?;
        Some(OutsideTime { size: self.size, at, by: "a quorum of witnesses".to_owned() })
    }

    /// Checks that a quorum has cosigned it at `not_before` or later, and not after `now` by more than
    /// clocks differ. Of a policy that needs nobody there is no such moment.
    ///
    /// # Errors
    ///
    /// [`Refused::Stale`]; [`Invalid::Future`].
    pub fn is_fresh(&self, not_before: Timestamp, now: Timestamp) -> Result<(), Refused> {
        let Some(at) = self.quorum.fresh_s.map(moment) else { return Ok(()) };
        is_of_now(at, not_before, now)
    }
}

/// The last second that a time can be written of: that of the year 9999.
const LAST_S: i64 = 253_402_300_799;

/// A witness's time, which may be any; as the last there is, if it is later.
#[must_use]
pub fn moment(time_s: u64) -> Timestamp {
    Timestamp::from_secs(i64::try_from(time_s).map_or(LAST_S, |time_s| time_s.min(LAST_S)))
}

/// Checks that the log of a cosigned checkpoint and that of another one are the same, whichever is larger.
///
/// # Errors
///
/// [`Refused::Fork`], or that what was cosigned was lost is on record.
pub fn same_log(
    chain: &KeyChain,
    cosigned: &Statement,
    checkpoint: &Statement,
    proof: &[Hash],
) -> Result<(), Refused> {
    let (smaller, larger) = if cosigned.size <= checkpoint.size {
        (cosigned, checkpoint)
    } else {
        (checkpoint, cosigned)
    };
    let checked = extends(smaller, larger, proof).map_err(|refused| {
        if matches!(refused, Refused::Fork { .. }) { fork(cosigned, checkpoint) } else { refused }
    });
    checked.map_err(|refused| explained(chain, cosigned, refused))
}
