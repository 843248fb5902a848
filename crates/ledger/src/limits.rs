//! How often a key may be used: what was used of it, and what its limits have left.
//!
//! Both limits are judged together, so that a refusal by one uses nothing of the other. A rate limit
//! is counted in memory only; how much was used by day, by month and in all is written aside now and
//! then, see [`LastUse`](crate::projection::table::LastUse). All of it is counted for every key: a
//! quota that is set later counts what was used before.

mod gcra;

use std::time::Duration;

use keys::{Cost, NewKey, Quota, QuotaPeriod, RateLimit, Timestamp, Verdict};

use self::gcra::Arrival;

/// What the limits of a key have left after a verification.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Of its rate limit, if it has one.
    pub rate: Option<RateLeft>,
    /// Of its quota, if it has one.
    pub quota: Option<QuotaLeft>,
    /// Of a refusal by a limit: after how long the same is granted, if nothing else is used. `None`
    /// if no waiting helps.
    pub retry_after: Option<Duration>,
}

/// What a rate limit has left.
#[derive(Clone, Copy, Debug)]
pub struct RateLeft {
    /// The limit.
    pub limit: RateLimit,
    /// How many uses fit now.
    pub remaining: u32,
    /// After how long all of it is there again, if nothing is used.
    pub reset: Duration,
}

/// What a quota has left.
#[derive(Clone, Copy, Debug)]
pub struct QuotaLeft {
    /// The quota.
    pub quota: Quota,
    /// How many uses its period has left.
    pub remaining: u32,
    /// After how long the next period begins; `None` if there is none.
    pub reset: Option<Duration>,
    /// How long the period is; `None` without end.
    pub window: Option<Duration>,
}

impl QuotaLeft {
    fn new(quota: Quota, remaining: u32, now: Timestamp) -> QuotaLeft {
        let bounds = quota.per().bounds(now);
        let until = |end: Timestamp, start| Duration::from_micros(end.micros_since(start));
        QuotaLeft {
            quota,
            remaining,
            reset: bounds.map(|(_, end)| until(end, now)),
            window: bounds.map(|(start, end)| until(end, start)),
        }
    }
}

/// The uses in one period, which is named by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tally {
    pub(crate) period: u32,
    pub(crate) used: u32,
}

impl Tally {
    /// As it counts in `period`. Who looked at the clock just before the period began counts in it
    /// too.
    fn enter(&mut self, period: u32) {
        if self.period != period && self.period != period.saturating_add(1) {
            *self = Tally { period, used: 0 };
        }
    }
}

impl Tally {
    /// Adds what another one, which was `then`, has more `now`.
    fn add_since(&mut self, then: Tally, now: Tally) {
        let before = if then.period == now.period { then.used } else { 0 };
        let more = now.used.saturating_sub(before);
        if now.period > self.period {
            *self = Tally { period: now.period, used: more };
        } else if now.period == self.period {
            self.used = self.used.saturating_add(more);
        }
    }
}

/// What was used of a key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    arrival: Arrival,
    /// Uses of one hour that were not collected yet.
    hour: Tally,
    pub(crate) day: Tally,
    pub(crate) month: Tally,
    pub(crate) total: Tally,
}

impl Spent {
    /// Judges one verification by the limits of `key`, and counts it if they grant it. One of no cost
    /// is judged as one use, and not counted.
    pub(crate) fn spend(
        &mut self,
        key: &NewKey,
        cost: Cost,
        now: Timestamp,
        monotonic: Duration,
    ) -> (Verdict, Limits) {
        self.enter(now);
        let nanos = u64::try_from(monotonic.as_nanos()).unwrap_or(u64::MAX);
        let wanted = cost.get().max(1);
        let arrival = key.rate_limit.map(|rate| self.arrival.after(wanted, rate, nanos));
        let arrival = arrival.transpose();
        let verdict = match (&arrival, key.quota) {
            (Err(_), _) => Verdict::RateLimited,
            (Ok(_), Some(quota)) if wanted > self.left(quota) => Verdict::UsageExceeded,
            (Ok(_), _) => Verdict::Valid,
        };
        if verdict == Verdict::Valid && cost.get() > 0 {
            self.arrival = arrival.ok().flatten().unwrap_or(self.arrival);
            for per in QuotaPeriod::ALL {
                let tally = self.tally(*per);
                tally.used = tally.used.saturating_add(wanted);
            }
        }
        let rate = key.rate_limit.map(|limit| RateLeft {
            limit,
            remaining: self.arrival.remaining(limit, nanos),
            reset: Duration::from_nanos(self.arrival.reset(nanos)),
        });
        let quota = key.quota.map(|quota| QuotaLeft::new(quota, self.left(quota), now));
        let retry_after = match (arrival, quota) {
            (Err(too_soon), _) => too_soon.wait.map(Duration::from_nanos),
            (Ok(_), Some(left)) if verdict == Verdict::UsageExceeded => {
                // Of a cost beyond the quota no period has enough.
                left.reset.filter(|_| wanted <= left.quota.limit())
            }
            (Ok(_), _) => None,
        };
        (verdict, Limits { rate, quota, retry_after })
    }

    /// Has the tallies count in the periods of `now`. A day that goes on lies in a month that does.
    fn enter(&mut self, now: Timestamp) {
        if self.day.period != QuotaPeriod::Day.number(now) {
            for per in QuotaPeriod::ALL {
                self.tally(*per).enter(per.number(now));
            }
        }
    }

    /// Counts one verification that is good, until it is collected. `Some` if the key is to be
    /// collected: with what it had counted of another hour, which may be nothing.
    pub(crate) fn count(&mut self, hour: u32) -> Option<Tally> {
        let before = self.hour;
        if before.used > 0 && before.period == hour {
            self.hour.used = before.used.saturating_add(1);
            return None;
        }
        self.hour = Tally { period: hour, used: 1 };
        Some(before)
    }

    /// Takes out what was counted since it was collected last.
    pub(crate) fn collect(&mut self) -> Tally {
        std::mem::take(&mut self.hour)
    }

    /// Has all of the rate limit there again.
    pub(crate) fn forget_rate(&mut self) {
        self.arrival = Arrival::default();
    }

    /// Adds what lies between two states of another count, of which this one is a copy. Of the rate
    /// limit only what was there is copied.
    pub(crate) fn add_since(&mut self, then: &Spent, now: &Spent) {
        let (mut then, mut now) = (*then, *now);
        for per in QuotaPeriod::ALL {
            self.tally(*per).add_since(*then.tally(*per), *now.tally(*per));
        }
        self.hour.add_since(then.hour, now.hour);
    }

    fn tally(&mut self, per: QuotaPeriod) -> &mut Tally {
        match per {
            QuotaPeriod::Day => &mut self.day,
            QuotaPeriod::Month => &mut self.month,
            QuotaPeriod::Total => &mut self.total,
        }
    }

    /// How many uses a quota has left.
    fn left(&mut self, quota: Quota) -> u32 {
        quota.limit().saturating_sub(self.tally(quota.per()).used)
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
