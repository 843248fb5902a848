//! The signed log itself: open, append, publish, close.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventlog::{AppendError, Extra, Log, Record, Seq};
use parking_lot::{Mutex, RwLock};
use tlog::RightEdge;
use tokio::sync::watch;

use crate::error::{CloseError, ProofError, ReplayError};
use crate::guard;
use crate::head::PublishedTree;
use crate::key_chain::KeyChain;
use crate::replay::{Chunk, Mismatch, Regrown, Regrowth, read_ahead};
use crate::signing::Signing;
use crate::tiles::grow;
use crate::tree::{Leaf, TreeHead};

/// Tiles that were made again are written so many at a time.
const MENDED_AT_ONCE: usize = 64;

/// An append-only log that signs what it holds. See the [crate's introduction](crate).
///
/// One handle appends at a time; any number of readers take the published tree as it is.
pub struct SignedLog {
    log: Arc<dyn Log>,
    signing: Option<Arc<Signing>>,
    /// Locked while more is read or appended.
    end: Mutex<End>,
    head: RwLock<Arc<PublishedTree>>,
    published: watch::Sender<Seq>,
    /// Whether [`SignedLog::fail`] was called.
    failed: AtomicBool,
}

/// How much was read or appended here, and its tree: ahead of the published head after a replay that
/// ended halfway, so that the next one goes on from the right leaves.
#[derive(Default)]
struct End {
    length: Seq,
    edge: Arc<RightEdge>,
}

