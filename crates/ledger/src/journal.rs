//! The access journal: who read what of the trail, what became of the service's own tokens, and who was
//! forgotten.
//!
//! A log of its own beside the ledger's, of the same engine, with a tree and checkpoints of its
//! own, so that reading does not grow the log of keys. Nothing here writes to that log.
//!
//! A reading is on stable storage before it is answered. Equal ones of the same caller within a
//! minute are counted in memory, and written as one entry when the minute is over: a crash loses
//! at most how often somebody read again what is on record that they read.

mod outcomes;
mod projection;
mod readers;
mod subjects;
mod tokens;
mod writer;

use std::sync::Arc;

use eventlog::{Log, Seq};
use keys::Account;
use signedlog::{KeyChain, Mismatch, SignedLog, SignedRoot, Signing};
use tlog::TileIndex;
use tokio::sync::{oneshot, watch};

pub use self::outcomes::{Answer, Erased, TokensEnded};
use self::projection::Projections;
use self::readers::{Outcome, Readers, Verdict};
pub use self::tokens::{EndTokens, MadeToken, NewToken};
use self::writer::Writer;

use crate::caller::{AUDIT, Caller};
use crate::clock::Clock;
use crate::error::Error;
use crate::keyring::Keyring;
use crate::page::Page;
use crate::record::access::{Access, Range, Reading};
use crate::record::codec;
use crate::record::replay::ReplayError;
use crate::tokens::Tokens;
use crate::write::queue::{Queue, Queued};

/// The most entries that wait to be recorded.
const QUEUE: usize = 1024;

/// How a journal is opened.
#[derive(Clone)]
pub struct JournalOptions {
    /// Take it as it is, though it is not what was recorded.
    pub accept_rollback: bool,
    /// The longest life of the service's own tokens, in seconds.
    pub max_token_ttl_s: u64,
    /// The keys of the persons that entries speak of: those that the ledger has.
    pub keyring: Arc<Keyring>,
}

impl Default for JournalOptions {
    fn default() -> JournalOptions {
        JournalOptions {
            accept_rollback: false,
            max_token_ttl_s: 30 * 86_400,
            keyring: Arc::default(),
        }
    }
}

struct Job {
    access: Box<Access>,
    reply: Reply,
}

/// Who waits for an entry.
enum Reply {
    /// Those who read what it covers.
    Reading(watch::Sender<Outcome>),
    /// Who changed something: it gets the number of listed tokens that were ended.
    Change(oneshot::Sender<Result<usize, Error>>),
}

impl Queued for Job {
    fn account(&self) -> Option<&Account> {
        self.access.actor.account.as_ref()
    }
}

/// Records who reads the trail, and what becomes of tokens. A clone is another handle on the same journal.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    writer: Arc<Writer>,
    /// Held by who places a hold, or erases a person, until that is done.
    subjects: tokio::sync::Mutex<()>,
    stopped: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
}

/// Without a handle nobody can record anything: the writer ends.
impl Drop for Inner {
    fn drop(&mut self) {
        self.writer.queue.close();
    }
}

impl Journal {
    /// Reads the log of a journal, holds it against its tiles and its last checkpoint, and starts
    /// its writer.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not what was recorded; nothing was written.
    pub fn open(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        signing: Arc<Signing>,
        options: JournalOptions,
    ) -> Result<Journal, ReplayError> {
        let mismatch = if options.accept_rollback { Mismatch::Accept } else { Mismatch::Refuse };
        let projections = Projections::new(options.keyring, options.max_token_ttl_s);
        let apply = |chunk| projections.apply_chunk(chunk);
        let log = SignedLog::open(log, Some(signing), mismatch, projections.decoder(), apply)?;
        let writer = Arc::new(Writer::new(log, clock, Queue::new(QUEUE), projections));
        let (stopped, wait_stopped) = oneshot::channel();
        let running = Arc::clone(&writer);
        std::thread::Builder::new()
            .name("access-journal".into())
            .spawn(move || {
                running.run();
                let _ = stopped.send(());
            })
            .map_err(ReplayError::Thread)?;
        let stopped = tokio::sync::Mutex::new(Some(wait_stopped));
        let subjects = tokio::sync::Mutex::default();
        Ok(Journal(Arc::new(Inner { writer, subjects, stopped })))
    }

