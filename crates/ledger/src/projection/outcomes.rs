//! What requests with an idempotency key came to, for 24 hours. Bounded, for each caller too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use eventlog::Seq;
use hashbrown::HashMap;
use keys::{KeyId, Secret, Subject, Timestamp};

use crate::caller::Holder;
use crate::record::{Idempotency, Record};

/// How long an outcome is remembered.
const REMEMBERED_S: u64 = 24 * 3600;
/// How long the secret of a create can be given again.
const SECRET_S: u64 = 600;
/// The most secrets in memory, and of one caller: 80 a second, for as long as they are remembered.
const MOST_SECRETS: usize = 250_000;
const MOST_SECRETS_OF_ONE: usize = 50_000;

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
struct HolderCounts(HashMap<Arc<Holder>, usize>);

impl HolderCounts {
    fn of(&self, holder: &Holder) -> usize {
        self.0.get(holder).copied().unwrap_or(0)
    }

    /// One more. All entries of one holder share what is returned.
    fn add(&mut self, holder: Holder) -> Arc<Holder> {
        let holder = match self.0.get_key_value(&holder) {
            Some((shared, _)) => Arc::clone(shared),
            None => Arc::new(holder),
        };
        *self.0.entry(Arc::clone(&holder)).or_default() += 1;
        holder
    }

    /// Drops the counts of a subject, and says whether there were any.
    fn erase(&mut self, subject: &Subject) -> bool {
        let before = self.0.len();
        self.0.retain(|holder, _| holder.1 != *subject);
        self.0.len() < before
    }

    fn remove(&mut self, holder: &Holder) {
        if let Some(count) = self.0.get_mut(holder) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(holder);
            }
        }
    }
}

/// The records that a request made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) request: [u8; 32],
    pub(crate) first: Seq,
    pub(crate) count: u32,
}

/// The outcomes, oldest first out.
#[derive(Default)]
pub(crate) struct Outcomes {
    bounds: OutcomeBounds,
    by_key: HashMap<[u8; 32], Outcome>,
    order: VecDeque<(Timestamp, [u8; 32], Arc<Holder>)>,
    counts: HolderCounts,
}

impl Outcomes {
    pub(crate) fn within(bounds: OutcomeBounds) -> Outcomes {
        Outcomes { bounds, ..Outcomes::default() }
    }

    /// Brings in a record of the log. Records of one request follow each other there.
    pub(crate) fn apply(&mut self, seq: Seq, record: &Record) {
        let Some(Idempotency { key, request }) = record.idempotency else { return };
        self.forget(record.at);
        if let Some(outcome) = self.by_key.get_mut(&key)
            && outcome.first.0 + u64::from(outcome.count) == seq.0
        {
            outcome.count += 1;
            return;
        }
        self.by_key.insert(key, Outcome { request, first: seq, count: 1 });
        let actor = &record.actor;
        let holder = self.counts.add((actor.account.clone(), actor.subject.clone()));
        self.order.push_back((record.at, key, holder));
    }

    /// The outcome under `key`, if it is not older than 24 hours at `now`.
    pub(crate) fn find(&mut self, key: &[u8; 32], now: Timestamp) -> Option<Outcome> {
        self.forget(now);
        self.by_key.get(key).copied()
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

/// Secrets of new keys, for requests that are repeated. Each erases itself when dropped.
#[derive(Default)]
pub(crate) struct Secrets {
    /// By the key's id, which begins with the time: the oldest is the first.
    by_id: BTreeMap<KeyId, RememberedSecret>,
    counts: HolderCounts,
}

struct RememberedSecret {
    at: Timestamp,
    secret: Secret,
    holder: Arc<Holder>,
}

impl Secrets {
    /// Remembers one; `false` if there is no room for another one of this caller.
    pub(crate) fn insert(
        &mut self,
        at: Timestamp,
        id: KeyId,
        secret: &Secret,
        holder: Holder,
    ) -> bool {
        self.forget(at);
        if self.by_id.len() >= MOST_SECRETS || self.counts.of(&holder) >= MOST_SECRETS_OF_ONE {
            return false;
        }
        let holder = self.counts.add(holder);
        self.by_id.insert(id, RememberedSecret { at, secret: secret.clone(), holder });
        true
    }

    /// The secret of a key, if it is not older than ten minutes at `now`.
    pub(crate) fn find(&mut self, id: KeyId, now: Timestamp) -> Option<Secret> {
        self.forget(now);
        self.by_id.get(&id).map(|entry| entry.secret.clone())
    }

    /// Forgets that of a key that was not made after all.
    pub(crate) fn remove(&mut self, id: KeyId) {
        if let Some(entry) = self.by_id.remove(&id) {
            self.counts.remove(&entry.holder);
        }
    }

    /// Forgets those of keys that `subject` made, who was erased.
    pub(crate) fn erase(&mut self, subject: &Subject) {
        if self.counts.erase(subject) {
            self.by_id.retain(|_, entry| entry.holder.1 != *subject);
        }
    }

    /// Forgets what is too old. Called by the worker too, so that a quiet ledger forgets.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        while let Some((&id, entry)) = self.by_id.first_key_value()
            && entry.at.plus_secs(SECRET_S) <= now
        {
            self.remove(id);
        }
    }
}

#[cfg(test)]
#[path = "outcomes_tests.rs"]
mod tests;
