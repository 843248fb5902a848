//! The access journal: who read what of the trail.
//!
//! A log of its own beside the ledger's, of the same engine, with a tree and checkpoints of its
//! own, so that reading does not grow the log of keys. Nothing here writes to that log.

use std::sync::Arc;

use eventlog::{AppendError, Log, Seq};
use keys::{Account, KeyId, Timestamp};
use parking_lot::Mutex;
use tlog::{Hash, TileIndex};
use tokio::sync::{mpsc, oneshot};

use crate::api::{Error, Page};
use crate::caller::{AUDIT, Caller, Origin};
use crate::clock::Clock;
use crate::codec::{self, Interner};
use crate::evidence::{Evidence, Signed};
use crate::proofs::{bundle, tile};
use crate::record::{Actor, Leaf};
use crate::signing::{KeyChain, Signing};
use crate::stalled::{close, stalled};
use crate::state::ReplayError;
use crate::tree::Wrong;

/// The most readings that wait to be recorded.
const QUEUE: usize = 1024;
/// Entries read at once.
const CHUNK: usize = 2048;

/// A way to read the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// One event.
    Event,
    /// A list of events, or an export of them.
    Events,
    /// Events as they happen.
    Stream,
    /// A key's history.
    History,
    /// The access report.
    Report,
    /// Entries of the log as they are stored.
    Entries,
    /// A proof of a key's state or history.
    Proof,
    /// A bundle for an auditor.
    Bundle,
}

impl Reading {
    /// The word used in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reading::Event => "event",
            Reading::Events => "events",
            Reading::Stream => "stream",
            Reading::History => "history",
            Reading::Report => "report",
            Reading::Entries => "entries",
            Reading::Proof => "proof",
            Reading::Bundle => "bundle",
        }
    }
}

/// What part of the trail is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first place.
    pub from: Seq,
    /// The place after the last one; `None` is open: what comes is read too.
    pub until: Option<Seq>,
    /// The account that was asked for.
    pub account: Option<Account>,
    /// The key that was asked for.
    pub key: Option<KeyId>,
}

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// When it was asked for.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// In which way.
    pub reading: Reading,
    /// The first place that was read.
    pub from: Seq,
    /// The place after the last one; `None` is open.
    pub until: Option<Seq>,
    /// The account that was asked for.
    pub account: Option<Account>,
    /// The key that was asked for.
    pub key: Option<KeyId>,
    /// 16 random bytes, so that a guessed entry cannot be confirmed from its public hash.
    pub salt: [u8; 16],
}

struct Job {
    access: Access,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// Records who reads the trail. A clone is another handle on the same journal.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    kept: Arc<Kept>,
    clock: Arc<dyn Clock>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    stopped: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
}

/// What the writer and the readers share.
struct Kept {
    log: Arc<dyn Log>,
    evidence: Evidence,
}

impl Journal {
    /// Reads the log of a journal, holds it against its tiles and its last checkpoint, and starts
    /// its writer. `accept_rollback` takes it as it is.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not what was recorded; nothing was written.
    pub fn open(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        signing: Arc<Signing>,
        accept_rollback: bool,
    ) -> Result<Journal, ReplayError> {
        let kept = Arc::new(Kept { log, evidence: Evidence::new(Some(signing)) });
        kept.recover(accept_rollback)?;
        let (send, receive) = mpsc::channel(QUEUE);
        let (stopped, wait_stopped) = oneshot::channel();
        let of_writer = Arc::clone(&kept);
        std::thread::Builder::new()
            .name("access-journal".into())
            .spawn(move || {
                of_writer.run(receive);
                let _ = stopped.send(());
            })
            .map_err(ReplayError::Thread)?;
        Ok(Journal(Arc::new(Inner {
            kept,
            clock,
            queue: Mutex::new(Some(send)),
            stopped: tokio::sync::Mutex::new(Some(wait_stopped)),
        })))
    }

