//! All that is projected from the log, and how a record is brought in: once, for live and replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use eventlog::{Log, Seq};
use keys::{Edit, Event, NodeName, Pseudonym, RulesByAccount, Subject, Timestamp};
use parking_lot::{Mutex, RwLock};
use signedlog::{Chunk, Leaf, Mismatch, SignedLog, Signing};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::keyring::Keyring;
use crate::monotone_clock::MonotoneClock;
use crate::projection::feed::Feed;
use crate::projection::heartbeat::LastHeartbeat;
use crate::projection::history::History;
use crate::projection::outcomes::{Outcomes, Secrets};
use crate::projection::table::{KeyTable, Traces};
use crate::projection::table_snapshot::TableSnapshots;
use crate::record::Entry;
use crate::record::codec::Interner;
use crate::record::pool::Pool;
use crate::record::replay::{ReplayError, decode_own};
use crate::record::{Persons, Record};

/// By how many seconds a clock may step, where nobody says otherwise.
const MAX_STEP_S: u64 = 60;

/// The projections, and what the writer and the readers share.
pub(crate) struct State {
    pub(crate) log: SignedLog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) table: KeyTable,
    pub(crate) history: History,
    /// The table as one signed hash, as last made.
    pub(crate) snapshots: TableSnapshots,
    pub(crate) heartbeat: LastHeartbeat,
    pub(crate) outcomes: Mutex<Outcomes>,
    pub(crate) secrets: Mutex<Secrets>,
    /// What new keys share with others.
    pub(crate) pool: Mutex<Pool>,
    /// The newest entries, for those who follow.
    pub(crate) feed: Feed,
    /// How many records are applied; for the verify path, without a lock.
    pub(crate) size: AtomicU64,
    /// The latest time that was seen.
    pub(crate) monotone: MonotoneClock,
    /// The time of the last record.
    pub(crate) last_at: AtomicI64,
    /// Set while the clocks disagree.
    pub(crate) stepped: AtomicBool,
    /// Wakes the expiry worker when a key is due earlier than it knew.
    pub(crate) due_changed: Notify,
    pub(crate) batches: AtomicU64,
    /// Keys that were changed by bulk.
    pub(crate) bulk_changed: AtomicU64,
    /// Keys that were imported.
    pub(crate) imported: AtomicU64,
    /// The name of this node, in every record that it writes.
    pub(crate) node: NodeName,
    /// The keys of the persons that records speak of.
    pub(crate) keyring: Arc<Keyring>,
    /// The most keys an account may have.
    pub(crate) most_keys: Option<u64>,
    /// What the keys of each account must keep to. Held locked only to be copied or replaced.
    account_rules: RwLock<Arc<RulesByAccount>>,
}

impl State {
    /// The state of no records. Without a key nothing is signed.
    pub(crate) fn new(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        signing: Option<Arc<Signing>>,
    ) -> State {
        State {
            log: SignedLog::new(log, signing),
            clock,
            table: KeyTable::new(),
            history: History::default(),
            snapshots: TableSnapshots::default(),
            heartbeat: LastHeartbeat::default(),
            outcomes: Mutex::default(),
            secrets: Mutex::default(),
            pool: Mutex::default(),
            feed: Feed::default(),
            size: AtomicU64::new(0),
            monotone: MonotoneClock::new(MAX_STEP_S),
            last_at: AtomicI64::new(Timestamp::MIN.micros()),
            stepped: AtomicBool::new(false),
            due_changed: Notify::new(),
            batches: AtomicU64::new(0),
            bulk_changed: AtomicU64::new(0),
            imported: AtomicU64::new(0),
            node: NodeName::default(),
            keyring: Arc::default(),
            most_keys: None,
            account_rules: RwLock::default(),
        }
    }

    /// What decodes records of this log.
    pub(crate) fn interner(&self) -> Interner {
        Interner::new(Arc::clone(&self.keyring))
    }

