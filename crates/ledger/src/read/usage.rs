//! How often keys were used: of one key, of an account, of all.

use std::collections::BTreeMap;

use keys::{Account, KeyId, Timestamp, Verdict};

use crate::caller::{Caller, Grant, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Page;
use crate::usage::{Bucket, SeriesId, day_of, start_of};
use crate::write::request::RequestOptions;

/// How long the time is that one point of a series stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageStep {
    /// An hour.
    Hour,
    /// A UTC day.
    #[default]
    Day,
}

impl UsageStep {
    /// The seconds of one step.
    fn seconds(self) -> i64 {
        match self {
            UsageStep::Hour => 3_600,
            UsageStep::Day => 86_400,
        }
    }

    /// The beginning of the step that `at` lies in.
    #[must_use]
    pub fn start(self, at: Timestamp) -> Timestamp {
        let seconds = at.seconds();
        Timestamp::from_secs(seconds - seconds.rem_euclid(self.seconds()))
    }
}

/// Which points of a series.
#[derive(Clone, Copy, Debug)]
pub struct UsageQuery {
    /// From the step on that this lies in.
    pub from: Timestamp,
    /// Up to here: a step that begins then or later is not shown.
    pub to: Timestamp,
    /// How long a step is.
    pub step: UsageStep,
    /// At most so many points.
    pub limit: usize,
}

/// How often there was each verdict in one step. Verdicts that there were none of are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsagePoint {
    /// When the step begins.
    pub start: Timestamp,
    /// The verdicts, in the order of [`Verdict::ALL`].
    pub counts: Vec<(Verdict, u64)>,
}

impl Ledger {
    /// How often a key was verified, oldest first; steps without a verify are left out. The next
    /// page begins at `next`. Reads files.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`](keys::Refusal::UnknownKey) also for a key that the caller does not
    /// see; a fault of the storage.
    pub fn key_usage(
        &self,
        caller: &Caller,
        id: KeyId,
        query: &UsageQuery,
    ) -> Result<Page<UsagePoint, Timestamp>, Error> {
        let key = self.find(caller.require(READ)?, id, &RequestOptions::default())?;
        self.series(SeriesId::of_key(key.made.id), query)
    }

    /// How often the keys of `account` were verified together; without one, all that the caller
    /// sees. Nothing is shown of an account that the caller does not see.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], also for who sees some keys of an account only: sums tell of all; a
    /// fault of the storage.
    pub fn account_usage(
        &self,
        caller: &Caller,
        account: Option<&Account>,
        query: &UsageQuery,
    ) -> Result<Page<UsagePoint, Timestamp>, Error> {
        let series = match (caller.require(READ)?, account) {
            (Grant::All, None) => SeriesId::ALL,
            (Grant::All, Some(account)) => SeriesId::of_account(account),
            (Grant::Account(own), account) if account.is_none_or(|account| account == own) => {
                SeriesId::of_account(own)
            }
            (Grant::Account(_), _) => return Ok(Page { items: Vec::new(), next: None }),
            (Grant::Owner(..) | Grant::Key(..), _) => return Err(Error::Forbidden),
        };
        self.series(series, query)
    }

    /// The first moment whose counts of use are there.
    #[must_use]
    pub fn usage_since(&self) -> Timestamp {
        start_of(self.usage().first_day(self.judged_at()))
    }

    fn series(
        &self,
        series: SeriesId,
        query: &UsageQuery,
    ) -> Result<Page<UsagePoint, Timestamp>, Error> {
        let UsageQuery { step, limit, .. } = *query;
        let from = step.start(query.from).max(self.usage_since());
        let to = query.to.min(step.start(self.judged_at()).plus_secs(1));
        let mut items: Vec<UsagePoint> = Vec::new();
        if from >= to {
            return Ok(Page { items, next: None });
        }
        let days = (day_of(from), day_of(to));
        let counts = self.usage().of(series, days, &self.state().table);
        for day in days.0..=days.1 {
            self.still_wanted()?;
            let steps = counts.day(day).map_err(Error::fault)?;
            for (start, counts) in by_step(steps, step) {
                if start < from || start >= to {
                    continue;
                }
                if items.len() == limit {
                    return Ok(Page { items, next: Some(start) });
                }
                items.push(UsagePoint { start, counts });
            }
        }
        Ok(Page { items, next: None })
    }
}

/// The counts of each step, in order.
fn by_step(
    counts: BTreeMap<Bucket, u64>,
    step: UsageStep,
) -> impl Iterator<Item = (Timestamp, Vec<(Verdict, u64)>)> {
    let mut steps: BTreeMap<Timestamp, BTreeMap<Verdict, u64>> = BTreeMap::new();
    for (bucket, count) in counts {
        if let Some(verdict) = bucket.verdict() {
            let start = step.start(bucket.start());
            *steps.entry(start).or_default().entry(verdict).or_default() += count;
        }
    }
    steps.into_iter().map(|(start, counts)| (start, counts.into_iter().collect()))
}
