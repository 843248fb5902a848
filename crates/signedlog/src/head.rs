//! The tree at one published size. Readers take it as it is and never wait for a writer.

use std::sync::{Arc, OnceLock};

use eventlog::{Log, Seq};
use tlog::{Hash, RightEdge};

use crate::error::ProofError;
use crate::receipt::ReceiptTail;
use crate::signing::SignedRoot;

/// The tree over the records that were published last, and the checkpoint that was signed of it.
///
/// It never changes: who holds one proves everything in the same tree, whatever is appended
/// meanwhile. What it serves besides its newest tiles is read from the log.
pub struct PublishedTree {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) edge: Arc<RightEdge>,
    /// `None` for a log without a key.
    checkpoint: Option<SignedRoot>,
    /// The tails of the receipts of the records in the last tiles, the last tile first: they are
    /// asked for most, each by its own caller, all at once.
    tails: [OnceLock<Arc<ReceiptTail>>; RightEdge::RECENT + 1],
}

impl PublishedTree {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        edge: Arc<RightEdge>,
        checkpoint: Option<SignedRoot>,
    ) -> PublishedTree {
        PublishedTree { log, edge, checkpoint, tails: Default::default() }
    }

    /// How many records it has; 0 for a log without a key.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root hash (RFC 6962 §2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// The checkpoint of this tree. Everything in it is on stable storage.
    ///
    /// # Errors
    ///
    /// [`ProofError::NotSigned`] for a log without a key.
    pub fn checkpoint(&self) -> Result<&SignedRoot, ProofError> {
        self.checkpoint.as_ref().ok_or(ProofError::NotSigned)
    }

    /// The shared tail of the receipts of the records in a tile, if it is one of the last tiles.
    pub(crate) fn receipt_tail(&self, tile: u64, note: &str) -> Option<Arc<ReceiptTail>> {
        let last = self.size().checked_sub(1)? >> 8;
        let tail = self.tails.get(usize::try_from(last.checked_sub(tile)?).ok()?)?;
        if let Some(made) = tail.get() {
            return Some(Arc::clone(made));
        }
        let above = self.edge.inclusion_of_tile(tile)?;
        Some(Arc::clone(tail.get_or_init(|| Arc::new(ReceiptTail::new(&above, note)))))
    }

    /// The refusal for what is not in this tree.
    pub(crate) fn beyond(&self) -> ProofError {
        ProofError::BeyondTheLog { length: Seq(self.size()) }
    }
}