impl SignedLog {
    /// A log of which nothing was read yet: [`SignedLog::recover`] has to come before all else.
    ///
    /// Without a key no tree is kept, nothing is signed and nothing is checked: for looking at a
    /// log, and for measuring what the evidence costs.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, signing: Option<Arc<Signing>>) -> SignedLog {
        let head = PublishedTree::new(Arc::clone(&log), Arc::default(), None);
        SignedLog {
            log,
            signing,
            end: Mutex::default(),
            head: RwLock::new(Arc::new(head)),
            published: watch::Sender::new(Seq(0)),
            failed: AtomicBool::new(false),
        }
    }

    /// Opens a log: [`SignedLog::new`] and [`SignedLog::recover`] in one.
    ///
    /// # Errors
    ///
    /// As [`SignedLog::recover`].
    pub fn open<T: Send, E: From<ReplayError> + Send>(
        log: Arc<dyn Log>,
        signing: Option<Arc<Signing>>,
        mismatch: Mismatch,
        decode: impl FnMut(&Record) -> Result<T, E> + Send,
        apply: impl FnMut(Chunk<T>),
    ) -> Result<SignedLog, E> {
        let signed = SignedLog::new(log, signing);
        signed.recover(mismatch, decode, apply)?;
        Ok(signed)
    }

    /// Reads the whole log, holds it against its tiles and against the last checkpoint in the
    /// guard, signs it, and publishes its length.
    ///
    /// `decode` is called for every record in order, on a thread that runs ahead; `apply` gets
    /// what it made, in order and in chunks, on this one. `apply` must not call the log.
    ///
    /// # Errors
    ///
    /// What `decode` refuses, or a [`ReplayError`]. Nothing is published, and the handle is not to
    /// be used; the log is as it was, unless [`ReplayError::Mend`] says that tiles were being
    /// written.
    pub fn recover<T: Send, E: From<ReplayError> + Send>(
        &self,
        mismatch: Mismatch,
        decode: impl FnMut(&Record) -> Result<T, E> + Send,
        apply: impl FnMut(Chunk<T>),
    ) -> Result<(), E> {
        let expected = match (mismatch, &self.signing) {
            (Mismatch::Refuse, Some(signing)) => {
                guard::sealed(self.stored(), signing.chain()).map_err(ReplayError::Integrity)?
            }
            (Mismatch::Accept, _) | (_, None) => None,
        };
        let length = *self.log.length().borrow();
        self.replay(length, mismatch, expected, decode, apply)
    }

    /// Reads what another writer appended, up to `until`, as [`SignedLog::recover`] does. `until`
    /// is a length that the log had.
    ///
    /// # Errors
    ///
    /// As [`SignedLog::recover`]. What `apply` was given stays applied; nothing more is published. The
    /// next call goes on behind it.
    pub fn catch_up<T: Send, E: From<ReplayError> + Send>(
        &self,
        until: Seq,
        decode: impl FnMut(&Record) -> Result<T, E> + Send,
        apply: impl FnMut(Chunk<T>),
    ) -> Result<(), E> {
        self.replay(until, Mismatch::Refuse, None, decode, apply)
    }

    fn replay<T: Send, E: From<ReplayError> + Send>(
        &self,
        until: Seq,
        mismatch: Mismatch,
        expected: Option<TreeHead>,
        decode: impl FnMut(&Record) -> Result<T, E> + Send,
        mut apply: impl FnMut(Chunk<T>),
    ) -> Result<(), E> {
        let mut end = self.end.lock();
        let mut tree = match &self.signing {
            Some(_) => {
                let edge = end.edge.as_ref().clone();
                Some(Regrowth::new(edge, self.stored(), mismatch, expected)?)
            }
            None => None,
        };
        read_ahead(self.stored(), end.length, until, decode, |chunk| {
            if let Some(tree) = &mut tree {
                for (_, leaf, _) in chunk.iter() {
                    tree.push(leaf)?;
                }
            }
            if let Some(after) = chunk.end() {
                end.length = after;
                if let Some(tree) = &tree {
                    end.edge = Arc::new(tree.edge().clone());
                }
            }
            apply(chunk);
            Ok::<(), E>(())
        })?;
        if let Some(tree) = tree {
            let Regrown { edge, mended } = tree.finish().map_err(ReplayError::Integrity)?;
            self.mend(end.length, &mended)?;
            self.sign(edge);
        }
        self.publish(end.length);
        Ok(())
    }

    fn mend(&self, length: Seq, tiles: &[Extra]) -> Result<(), ReplayError> {
        for extras in tiles.chunks(MENDED_AT_ONCE) {
            self.log.append(length, &[], extras)?;
        }
        Ok(())
    }

    /// Appends `records` in order, all or none, signs the tree with them, and returns the first
    /// one's place.
    ///
    /// On return they are on stable storage, and the checkpoint that [`SignedLog::head`] gives
    /// includes them: what [`SignedLog::publish`] shows afterwards can be proved at once.
    ///
    /// `expected` is the length that the caller decided on.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use eventlog::memory::MemoryLog;
    /// use signedlog::{AppendError, Mismatch, ReplayError, Seq, SignedLog, Signing};
    ///
    /// # let key = Arc::new(Signing::new("example.com/deployments", [7; 32])?);
    /// # let stored = MemoryLog::new();
    /// let open = || {
    ///     let decode = |_: &eventlog::Record| Ok::<_, ReplayError>(());
    ///     SignedLog::open(
    ///         Arc::new(stored.clone()), Some(key.clone()), Mismatch::Refuse, decode, drop,
    ///     )
    /// };
    /// let (one, two) = (open()?, open()?);
    /// one.append(Seq(0), &[b"web 1.0".to_vec()])?;
    ///
    /// // The other handle decided on an empty log: it has to read on, and to decide again.
    /// let refused = two.append(Seq(0), &[b"web 2.0".to_vec()]);
    /// assert!(matches!(refused, Err(AppendError::Conflict { length: Seq(1) })));
    /// two.catch_up(Seq(1), |_| Ok::<_, ReplayError>(()), drop)?;
    /// two.append(Seq(1), &[b"web 2.0".to_vec()])?;
    /// assert_eq!(two.head().size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AppendError::Conflict`] if the log has grown since: nothing was written; the caller
    /// catches up, decides again and retries. After [`AppendError::Broken`] nobody knows whether
    /// the records survived, and no append is accepted until the log is opened anew. After every
    /// other error nothing was written.
    pub fn append(&self, expected: Seq, records: &[Vec<u8>]) -> Result<Seq, AppendError> {
        self.append_hashed(expected, records, records.iter().map(|record| Leaf::of(record)))
    }

    /// [`SignedLog::append`] for a caller that has hashed the records already.
    ///
    /// # Errors
    ///
    /// As [`SignedLog::append`].
    ///
    /// # Panics
    ///
    /// There is not one leaf for each record.
    pub fn append_hashed(
        &self,
        expected: Seq,
        records: &[Vec<u8>],
        leaves: impl ExactSizeIterator<Item = Leaf>,
    ) -> Result<Seq, AppendError> {
        assert_eq!(leaves.len(), records.len(), "a leaf for each record");
        let mut end = self.end.lock();
        if expected != end.length {
            return Err(AppendError::Conflict { length: *self.log.length().borrow() });
        }
        let (edge, extras) = match &self.signing {
            Some(_) => {
                let (edge, extras) = grow(&end.edge, leaves);
                (Some(edge), extras)
            }
            None => (None, Vec::new()),
        };
        let first = self.log.append(expected, records, &extras)?;
        // A crash from here on is clean: the records are there, nobody was told.
        end.length = Seq(expected.0 + records.len() as u64);
        if let Some(edge) = edge {
            end.edge = Arc::clone(&edge);
            self.sign(edge);
        }
        Ok(first)
    }

    /// Signs a tree of records that are on stable storage, and shows its checkpoint to all.
    fn sign(&self, edge: Arc<RightEdge>) {
        let Some(signing) = &self.signing else { return };
        let checkpoint = signing.checkpoint(TreeHead { size: edge.size(), root: edge.root() });
        guard::seal(self.stored(), &checkpoint.note);
        let log = Arc::clone(&self.log);
        *self.head.write() = Arc::new(PublishedTree::new(log, edge, Some(checkpoint)));
    }

    /// Tells those who follow that everything before `length` can be read. To be called when an
    /// append is in all projections.
    pub fn publish(&self, length: Seq) {
        self.published.send_replace(length);
    }

    /// The length that was published last; it wakes a follower.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Seq> {
        self.published.subscribe()
    }

    /// How many records are in the log, published or not, whoever appended them.
    #[must_use]
    pub fn length(&self) -> Seq {
        *self.log.length().borrow()
    }

    /// The records as they are stored.
    #[must_use]
    pub fn stored(&self) -> &dyn Log {
        self.log.as_ref()
    }

    /// Another handle on the stored records.
    #[must_use]
    pub fn share(&self) -> Arc<dyn Log> {
        Arc::clone(&self.log)
    }

    /// The tree that was published last. It stays as it is while more is appended.
    #[must_use]
    pub fn head(&self) -> Arc<PublishedTree> {
        Arc::clone(&self.head.read())
    }

    /// The key that signs.
    ///
    /// # Errors
    ///
    /// [`ProofError::NotSigned`] for a log without one.
    pub fn signing(&self) -> Result<&Signing, ProofError> {
        self.signing.as_deref().ok_or(ProofError::NotSigned)
    }

    /// The keys that sign the log, and how each named the next.
    ///
    /// # Errors
    ///
    /// [`ProofError::NotSigned`] for a log without a key.
    pub fn key_chain(&self) -> Result<&KeyChain, ProofError> {
        self.signing().map(Signing::chain)
    }

    /// Whether nothing may be appended until the log is opened anew: its storage has failed or does
    /// not answer, it was closed, or [`SignedLog::fail`] was called.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.failed.load(Ordering::Acquire) || self.log.health().is_err()
    }

    /// Marks the log as broken: what was projected from it may no longer be what it holds. Returns
    /// whether this is the first call.
    pub fn fail(&self) -> bool {
        !self.failed.swap(true, Ordering::AcqRel)
    }

    /// Whether the log takes appends, as far as it is known without one: it is in order, and there
    /// is room on its disk.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.is_broken() && self.log.space().is_none_or(|space| space.has_room(0))
    }

    /// Waits until the storage does not answer an append; as a rule, for ever. Whoever waits for
    /// an append need not wait any longer.
    pub async fn stalled(&self) {
        let mut stalled = self.log.stalled();
        if stalled.wait_for(|stalled| *stalled).await.is_err() {
            // The log is gone, and with it whoever could wait for it.
            std::future::pending::<()>().await;
        }
    }

    /// Closes the log, and waits no longer for its storage than an append does. Reading goes on.
    ///
    /// # Errors
    ///
    /// What was acknowledged is safe anyway; the next start has to look harder.
    pub async fn close(&self) -> Result<(), CloseError> {
        let closing = Arc::clone(&self.log);
        let closed = tokio::task::spawn_blocking(move || closing.close());
        tokio::select! {
            biased;
            closed = closed => Ok(closed??),
            () = self.stalled() => Err(CloseError::Stalled),
        }
    }
}
