//! The key table: every key as it stands, found by id, digest, account, prefix and due time.

mod accounts;
mod owners;
mod shards;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use eventlog::Seq;
use keys::{Dialect, Digest, Event, KeyId, KeyState, NewKey, Status, Subject, Timestamp};
use parking_lot::{Mutex, RwLock};
use sha2::{Digest as _, Sha256};

pub(crate) use self::accounts::AccountKeys;
use self::accounts::Accounts;
use self::shards::{Both, Shards, hash_digest, hash_id, hash_text};
use crate::record::{Entry, Link, Record};
use signedlog::Leaf;

/// A key's place among those that fall due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Which one; among those of one moment, their order.
    pub key: KeyId,
}

/// A key in the table. What events change lies under its own lock, held for a copy at a time.
pub(crate) struct Key {
    pub(crate) made: Arc<NewKey>,
    pub(crate) created_at: Timestamp,
    pub(crate) created_by: Subject,
    /// That of its first record, for its row in the table's note.
    pub(crate) salt: [u8; 16],
    chained: RwLock<ChainedState>,
    pub(crate) uses: Uses,
}

/// What events change about a key, and the record that did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainedState {
    pub(crate) state: KeyState,
    /// Place and leaf of the last record that touched it: the head of its chain.
    pub(crate) head: (Seq, Leaf),
}

impl ChainedState {
    /// The state right after `Created`.
    pub(crate) fn created(key: &NewKey, at: Timestamp, seq: Seq, leaf: Leaf) -> ChainedState {
        ChainedState { state: KeyState::created(key, at), head: (seq, leaf) }
    }

    /// The link of a record that takes the key from this state to `after`.
    pub(crate) fn link(&self, key: KeyId, after: &KeyState, now: Timestamp) -> Link {
        Link {
            key,
            revision: after.revision,
            before: Some(self.state.status_at(now)),
            after: after.status,
            previous: Some(self.head),
        }
    }
}

/// How a key was used: counted in memory, written aside now and then, never an event.
#[derive(Default)]
pub(crate) struct Uses {
    /// Microseconds since 1970 of the last use; 0 is never.
    last: AtomicI64,
    /// The UTC day in the high half, the uses on it in the low half.
    today: AtomicU64,
}

impl Uses {
    /// Counts a use, unless `limit` uses were made that day. The uses left, if there is a limit.
    pub(crate) fn count(&self, now: Timestamp, limit: Option<u32>) -> Result<Option<u32>, ()> {
        // A time before 1970 is no time of day, see `SystemClock::check`: it counts on the first day.
        let day = u64::try_from(now.day()).unwrap_or(0) << 32;
        let counted = self.today.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |today| {
            let used = if today >> 32 == day >> 32 { today & 0xFFFF_FFFF } else { 0 };
            match limit {
                Some(limit) if used >= u64::from(limit) => None,
                Some(_) | None => Some(day | (used + 1).min(0xFFFF_FFFF)),
            }
        });
        let before = counted.map_err(|_| ())?;
        self.last.fetch_max(now.micros(), Ordering::Relaxed);
        let used = if before >> 32 == day >> 32 { before & 0xFFFF_FFFF } else { 0 } + 1;
        Ok(limit.map(|limit| limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))))
    }

    pub(crate) fn last(&self) -> Option<Timestamp> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        }
    }

    /// The raw numbers, to be written aside.
    pub(crate) fn raw(&self) -> (i64, u64) {
        (self.last.load(Ordering::Relaxed), self.today.load(Ordering::Relaxed))
    }

    pub(crate) fn restore(&self, (last, today): (i64, u64)) {
        self.last.fetch_max(last, Ordering::Relaxed);
        self.today.fetch_max(today, Ordering::Relaxed);
    }
}

impl Key {
    pub(crate) fn state(&self) -> KeyState {
        self.chained.read().state
    }

    pub(crate) fn chained_state(&self) -> ChainedState {
        *self.chained.read()
    }

    /// A record of the key as an entry of the log.
    pub(crate) fn entry(&self, seq: Seq, record: Record) -> Entry {
        let NewKey { account, owner, .. } = &*self.made;
        Entry { seq, record, account: account.clone(), owner: Some(owner.clone()) }
    }
}

/// All keys. A pure function of the log's records it has applied, but for the counts of use.
pub(crate) struct KeyTable {
    by_id: Shards<Arc<Key>>,
    /// What every verify looks into.
    by_digest: Shards<Both>,
    by_prefix: Shards<Arc<Key>>,
    all: RwLock<Vec<Arc<Key>>>,
    accounts: Accounts,
    due: Mutex<BTreeSet<(Timestamp, KeyId)>>,
}

impl KeyTable {
    pub(crate) fn new() -> KeyTable {
        KeyTable {
            by_id: Shards::new(|made| hash_id(made.id)),
            by_digest: Shards::new(|made| hash_digest(&made.digest)),
            by_prefix: Shards::new(|made| hash_text(made.prefix.as_str())),
            all: RwLock::default(),
            accounts: Accounts::default(),
            due: Mutex::default(),
        }
    }

    /// Makes room for the keys of `until` records at once, if they are made as often as in the
    /// first `applied` ones: to grow an index looks at every key in it.
    pub(crate) fn expect(&self, applied: Seq, until: Seq) {
        let keys = self.len() as u128 * u128::from(until.0) / u128::from(applied.0.max(1));
        // More than memory can address: no guess, and no room at once.
        let keys = usize::try_from(keys).unwrap_or(0);
        self.by_id.expect(keys);
        self.by_digest.expect(keys);
    }

