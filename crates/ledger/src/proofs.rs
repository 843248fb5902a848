//! What the log proves: checkpoint, tiles, entries, receipts. Nothing here waits for the writer.

use std::sync::Arc;

use eventlog::Seq;
use tlog::{Hash, ProveError, TileIndex, entries};

use crate::api::{Entry, Error};
use crate::caller::{AUDIT, Caller, READ};
use crate::evidence::{Evidence, NotProved, PublishedTree, Signed};
use crate::ledger::Ledger;
use crate::receipt::Receipt;
use crate::signing::{KeyChain, Signing};

/// A proof that a record is in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The record's leaf hash.
    pub leaf: Hash,
    /// The audit path, from the leaf's sibling up (RFC 6962 §2.1.1).
    pub path: Vec<Hash>,
    /// The size of the tree.
    pub size: u64,
}

impl Ledger {
    /// The last checkpoint. Everything in it is on stable storage.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn checkpoint(&self) -> Result<Signed, Error> {
        self.evidence().head().checkpoint.clone().ok_or(Error::NotSigned)
    }

    /// The keys that sign the log, and how each named the next.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn signing_keys(&self) -> Result<&KeyChain, Error> {
        self.signing().map(Signing::chain)
    }

    pub(crate) fn signing(&self) -> Result<&Signing, Error> {
        self.evidence().signing().ok_or(Error::NotSigned)
    }

    /// The bytes of a tile of hashes; `None` if the published tree does not have all of them.
    ///
    /// # Errors
    ///
    /// A fault of the storage.
    pub fn tile(&self, index: TileIndex) -> Result<Option<Vec<u8>>, Error> {
        tile(self.evidence(), self.log(), index)
    }

    /// A bundle of entries (c2sp.org/tlog-tiles); `None` if the published tree does not have all
    /// of them. Reads the log.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, or a fault of the storage.
    pub fn entries(&self, caller: &Caller, index: TileIndex) -> Result<Option<Vec<u8>>, Error> {
        caller.require_all(AUDIT)?;
        bundle(self.evidence(), self.log(), index)
    }

    /// Proves that record `seq` is in the tree of `size` records, by default the published one.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`] if it is not, [`Error::Forbidden`], or a fault of the storage.
    pub fn inclusion(
        &self,
        caller: &Caller,
        seq: Seq,
        size: Option<u64>,
    ) -> Result<Inclusion, Error> {
        caller.require(READ)?;
        let head = self.evidence().head();
        let size = size.unwrap_or(head.size());
        let proof = head.prove(self.log(), size, |prover| prover.inclusion(seq.0));
        let path = proof.map_err(not_proved)?;
        let leaf = self.leaf(&head, seq)?;
        Ok(Inclusion { leaf, path, size })
    }

    /// Proves that the tree of `new` records, by default the published one, extends that of `old`.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`] if there are fewer, [`Error::Forbidden`], or a fault of the storage.
    pub fn consistency(
        &self,
        caller: &Caller,
        old: u64,
        new: Option<u64>,
    ) -> Result<(Vec<Hash>, u64), Error> {
        caller.require(READ)?;
        let head = self.evidence().head();
        let new = new.unwrap_or(head.size());
        let path = head.prove(self.log(), new, |prover| prover.consistency(old));
        Ok((path.map_err(not_proved)?, new))
    }

    /// The receipt of an event that the caller has seen: a proof file (c2sp.org/tlog-proof) with
    /// the last checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotSigned`], or a fault of the storage.
    pub fn receipt(&self, caller: &Caller, entry: &Entry) -> Result<Receipt, Error> {
        caller.require(READ)?;
        let head = self.evidence().head();
        let checkpoint = head.checkpoint.as_ref().ok_or(Error::NotSigned)?;
        head.receipt(self.log(), entry.seq, checkpoint).map_err(not_proved)
    }

    pub(crate) fn log(&self) -> &dyn eventlog::Log {
        self.state().log.as_ref()
    }

    fn leaf(&self, head: &Arc<PublishedTree>, seq: Seq) -> Result<Hash, Error> {
        let place = u16::try_from(seq.0 & 0xFF).unwrap_or(0);
        let index = TileIndex::new(0, seq.0 >> 8, place + 1);
        let tile = index.map(|index| head.tile(self.log(), index)).transpose();
        let tile = tile.map_err(Error::fault)?.flatten();
        let leaf = tile.and_then(|tile| tile.hashes().next_back());
        leaf.ok_or(Error::BeyondTheLog { length: Seq(head.size()) })
    }
}

/// The bytes of a tile of `evidence`, if its published tree has it.
pub(crate) fn tile(
    evidence: &Evidence,
    log: &dyn eventlog::Log,
    index: TileIndex,
) -> Result<Option<Vec<u8>>, Error> {
    let head = evidence.head();
    if !index.is_within(head.size()) {
        return Ok(None);
    }
    match head.tile(log, index).map_err(Error::fault)? {
        Some(tile) => Ok(Some(tile.into_bytes())),
        None => Err(Error::fault(not_there(index))),
    }
}

/// The bundle of the entries of a log whose leaves are in that tile.
pub(crate) fn bundle(
    evidence: &Evidence,
    log: &dyn eventlog::Log,
    index: TileIndex,
) -> Result<Option<Vec<u8>>, Error> {
    if !index.is_within(evidence.head().size()) {
        return Ok(None);
    }
    let width = usize::from(index.width());
    let records = log.read(Seq(index.number() << 8), width).map_err(Error::fault)?;
    if records.len() != width {
        return Err(Error::fault(not_there(index)));
    }
    let bundle = entries::encode(records.iter().map(|record| &record.bytes));
    bundle.map(Some).map_err(Error::fault)
}

fn not_there(index: TileIndex) -> NotProved {
    ProveError::Missing(index)
}

pub(crate) fn not_proved(error: NotProved) -> Error {
    match error {
        ProveError::OutOfRange { size, .. } => Error::BeyondTheLog { length: Seq(size) },
        error @ (ProveError::Missing(_) | ProveError::Read(_)) => Error::fault(error),
    }
}