    fn log(&self) -> &SignedLog {
        &self.0.writer.log
    }

    fn projections(&self) -> &Projections {
        &self.0.writer.projections
    }

    /// The service's own tokens, as far as the journal knows them.
    #[must_use]
    pub fn tokens(&self) -> &Arc<Tokens> {
        &self.projections().tokens
    }

    /// Records a change, and applies it. Returns how many listed tokens it ended.
    async fn record_change(&self, access: Access) -> Result<usize, Error> {
        let (writer, projections) = (&self.0.writer, self.projections());
        let (reply, recorded) = oneshot::channel();
        let (event, request) = (access.event.clone(), access.request);
        projections.outcomes.begin(&access)?;
        if self.is_broken() {
            projections.not_recorded(&event, request);
            return Err(Error::Broken);
        }
        let access = Box::new(access);
        writer
            .put(Job { access, reply: Reply::Change(reply) })
            .inspect_err(|_| projections.not_recorded(&event, request))?;
        tokio::select! {
            biased;
            recorded = recorded => recorded.unwrap_or(Err(Error::Broken)),
            () = writer.log.stalled() => Err(Error::Broken),
        }
    }

    /// Records that `caller` reads `range`. On return that is on stable storage; that it was read
    /// again within a minute is counted, and reaches it a minute later.
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
        let writer = &self.0.writer;
        loop {
            let verdict = writer.readers.lock().read(caller, reading, &range, writer.clock.now());
            let (mut written, again) = match verdict {
                Verdict::Counted => return Ok(()),
                Verdict::Wait(written) => (written, true),
                Verdict::Record(..) if self.is_broken() => return Err(Error::Broken),
                Verdict::Record(access, outcome) => {
                    let written = outcome.subscribe();
                    writer.put(Job { access, reply: Reply::Reading(outcome) })?;
                    (written, false)
                }
            };
            tokio::select! {
                biased;
                outcome = outcome_of(&mut written) => outcome?,
                () = writer.log.stalled() => return Err(Error::Broken),
            }
            // What it waited for is on record; now it can be counted.
            if !again {
                return Ok(());
            }
        }
    }

    /// Whether nothing is recorded any more: the log failed.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.log().is_broken()
    }

    /// Whether it takes entries, as far as it is known without one.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.log().is_writable()
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
        let size = self.log().head().size();
        let left = usize::try_from(size.saturating_sub(from.0)).unwrap_or(usize::MAX);
        let read = self.log().stored().read(from, limit.min(left)).map_err(Error::fault)?;
        let mut interner = self.projections().interner();
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
    pub fn checkpoint(&self) -> Result<SignedRoot, Error> {
        Ok(self.log().head().checkpoint()?.clone())
    }

    /// The keys that sign the journal.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn signing_keys(&self) -> Result<&KeyChain, Error> {
        Ok(self.log().key_chain()?)
    }

    /// The bytes of a tile of hashes; `None` if the published tree does not have all of them.
    ///
    /// # Errors
    ///
    /// A fault of the storage.
    pub fn tile(&self, index: TileIndex) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.log().head().tile(index)?)
    }

    /// A bundle of entries; `None` if the published tree does not have all of them.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, or a fault of the storage.
    pub fn entries(&self, caller: &Caller, index: TileIndex) -> Result<Option<Vec<u8>>, Error> {
        caller.require_all(AUDIT)?;
        Ok(self.log().head().entries(index)?)
    }

    /// Records what waits, and closes the log.
    ///
    /// # Errors
    ///
    /// The last writes failed; every recorded reading is safe all the same.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.writer.queue.close();
        if let Some(stopped) = self.0.stopped.lock().await.take() {
            tokio::select! {
                _ = stopped => {}
                () = self.log().stalled() => {}
            }
        }
        Ok(self.log().close().await?)
    }
}

/// Waits until an entry is written, or cannot be; [`Error::Broken`] if its writer ended before.
async fn outcome_of(written: &mut watch::Receiver<Outcome>) -> Result<(), Error> {
    let outcome = written.wait_for(Option::is_some).await.map_err(|_| Error::Broken)?;
    #[expect(clippy::expect_used, reason = "it was waited for")]
    outcome.clone().expect("there is an outcome")
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
