//! All that is projected from the log, and how a record is brought in: once, for live and replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use eventlog::{Log, Seq};
use keys::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::api::Entry;
use crate::clock::Clock;
use crate::codec::{self, DecodeError, Interner};
use crate::evidence::Evidence;
use crate::feed::Feed;
use crate::history::History;
use crate::noted::Notes;
use crate::outcomes::{Outcomes, Secrets};
use crate::pool::Pool;
use crate::reached::Reached;
use crate::record::{Leaf, Record};
use crate::signing::Signing;
use crate::table::KeyTable;
use crate::tree::{Regrowth, TreeError, Wrong};

/// By how many seconds a clock may step, where nobody says otherwise.
const MAX_STEP_S: u64 = 60;

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] eventlog::ReadError),
    /// A record of it is no record.
    #[error("record {seq} is damaged: {source}; restore the data directory from a backup")]
    Record {
        /// Its place.
        seq: Seq,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The records are not those that the log's tiles and checkpoint speak of.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Tiles that were made again could not be written.
    #[error("the tiles that were made again could not be written")]
    Mend(#[from] eventlog::AppendError),
    /// The log's key signed nothing.
    #[error("the log's key cannot sign")]
    Sign(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The machine refused a thread.
    #[error("no thread for the writer")]
    Thread(#[from] std::io::Error),
}

/// A record read back.
pub(crate) struct Read {
    pub(crate) seq: Seq,
    pub(crate) record: Record,
}

/// The projections, and what the writer and the readers share.
pub(crate) struct State {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) table: KeyTable,
    pub(crate) history: History,
    pub(crate) evidence: Evidence,
    /// The table as one hash, as last noted.
    pub(crate) notes: Notes,
    pub(crate) outcomes: Mutex<Outcomes>,
    pub(crate) secrets: Mutex<Secrets>,
    /// What new keys share with others.
    pub(crate) pool: Mutex<Pool>,
    /// The length up to which everything is applied; followers wait on it.
    pub(crate) published: watch::Sender<Seq>,
    /// The newest entries, for those who follow.
    pub(crate) feed: Feed,
    /// The same, for the verify path: no lock.
    pub(crate) size: AtomicU64,
    /// The latest time that was seen.
    pub(crate) reached: Reached,
    /// The time of the last record.
    pub(crate) last_at: AtomicI64,
    /// Set when the outcome of an append is not known: no more writes.
    pub(crate) broken: AtomicBool,
    /// Set while the clocks disagree.
    pub(crate) stepped: AtomicBool,
    /// Held while the table is built a second time, for its digest.
    pub(crate) rebuilding: Mutex<()>,
    /// Wakes the expiry worker when a key is due earlier than it knew.
    pub(crate) due_changed: Notify,
    pub(crate) batches: AtomicU64,
    /// The most keys an account may have.
    pub(crate) most_keys: Option<u64>,
}

impl State {
    /// The state of no records. Without a key nothing is signed.
    pub(crate) fn new(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        signing: Option<Arc<Signing>>,
    ) -> State {
        State {
            log,
            clock,
            table: KeyTable::new(),
            history: History::default(),
            evidence: Evidence::new(signing),
            notes: Notes::default(),
            outcomes: Mutex::default(),
            secrets: Mutex::default(),
            pool: Mutex::default(),
            published: watch::Sender::new(Seq(0)),
            feed: Feed::default(),
            size: AtomicU64::new(0),
            reached: Reached::new(MAX_STEP_S),
            last_at: AtomicI64::new(Timestamp::MIN.micros()),
            broken: AtomicBool::new(false),
            stepped: AtomicBool::new(false),
            rebuilding: Mutex::default(),
            due_changed: Notify::new(),
            batches: AtomicU64::new(0),
            most_keys: None,
        }
    }

    /// Brings one record into every projection.
    pub(crate) fn apply(&self, seq: Seq, leaf: Leaf, record: &Record) {
        let key = self.table.apply(seq, leaf, record);
        self.history.apply(seq, record, key.as_ref().map(|key| &key.made.account));
        if record.idempotency.is_some() {
            self.outcomes.lock().apply(seq, record);
        }
        self.last_at.store(record.at.micros(), Ordering::Relaxed);
        self.size.store(seq.0 + 1, Ordering::Release);
    }

    /// Hands records that are applied, of so many stored bytes, to those who follow.
    pub(crate) fn feed(&self, stored: usize, records: impl Iterator<Item = (Seq, Record)>) {
        if !self.feed.is_followed() {
            return;
        }
        let entries = records.filter_map(|(seq, record)| self.entry(seq, record));
        self.feed.push(entries.collect(), stored);
    }

    /// The entry of a record; `None` if its key is not in the table yet.
    pub(crate) fn entry(&self, seq: Seq, record: Record) -> Option<Entry> {
        let key = self.table.get(record.link.key)?;
        Some(Entry { seq, record, account: key.made.account.clone() })
    }

    /// Tells followers how far everything is applied.
    pub(crate) fn publish(&self) {
        self.published.send_replace(Seq(self.size.load(Ordering::Acquire)));
    }

    pub(crate) fn size(&self) -> Seq {
        Seq(self.size.load(Ordering::Acquire))
    }

    pub(crate) fn last_at(&self) -> Timestamp {
        Timestamp::from_micros(self.last_at.load(Ordering::Relaxed))
    }

    /// Applies what another writer appended, and publishes it.
    pub(crate) fn catch_up(&self, until: Seq) -> Result<(), ReplayError> {
        let tree = self.evidence.regrow(self.log.as_ref(), Wrong::Refuse, None)?;
        self.replay(until, tree, &mut |_| {})
    }

    /// Applies what the log holds beyond what is applied, up to `until`, grows `tree` with it,
    /// and publishes it.
    ///
    /// Reading and decoding run ahead on a thread of their own.
    pub(crate) fn replay(
        &self,
        until: Seq,
        mut tree: Option<Regrowth<'_>>,
        progress: &mut dyn FnMut(Seq),
    ) -> Result<(), ReplayError> {
        const CHUNK: usize = 2048;
        let (send, receive) = std::sync::mpsc::sync_channel(4);
        let from = self.size();
        std::thread::scope(|scope| {
            let reader = std::thread::Builder::new().name("ledger-reader".into());
            reader.spawn_scoped(scope, move || {
                let mut next = from;
                let mut interner = Interner::default();
                while next < until {
                    let limit = usize::try_from(until.0 - next.0).unwrap_or(CHUNK).min(CHUNK);
                    let chunk = read_chunk(self.log.as_ref(), next, limit, &mut interner);
                    let end = chunk.as_ref().map_or(true, Vec::is_empty);
                    next = Seq(next.0 + chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
                    if send.send(chunk).is_err() || end {
                        return;
                    }
                }
            })?;
            for chunk in receive {
                let chunk = chunk?;
                for (stored, record) in &chunk {
                    let leaf = Leaf::of(&stored.bytes);
                    tree.as_mut().map_or(Ok(()), |tree| tree.push(leaf))?;
                    self.apply(stored.seq, leaf, record);
                }
                let stored = chunk.iter().map(|(stored, _)| stored.bytes.len()).sum();
                self.feed(stored, chunk.into_iter().map(|(stored, record)| (stored.seq, record)));
                if self.size() < until {
                    self.table.expect(self.size(), until);
                }
                progress(self.size());
            }
            Ok::<(), ReplayError>(())
        })?;
        if let Some(tree) = tree {
            self.evidence.settle(self.log.as_ref(), self.size(), tree)?;
        }
        self.publish();
        Ok(())
    }
}

/// Reads and decodes up to `limit` records from `from` on.
pub(crate) fn read(
    log: &dyn Log,
    from: Seq,
    limit: usize,
    interner: &mut Interner,
) -> Result<Vec<Read>, ReplayError> {
    let chunk = read_chunk(log, from, limit, interner)?;
    Ok(chunk.into_iter().map(|(stored, record)| Read { seq: stored.seq, record }).collect())
}

/// The same, as stored and decoded.
fn read_chunk(
    log: &dyn Log,
    from: Seq,
    limit: usize,
    interner: &mut Interner,
) -> Result<Vec<(eventlog::Record, Record)>, ReplayError> {
    let decoded = log.read(from, limit)?.into_iter().map(|stored| {
        let record = decode(&stored, interner)?;
        Ok((stored, record))
    });
    decoded.collect()
}

/// Decodes a record as it was read.
pub(crate) fn decode(
    stored: &eventlog::Record,
    interner: &mut Interner,
) -> Result<Record, ReplayError> {
    codec::decode(&stored.bytes, interner)
        .map_err(|source| ReplayError::Record { seq: stored.seq, source })
}
