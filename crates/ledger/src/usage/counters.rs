//! Speed: the counters of refusals; good verifications are counted in the key. Each thread has its
//! own, behind a lock that nobody else takes but for moving everything out, so that two threads that
//! refuse the same key do not wait for each other, and a key has no counter for each verdict.
//! `benches/usage.rs` holds it against counters in the key.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use keys::{KeyId, Timestamp, Verdict};
use parking_lot::Mutex;

use super::bucket::Bucket;

/// More than there are threads that answer requests on most machines; more threads share.
const SHARDS: usize = 64;
/// A shard with so many counters is set aside as it is, so that none grows for long.
pub(crate) const MOST_IN_SHARD: usize = 8_192;
/// So many shards set aside, a million counters, wait for the writer at most. What is counted when
/// all are full is lost.
pub(crate) const MOST_ASIDE: usize = 128;

/// How many verdicts of each kind there were, in the order of [`Verdict::ALL`].
pub type VerdictCounts = [u64; Verdict::ALL.len()];

/// What was counted and not collected yet.
pub(crate) struct Counters {
    shards: Box<[Shard]>,
    aside: Mutex<Vec<HashTable<Counter>>>,
    lost: AtomicU64,
}

/// On lines of memory of its own.
#[repr(align(128))]
#[derive(Default)]
struct Shard(Mutex<ThreadCounters>);

#[derive(Default)]
struct ThreadCounters {
    counters: HashTable<Counter>,
    verdicts: VerdictCounts,
}

/// How often there was one verdict on one key in one hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    pub(crate) key: KeyId,
    pub(crate) bucket: Bucket,
    pub(crate) count: u32,
}

impl Counter {
    /// A key's id ends in random bytes.
    fn hash(key: KeyId, bucket: Bucket) -> u64 {
        let id = u128::from_be_bytes(key.to_bytes());
        let random = u64::try_from(id & u128::from(u64::MAX)).unwrap_or(0);
        random ^ u64::from(bucket.number()).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl Counters {
    pub(crate) fn new() -> Counters {
        Counters {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            aside: Mutex::default(),
            lost: AtomicU64::new(0),
        }
    }

    /// Counts a verdict, and for which key and when.
    pub(crate) fn count(&self, verdict: Verdict, key: Option<(KeyId, Timestamp)>) {
        let Some(Shard(shard)) = self.shards.get(thread_number() % SHARDS) else { return };
        let mut shard = shard.lock();
        if let Some(count) = shard.verdicts.get_mut(verdict as usize) {
            *count += 1;
        }
        let Some((key, at)) = key else { return };
        let Some(bucket) = Bucket::of(at, verdict) else { return };
        let hash = Counter::hash(key, bucket);
        let same = |counter: &Counter| counter.key == key && counter.bucket == bucket;
        let rehash = |counter: &Counter| Counter::hash(counter.key, counter.bucket);
        match shard.counters.entry(hash, same, rehash) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().count = entry.get().count.saturating_add(1);
            }
            Entry::Vacant(entry) => {
                entry.insert(Counter { key, bucket, count: 1 });
                if shard.counters.len() >= MOST_IN_SHARD {
                    let full = std::mem::take(&mut shard.counters);
                    drop(shard);
                    self.set_aside(full);
                }
            }
        }
    }

    fn set_aside(&self, full: HashTable<Counter>) {
        let mut aside = self.aside.lock();
        if aside.len() < MOST_ASIDE {
            aside.push(full);
        } else {
            let lost = full.iter().map(|counter| u64::from(counter.count)).sum();
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// Moves out everything that was counted.
    pub(crate) fn take(&self) -> Vec<HashTable<Counter>> {
        let mut taken = std::mem::take(&mut *self.aside.lock());
        for Shard(shard) in &self.shards {
            let mut shard = shard.lock();
            if !shard.counters.is_empty() {
                taken.push(std::mem::take(&mut shard.counters));
            }
        }
        taken
    }

    /// How many verdicts there were since the start.
    pub(crate) fn verdicts(&self) -> VerdictCounts {
        let mut sums = VerdictCounts::default();
        for Shard(shard) in &self.shards {
            let own = shard.lock().verdicts;
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        sums
    }

    /// How many uses were not counted, because the writer did not come for too long.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// A number for each thread.
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let number = NUMBER.get();
    if number != usize::MAX {
        return number;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    NUMBER.set(number);
    number
}
