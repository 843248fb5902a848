//! Fields of a request that the dialect's document does not list.
//!
//! A dialect ignores fields that it does not have, but not those that would bound the key: whoever
//! wants a key that ends tomorrow, or that only one app may use, must not get one for ever and for
//! all. What the ledger can do is done, the rest is refused in the dialect's own form.

use keys::{AllowedIps, Quota, QuotaPeriod};
use ledger::{Expiry, NewKeyRequest};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{ApiError, InvalidKind};
use crate::request::extract::field;

/// The fields that the document does not have.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct UnlistedFields(Map<String, Value>);

/// Words that say when a key ends, as a time.
const ENDS_AT: [&str; 11] = [
    "expiresat",
    "expireat",
    "expires",
    "expireson",
    "expiry",
    "expirydate",
    "expiration",
    "expirationdate",
    "expirationtime",
    "validuntil",
    "notafter",
];
/// Parts of words that say that a key may do less, or less long, than another.
const BOUNDS: [&str; 15] = [
    "expir",
    "limit",
    "quota",
    "restrict",
    "scope",
    "permission",
    "allowed",
    "allowlist",
    "whitelist",
    "lifetime",
    "maxage",
    "maxuse",
    "maxrequest",
    "readonly",
    "notbefore",
];
/// The same, as whole words.
const BOUND_WORDS: [&str; 11] = [
    "ttl",
    "ttls",
    "ttlseconds",
    "role",
    "roles",
    "mode",
    "environment",
    "project",
    "projects",
    "projectid",
    "validfor",
];

impl UnlistedFields {
    /// Takes a field out, to be understood by the dialect itself.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// The key that is wanted, with the bounds that are asked for.
    pub(super) fn bind(&self, mut request: NewKeyRequest) -> Result<NewKeyRequest, ApiError> {
        for (name, value) in self.0.iter().filter(|(_, value)| is_set(value)) {
            let shown: String = name.chars().take(64).collect();
            let word: String = name
                .chars()
                .filter(|one| !matches!(one, '_' | '-'))
                .flat_map(char::to_lowercase)
                .collect();
            match word.as_str() {
                word if ENDS_AT.contains(&word) => {
                    if request.expires.is_some() {
                        return Err(ApiError::field(&shown, InvalidKind::Repeated));
                    }
                    let text = value.as_str().unwrap_or_default();
                    request.expires = Some(Expiry::At(field(&shown, text.parse())?));
                }
                "dailylimit" => {
                    let wanted = u32::try_from(number(value).unwrap_or(0)).unwrap_or(u32::MAX);
                    if wanted == 0 {
                        return Err(ApiError::field(&shown, "must be a whole number from 1 on"));
                    }
                    let most = request.quota.and_then(Quota::daily).unwrap_or(u32::MAX);
                    request.quota = Quota::new(wanted.min(most), QuotaPeriod::Day).ok();
                }
                "allowedips" => {
                    let wrong = || ApiError::field(&shown, "must be IP addresses or CIDR networks");
                    let texts: Vec<String> =
                        serde_json::from_value(value.clone()).map_err(|_| wrong())?;
                    request.allowed_ips = AllowedIps::parse(&texts).map_err(|_| wrong())?;
                }
                word if bounds(word) => {
                    let why = "keys of this API cannot be bound so, and one without is not given";
                    return Err(ApiError::field(&shown, why));
                }
                _ => {}
            }
        }
        Ok(request)
    }
}

/// Whether a value is there for anything: some clients send every field they have.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn bounds(word: &str) -> bool {
    // That asks for no bound.
    let free = ["never", "no", "unlimited"].iter().any(|free| word.starts_with(free));
    BOUND_WORDS.contains(&word)
        || word.starts_with("notbefore")
        || (!free && BOUNDS.iter().any(|part| word.contains(part)))
}

