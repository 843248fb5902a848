//! The key table: every key as it stands, found by id, digest, account, prefix and due time.

mod accounts;
mod erase;
mod key;
mod lists;
mod orders;
mod owners;
mod segments;
mod shards;
mod sorted;
mod status_counts;
mod uses;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use eventlog::Seq;
use keys::{Dialect, Digest, Event, KeyId, KeyState, Status, Subject, Timestamp, Update};
use parking_lot::{Mutex, RwLock};

pub(crate) use self::accounts::AccountKeys;
use self::accounts::Accounts;
pub(crate) use self::erase::Traces;
use self::key::Transition;
pub(crate) use self::key::{Attributes, ChainedState, Key};
pub(crate) use self::lists::{Listed, Lists, Sought, Term};
use self::orders::Orders;
pub(crate) use self::orders::{Order, OrderOf};
use self::segments::Segments;
use self::shards::{Both, Shards, hash_digest, hash_id, hash_text};
pub(crate) use self::sorted::Placed;
pub use self::sorted::{KeySort, SortValue};
use self::status_counts::StatusCounts;
pub(crate) use self::uses::LastUse;
use crate::record::Record;
use signedlog::Leaf;

/// A key's place among those that fall due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Which one; among those of one moment, their order.
    pub key: KeyId,
}

/// All keys. A pure function of the log's records it has applied, but for the counts of use.
pub(crate) struct KeyTable {
    by_id: Shards<Arc<Key>>,
    /// What every verify looks into.
    by_digest: Shards<Both>,
    by_prefix: Shards<Arc<Key>>,
    all: RwLock<Segments<Arc<Key>>>,
    accounts: Accounts,
    pub(crate) statuses: StatusCounts,
    /// What somebody sorts by.
    pub(crate) orders: Orders,
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
            statuses: StatusCounts::default(),
            orders: Orders::default(),
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
            let key = Arc::new(Key::new(made, record, (seq, leaf)));
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
            self.statuses.made(Status::Enabled);
            // Last, so that a key that verifies is found everywhere else.
            self.by_digest.insert(&key);
            self.orders.changed(&key);
            if let (Some(replaces), Some(link)) = (&made.replaces, record.links.others.first()) {
                let replaced =
                    |old: KeyState| old.replaced(made.id, replaces.valid_until, record.at);
                self.update(link.key, (seq, leaf), replaced, None);
            }
            return Some(key);
        }
        let update = match &record.event {
            Event::Updated(update) => Some(&**update),
            Event::Created(_)
            | Event::Enabled
            | Event::Disabled
            | Event::Expired { .. }
            | Event::Revoked(_) => None,
        };
        let change = |now: KeyState| now.after(&record.event, record.at);
        self.update(record.links.own.key, (seq, leaf), change, update)
    }

    fn update(
        &self,
        id: KeyId,
        head: (Seq, Leaf),
        change: impl Fn(KeyState) -> KeyState,
        update: Option<&Update>,
    ) -> Option<Arc<Key>> {
        let key = self.get(id)?;
        let Transition { states: (before, after), edited } = key.apply(head, change, update);
        if let Some((before, after)) = &edited {
            self.accounts.edited(&key, before, after);
        }
        self.accounts.listed(&key, (&before, &after), edited.as_ref().map(|(_, now)| &**now));
        let due = |state: &KeyState| {
            state.expires_at.filter(|_| state.status.is_alive()).map(|due| (due, id))
        };
        if due(&before) != due(&after) {
            let mut queue = self.due.lock();
            due(&before).map(|entry| queue.remove(&entry));
            queue.extend(due(&after));
        }
        if before.status != after.status {
            self.statuses.changed(before.status, after.status);
            self.accounts.changed(&key, before.status, after.status);
        }
        self.orders.changed(&key);
        Some(key)
    }

    pub(crate) fn get(&self, id: KeyId) -> Option<Arc<Key>> {
        self.by_id.find(hash_id(id), |made| made.id == id)
    }

    /// The object that stands for `key` now. Who forgets a person puts others in the place of those
    /// of its keys, and what is recorded later reaches those alone.
    pub(crate) fn again(&self, key: &Arc<Key>) -> Arc<Key> {
        self.get(key.made.id).unwrap_or_else(|| Arc::clone(key))
    }

    /// The key whose id has the same random part as `id`.
    pub(crate) fn alike(&self, id: KeyId) -> Option<Arc<Key>> {
        self.by_id.find(hash_id(id), |made| made.id.random_part() == id.random_part())
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

    /// The lists of an account's keys; `None` if these are few.
    pub(crate) fn lists(&self, of: &Arc<AccountKeys>, now: Duration) -> Option<Arc<Lists>> {
        self.accounts.lists(of, now)
    }

    /// Drops the lists that nobody looked into lately.
    pub(crate) fn forget_idle_lists(&self, now: Duration) {
        self.accounts.forget_idle(now);
    }

    /// Up to `limit` keys in the order they were made, from position `after` on.
    pub(crate) fn slice(&self, after: usize, limit: usize) -> Vec<Arc<Key>> {
        self.all.read().from(after).take(limit).cloned().collect()
    }

    /// Up to `limit` keys before position `end`, the last one first.
    pub(crate) fn slice_before(&self, end: usize, limit: usize) -> Vec<Arc<Key>> {
        self.all.read().before(end).take(limit).cloned().collect()
    }

    /// The keys at these places in the order they were made.
    pub(crate) fn at(&self, places: &[usize]) -> Vec<Arc<Key>> {
        let all = self.all.read();
        places.iter().filter_map(|place| all.get(*place)).cloned().collect()
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

    /// SHA-256 over all that events say of every key, by id: equal for equal tables.
    #[cfg(test)]
    pub(crate) fn digest(&self) -> [u8; 32] {
        use sha2::Digest as _;

        let mut keys = self.slice(0, usize::MAX);
        keys.sort_unstable_by_key(|key| key.made.id);
        let mut hash = sha2::Sha256::new();
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

#[cfg(test)]
fn status_byte(status: Status) -> u8 {
    match status {
        Status::Enabled => 1,
        Status::Disabled => 2,
        Status::Expired => 3,
        Status::Revoked => 4,
    }
}
