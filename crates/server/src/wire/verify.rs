//! Verify: what is asked about presented keys, and what is answered.

use std::borrow::Cow;
use std::net::IpAddr;

use keys::{Cost, Invalid, Question, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limits::{QuotaLeftShown, RateLeftShown, millis};
use super::needed::Needed;
use super::object::Object;
use super::{KeyRef, whole, words};
use crate::error::ApiError;
use crate::request::as_of::AsOfAnswer;
use crate::request::extract::{field, parse};

/// A presented key, and what it would be used for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VerifyKey)]
pub(crate) struct Verify<'a> {
    /// The presented text.
    #[serde(borrow)]
    pub(crate) key: Cow<'a, str>,
    /// The permission that is needed, or several together; not checked if missing.
    #[serde(borrow)]
    #[schema(value_type = Option<words::NeededPermission>)]
    permission: Option<Needed<'a>>,
    /// The client's address; a key with a list of addresses needs one.
    #[serde(borrow)]
    ip: Option<Cow<'a, str>>,
    /// The project it would be used on; not checked if missing.
    #[serde(borrow)]
    #[schema(min_length = 1, max_length = 100)]
    project: Option<Cow<'a, str>>,
    /// The environment it would be used in; not checked if missing.
    #[serde(borrow)]
    #[schema(value_type = Option<words::Environment>)]
    environment: Option<Cow<'a, str>>,
    /// How many uses it counts as, 1 if missing. 0 is answered as 1 would be, and uses nothing. More
    /// than the rate limit ever gives is always `RATE_LIMITED`.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(minimum = 0, maximum = 1_000_000)]
    cost: Option<u32>,
    /// As of when it is asked; now if missing.
    #[serde(borrow)]
    #[schema(value_type = Option<words::Moment>)]
    pub(crate) as_of: Option<Cow<'a, str>>,
}

impl Verify<'_> {
    pub(crate) fn question(&self) -> Result<Question, ApiError> {
        Ok(Question {
            permission: self
                .permission
                .as_ref()
                .map(|needed| needed.requirement("permission"))
                .transpose()?,
            ip: self.ip.as_deref().map(str::parse::<IpAddr>).transpose().map_err(|_| {
                ApiError::field("ip", Invalid::Malformed { expected: "an IP address" })
            })?,
            project: parse("project", self.project.as_deref())?,
            environment: parse("environment", self.environment.as_deref())?,
            cost: cost(self.cost)?,
        })
    }
}

/// How many uses a verification counts as.
pub(crate) fn cost(uses: Option<u32>) -> Result<Cost, ApiError> {
    Ok(uses.map(|uses| field("cost", Cost::new(uses))).transpose()?.unwrap_or_default())
}

/// Several presented keys.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VerifyKeys)]
pub(crate) struct VerifyBatch<'a> {
    /// Each as verify takes it alone.
    #[serde(borrow)]
    #[schema(value_type = Vec<Verify<'a>>, min_items = 1, max_items = 100)]
    keys: Vec<Object<Verify<'a>>>,
}

impl<'a> VerifyBatch<'a> {
    /// The most keys of one request.
    const MOST: usize = 100;

    /// What is asked, in order.
    pub(crate) fn keys(self) -> Result<impl Iterator<Item = Verify<'a>>, ApiError> {
        if (1..=VerifyBatch::MOST).contains(&self.keys.len()) {
            Ok(self.keys.into_iter().map(|Object(key)| key))
        } else {
            let most = VerifyBatch::MOST as u64;
            let unit = " entries";
            Err(ApiError::field("keys", Invalid::OutOfRange { least: 1, most, unit }))
        }
    }
}

/// What verify answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Verified<'a> {
    /// Whether the key may be used: `code` is VALID.
    pub(crate) valid: bool,
    /// `VALID`, or the first reason that holds.
    #[schema(value_type = words::VerifyCode)]
    pub(crate) code: &'static str,
    /// The key; null for `MALFORMED` and `NOT_FOUND`.
    #[schema(required)]
    pub(crate) key: Option<KeyRef<'a>>,
    /// How often it may still be used today; null without a quota per day.
    #[schema(required)]
    pub(crate) remaining_today: Option<u32>,
    /// Of `RATE_LIMITED` and `USAGE_EXCEEDED`: after how many milliseconds the same is granted, if the
    /// key is not used meanwhile; missing if no waiting helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// What its rate limit has left, if it has one and the key is good otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RateLeftShown>)]
    rate_limit: Option<RateLeftShown>,
    /// What its quota has left, if it has one and the key is good otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<QuotaLeftShown>)]
    quota: Option<QuotaLeftShown>,
    /// The length of the log that this answer has seen.
    pub(crate) log_size: u64,
}

impl<'a> Verified<'a> {
    pub(crate) fn new(verified: &'a ledger::Verified) -> Verified<'a> {
        let quota = verified.limits.quota;
        Verified {
            valid: verified.verdict == Verdict::Valid,
            code: verified.verdict.as_str(),
            key: verified.key.as_deref().map(|key| KeyRef::new(key, verified.expires_at)),
            remaining_today: quota.filter(|left| left.quota.daily().is_some()).map(|q| q.remaining),
            retry_after_ms: verified.limits.retry_after.map(millis),
            rate_limit: verified.limits.rate.map(Into::into),
            quota: quota.map(Into::into),
            log_size: verified.log_size.0,
        }
    }
}

/// What verify answers to several keys.
#[derive(Serialize, ToSchema)]
#[schema(as = VerifyResults)]
pub(crate) struct VerifiedBatch<'a> {
    /// What verify answers to each alone, in the order they were asked.
    #[schema(value_type = Vec<super::described::VerifyResult<'a>>)]
    pub(crate) results: Vec<AsOfAnswer<Verified<'a>>>,
}
