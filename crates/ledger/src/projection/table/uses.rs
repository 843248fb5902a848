//! How a key was used.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use keys::Timestamp;

/// How a key was used: counted in memory, written aside now and then, never an event.
#[derive(Default)]
pub(crate) struct Uses {
    /// Microseconds since 1970 of the last use; 0 is never.
    last: AtomicI64,
    /// The UTC day in the high half, the uses on it in the low half.
    today: AtomicU64,
}

impl Uses {
    /// Counts a use, unless `limit` uses were made that day. The uses left, if there is a limit.
    pub(crate) fn count(&self, now: Timestamp, limit: Option<u32>) -> Result<Option<u32>, ()> {
        // A time before 1970 is no time of day, see `SystemClock::check`: it counts on the first day.
        let day = u64::try_from(now.day()).unwrap_or(0) << 32;
        let counted = self.today.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |today| {
            let used = if today >> 32 == day >> 32 { today & 0xFFFF_FFFF } else { 0 };
            match limit {
                Some(limit) if used >= u64::from(limit) => None,
                Some(_) | None => Some(day | (used + 1).min(0xFFFF_FFFF)),
            }
        });
        let before = counted.map_err(|_| ())?;
        self.last.fetch_max(now.micros(), Ordering::Relaxed);
        let used = if before >> 32 == day >> 32 { before & 0xFFFF_FFFF } else { 0 } + 1;
        Ok(limit.map(|limit| limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))))
    }

    pub(crate) fn last(&self) -> Option<Timestamp> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        }
    }

    /// The raw numbers, to be written aside.
    pub(crate) fn raw(&self) -> (i64, u64) {
        (self.last.load(Ordering::Relaxed), self.today.load(Ordering::Relaxed))
    }

    pub(crate) fn restore(&self, (last, today): (i64, u64)) {
        self.last.fetch_max(last, Ordering::Relaxed);
        self.today.fetch_max(today, Ordering::Relaxed);
    }
}
