//! What requests with an idempotency key came to, for 24 hours. Bounded, for each caller too.

use std::collections::VecDeque;

use eventlog::Seq;
use hashbrown::HashMap;
use keys::{Secret, Timestamp};

use crate::record::Idempotency;

/// How long an outcome is remembered.
const REMEMBERED_S: u64 = 24 * 3600;
/// How long the secret of a create can be given again.
const SECRET_S: u64 = 600;
/// The most outcomes in memory.
const MOST: usize = 2_000_000;
/// The most secrets in memory, and of one caller.
const MOST_SECRETS: usize = 50_000;
const MOST_SECRETS_OF_ONE: usize = 10_000;

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
    known: HashMap<[u8; 32], Outcome>,
    order: VecDeque<(Timestamp, [u8; 32])>,
}

impl Outcomes {
    /// Brings in a record's idempotency. Records of one request follow each other in the log.
    pub(crate) fn apply(&mut self, seq: Seq, at: Timestamp, idempotency: Idempotency) {
        self.forget(at);
        let Idempotency { key, request } = idempotency;
        if let Some(known) = self.known.get_mut(&key)
            && known.first.0 + u64::from(known.count) == seq.0
        {
            known.count += 1;
            return;
        }
        self.known.insert(key, Outcome { request, first: seq, count: 1 });
        self.order.push_back((at, key));
    }

    /// The outcome under `key`, if it is not older than 24 hours at `now`.
    pub(crate) fn find(&mut self, key: &[u8; 32], now: Timestamp) -> Option<Outcome> {
        self.forget(now);
        self.known.get(key).copied()
    }

    /// Whether there is room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.known.len() < MOST
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.order.front()
            && at.plus_secs(REMEMBERED_S) <= now
        {
            self.known.remove(key);
            self.order.pop_front();
        }
    }
}

/// Secrets of creates that may be asked for again. Each erases itself when dropped.
#[derive(Default)]
pub(crate) struct Secrets {
    known: HashMap<Seq, (Secret, Caller)>,
    order: VecDeque<(Timestamp, Seq)>,
    of_one: HashMap<Caller, usize>,
}

/// Account and subject.
type Caller = (Option<keys::Account>, keys::Subject);

impl Secrets {
    /// Whether there is room for another one of this caller.
    pub(crate) fn has_room(&mut self, caller: &Caller, now: Timestamp) -> bool {
        self.forget(now);
        self.known.len() < MOST_SECRETS
            && self.of_one.get(caller).is_none_or(|held| *held < MOST_SECRETS_OF_ONE)
    }

    pub(crate) fn keep(&mut self, at: Timestamp, seq: Seq, secret: Secret, caller: Caller) {
        *self.of_one.entry(caller.clone()).or_default() += 1;
        self.known.insert(seq, (secret, caller));
        self.order.push_back((at, seq));
    }

    pub(crate) fn find(&mut self, seq: Seq, now: Timestamp) -> Option<Secret> {
        self.forget(now);
        self.known.get(&seq).map(|(secret, _)| secret.clone())
    }

    /// Forgets what is too old. Called by the worker too, so that a quiet ledger forgets.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        while let Some((at, seq)) = self.order.front()
            && at.plus_secs(SECRET_S) <= now
        {
            if let Some((_, caller)) = self.known.remove(seq)
                && let Some(held) = self.of_one.get_mut(&caller)
            {
                *held -= 1;
                if *held == 0 {
                    self.of_one.remove(&caller);
                }
            }
            self.order.pop_front();
        }
    }
}
