//! `X-Request-Id`: each request has one, its caller's or one made here.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use keys::bounds::REQUEST_ID as REQUEST_BOUNDS;

/// The header, of requests and of answers.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id: 1 to 64 characters, each a letter, a digit or one of `._-`, and no API key.
#[derive(Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The id as text.
    #[expect(clippy::expect_used, reason = "an id is made of ASCII characters alone")]
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("an id is ASCII")
    }
}

impl From<RequestId> for HeaderValue {
    fn from(id: RequestId) -> HeaderValue {
        id.0
    }
}

/// Makes ids: a random start, then a walk through all 64-bit numbers in mixed order.
pub(crate) struct RequestIds {
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> RequestIds {
        let mut start = [0; 8];
        // Ids need only differ; without randomness they start at 0.
        let _ = getrandom::fill(&mut start);
        RequestIds { next: AtomicU64::new(u64::from_le_bytes(start)) }
    }

    /// The caller's id if it is one and no key, for it is recorded and logged; else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        match headers.get(&REQUEST_ID) {
            Some(id) if is_id(id) => RequestId(id.clone()),
            Some(_) | None => self.make(),
        }
    }

    /// A new id: 16 hexadecimal digits.
    #[expect(clippy::expect_used, reason = "hexadecimal digits are lawful in a header")]
    pub(crate) fn make(&self) -> RequestId {
        // SplitMix64: a bijection, so no id comes twice.
        let mut mixed = self.next.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let mut text = [0; 16];
        for (digit, place) in text.iter_mut().zip(0_u32..) {
            *digit = match (mixed >> (60 - 4 * place)).to_le_bytes()[0] & 0xF {
                nibble @ 0..=9 => b'0' + nibble,
                nibble => b'a' + nibble - 10,
            };
        }
        RequestId(HeaderValue::from_bytes(&text).expect("digits"))
    }
}

fn is_id(id: &HeaderValue) -> bool {
    let is_lawful = |id: &str| REQUEST_BOUNDS.check(id).is_ok() && !keys::contains_key(id);
    id.to_str().is_ok_and(is_lawful)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lawful_request_id_is_kept_and_another_replaced() {
        let ids = RequestIds::new();
        let long = "a".repeat(65);
        // A key that was made, then one with a checksum that is wrong.
        let key = "kl_live_0bAlKvU3eDoNyX6hGrQa9kJuT23VZUQ7";
        let none = "kl_live_0bAlKvU3eDoNyX6hGrQa9kJuT23VZUQ8";
        for (sent, stays) in [
            ("a.B_9-", true),
            ("", false),
            ("a b", false),
            ("é", false),
            (&long, false),
            (key, false),
            (none, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(sent.as_bytes()).unwrap());
            assert_eq!(ids.of(&headers).0 == sent, stays, "{sent}");
        }
        assert_ne!(ids.make().0, ids.make().0);
        assert!(is_id(&ids.make().0));
    }
}
