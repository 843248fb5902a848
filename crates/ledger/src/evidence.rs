//! What the log commits to: signed with every group commit, proved on demand.
//!
//! One for each log that is kept here. The writer grows the tree and publishes; readers take the
//! [`Head`] as it is and never wait for the writer.

use std::sync::{Arc, OnceLock};

use eventlog::{Guarded, Log, Seq};
use parking_lot::{Mutex, RwLock};
use tlog::{Edge, Hash, ProveError, Prover, Tile, TileIndex, proof_file};

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
pub(crate) struct Head {
    pub(crate) edge: Arc<Edge>,
    /// `None` for a log that is only read, and so not signed.
    pub(crate) checkpoint: Option<Signed>,
    /// What one proof has worked out and the next one needs too; all heads of a log share it.
    worked_out: Arc<Mutex<tlog::WorkedOut>>,
    /// How the receipts of the records in the last tile end: they are what is asked for most.
    ending: OnceLock<Arc<str>>,
}

/// The tree over one log, and its key. Without a key no tree is kept, and none is checked.
pub(crate) struct Evidence {
    signing: Option<Arc<Signing>>,
    head: RwLock<Arc<Head>>,
}

/// A tree grown by a batch that is about to be appended.
pub(crate) struct Grown {
    edge: Arc<Edge>,
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
        let head = Arc::new(Head::new(Arc::default(), None, Arc::default()));
        Evidence { signing, head: RwLock::new(head) }
    }

    pub(crate) fn signing(&self) -> Option<&Signing> {
        self.signing.as_deref()
    }

    pub(crate) fn head(&self) -> Arc<Head> {
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

    fn show(&self, log: &dyn Log, edge: Arc<Edge>) -> Result<(), NotSigned> {
        let Some(signing) = &self.signing else { return Ok(()) };
        let (size, root) = (edge.size(), edge.root());
        let note: Arc<str> = signing.checkpoint(size, root)?.into();
        log.seal(bytes::Bytes::from_owner(Text(Arc::clone(&note))));
        let checkpoint = Some(Signed { note, size, root });
        let worked_out = Arc::clone(&self.head().worked_out);
        *self.head.write() = Arc::new(Head::new(edge, checkpoint, worked_out));
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

impl Head {
    fn new(
        edge: Arc<Edge>,
        checkpoint: Option<Signed>,
        worked_out: Arc<Mutex<tlog::WorkedOut>>,
    ) -> Head {
        Head { edge, checkpoint, worked_out, ending: OnceLock::new() }
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

    /// The audit path of a record in this tree.
    pub(crate) fn inclusion(&self, log: &dyn Log, seq: Seq) -> Result<Vec<Hash>, NotProved> {
        self.work_out(log, |prover| prover.inclusion(seq.0))
    }

    /// The receipt of a record, with `checkpoint`, which is this tree's.
    pub(crate) fn receipt(
        &self,
        log: &dyn Log,
        seq: Seq,
        checkpoint: &Signed,
    ) -> Result<String, NotProved> {
        if seq.0 >> 8 != self.size().saturating_sub(1) >> 8 {
            let path = self.inclusion(log, seq)?;
            let end = proof_file::ending(&[], &checkpoint.note);
            return Ok(proof_file::text(seq.0, &path, &end));
        }
        let known = self.ending.get();
        let (path, above) = self.work_out(log, |prover| {
            let above = known.is_none().then(|| prover.inclusion_of_last_tile()).transpose()?;
            Ok((prover.inclusion_in_last_tile(seq.0)?, above.unwrap_or_default()))
        })?;
        let make = || proof_file::ending(&above, &checkpoint.note).into();
        let end = known.unwrap_or_else(|| self.ending.get_or_init(make));
        Ok(proof_file::text(seq.0, &path, end))
    }

    /// Goes on with what was worked out before.
    fn work_out<T>(
        &self,
        log: &dyn Log,
        prove: impl FnOnce(&mut Prover<'_, tlog::OverEdge<'_, Stored<'_>>>) -> Result<T, NotProved>,
    ) -> Result<T, NotProved> {
        let tiles = self.edge.over(Stored(log));
        let mut worked_out = self.worked_out.lock();
        let mut prover = Prover::resume(&tiles, self.size(), std::mem::take(&mut worked_out));
        let outcome = prove(&mut prover);
        *worked_out = prover.pause();
        outcome
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
