//! How a key was used.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keys::{Cost, NewKey, QuotaPeriod, Timestamp, Verdict};
use parking_lot::Mutex;

use crate::limits::{Limits, Spent, Tally};
use crate::usage::hour_of;

/// How a key was used: counted in memory, written aside now and then, never an event.
#[derive(Default)]
pub(crate) struct Uses {
    /// Microseconds since 1970 of the last use; 0 is never. Written under the lock of `spent`.
    last: AtomicI64,
    /// Held for a few comparisons and additions. It is the key's own, and not a number for each
    /// limit: two numbers could not be changed together, or both be left as they are.
    spent: Mutex<Spent>,
}

/// A key's last use, and how much it was used by then. Of two the later is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LastUse {
    /// Microseconds since 1970; 0 is never.
    pub(crate) at: u64,
    /// The uses in all.
    pub(crate) total: u32,
    /// Those in the month of the last use (UTC).
    pub(crate) in_month: u32,
    /// Those on its day.
    pub(crate) on_day: u32,
}

impl LastUse {
    /// Never.
    pub(crate) const NONE: LastUse = LastUse { at: 0, total: 0, in_month: 0, on_day: 0 };

    /// Whether there was no use.
    pub(crate) fn is_none(self) -> bool {
        self.at == 0
    }
}

impl Uses {
    /// Judges one verification by the limits of `key`, and counts it if they grant it. `Some` says
    /// that the key is to be collected, see [`Spent::count`].
    pub(crate) fn spend(
        &self,
        key: &NewKey,
        cost: Cost,
        now: Timestamp,
        monotonic: Duration,
    ) -> (Verdict, Limits, Option<Tally>) {
        let mut spent = self.spent.lock();
        let (verdict, limits) = spent.spend(key, cost, now, monotonic);
        if verdict != Verdict::Valid || cost.get() == 0 {
            return (verdict, limits, None);
        }
        self.last.fetch_max(now.micros(), Ordering::Relaxed);
        (verdict, limits, spent.count(hour_of(now)))
    }

    /// Takes out what was counted since it was collected last: so many good verifications in one hour.
    pub(crate) fn collect(&self) -> Tally {
        self.spent.lock().collect()
    }

    /// The same, to be counted on by itself.
    pub(super) fn copied(&self) -> Uses {
        let spent = *self.spent.lock();
        Uses { last: AtomicI64::new(self.last.load(Ordering::Relaxed)), spent: Mutex::new(spent) }
    }

    /// What was used so far.
    pub(super) fn spent(&self) -> Spent {
        *self.spent.lock()
    }

    /// Adds what was counted in `other`, of which this is a copy, since that had counted `then`.
    pub(super) fn add_since(&self, other: &Uses, then: &Spent) {
        let now = other.spent();
        self.spent.lock().add_since(then, &now);
        self.last.fetch_max(other.last.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Has all of the rate limit there again: another limit begins anew.
    pub(crate) fn forget_rate(&self) {
        self.spent.lock().forget_rate();
    }

    pub(crate) fn last(&self) -> Option<Timestamp> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        }
    }

    /// The last use, to be written aside.
    pub(crate) fn last_use(&self) -> LastUse {
        let spent = self.spent.lock();
        let Some(last) = self.last() else { return LastUse::NONE };
        let used = |tally: Tally, per: QuotaPeriod| {
            if tally.period == per.number(last) { tally.used } else { 0 }
        };
        LastUse {
            at: u64::try_from(last.micros()).unwrap_or(0),
            total: spent.total.used,
            in_month: used(spent.month, QuotaPeriod::Month),
            on_day: used(spent.day, QuotaPeriod::Day),
        }
    }

    /// Takes what was written aside, as far as it is more than what was counted since.
    pub(crate) fn restore(&self, last: LastUse) {
        let micros = i64::try_from(last.at).unwrap_or(i64::MAX);
        let at = Timestamp::from_micros(micros);
        let tally = |per: QuotaPeriod, used| Tally { period: per.number(at), used };
        let mut spent = self.spent.lock();
        spent.day = spent.day.max(tally(QuotaPeriod::Day, last.on_day));
        spent.month = spent.month.max(tally(QuotaPeriod::Month, last.in_month));
        spent.total = spent.total.max(tally(QuotaPeriod::Total, last.total));
        self.last.fetch_max(at.micros(), Ordering::Relaxed);
    }
}