    /// Records that `caller` reads `range`. On return it is on stable storage.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`], or [`Error::Broken`] and [`Error::Full`], when it was not recorded.
    pub async fn record(
        &self,
        caller: &Caller,
        reading: Reading,
        range: Range,
    ) -> Result<(), Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(Error::fault)?;
        let Range { from, until, account, key } = range;
        let access = Access {
            at: self.0.clock.now(),
            actor: Actor {
                subject: caller.identity.subject.clone(),
                account: caller.identity.scope.account().cloned(),
                via: caller.identity.via.clone(),
            },
            origin: caller.origin.clone(),
            reading,
            from,
            until,
            account,
            key,
            salt,
        };
        if self.is_broken() {
            return Err(Error::Broken);
        }
        let (answer, wait) = oneshot::channel();
        {
            let queue = self.0.queue.lock();
            let queue = queue.as_ref().ok_or(Error::Broken)?;
            queue.try_send(Job { access, answer }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Error::Broken,
            })?;
        }
        tokio::select! {
            biased;
            recorded = wait => recorded.map_err(|_| Error::Broken)?,
            () = stalled(self.0.kept.log.stalled()) => Err(Error::Broken),
        }
    }

    /// Whether readings are recorded.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.0.kept.log.health().is_err()
    }

    /// A page of entries from place `from` on, each with its place.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, or a fault of the storage.
    pub fn page(
        &self,
        caller: &Caller,
        from: Seq,
        limit: usize,
    ) -> Result<Page<(Seq, Access), Seq>, Error> {
        caller.require_all(AUDIT)?;
        let size = self.0.kept.evidence.head().size();
        let left = usize::try_from(size.saturating_sub(from.0)).unwrap_or(usize::MAX);
        let read = self.0.kept.log.read(from, limit.min(left)).map_err(Error::fault)?;
        let mut interner = Interner::default();
        let items = read.into_iter().map(|read| {
            let access = codec::decode_access(&read.bytes, &mut interner).map_err(Error::fault)?;
            Ok((read.seq, access))
        });
        let items = items.collect::<Result<Vec<_>, Error>>()?;
        let next = items.last().map(|(seq, _)| seq.next()).filter(|next| next.0 < size);
        Ok(Page { items, next })
    }

    /// The last checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn checkpoint(&self) -> Result<Signed, Error> {
        self.0.kept.evidence.head().checkpoint.clone().ok_or(Error::NotSigned)
    }

    /// The keys that sign the journal.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn signing_keys(&self) -> Result<&KeyChain, Error> {
        self.0.kept.evidence.signing().map(Signing::chain).ok_or(Error::NotSigned)
    }

    /// The bytes of a tile of hashes; `None` if the published tree does not have all of them.
    ///
    /// # Errors
    ///
    /// A fault of the storage.
    pub fn tile(&self, index: TileIndex) -> Result<Option<Vec<u8>>, Error> {
        tile(&self.0.kept.evidence, self.0.kept.log.as_ref(), index)
    }

    /// A bundle of entries; `None` if the published tree does not have all of them.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, or a fault of the storage.
    pub fn entries(&self, caller: &Caller, index: TileIndex) -> Result<Option<Vec<u8>>, Error> {
        caller.require_all(AUDIT)?;
        bundle(&self.0.kept.evidence, self.0.kept.log.as_ref(), index)
    }

    /// Records what waits, and closes the log.
    ///
    /// # Errors
    ///
    /// The last writes failed; every recorded reading is safe all the same.
    pub async fn close(&self) -> Result<(), Error> {
        drop(self.0.queue.lock().take());
        if let Some(stopped) = self.0.stopped.lock().await.take() {
            tokio::select! {
                _ = stopped => {}
                () = stalled(self.0.kept.log.stalled()) => {}
            }
        }
        close(&self.0.kept.log).await
    }
}

impl Kept {
    fn recover(&self, accept_rollback: bool) -> Result<(), ReplayError> {
        if accept_rollback {
            self.catch_up(Wrong::Mend, None)
        } else {
            self.catch_up(Wrong::Refuse, self.evidence.sealed(self.log.as_ref())?)
        }
    }

    /// Grows the tree with what the log holds beyond it.
    fn catch_up(&self, wrong: Wrong, expected: Option<(u64, Hash)>) -> Result<(), ReplayError> {
        let log = self.log.as_ref();
        let mut next = Seq(self.evidence.head().size());
        let mut tree = self.evidence.regrow(log, wrong, expected)?;
        loop {
            let read = log.read(next, CHUNK)?;
            let Some(last) = read.last() else { break };
            next = last.seq.next();
            for record in &read {
                let leaf = Leaf::of(&record.bytes);
                tree.as_mut().map_or(Ok(()), |tree| tree.push(leaf))?;
            }
        }
        tree.map_or(Ok(()), |tree| self.evidence.settle(log, next, tree))
    }

    /// The writer's loop: takes everything that waits and appends it in one go.
    fn run(&self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(QUEUE);
        while queue.blocking_recv_many(&mut jobs, QUEUE) > 0 {
            let recorded = self.append(&jobs);
            if let Err(error) = &recorded {
                tracing::error!(%error, "who read the trail was not recorded");
            }
            for job in jobs.drain(..) {
                let _ = job.answer.send(recorded.clone());
            }
        }
    }

    fn append(&self, jobs: &[Job]) -> Result<(), Error> {
        let records: Vec<_> = jobs.iter().map(|job| codec::encode_access(&job.access)).collect();
        loop {
            let grown = self.evidence.grow(records.iter().map(|record| Leaf::of(record)));
            let end = Seq(self.evidence.head().size());
            return match self.log.append(end, &records, &grown.extras) {
                Ok(_) => {
                    let published = self.evidence.publish(self.log.as_ref(), grown);
                    published.map_err(Error::fault)
                }
                Err(AppendError::Conflict { .. }) => {
                    self.catch_up(Wrong::Refuse, None).map_err(Error::fault)?;
                    continue;
                }
                Err(AppendError::Full { .. }) => Err(Error::Full),
                Err(error @ (AppendError::Broken(_) | AppendError::TooLong { .. })) => {
                    tracing::error!(%error, "the access journal is broken");
                    Err(Error::Broken)
                }
            };
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
