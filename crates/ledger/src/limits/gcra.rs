//! The generic cell rate algorithm: a rate limit in one number.
//!
//! It is the virtual scheduling algorithm of ITU-T Recommendation I.371, annex A. Uses are due one
//! by one, an interval apart; the theoretical arrival time is when the next one is due if all before
//! came on time. A use may come early by as much as a whole period, and each one moves that time on
//! by an interval: so a key that rested has all of its limit at once, and then one use an interval.

use keys::RateLimit;

const NANOS_OF_A_SECOND: u64 = 1_000_000_000;

/// The theoretical arrival time, in nanoseconds of a clock that only goes forward; 0 is that of a
/// key that was never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival(u64);

/// Uses that do not fit into the rate limit now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSoon {
    /// After how many nanoseconds they fit; `None` if they are more than the limit ever gives.
    pub(crate) wait: Option<u64>,
}

/// The nanoseconds between two uses, rounded up: never more than the limit says.
fn interval(rate: RateLimit) -> u64 {
    (u64::from(rate.period_s()) * NANOS_OF_A_SECOND).div_ceil(u64::from(rate.limit()))
}

impl Arrival {
    /// The time after so many uses at `now`; it is the caller's to take it or to leave it.
    ///
    /// # Errors
    ///
    /// [`TooSoon`]
    pub(crate) fn after(self, uses: u32, rate: RateLimit, now: u64) -> Result<Arrival, TooSoon> {
        if uses > rate.limit() {
            return Err(TooSoon { wait: None });
        }
        let (interval, next) = (interval(rate), self.0.max(now));
        let next = next.saturating_add(interval * u64::from(uses));
        let most = now.saturating_add(interval * u64::from(rate.limit()));
        match next.checked_sub(most) {
            None | Some(0) => Ok(Arrival(next)),
            wait => Err(TooSoon { wait }),
        }
    }

    /// How many uses fit at `now`.
    pub(crate) fn remaining(self, rate: RateLimit, now: u64) -> u32 {
        let interval = interval(rate);
        let left = (interval * u64::from(rate.limit())).saturating_sub(self.reset(now));
        u32::try_from(left / interval).unwrap_or(rate.limit())
    }

    /// After how many nanoseconds all of the limit is there again, if nothing is used.
    pub(crate) fn reset(self, now: u64) -> u64 {
        self.0.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn rates() -> impl Strategy<Value = RateLimit> {
        // Small ones, and all others.
        let limit = prop_oneof![1_u32..20, 1..=RateLimit::MAX_LIMIT];
        let period_s = prop_oneof![1_u32..10, 1..=RateLimit::MAX_PERIOD_S];
        (limit, period_s).prop_map(|(limit, period_s)| RateLimit::new(limit, period_s).unwrap())
    }

    /// Shares of a period that pass before each use, in thousandths, and shares of the limit that it
    /// takes.
    fn uses() -> impl Strategy<Value = Vec<(u64, u32)>> {
        let share = prop_oneof![Just(0_u64), 0_u64..50, 0_u64..3_000];
        vec((share, prop_oneof![Just(0_u32), 0_u32..1_100]), 1..60)
    }

    fn played(rate: RateLimit, uses: &[(u64, u32)], mut each: impl FnMut(u64, u32)) {
        let mut now = 7;
        for (share, cost) in uses {
            now += share * u64::from(rate.period_s()) * (NANOS_OF_A_SECOND / 1_000);
            let cost = u64::from(*cost) * u64::from(rate.limit()) / 1_000;
            each(now, u32::try_from(cost).unwrap().max(1));
        }
    }

    proptest! {
        /// I.371 gives the same algorithm twice. The other way is a bucket that leaks: what is used is
        /// poured in, a nanosecond takes one nanosecond's worth out, and it must not run over.
        #[test]
        fn it_is_a_bucket_that_leaks(rate in rates(), uses in uses()) {
            let (mut arrival, mut level, mut before) = (Arrival::default(), 0_u64, 0);
            let full = interval(rate) * u64::from(rate.limit());
            let mut same = Vec::new();
            played(rate, &uses, |now, cost| {
                level = level.saturating_sub(now - before);
                before = now;
                let poured = level + interval(rate) * u64::from(cost);
                let fits = arrival.after(cost, rate, now);
                same.push((poured <= full) == fits.is_ok());
                if let Ok(next) = fits {
                    (arrival, level) = (next, poured);
                }
            });
            prop_assert!(same.iter().all(|same| *same), "{same:?}");
        }

        /// In any time no more is used than the limit at once, and one an interval.
        #[test]
        fn nothing_is_used_too_often(rate in rates(), uses in uses()) {
            let (mut arrival, mut granted) = (Arrival::default(), Vec::new());
            played(rate, &uses, |now, cost| {
                if let Ok(next) = arrival.after(cost, rate, now) {
                    arrival = next;
                    granted.push((now, u64::from(cost)));
                }
            });
            for (at, (start, _)) in granted.iter().enumerate() {
                let mut sum = 0;
                for (end, cost) in &granted[at..] {
                    sum += cost;
                    let most = u64::from(rate.limit()) + (end - start) / interval(rate);
                    prop_assert!(sum <= most, "{sum} of {most}");
                }
            }
        }

        /// What remains is what fits, and who waits as told is granted, and nobody before.
        #[test]
        fn what_is_said_is_true(rate in rates(), uses in uses()) {
            let (mut arrival, mut wrong) = (Arrival::default(), None);
            played(rate, &uses, |now, cost| {
                let left = arrival.remaining(rate, now);
                let fits = |cost, now| arrival.after(cost, rate, now).is_ok();
                let exact = fits(left, now) && !fits(left + 1, now);
                let rested = now + arrival.reset(now);
                let whole = arrival.remaining(rate, rested) == rate.limit();
                let waited = match arrival.after(cost, rate, now) {
                    Ok(next) => {
                        arrival = next;
                        true
                    }
                    Err(TooSoon { wait: None }) => cost > rate.limit(),
                    Err(TooSoon { wait: Some(wait) }) => {
                        fits(cost, now + wait) && !fits(cost, now + wait - 1)
                    }
                };
                if !(exact && whole && waited) {
                    wrong = Some((now, cost, left, exact, whole, waited));
                }
            });
            prop_assert_eq!(wrong, None);
        }
    }
}