/// A whole number, in a body or as text in a query.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => crate::request::extract::number(text),
        // JSON does not tell 5.0 from 5.
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            format!("{float:.0}").parse().ok()
        }),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(body: &str) -> String {
        let beyond: UnlistedFields = serde_json::from_str(body).unwrap();
        let draft = NewKeyRequest {
            quota: Quota::new(250, QuotaPeriod::Day).ok(),
            ..NewKeyRequest::default()
        };
        match beyond.bind(draft) {
            Err(error) => error.detail.into_owned(),
            Ok(request) => {
                let until = match request.expires {
                    Some(Expiry::At(at)) => at.to_seconds_text(),
                    Some(Expiry::After(seconds)) => seconds.to_string(),
                    None => "ever".to_owned(),
                };
                let ips: Vec<_> = request.allowed_ips.texts().collect();
                format!("{until} {} {ips:?}", request.quota.map_or(0, Quota::limit))
            }
        }
    }

    #[test]
    fn a_bound_is_kept_or_refused_and_never_passed_over() {
        const FREE: &str = "ever 250 []";
        const REFUSED: &str = ": keys of this API cannot be bound so, and one without is not given";
        const NO_TIME: &str = ": must be an RFC 3339 time such as 2026-01-02T03:04:05Z";
        let refused = |name: &str| format!("{name}{REFUSED}");
        let table = [
            ("{}", FREE.to_owned()),
            (r#"{"comment":"x","id":7,"title":"t","bottle":1}"#, FREE.to_owned()),
            (r#"{"expires_at":"2030-01-01T00:00:00Z"}"#, "2030-01-01T00:00:00Z 250 []".to_owned()),
            (
                r#"{"expiresAt":"2030-01-01T01:00:00+01:00"}"#,
                "2030-01-01T00:00:00Z 250 []".to_owned(),
            ),
            (
                r#"{"expirationDate":"2030-01-01T00:00:00Z"}"#,
                "2030-01-01T00:00:00Z 250 []".to_owned(),
            ),
            (r#"{"expires_at":null,"limited_to_orgs":[],"read_only":false}"#, FREE.to_owned()),
            (r#"{"expires_at":""}"#, format!("expires_at{NO_TIME}")),
            (r#"{"expiresAt":1893456000}"#, format!("expiresAt{NO_TIME}")),
            (r#"{"expires_at":"2030-01-01"}"#, format!("expires_at{NO_TIME}")),
            (
                r#"{"expires_at":"2030-01-01T00:00:00Z","expiry":"2031-01-01T00:00:00Z"}"#,
                "expiry: must be sent once".to_owned(),
            ),
            (r#"{"dailyLimit":5}"#, "ever 5 []".to_owned()),
            (r#"{"daily_limit":"5"}"#, "ever 5 []".to_owned()),
            (r#"{"daily_limit":5.0}"#, "ever 5 []".to_owned()),
            (r#"{"daily_limit":5000}"#, FREE.to_owned()),
            (r#"{"daily_limit":0}"#, "daily_limit: must be a whole number from 1 on".to_owned()),
            (r#"{"dailyLimit":1.5}"#, "dailyLimit: must be a whole number from 1 on".to_owned()),
            (r#"{"allowed_ips":["10.0.0.0/8"]}"#, r#"ever 250 ["10.0.0.0/8"]"#.to_owned()),
            (
                r#"{"allowedIps":"10.0.0.0/8"}"#,
                "allowedIps: must be IP addresses or CIDR networks".to_owned(),
            ),
            (r#"{"limited_to_orgs":["a"]}"#, refused("limited_to_orgs")),
            (r#"{"limitedToApps":["a"]}"#, refused("limitedToApps")),
            (r#"{"ttl":60}"#, refused("ttl")),
            (r#"{"expires_in":60}"#, refused("expires_in")),
            (r#"{"rate_limit":{"per_minute":5}}"#, refused("rate_limit")),
            (r#"{"scopes":["read"]}"#, refused("scopes")),
            (r#"{"maxRequests":0}"#, refused("maxRequests")),
            (r#"{"read-only":true}"#, refused("read-only")),
            (r#"{"role":"reader"}"#, refused("role")),
            (r#"{"not_before":"2030-01-01T00:00:00Z"}"#, refused("not_before")),
            (r#"{"unlimited":true,"never_expires":true}"#, FREE.to_owned()),
        ];
        for (body, want) in table {
            assert_eq!(bound(body), want, "{body}");
        }
    }
}
