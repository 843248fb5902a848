//! How often a key may be used, in requests and in answers.

use keys::{Quota, RateLimit};
use serde::Serialize;
use utoipa::ToSchema;

use super::words;

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
