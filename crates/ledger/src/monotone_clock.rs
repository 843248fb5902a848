//! The latest moment that was seen: what was reached stays reached, though a clock is set back.
//!
//! A key that was past its due time must not be good again because the time of day was corrected by
//! an hour. A clock that runs away is not believed, see [`StepGuard`]: it must not end every key.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use keys::Timestamp;
use parking_lot::Mutex;

use crate::clock::{Clock, StepGuard};

/// How far the clock goes on before it is written down: every verify reads the time, and a place
/// in memory that all of them write to would cost more than the rest.
const GRAIN_MICROS: i64 = 1_000_000;

/// See the module.
pub(crate) struct MonotoneClock {
    /// In microseconds: at most [`GRAIN_MICROS`] before what was seen.
    seen: AtomicI64,
    /// Set while the clock is not believed.
    astray: AtomicBool,
    guard: Mutex<StepGuard>,
}

impl MonotoneClock {
    pub(crate) fn new(max_step_s: u64) -> MonotoneClock {
        MonotoneClock {
            seen: AtomicI64::new(Timestamp::MIN.micros()),
            astray: AtomicBool::new(false),
            guard: Mutex::new(StepGuard::new(max_step_s)),
        }
    }

    /// The time of day, or the latest that was seen if that is later.
    pub(crate) fn now(&self, clock: &dyn Clock) -> Timestamp {
        let now = clock.now();
        let seen = self.seen.load(Ordering::Relaxed);
        if now.micros() < seen {
            return Timestamp::from_micros(seen);
        }
        if now.micros().saturating_sub(seen) >= GRAIN_MICROS
            && let Some(mut guard) = self.guard.try_lock()
        {
            let agrees = guard.agrees(clock, Timestamp::MIN);
            self.astray.store(!agrees, Ordering::Relaxed);
            if agrees {
                self.seen.fetch_max(now.micros(), Ordering::Relaxed);
            }
        }
        now
    }

    /// A key was met past its due time: that moment is not undone, however little the clock is set
    /// back.
    pub(crate) fn met_due(&self, due: Timestamp) {
        if self.seen.load(Ordering::Relaxed) < due.micros() && !self.astray.load(Ordering::Relaxed)
        {
            self.seen.fetch_max(due.micros(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[path = "monotone_clock_tests.rs"]
mod tests;
