//! How often a key may be used.

use std::num::NonZeroU32;

use crate::bounds;
use crate::invalid::Invalid;
use crate::time::Timestamp;
use crate::words::words;

/// How often in how long a key may be used, spread evenly (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Never 0, which leaves room for there being no limit.
    limit: NonZeroU32,
    period_s: u32,
}

impl RateLimit {
    /// The most uses in a period.
    pub const MAX_LIMIT: u32 = bounds::RATE_LIMIT;
    /// The longest period in seconds: a day.
    pub const MAX_PERIOD_S: u32 = bounds::RATE_PERIOD_S;

    /// At most `limit` uses in `period_s` seconds.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the limit is 1 to [`RateLimit::MAX_LIMIT`] and the period 1 to
    /// [`RateLimit::MAX_PERIOD_S`].
    pub fn new(limit: u32, period_s: u32) -> Result<RateLimit, Invalid> {
        let limit = in_range(limit, RateLimit::MAX_LIMIT, " uses")?;
        in_range(period_s, RateLimit::MAX_PERIOD_S, " seconds")?;
        Ok(RateLimit { limit, period_s })
    }

    /// The most uses in a period, 1 to [`RateLimit::MAX_LIMIT`].
    #[must_use]
    pub fn limit(self) -> u32 {
        self.limit.get()
    }

    /// The period in seconds, 1 to [`RateLimit::MAX_PERIOD_S`].
    #[must_use]
    pub fn period_s(self) -> u32 {
        self.period_s
    }
}

words!(
    /// The time that a quota is for, in UTC.
    QuotaPeriod {
        /// From midnight to midnight.
        Day = "day",
        /// From the first of a month to the first of the next.
        Month = "month",
        /// All of the key's life.
        Total = "total",
    }
);

impl QuotaPeriod {
    /// The number of the period that `at` lies in: of days and months one more than that of the one
    /// before; 0 of all of a key's life, and before 1970.
    #[must_use]
    pub fn number(self, at: Timestamp) -> u32 {
        let number = match self {
            QuotaPeriod::Day => at.day(),
            QuotaPeriod::Month => at.month(),
            QuotaPeriod::Total => 0,
        };
        u32::try_from(number).unwrap_or(0)
    }

    /// When the period that `at` lies in begins, and when the next one does; `None` for all of a
    /// key's life.
    #[must_use]
    pub fn bounds(self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        match self {
            QuotaPeriod::Day => {
                let start = Timestamp::from_secs(at.day().saturating_mul(86_400));
                Some((start, start.plus_secs(86_400)))
            }
            QuotaPeriod::Month => Some(at.month_bounds()),
            QuotaPeriod::Total => None,
        }
    }
}

/// How many uses one verification counts as; 1 if nothing else is said, and 0 only asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cost(u32);

impl Cost {
    /// The most: no rate limit ever gives more at once.
    pub const MAX: u32 = RateLimit::MAX_LIMIT;

    /// So many uses.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for more than [`Cost::MAX`].
    pub fn new(uses: u32) -> Result<Cost, Invalid> {
        if uses <= Cost::MAX {
            return Ok(Cost(uses));
        }
        Err(Invalid::OutOfRange { least: 0, most: Cost::MAX.into(), unit: "" })
    }

    /// So many uses, 0 to [`Cost::MAX`].
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Cost {
    fn default() -> Cost {
        Cost(1)
    }
}

/// How often a key may be used in a day, in a month, or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    limit: u32,
    per: QuotaPeriod,
}

impl Quota {
    /// At most `limit` uses in the period.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for none at all: a key of no use is a disabled one.
    pub fn new(limit: u32, per: QuotaPeriod) -> Result<Quota, Invalid> {
        in_range(limit, bounds::QUOTA, " uses")?;
        Ok(Quota { limit, per })
    }

    /// The most uses in the period, 1 or more.
    #[must_use]
    pub fn limit(self) -> u32 {
        self.limit
    }

    /// The period.
    #[must_use]
    pub fn per(self) -> QuotaPeriod {
        self.per
    }

    /// The limit for a day, if it is one.
    #[must_use]
    pub fn daily(self) -> Option<u32> {
        (self.per == QuotaPeriod::Day).then_some(self.limit)
    }
}

fn in_range(number: u32, most: u32, unit: &'static str) -> Result<NonZeroU32, Invalid> {
    let number = NonZeroU32::new(number).filter(|number| number.get() <= most);
    number.ok_or(Invalid::OutOfRange { least: 1, most: most.into(), unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_bounds() {
        for (limit, period_s, good) in [
            (1, 1, true),
            (1_000_000, 86_400, true),
            (0, 60, false),
            (1_000_001, 60, false),
            (1, 0, false),
            (1, 86_401, false),
        ] {
            assert_eq!(RateLimit::new(limit, period_s).is_ok(), good, "{limit} in {period_s}");
        }
        assert!(Cost::new(Cost::MAX).is_ok() && Cost::new(Cost::MAX + 1).is_err());
        assert!(Quota::new(0, QuotaPeriod::Total).is_err());
        assert_eq!(Quota::new(5, QuotaPeriod::Day).unwrap().daily(), Some(5));
        assert_eq!(Quota::new(5, QuotaPeriod::Month).unwrap().daily(), None);
    }

    #[test]
    fn periods_are_those_of_the_calendar() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (moment, per, bounds) in [
            ("2024-02-29T23:59:59.999999Z", QuotaPeriod::Day, Some(("2024-02-29", "2024-03-01"))),
            ("2024-02-29T23:59:59.999999Z", QuotaPeriod::Month, Some(("2024-02-01", "2024-03-01"))),
            ("2026-12-01T00:00:00Z", QuotaPeriod::Month, Some(("2026-12-01", "2027-01-01"))),
            ("2026-12-01T00:00:00Z", QuotaPeriod::Total, None),
        ] {
            let midnight = |day: &str| at(&format!("{day}T00:00:00Z"));
            let bounds = bounds.map(|(start, end)| (midnight(start), midnight(end)));
            assert_eq!(per.bounds(at(moment)), bounds, "{moment} {per}");
            let Some((start, end)) = bounds else { continue };
            assert_eq!(per.number(start), per.number(at(moment)));
            assert_eq!(per.number(end), per.number(at(moment)) + 1);
        }
    }
}
