//! How often a key may be used, in requests and in answers.

use std::time::Duration;

use keys::{Quota, QuotaPeriod, RateLimit};
use ledger::{QuotaLeft, RateLeft};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object::Object;
use super::{whole, words};
use crate::error::ApiError;
use crate::request::extract::{field, parse};

/// How often in how long a key may be used, spread evenly.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = RateLimit)]
pub(crate) struct RateLimitShown {
    /// So many uses.
    #[schema(minimum = 1, maximum = 1_000_000)]
    limit: u32,
    /// In so many seconds.
    #[schema(minimum = 1, maximum = 86_400)]
    period_s: u32,
}

impl From<RateLimit> for RateLimitShown {
    fn from(rate: RateLimit) -> RateLimitShown {
        RateLimitShown { limit: rate.limit(), period_s: rate.period_s() }
    }
}

/// How often a key may be used in a day, in a month (both UTC), or at all.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = Quota)]
pub(crate) struct QuotaShown {
    /// So many uses.
    #[schema(minimum = 1, maximum = 4_294_967_295_u64, format = Int64)]
    limit: u32,
    /// In this time.
    #[schema(value_type = words::QuotaPeriod)]
    per: &'static str,
}

impl From<Quota> for QuotaShown {
    fn from(quota: Quota) -> QuotaShown {
        QuotaShown { limit: quota.limit(), per: quota.per().as_str() }
    }
}

/// A rate limit in a request, described as [`RateLimitShown`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimitSent {
    #[serde(deserialize_with = "whole::required")]
    limit: u32,
    #[serde(deserialize_with = "whole::required")]
    period_s: u32,
}

/// A quota in a request, described as [`QuotaShown`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaSent {
    #[serde(deserialize_with = "whole::required")]
    limit: u32,
    per: String,
}

/// Reads a rate limit, if one was sent.
pub(super) fn rate_limit(
    sent: Option<Object<RateLimitSent>>,
) -> Result<Option<RateLimit>, ApiError> {
    sent.map(|Object(sent)| field("rate_limit", RateLimit::new(sent.limit, sent.period_s)))
        .transpose()
}

/// Reads a quota, if one was sent.
pub(super) fn quota(sent: Option<Object<QuotaSent>>) -> Result<Option<Quota>, ApiError> {
    let Some(Object(sent)) = sent else { return Ok(None) };
    let per: Option<QuotaPeriod> = parse("quota.per", Some(&sent.per))?;
    let quota = per.map(|per| Quota::new(sent.limit, per)).transpose();
    quota.map_err(|_| ApiError::field("quota.limit", "must be at least 1"))
}

/// Reads a daily limit, the short form of a quota per day, if one was sent.
pub(super) fn daily_limit(sent: Option<u32>) -> Result<Option<Quota>, ApiError> {
    let quota = sent.map(|limit| Quota::new(limit, QuotaPeriod::Day)).transpose();
    quota.map_err(|_| ApiError::field("daily_limit", "must be at least 1"))
}

/// Reads what was sent in either form, or in both where they say the same.
pub(super) fn quota_in_either_form(
    daily: Option<u32>,
    sent: Option<Object<QuotaSent>>,
) -> Result<Option<Quota>, ApiError> {
    let (daily, quota) = (daily_limit(daily)?, quota(sent)?);
    if daily.is_some() && quota.is_some() {
        same(daily, quota)?;
    }
    Ok(quota.or(daily))
}

/// Refuses a daily limit and a quota that say different things.
pub(super) fn same(daily: Option<Quota>, quota: Option<Quota>) -> Result<(), ApiError> {
    if daily == quota.filter(|quota| quota.daily().is_some()) {
        return Ok(());
    }
    Err(ApiError::field("daily_limit", "is the short form of a quota per day: send one of them"))
}

/// What a rate limit has left.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = RateLimitLeft)]
pub(crate) struct RateLeftShown {
    /// How many uses fit at once.
    limit: u32,
    /// How many of them fit now.
    remaining: u32,
    /// After how many milliseconds all of them fit again, if the key is not used.
    reset_ms: u64,
}

impl From<RateLeft> for RateLeftShown {
    fn from(left: RateLeft) -> RateLeftShown {
        RateLeftShown {
            limit: left.limit.limit(),
            remaining: left.remaining,
            reset_ms: millis(left.reset),
        }
    }
}

/// What a quota has left.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = QuotaLeft)]
pub(crate) struct QuotaLeftShown {
    /// How many uses its period has.
    #[schema(format = Int64)]
    limit: u32,
    /// The period.
    #[schema(value_type = words::QuotaPeriod)]
    per: &'static str,
    /// How many are left of it.
    #[schema(format = Int64)]
    remaining: u32,
    /// After how many milliseconds the next period begins; null if there is none.
    #[schema(required)]
    reset_ms: Option<u64>,
}

impl From<QuotaLeft> for QuotaLeftShown {
    fn from(left: QuotaLeft) -> QuotaLeftShown {
        QuotaLeftShown {
            limit: left.quota.limit(),
            per: left.quota.per().as_str(),
            remaining: left.remaining,
            reset_ms: left.reset.map(millis),
        }
    }
}

/// Whole milliseconds, rounded up: who waits so long does not come too soon.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
