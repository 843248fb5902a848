//! What requests with an idempotency key came to, and the secrets of new keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventlog::Seq;
use keys::{KeyId, Secret, Subject, Timestamp};

use crate::caller::Holder;
use crate::outcome_memory::{HolderCounts, OutcomeBounds, OutcomeMemory};
use crate::record::{Idempotency, Record};

/// How long the secret of a create can be given again.
const SECRET_S: u64 = 600;
/// The most secrets in memory, and of one caller: 80 a second, for as long as they are remembered.
const MOST_SECRETS: usize = 250_000;
const MOST_SECRETS_OF_ONE: usize = 50_000;

/// The records that a request made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) request: [u8; 32],
    pub(crate) first: Seq,
    pub(crate) count: u32,
}

/// The outcomes.
#[derive(Default)]
pub(crate) struct Outcomes(OutcomeMemory<[u8; 32], Outcome>);

impl Outcomes {
    pub(crate) fn within(bounds: OutcomeBounds) -> Outcomes {
        Outcomes(OutcomeMemory::within(bounds))
    }

    /// Brings in a record of the log. Records of one request follow each other there.
    pub(crate) fn apply(&mut self, seq: Seq, record: &Record) {
        let Some(Idempotency { key, request }) = record.idempotency else { return };
        if let Some(outcome) = self.0.find(&key, record.at)
            && outcome.first.0 + u64::from(outcome.count) == seq.0
        {
            outcome.count += 1;
            return;
        }
        let actor = &record.actor;
        let holder = (actor.account.clone(), actor.subject.clone());
        self.0.insert(record.at, key, holder, Outcome { request, first: seq, count: 1 });
    }

    /// The outcome under `key`, if it is not older than 24 hours at `now`.
    pub(crate) fn find(&mut self, key: &[u8; 32], now: Timestamp) -> Option<Outcome> {
        self.0.find(key, now).copied()
    }

    /// Whether there is room for another one of this caller, while `pending` are on their way.
    pub(crate) fn has_room(&self, holder: &Holder, pending: usize) -> bool {
        self.0.has_room(holder, pending)
    }

    /// Forgets what `subject` asked for, who was erased.
    pub(crate) fn erase(&mut self, subject: &Subject) {
        self.0.erase(subject);
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
