//! `RateLimit-Policy` and `RateLimit`: what the limits of a key are, and what they have left.
//!
//! As draft-ietf-httpapi-ratelimit-headers-10 has them, lists of structured fields (RFC 9651): a
//! policy `"rate"` or `"quota"` with its quota `q` and its window `w` in seconds, and what remains `r`
//! until the reset in `t` seconds.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ledger::Limits;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Adds both fields, if the key has limits.
pub(super) fn add(headers: &mut HeaderMap, limits: &Limits) {
    let (policy, left) = fields(limits);
    for (name, text) in [(POLICY, policy), (LEFT, left)] {
        // Words and numbers are lawful in a header.
        if let (false, Ok(value)) = (text.is_empty(), HeaderValue::try_from(text)) {
            headers.insert(name, value);
        }
    }
}

/// Both lists.
fn fields(limits: &Limits) -> (String, String) {
    let (mut policies, mut left) = (List::default(), List::default());
    if let Some(rate) = &limits.rate {
        let (limit, period_s) = (rate.limit.limit(), u64::from(rate.limit.period_s()));
        policies.item("rate", ("q", limit), ("w", Some(period_s)));
        left.item("rate", ("r", rate.remaining), ("t", Some(seconds(rate.reset))));
    }
    if let Some(quota) = &limits.quota {
        policies.item("quota", ("q", quota.quota.limit()), ("w", quota.window.map(seconds)));
        left.item("quota", ("r", quota.remaining), ("t", quota.reset.map(seconds)));
    }
    (policies.0, left.0)
}

/// A list of strings with parameters (RFC 9651 §3.1).
#[derive(Default)]
struct List(String);

impl List {
    fn item(&mut self, name: &str, number: (&str, u32), time: (&str, Option<u64>)) {
        let comma = if self.0.is_empty() { "" } else { ", " };
        // Writing to a string never fails.
        let _ = write!(self.0, "{comma}\"{name}\";{}={}", number.0, number.1);
        if let (name, Some(seconds)) = time {
            let _ = write!(self.0, ";{name}={seconds}");
        }
    }
}

/// Whole seconds, rounded up: who waits so long does not come too soon.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use keys::{Quota, QuotaPeriod, RateLimit};
    use ledger::{QuotaLeft, RateLeft};

    use super::*;

    #[test]
    fn fields_are_lists_with_what_there_is() {
        let rate = RateLeft {
            limit: RateLimit::new(100, 60).unwrap(),
            remaining: 99,
            reset: Duration::from_millis(600),
        };
        let quota = |per, days: Option<u64>| QuotaLeft {
            quota: Quota::new(1_000, per).unwrap(),
            remaining: 0,
            reset: days.map(|_| Duration::from_secs(7)),
            window: days.map(|days| Duration::from_secs(days * 86_400)),
        };
        let month = quota(QuotaPeriod::Month, Some(28));
        let table = [
            (None, None, "", ""),
            (Some(rate), None, r#""rate";q=100;w=60"#, r#""rate";r=99;t=1"#),
            (None, Some(quota(QuotaPeriod::Total, None)), r#""quota";q=1000"#, r#""quota";r=0"#),
            (
                Some(rate),
                Some(month),
                r#""rate";q=100;w=60, "quota";q=1000;w=2419200"#,
                r#""rate";r=99;t=1, "quota";r=0;t=7"#,
            ),
        ];
        for (rate, quota, policy, left) in table {
            let limits = Limits { rate, quota, retry_after: None };
            assert_eq!(fields(&limits), (policy.to_owned(), left.to_owned()));
        }
    }
}
