//! Speed: which keys were used since that was collected last. How often, is counted in each key, under
//! the lock that its limits take anyway: a use of a key that was used a moment ago costs an addition
//! to what is at hand, and the first one after a collection a place in a list of its thread.

use keys::KeyId;
use parking_lot::Mutex;

use super::counters::thread_number;
use crate::limits::Tally;

/// More than there are threads that answer requests on most machines; more threads share.
const SHARDS: usize = 64;

/// A key that was used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) key: KeyId,
    /// What the key had counted of another hour, and has no more.
    pub(crate) earlier: Tally,
}

/// The keys that were used. As long as keys are collected, none is there more than once an hour.
pub(crate) struct UsedKeys(Box<[Shard]>);

/// On lines of memory of its own.
#[repr(align(128))]
#[derive(Default)]
struct Shard(Mutex<Vec<Used>>);

impl UsedKeys {
    pub(crate) fn new() -> UsedKeys {
        UsedKeys((0..SHARDS).map(|_| Shard::default()).collect())
    }

    /// Adds a key.
    pub(crate) fn push(&self, used: Used) {
        if let Some(Shard(shard)) = self.0.get(thread_number() % SHARDS) {
            shard.lock().push(used);
        }
    }

    /// Moves out the keys of all threads, one thread's after the other.
    pub(crate) fn take(&self) -> impl Iterator<Item = Vec<Used>> {
        let taken = self.0.iter().map(|Shard(shard)| std::mem::take(&mut *shard.lock()));
        taken.filter(|used| !used.is_empty())
    }
}
