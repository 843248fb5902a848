//! What is remembered for 24 hours of requests with an idempotency key. Bounded, for each caller too.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;
use keys::{Subject, Timestamp};

use crate::caller::Holder;

/// How long an outcome is remembered.
const REMEMBERED_S: u64 = 24 * 3600;

/// How many outcomes of requests with an idempotency key are remembered: one more is
/// [`crate::Error::OutcomesFull`]. About 200 bytes each.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeBounds {
    /// Of all callers together.
    pub all: usize,
    /// Of one caller: a subject within an account.
    pub one: usize,
}

impl Default for OutcomeBounds {
    fn default() -> OutcomeBounds {
        OutcomeBounds { all: 2_000_000, one: 200_000 }
    }
}

/// How many entries each holder has.
#[derive(Default)]
pub(crate) struct HolderCounts(HashMap<Arc<Holder>, usize>);

impl HolderCounts {
    pub(crate) fn of(&self, holder: &Holder) -> usize {
        self.0.get(holder).copied().unwrap_or(0)
    }

    /// One more. All entries of one holder share what is returned.
    pub(crate) fn add(&mut self, holder: Holder) -> Arc<Holder> {
        let holder = match self.0.get_key_value(&holder) {
            Some((shared, _)) => Arc::clone(shared),
            None => Arc::new(holder),
        };
        *self.0.entry(Arc::clone(&holder)).or_default() += 1;
        holder
    }

    /// Drops the counts of a subject, and says whether there were any.
    pub(crate) fn erase(&mut self, subject: &Subject) -> bool {
        let before = self.0.len();
        self.0.retain(|holder, _| holder.1 != *subject);
        self.0.len() < before
    }

    pub(crate) fn remove(&mut self, holder: &Holder) {
        if let Some(count) = self.0.get_mut(holder) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(holder);
            }
        }
    }
}

/// Outcomes `V` by the digest `K` of their idempotency key, oldest first out.
pub(crate) struct OutcomeMemory<K, V> {
    bounds: OutcomeBounds,
    by_key: HashMap<K, V>,
    order: VecDeque<(Timestamp, K, Arc<Holder>)>,
    counts: HolderCounts,
}

impl<K, V> Default for OutcomeMemory<K, V> {
    fn default() -> OutcomeMemory<K, V> {
        OutcomeMemory::within(OutcomeBounds::default())
    }
}

impl<K, V> OutcomeMemory<K, V> {
    /// One with nothing in it.
    pub(crate) fn within(bounds: OutcomeBounds) -> OutcomeMemory<K, V> {
        let (by_key, order, counts) = (HashMap::new(), VecDeque::new(), HolderCounts::default());
        OutcomeMemory { bounds, by_key, order, counts }
    }
}

impl<K: Copy + Eq + Hash, V> OutcomeMemory<K, V> {
    /// Remembers an outcome of `at`, past the bounds too: it is on record.
    pub(crate) fn insert(&mut self, at: Timestamp, key: K, holder: Holder, outcome: V) {
        self.by_key.insert(key, outcome);
        let holder = self.counts.add(holder);
        self.order.push_back((at, key, holder));
    }

    /// The outcome under `key`, if it is not older than 24 hours at `now`.
    pub(crate) fn find(&mut self, key: &K, now: Timestamp) -> Option<&mut V> {
        self.forget(now);
        self.by_key.get_mut(key)
    }

    /// Whether there is room for another one of this caller, while `pending` are on their way.
    pub(crate) fn has_room(&self, holder: &Holder, pending: usize) -> bool {
        self.by_key.len() + pending < self.bounds.all
            && self.counts.of(holder) + pending < self.bounds.one
    }

    /// Forgets what `subject` asked for, who was erased.
    pub(crate) fn erase(&mut self, subject: &Subject) {
        if !self.counts.erase(subject) {
            return;
        }
        let by_key = &mut self.by_key;
        self.order.retain(|(_, key, holder)| {
            let stays = holder.1 != *subject;
            if !stays {
                by_key.remove(key);
            }
            stays
        });
    }

    /// Forgets outcomes, whoever asked for them. Looks at all.
    pub(crate) fn retain(&mut self, stays: impl Fn(&V) -> bool) {
        let OutcomeMemory { by_key, order, counts, .. } = self;
        order.retain(|(_, key, holder)| {
            let stays = by_key.get(key).is_some_and(&stays);
            if !stays {
                by_key.remove(key);
                counts.remove(holder);
            }
            stays
        });
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, key, holder)) = self.order.front()
            && at.plus_secs(REMEMBERED_S) <= now
        {
            self.by_key.remove(key);
            self.counts.remove(holder);
            self.order.pop_front();
        }
    }
}
