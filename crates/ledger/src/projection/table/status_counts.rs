//! How many keys there are of each status, as recorded.

use std::sync::atomic::{AtomicU32, Ordering};

use keys::Status;

/// A number for each of [`Status::ALL`]. Four thousand million keys do not fit into memory.
#[derive(Default)]
pub(crate) struct StatusCounts([AtomicU32; Status::ALL.len()]);

impl StatusCounts {
    fn slot(&self, status: Status) -> Option<&AtomicU32> {
        self.0.get(status as usize)
    }

    /// Counts a new key.
    pub(super) fn made(&self, status: Status) {
        self.slot(status).map(|count| count.fetch_add(1, Ordering::Relaxed));
    }

    /// Counts a key with its new status.
    pub(super) fn changed(&self, before: Status, after: Status) {
        self.slot(before).map(|count| count.fetch_sub(1, Ordering::Relaxed));
        self.made(after);
    }

    pub(crate) fn of(&self, status: Status) -> u64 {
        self.slot(status).map_or(0, |count| count.load(Ordering::Relaxed).into())
    }
}
