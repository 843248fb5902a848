//! What the log commits to: signed with every group commit, proved on demand.
//!
//! One for each log that is kept here. The writer grows the tree and publishes; readers take the
//! [`PublishedTree`] as it is and never wait for the writer.

use std::sync::{Arc, OnceLock};

use eventlog::{Guarded, Log, Seq};
use parking_lot::RwLock;
use tlog::{Hash, ProveError, Prover, RightEdge, Tile, TileIndex};

use crate::receipt::{Receipt, ReceiptTail};
use crate::record::Leaf;
use crate::signing::Signing;
use crate::state::ReplayError;
use crate::tree::{Regrowth, Stored, TreeError, Wrong, grow};

/// A statement that the log signed, as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The signed note.
    pub note: Arc<str>,
    /// How many records it speaks of.
    pub size: u64,
    /// The root that it states.
    pub root: Hash,
}

/// The tree at one published length.
pub(crate) struct PublishedTree {
    pub(crate) edge: Arc<RightEdge>,
    /// `None` for a log that is only read, and so not signed.
    pub(crate) checkpoint: Option<Signed>,
    /// How the receipts of the records in the last tiles end, the last tile first: they are what
    /// is asked for most, each by its own caller, all at once.
    endings: [OnceLock<Arc<ReceiptTail>>; RightEdge::RECENT + 1],
}

/// The tree over one log, and its key. Without a key no tree is kept, and none is checked.
pub(crate) struct Evidence {
    signing: Option<Arc<Signing>>,
    head: RwLock<Arc<PublishedTree>>,
}

/// A tree grown by a batch that is about to be appended.
pub(crate) struct Grown {
    edge: Arc<RightEdge>,
    /// The full tiles it completes: to be appended with the records.
    pub(crate) extras: Vec<eventlog::Extra>,
}

/// Why a checkpoint was not signed. The origin is checked when the key is made, so never.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint was not signed")]
pub(crate) struct NotSigned(#[from] tlog::checkpoint::CheckpointError);

impl Evidence {
    /// The evidence of an empty log.
    pub(crate) fn new(signing: Option<Arc<Signing>>) -> Evidence {
        let head = Arc::new(PublishedTree::new(Arc::default(), None));
        Evidence { signing, head: RwLock::new(head) }
    }

    pub(crate) fn signing(&self) -> Option<&Signing> {
        self.signing.as_deref()
    }

    pub(crate) fn head(&self) -> Arc<PublishedTree> {
        Arc::clone(&self.head.read())
    }

    /// The tree with the leaves of a batch.
    pub(crate) fn grow(&self, leaves: impl Iterator<Item = Leaf>) -> Grown {
        let edge = Arc::clone(&self.head().edge);
        if self.signing.is_none() {
            return Grown { edge, extras: Vec::new() };
        }
        let (edge, extras) = grow(&edge, leaves);
        Grown { edge, extras }
    }

    /// Signs a batch that is on stable storage, and shows its checkpoint to all.
    pub(crate) fn publish(&self, log: &dyn Log, grown: Grown) -> Result<(), NotSigned> {
        self.show(log, grown.edge)
    }

    fn show(&self, log: &dyn Log, edge: Arc<RightEdge>) -> Result<(), NotSigned> {
        let Some(signing) = &self.signing else { return Ok(()) };
        let (size, root) = (edge.size(), edge.root());
        let note: Arc<str> = signing.checkpoint(size, root)?.into();
        log.seal(bytes::Bytes::from_owner(Text(Arc::clone(&note))));
        let checkpoint = Some(Signed { note, size, root });
        *self.head.write() = Arc::new(PublishedTree::new(edge, checkpoint));
        Ok(())
    }

    /// What the guard's checkpoint says, if it holds one that this log's keys signed.
    pub(crate) fn sealed(&self, log: &dyn Log) -> Result<Option<(u64, Hash)>, TreeError> {
        let Some(signing) = &self.signing else { return Ok(None) };
        match log.guarded() {
            Guarded { seal: Some(note), .. } => {
                let checkpoint = signing.chain().open(&note).map_err(|_| TreeError::Seal)?;
                Ok(Some((checkpoint.size(), checkpoint.root())))
            }
            // A first start that ended before the guard was written again.
            Guarded { length: Seq(0), seal: None } => Ok(None),
            Guarded { seal: None, .. } => Err(TreeError::Seal),
        }
    }

    /// A tree that goes on from this one while records are read; `None` if none is kept.
    pub(crate) fn regrow<'l>(
        &self,
        log: &'l dyn Log,
        wrong: Wrong,
        expected: Option<(u64, Hash)>,
    ) -> Result<Option<Regrowth<'l>>, TreeError> {
        if self.signing.is_none() {
            return Ok(None);
        }
        Regrowth::new(self.head().edge.as_ref().clone(), log, wrong, expected).map(Some)
    }

    /// Shows the tree of the `length` records that were read, and stores what had to be made again.
    pub(crate) fn settle(
        &self,
        log: &dyn Log,
        length: Seq,
        tree: Regrowth<'_>,
    ) -> Result<(), ReplayError> {
        let (edge, mended) = tree.finish()?;
        for extras in mended.chunks(64) {
            log.append(length, &[], extras)?;
        }
        self.show(log, edge).map_err(|error| ReplayError::Sign(Box::new(error)))
    }
}

