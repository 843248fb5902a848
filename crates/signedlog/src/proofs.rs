//! What a published tree proves and serves: tiles, entries, inclusion, consistency, receipts.

use std::sync::Arc;

use eventlog::{ReadError, Seq};
use tlog::{Hash, OverEdge, ProveError, Prover, Tile, TileIndex, TileReader as _, entries};

use crate::error::ProofError;
use crate::head::PublishedTree;
use crate::receipt::{Receipt, ReceiptTail};
use crate::tiles::StoredTiles;

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

/// A proof that one tree extends another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// The hashes (RFC 6962 §2.1.2).
    pub path: Vec<Hash>,
    /// The size of the larger tree.
    pub size: u64,
}

impl PublishedTree {
    /// The bytes of a tile of hashes (c2sp.org/tlog-tiles); `None` if this tree does not have all
    /// of them. Reads the log, but for the newest tiles.
    ///
    /// # Errors
    ///
    /// A fault of the storage.
    pub fn tile(&self, index: TileIndex) -> Result<Option<Vec<u8>>, ProofError> {
        if !index.is_within(self.size()) {
            return Ok(None);
        }
        let tile = self.read_tile(index)?.ok_or(ProofError::Missing(index))?;
        Ok(Some(tile.into_bytes()))
    }

    /// A bundle of entries (c2sp.org/tlog-tiles): the records whose leaves are in that tile of
    /// level 0; `None` if this tree does not have all of them. Reads the log.
    ///
    /// # Errors
    ///
    /// A fault of the storage.
    pub fn entries(&self, index: TileIndex) -> Result<Option<Vec<u8>>, ProofError> {
        if !index.is_within(self.size()) {
            return Ok(None);
        }
        let width = usize::from(index.width());
        let records = self.log.read(Seq(index.number() << 8), width)?;
        if records.len() != width {
            return Err(ProofError::Missing(index));
        }
        Ok(Some(entries::encode(records.iter().map(|record| &record.bytes))?))
    }

    /// Proves that record `seq` is in the tree of the first `size` records, by default in this one.
    ///
    /// # Errors
    ///
    /// [`ProofError::BeyondTheLog`] if it is not, or that tree is larger than this one; a fault of
    /// the storage.
    pub fn inclusion(&self, seq: Seq, size: Option<u64>) -> Result<Inclusion, ProofError> {
        let size = size.unwrap_or(self.size());
        let path = self.prove(size, |prover| prover.inclusion(seq.0))?;
        Ok(Inclusion { leaf: self.leaf(seq)?, path, size })
    }

    /// The audit paths of several records in the tree of the first `size` records, by default in this
    /// one, in their order. A tile that several of them need is read once.
    ///
    /// # Errors
    ///
    /// [`ProofError::BeyondTheLog`] if one of them is not in it, or that tree is larger than this one; a
    /// fault of the storage.
    pub fn audit_paths(
        &self,
        records: impl IntoIterator<Item = Seq>,
        size: Option<u64>,
    ) -> Result<Vec<Vec<Hash>>, ProofError> {
        self.prove(size.unwrap_or(self.size()), |prover| {
            records.into_iter().map(|seq| prover.inclusion(seq.0)).collect()
        })
    }

    /// Proves that the tree of the first `new` records, by default this one, extends that of the
    /// first `old`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use eventlog::memory::MemoryLog;
    /// # use signedlog::{Mismatch, ReplayError, Seq, SignedLog, Signing};
    /// # let key = Arc::new(Signing::new("example.com/deployments", [7; 32])?);
    /// # let decode = |_: &eventlog::Record| Ok::<_, ReplayError>(());
    /// # let stored = Arc::new(MemoryLog::new());
    /// # let log = SignedLog::open(stored, Some(key), Mismatch::Refuse, decode, drop)?;
    /// log.append(Seq(0), &[b"web 1.0".to_vec()])?;
    /// let earlier = log.head();
    /// log.append(Seq(1), &[b"web 1.1".to_vec(), b"mail 3.2".to_vec()])?;
    /// let now = log.head();
    ///
    /// // An auditor who kept the earlier checkpoint checks that nothing was rewritten since.
    /// let proof = now.consistency(earlier.size(), None)?;
    /// tlog::verify_consistency(1, &earlier.root(), proof.size, &now.root(), &proof.path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ProofError::BeyondTheLog`] if there are fewer; a fault of the storage.
    pub fn consistency(&self, old: u64, new: Option<u64>) -> Result<Consistency, ProofError> {
        let size = new.unwrap_or(self.size());
        let path = self.prove(size, |prover| prover.consistency(old))?;
        Ok(Consistency { path, size })
    }

    /// The root of the tree of the first `size` records.
    ///
    /// # Errors
    ///
    /// [`ProofError::BeyondTheLog`] if there are fewer; a fault of the storage.
    pub fn root_at(&self, size: u64) -> Result<Hash, ProofError> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is not general enough in its lifetimes"
        )]
        self.prove(size, |prover| prover.root())
    }

    /// The receipt of a record: a proof file (c2sp.org/tlog-proof) with the checkpoint of this tree.
    ///
    /// The receipts of the newest records are made of this tree alone, without a lock and without
    /// reading the log.
    ///
    /// # Errors
    ///
    /// [`ProofError::NotSigned`] for a log without a key, [`ProofError::BeyondTheLog`], or a fault
    /// of the storage.
    pub fn receipt(&self, seq: Seq) -> Result<Receipt, ProofError> {
        let note = &self.checkpoint()?.note;
        if let Some(path) = self.edge.inclusion_in_tile(seq.0)
            && let Some(tail) = self.receipt_tail(seq.0 >> 8, note)
        {
            return Ok(Receipt::new(seq, path, tail));
        }
        let path = self.prove(self.size(), |prover| prover.inclusion(seq.0))?;
        Ok(Receipt::new(seq, path, Arc::new(ReceiptTail::new(&[], note))))
    }

    fn leaf(&self, seq: Seq) -> Result<Hash, ProofError> {
        let [.., place] = seq.0.to_be_bytes();
        let index = TileIndex::new(0, seq.0 >> 8, u16::from(place) + 1);
        let tile = index.map(|index| self.read_tile(index)).transpose()?.flatten();
        let leaf = tile.and_then(|tile| tile.hashes().next_back());
        leaf.ok_or_else(|| self.beyond())
    }

    fn read_tile(&self, index: TileIndex) -> Result<Option<Tile>, ReadError> {
        self.edge.over(StoredTiles(self.log.as_ref())).tile(index)
    }

    /// Proves something in this tree, or in a smaller one.
    fn prove<T>(
        &self,
        size: u64,
        prove: impl FnOnce(
            &mut Prover<'_, OverEdge<'_, StoredTiles<'_>>>,
        ) -> Result<T, ProveError<ReadError>>,
    ) -> Result<T, ProofError> {
        if size > self.size() {
            return Err(self.beyond());
        }
        let tiles = self.edge.over(StoredTiles(self.log.as_ref()));
        Ok(prove(&mut Prover::new(&tiles, size))?)
    }
}
