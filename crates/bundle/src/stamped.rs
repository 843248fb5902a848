//! The checkpoints of a bundle that a time-stamping authority stamped.

use keys::Timestamp;
use ledger::KeyChain;
use timestamp::{Roots, Stamp};
use tlog::Hash;

use crate::archive::Stored;
use crate::consistency::{Statement, extends};
use crate::layout;
use crate::lineage::explained;
use crate::opened::{Opened, hashes, statement};
use crate::outside::OutsideTime;
use crate::refused::{Invalid, Refused};

/// A checkpoint, and the answer of a time-stamping authority over its bytes.
#[derive(Clone, Debug)]
pub struct Stamped {
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The proof that the bundle's checkpoint extends it.
    pub consistency: Vec<Hash>,
    /// The DER of a `TimeStampResp` (RFC 3161).
    pub stamp: Vec<u8>,
}

/// One that is signed by the log, and stamped by whoever it is.
pub(crate) struct StampedStatement {
    pub(crate) statement: Statement,
    consistency: Vec<Hash>,
    stamp: Vec<u8>,
}

/// Reads those of a bundle, as far as that takes no trust in an authority.
///
/// # Errors
///
/// One is not signed by the log, or its time-stamp is damaged or of something else; [`Refused::Rollback`]
/// for one of more records than the log has.
pub(crate) fn read<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
) -> Result<Vec<StampedStatement>, Refused> {
    let numbers = 0..opened.stamps;
    numbers.map(|number| one(opened, number)).collect()
}

fn one<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    number: u64,
) -> Result<StampedStatement, Refused> {
    let [checkpoint, consistency, stamp] = layout::times_names(number);
    let text = |name: &str, what: &'static str| {
        String::from_utf8(opened.bytes(name)?).map_err(|_| Invalid::Malformed(what))
    };
    let note = text(&checkpoint, layout::TIMES_CHECKPOINT)?;
    let chain: &KeyChain = &opened.chain;
    let statement = statement(layout::TIMES_CHECKPOINT, &note, chain, chain.keys())?;
    let consistency = hashes(&text(&consistency, layout::TIMES_CONSISTENCY)?)
        .ok_or(Invalid::Malformed(layout::TIMES_CONSISTENCY))?;
    let bytes = opened.bytes(&stamp)?;
    let unstamped = |source| Invalid::Stamp { number, source };
    let parsed = Stamp::parse(&bytes).map_err(unstamped)?;
    parsed.is_over(note.as_bytes()).map_err(unstamped)?;
    if statement.size > opened.checkpoint.size {
        let shorter = extends(&statement, &opened.checkpoint, &[]);
        shorter.map_err(|refused| explained(chain, &statement, refused))?;
    }
    Ok(StampedStatement { statement, consistency, stamp: bytes })
}

impl StampedStatement {
    /// When the log had so many records, if the time-stamp leads to one of the roots.
    ///
    /// # Errors
    ///
    /// [`Invalid::Stamp`]
    pub(crate) fn outside_time(&self, number: u64, roots: &Roots) -> Result<OutsideTime, Invalid> {
        let unstamped = |source| Invalid::Stamp { number, source };
        let stamp = Stamp::parse(&self.stamp).map_err(unstamped)?;
        stamp.is_trusted(roots).map_err(unstamped)?;
        let at = Timestamp::from_micros(stamp.at_us());
        Ok(OutsideTime {
            size: self.statement.size,
            at,
            by: "a time-stamping authority".to_owned(),
        })
    }

    /// Checks that the log of the bundle extends it.
    ///
    /// # Errors
    ///
    /// As [`extends`].
    pub(crate) fn is_extended<S: Stored + ?Sized>(
        &self,
        opened: &Opened<'_, S>,
    ) -> Result<(), Refused> {
        let checked = extends(&self.statement, &opened.checkpoint, &self.consistency);
        checked.map_err(|refused| explained(&opened.chain, &self.statement, refused))
    }
}