    /// Takes in from a record that was read who is behind the pseudonyms in it.
    fn learn(&self, record: &Record) {
        let Persons { actor, owner, former, meant: _ } = record.persons;
        let learn = |pseudonym: Option<Pseudonym>, subject: &Subject| {
            if let Some(pseudonym) = pseudonym {
                self.keyring.learn(pseudonym, subject);
            }
        };
        learn(actor, &record.actor.subject);
        match &record.event {
            Event::Created(key) => learn(owner, &key.owner),
            Event::Updated(update) => {
                for edit in update.iter() {
                    if let Edit::Owner { before, after } = edit {
                        learn(former, before);
                        learn(owner, after);
                    }
                }
            }
            Event::Enabled | Event::Disabled | Event::Expired { .. } | Event::Revoked(_) => {}
        }
    }

    /// What the keys of each account must keep to.
    pub(crate) fn account_rules(&self) -> Arc<RulesByAccount> {
        Arc::clone(&self.account_rules.read())
    }

    /// Replaces what the keys of each account must keep to, from the next decision on.
    pub(crate) fn set_account_rules(&self, rules: RulesByAccount) {
        let rules = Arc::new(rules);
        // What was before is dropped behind the lock.
        let _before = std::mem::replace(&mut *self.account_rules.write(), rules);
    }

    /// Brings one record into every projection.
    pub(crate) fn apply(&self, seq: Seq, leaf: Leaf, record: &Record) {
        let key = self.table.apply(seq, leaf, record);
        // After the table has it, and before the size says so.
        self.snapshots.touched.touch(record.links.iter().map(|link| link.key));
        self.history.apply(seq, record, key.as_ref().map(|key| &key.made.account));
        if record.idempotency.is_some() {
            self.outcomes.lock().apply(seq, record);
        }
        self.last_at.store(record.at.micros(), Ordering::Relaxed);
        self.size.store(seq.0 + 1, Ordering::Release);
    }

    /// Takes a person out of every projection, who is `erased` from now on: they are those of a replay
    /// that cannot read who that was. Says how many keys it had. For the writer alone.
    pub(crate) fn erase(&self, subject: &Subject, erased: &Subject, traces: &Traces) -> usize {
        let keys = self.table.erase(subject, erased, traces);
        self.history.erase(subject, erased);
        self.outcomes.lock().erase(subject);
        self.secrets.lock().erase(subject);
        self.pool.lock().erase(subject);
        self.feed.clear();
        keys
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
        Some(self.table.get(record.links.own.key)?.entry(seq, record))
    }

    /// Tells followers how far everything is applied.
    pub(crate) fn publish(&self) {
        self.log.publish(self.size());
    }

    pub(crate) fn size(&self) -> Seq {
        Seq(self.size.load(Ordering::Acquire))
    }

    pub(crate) fn last_at(&self) -> Timestamp {
        Timestamp::from_micros(self.last_at.load(Ordering::Relaxed))
    }

    /// Applies the whole log and publishes it. What its tiles and its last checkpoint say must
    /// hold, unless an operator accepted the log as it is.
    pub(crate) fn recover(
        &self,
        mismatch: Mismatch,
        progress: &mut dyn FnMut(Seq),
    ) -> Result<(), ReplayError> {
        let length = self.log.length();
        let mut interner = self.interner();
        self.log.recover(
            mismatch,
            |stored| decode_own(stored, &mut interner),
            |chunk| {
                self.apply_chunk(chunk, length);
                progress(self.size());
            },
        )
    }

    /// Applies what another writer appended, up to `until`, and publishes it.
    pub(crate) fn catch_up(&self, until: Seq) -> Result<(), ReplayError> {
        let mut interner = self.interner();
        let decode = |stored: &_| decode_own(stored, &mut interner);
        self.log.catch_up(until, decode, |chunk| self.apply_chunk(chunk, until))
    }

    fn apply_chunk(&self, chunk: Chunk<Record>, until: Seq) {
        for (seq, leaf, record) in chunk.iter() {
            self.learn(record);
            self.apply(seq, leaf, record);
        }
        self.feed(chunk.stored_bytes(), chunk.into_records());
        if self.size() < until {
            self.table.expect(self.size(), until);
        }
    }
}