    /// Brings in the record at `seq`, and answers the key it happened to. The same for a record
    /// just made and one read back.
    pub(crate) fn apply(&self, seq: Seq, leaf: Leaf, record: &Record) -> Option<Arc<Key>> {
        if let Event::Created(made) = &record.event {
            let key = Arc::new(Key {
                made: Arc::clone(made),
                created_at: record.at,
                created_by: record.actor.subject.clone(),
                salt: record.salt,
                chained: RwLock::new(ChainedState::created(made, record.at, seq, leaf)),
                uses: Uses::default(),
            });
            if let Some(due) = made.expires_at {
                self.due.lock().insert((due, made.id));
            }
            self.by_id.insert(&key);
            // Native keys are never found by their prefix alone.
            if made.dialect != Dialect::Native {
                self.by_prefix.insert(&key);
            }
            self.accounts.insert(&key);
            self.all.write().push(Arc::clone(&key));
            // Last, so that a key that verifies is found everywhere else.
            self.by_digest.insert(&key);
            if let (Some(replaces), Some(link)) = (&made.replaces, record.links.others.first()) {
                self.update(link.key, seq, leaf, |old| {
                    old.replaced(made.id, replaces.valid_until, record.at)
                });
            }
            return Some(key);
        }
        self.update(record.links.own.key, seq, leaf, |now| now.after(&record.event, record.at))
    }

    fn update(
        &self,
        id: KeyId,
        seq: Seq,
        leaf: Leaf,
        change: impl Fn(KeyState) -> KeyState,
    ) -> Option<Arc<Key>> {
        let key = self.get(id)?;
        let (before, after) = {
            let mut chained = key.chained.write();
            let before = chained.state;
            *chained = ChainedState { state: change(before), head: (seq, leaf) };
            (before, chained.state)
        };
        let due = |state: &KeyState| {
            state.expires_at.filter(|_| state.status.is_alive()).map(|due| (due, id))
        };
        if due(&before) != due(&after) {
            let mut queue = self.due.lock();
            due(&before).map(|entry| queue.remove(&entry));
            queue.extend(due(&after));
        }
        if !after.status.is_alive() {
            self.accounts.changed(&key, after.status);
        }
        Some(key)
    }

    pub(crate) fn get(&self, id: KeyId) -> Option<Arc<Key>> {
        self.by_id.find(hash_id(id), |made| made.id == id)
    }

    pub(crate) fn by_digest(&self, digest: &Digest) -> Option<Arc<Key>> {
        self.by_digest.find(hash_digest(digest), |made| made.digest == *digest)
    }

    /// A key of a dialect with that prefix for which `wanted` holds.
    pub(crate) fn by_prefix(
        &self,
        prefix: &str,
        wanted: impl Fn(&Key) -> bool,
    ) -> Option<Arc<Key>> {
        self.by_prefix
            .search(hash_text(prefix), |key| key.made.prefix.as_str() == prefix && wanted(key))
    }

    pub(crate) fn account(&self, account: &str) -> Option<Arc<AccountKeys>> {
        self.accounts.get(account)
    }

    /// Up to `limit` keys in the order they were made, from position `after` on.
    pub(crate) fn slice(&self, after: usize, limit: usize) -> Vec<Arc<Key>> {
        self.all.read().iter().skip(after).take(limit).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.read().len()
    }

    /// Keys whose time runs out before or at `until`, soonest first.
    pub(crate) fn due(&self, until: Timestamp, limit: usize) -> Vec<KeyId> {
        let last = KeyId::from_bytes([0xFF; 16]);
        self.due.lock().range(..=(until, last)).take(limit).map(|(_, id)| *id).collect()
    }

    /// The same, from the place after `after` in that order on.
    pub(crate) fn due_after(&self, after: Option<Due>, until: Timestamp, limit: usize) -> Vec<Due> {
        let start = after.map_or(Bound::Unbounded, |Due { at, key }| Bound::Excluded((at, key)));
        let queue = self.due.lock();
        let following = queue.range((start, Bound::Unbounded));
        let following = following.take_while(|(at, _)| *at <= until).take(limit);
        following.map(|&(at, key)| Due { at, key }).collect()
    }

    /// The next moment at which a key's time runs out.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.lock().first().map(|(due, _)| *due)
    }

    /// SHA-256 over every key's row, by id: equal for equal tables.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut keys = self.slice(0, usize::MAX);
        keys.sort_unstable_by_key(|key| key.made.id);
        let mut hash = Sha256::new();
        for key in keys {
            let ChainedState { state, head: (seq, leaf) } = key.chained_state();
            hash.update(key.made.id.to_bytes());
            hash.update(key.made.digest.0);
            hash.update(key.made.number.to_be_bytes());
            hash.update([status_byte(state.status)]);
            hash.update(state.revision.to_be_bytes());
            hash.update(state.expires_at.map_or(i64::MAX, Timestamp::micros).to_be_bytes());
            hash.update(state.updated_at.micros().to_be_bytes());
            hash.update(state.replaced_by.map_or([0; 16], KeyId::to_bytes));
            hash.update(seq.0.to_be_bytes());
            hash.update(leaf.0);
        }
        hash.finalize().into()
    }

    /// Keys alive in the same (account, owner, dialect): what a cap counts.
    pub(crate) fn alive(&self, account: &str, owner: &Subject, dialect: Dialect) -> Vec<Arc<Key>> {
        self.account(account).map(|keys| keys.alive(owner, dialect)).unwrap_or_default()
    }
}

fn status_byte(status: Status) -> u8 {
    match status {
        Status::Enabled => 1,
        Status::Disabled => 2,
        Status::Expired => 3,
        Status::Revoked => 4,
    }
}