/// A shared text as the owner of bytes.
struct Text(Arc<str>);

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Why something was not proved.
pub(crate) type NotProved = ProveError<eventlog::ReadError>;

impl PublishedTree {
    fn new(edge: Arc<RightEdge>, checkpoint: Option<Signed>) -> PublishedTree {
        PublishedTree { edge, checkpoint, endings: Default::default() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// A tile of hashes; `None` beyond the published length.
    pub(crate) fn tile(
        &self,
        log: &dyn Log,
        index: TileIndex,
    ) -> Result<Option<Tile>, eventlog::ReadError> {
        use tlog::TileReader as _;
        self.edge.over(Stored(log)).tile(index)
    }

    /// The receipt of a record, with `checkpoint`, which is this tree's.
    ///
    /// Those of the newest records are made of the head alone, without a lock or a reading.
    pub(crate) fn receipt(
        &self,
        log: &dyn Log,
        seq: Seq,
        checkpoint: &Signed,
    ) -> Result<Receipt, NotProved> {
        if let Some(path) = self.edge.inclusion_in_tile(seq.0)
            && let Some(ending) = self.ending(seq.0 >> 8, checkpoint)
        {
            return Ok(Receipt { seq, path, ending });
        }
        let path = self.prove(log, self.size(), |prover| prover.inclusion(seq.0))?;
        Ok(Receipt { seq, path, ending: Arc::new(ReceiptTail::new(&[], checkpoint)) })
    }

    /// How the receipts of the records of a tile end, if it is one of the last ones.
    fn ending(&self, tile: u64, checkpoint: &Signed) -> Option<Arc<ReceiptTail>> {
        let last = self.size().checked_sub(1)? >> 8;
        let ending = self.endings.get(usize::try_from(last.checked_sub(tile)?).ok()?)?;
        if let Some(known) = ending.get() {
            return Some(Arc::clone(known));
        }
        let above = self.edge.inclusion_of_tile(tile)?;
        Some(Arc::clone(ending.get_or_init(|| Arc::new(ReceiptTail::new(&above, checkpoint)))))
    }

    /// A prover of this tree, or of a smaller one.
    pub(crate) fn prove<T>(
        &self,
        log: &dyn Log,
        size: u64,
        prove: impl FnOnce(&mut Prover<'_, tlog::OverEdge<'_, Stored<'_>>>) -> Result<T, NotProved>,
    ) -> Result<T, NotProved> {
        if size > self.size() {
            return Err(ProveError::OutOfRange { index: size, size: self.size() });
        }
        let tiles = self.edge.over(Stored(log));
        prove(&mut Prover::new(&tiles, size))
    }
}
