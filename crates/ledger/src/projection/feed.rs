//! Publishing: a committed batch is handed out once, decoded and shared, to whoever follows.
//!
//! The newest entries are in a ring, bounded by their count and their bytes. A follower takes from
//! it what comes after its place; one that fell behind the ring learns where the ring begins now,
//! and reads the log up to there. The writer pays the same however many follow, and nothing when
//! nobody does.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::record::Entry;
use eventlog::Seq;
use parking_lot::Mutex;

/// The most entries in the ring.
pub(crate) const MAX_ENTRIES: usize = 8_192;
/// The most bytes in the ring, about.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// The newest entries, for those who follow.
#[derive(Default)]
pub(crate) struct Feed {
    followers: AtomicUsize,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    batches: VecDeque<Batch>,
    entries: usize,
    bytes: usize,
}

struct Batch {
    entries: Arc<[Entry]>,
    /// What it takes, about.
    bytes: usize,
}

impl Feed {
    /// Whether anybody wants what is committed.
    ///
    /// Who begins to follow reads the length after it is counted here: a batch that is not pushed
    /// because nobody was counted yet lies before its place.
    pub(crate) fn is_followed(&self) -> bool {
        self.followers.load(Ordering::SeqCst) > 0
    }

    /// Counts one more follower.
    pub(crate) fn add_follower(&self) {
        self.followers.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts one follower less. The last one empties the ring.
    pub(crate) fn remove_follower(&self) {
        let mut ring = self.ring.lock();
        if self.followers.fetch_sub(1, Ordering::SeqCst) == 1 {
            *ring = Ring::default();
        }
    }

    /// Empties the ring: who follows reads from the log what it has not taken yet.
    pub(crate) fn clear(&self) {
        let before = std::mem::take(&mut *self.ring.lock());
        // Dropped behind the lock.
        drop(before);
    }

    /// The first batch with something after `next`, if the ring has one.
    pub(crate) fn after(&self, next: Seq) -> Option<Arc<[Entry]>> {
        self.ring.lock().after(next).cloned()
    }

    /// Adds a batch that is applied, of so many stored bytes.
    pub(crate) fn push(&self, entries: Arc<[Entry]>, stored: usize) {
        let bytes = entries.len() * size_of::<Entry>() + 2 * stored;
        let mut ring = self.ring.lock();
        // The last one may have gone meanwhile, and has emptied the ring.
        if !self.is_followed() {
            return;
        }
        ring.entries += entries.len();
        ring.bytes += bytes;
        ring.batches.push_back(Batch { entries, bytes });
        // The newest stays, however large: a batch has bounds of its own.
        while ring.batches.len() > 1 && ring.is_full() {
            if let Some(oldest) = ring.batches.pop_front() {
                ring.entries -= oldest.entries.len();
                ring.bytes -= oldest.bytes;
            }
        }
    }
}

#[cfg(test)]
impl Feed {
    /// How many entries are in the ring, and how many bytes they take.
    pub(crate) fn in_ring(&self) -> (usize, usize) {
        let ring = self.ring.lock();
        (ring.entries, ring.bytes)
    }

    /// Drops the older half of the ring, as if it were that small.
    pub(crate) fn drop_older_half(&self) {
        let mut ring = self.ring.lock();
        let half = ring.batches.len() / 2;
        ring.batches.drain(..half);
    }
}

impl Ring {
    fn is_full(&self) -> bool {
        self.entries > MAX_ENTRIES || self.bytes > MAX_BYTES
    }

    /// What follows on `next`: the first batch with something after it.
    fn after(&self, next: Seq) -> Option<&Arc<[Entry]>> {
        let passed = |batch: &Batch| batch.entries.last().is_none_or(|entry| entry.seq < next);
        self.batches.get(self.batches.partition_point(passed)).map(|batch| &batch.entries)
    }
}
