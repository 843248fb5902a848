//! Publishing: a committed batch is handed out once, decoded and shared, to whoever follows.
//!
//! The newest entries are in a ring, bounded by their count and their bytes. A follower takes from
//! it what comes after its place; one that fell behind the ring is told where the ring begins now,
//! and reads the log up to there. The writer pays the same however many follow, and nothing when
//! nobody does.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventlog::Seq;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::ledger::Ledger;
use crate::record::Entry;

/// The most entries in the ring.
const MAX_ENTRIES: usize = 8_192;
/// The most bytes in the ring, about.
const MAX_BYTES: usize = 16 << 20;

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

/// What comes next to one who follows.
#[derive(Clone, Debug)]
pub enum Followed {
    /// Entries that were committed together, without a gap after what came before; the first ones
    /// may lie before the follower's place.
    Entries(Arc<[Entry]>),
    /// The follower was too slow, or another writer wrote: what lies before this place has to be
    /// read from the log.
    Missed(Seq),
}

/// One who follows what is committed, of all accounts. Dropped, it is counted no more.
pub struct Following {
    ledger: Ledger,
    length: watch::Receiver<Seq>,
    next: Seq,
}

impl Ledger {
    /// Follows what is committed from now on: see [`Following::next`] for the place.
    ///
    /// What is given out is not limited to what a caller may see; that is up to who hands it on.
    #[must_use]
    pub fn follow(&self) -> Following {
        let state = self.state();
        state.feed.followers.fetch_add(1, Ordering::SeqCst);
        let length = state.log.published();
        let next = state.size();
        Following { ledger: self.clone(), length, next }
    }
}

impl Following {
    /// The place up to which everything was taken.
    #[must_use]
    pub fn next(&self) -> Seq {
        self.next
    }

    /// Waits until there is something to take. Cancel safe.
    pub async fn changed(&mut self) {
        let next = self.next;
        if self.length.wait_for(|length| *length > next).await.is_err() {
            // The ledger is held here, and its sender with it.
            std::future::pending::<()>().await;
        }
    }

    /// Takes what comes next, if it is there.
    pub fn take(&mut self) -> Option<Followed> {
        let length = *self.length.borrow_and_update();
        if length <= self.next {
            return None;
        }
        let ring = self.ledger.state().feed.ring.lock();
        let found = ring.after(self.next).cloned();
        drop(ring);
        let followed = match found {
            Some(batch) if batch.first().is_some_and(|first| first.seq <= self.next) => {
                self.next = batch.last().map_or(self.next, |last| last.seq.next());
                Followed::Entries(batch)
            }
            Some(batch) => {
                self.next = batch.first().map_or(self.next, |first| first.seq);
                Followed::Missed(self.next)
            }
            None => {
                self.next = length;
                Followed::Missed(length)
            }
        };
        Some(followed)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let feed = &self.ledger.state().feed;
        let mut ring = feed.ring.lock();
        if feed.followers.fetch_sub(1, Ordering::SeqCst) == 1 {
            *ring = Ring::default();
        }
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
