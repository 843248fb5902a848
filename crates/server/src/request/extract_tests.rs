//! What is read from a request, and how it is refused.

use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::wire::{Create, Reasoned, Verify};

fn outcome<T>(result: Result<T, ApiError>) -> String {
    result.err().map_or_else(|| "accepted".to_owned(), |error| error.detail.into_owned())
}

fn draft(create: Create) -> Result<ledger::NewKeyRequest, ApiError> {
    create.draft(keys::Timestamp::from_secs(1_800_000_000))
}

#[test]
fn a_bad_body_is_refused_by_its_field() {
    let create = |text: &str| outcome(json::<Create>(text.as_bytes()).and_then(draft));
    let table = [
        (r#"{"name":"ci"}"#, "accepted"),
        (r#"{"name":"ci","expires_att":"2030-01-01T00:00:00Z"}"#, "expires_att: unknown field"),
        (r#"{"name":"a","name":"b"}"#, "name: must be sent once"),
        (r#"{"name":"a","metadata":{"x":"1","x":"2"}}"#, "metadata.x: must be sent once"),
        (r#"{"name":"a","metadata":{"x":1}}"#, "metadata.x: must be a string"),
        (r#"{"name":"a","permissions":["x.y",7]}"#, "permissions[1]: must be a string"),
        (
            r#"{"name":"a","daily_limit":4294967296}"#,
            "daily_limit: must be a whole number, at most 4294967295",
        ),
        (r#"{"name":"a","ttl_s":3600.0,"daily_limit":3.6e3}"#, "accepted"),
        (r#"{"name":"a","ttl_s":3600.5}"#, "ttl_s: must be a whole number"),
        (r#"{"name":"a","ttl_s":"3600"}"#, "ttl_s: must be a whole number"),
        (r#"{"name":"a","daily_limit":0}"#, "daily_limit: must be at least 1"),
        (r#"{"name":7}"#, "name: must be a string"),
        (r#"{"name":"a","metadata":[]}"#, "metadata: must be an object of strings"),
        (r#"{"name":"a","permissions":"x.y"}"#, "permissions: must be a list"),
        ("7", "body: must be an object"),
        (r"{}", "name: is missing"),
        (r#"{"name":"a"} x"#, "body: must be JSON"),
        (r#"{"name":"#, "body: must be JSON"),
        (r#"{"name":7,"#, "body: must be JSON"),
        ("", "body: must be JSON"),
        ("[]", "body: must be an object"),
        (r#"{"name":"a","kind":"odd"}"#, "kind: must be one of: secret public"),
        (
            r#"{"name":"a","expires_at":"soon"}"#,
            "expires_at: must be an RFC 3339 time such as 2026-01-02T03:04:05Z",
        ),
        (
            r#"{"name":"a","expires_at":"2030-01-01T00:00:00Z","ttl_s":1}"#,
            "ttl_s: must not come with expires_at",
        ),
        (r#"{"name":"a","ttl_s":0}"#, "ttl_s: must be between 1 and 4000000000"),
        (r#"{"name":"a","ttl_s":-1}"#, "ttl_s: must be a whole number"),
        (
            r#"{"name":"a","permissions":["nodot"]}"#,
            "permissions[0]: must be area.action such as orders.read, '*' allowed as last part",
        ),
        (
            r#"{"name":"a","allowed_ips":["10.0.0.0/99"]}"#,
            "allowed_ips: must be IP addresses or CIDR networks",
        ),
    ];
    for (body, want) in table {
        assert_eq!(create(body), want, "{body}");
    }
}

#[test]
fn an_error_does_not_repeat_what_may_be_secret() {
    let secret = "kl_live_0123456789abcdefghijklmnopqrstuv";
    for body in [
        format!(r#"{{"key":["{secret}"]}}"#),
        format!(r#"{{"key":"x","ip":"{secret}"}}"#),
        format!(r#"{{"key":"x","{secret}":1}}"#),
        format!(r#"{{"key":"x","permission":{{"{secret}":1}}}}"#),
        format!(r#""{secret}""#),
    ] {
        let error =
            outcome(json::<Verify<'_>>(body.as_bytes()).and_then(|verify| verify.question()));
        assert!(!error.contains("0123456789"), "{error}");
        assert_ne!(error, "accepted", "{body}");
    }
}

#[test]
fn a_query_is_as_strict_as_a_body() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parameters {
        #[serde(default)]
        dry_run: bool,
        limit: Option<u64>,
    }
    let table = [
        ("", "accepted"),
        ("dry_run=true&limit=3", "accepted"),
        ("limits=3", "limits: unknown field"),
        ("limit=3&limit=4", "limit: must be sent once"),
        ("limit=many", "limit: must be a whole number"),
        ("limit=99999999999999999999", "limit: is too large"),
        ("limit=-1", "limit: must be a whole number"),
        ("limit=", "limit: is not as it must be"),
        ("dry_run=yes", "dry_run: must be true or false"),
    ];
    for (text, want) in table {
        assert_eq!(outcome(query::<Parameters>(Some(text))), want, "{text}");
    }
    let both = query::<Parameters>(Some("dry_run=true&limit=3")).unwrap();
    assert_eq!((both.dry_run, both.limit), (true, Some(3)));
}

#[test]
fn idempotency_keys_are_read_or_refused() {
    let with = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    };
    let long = "x".repeat(255);
    assert_eq!(idempotency_key(&with("idempotency-key", &long)).unwrap(), Some(long.as_str()));
    for bad in ["", &"x".repeat(256)] {
        assert!(idempotency_key(&with("idempotency-key", bad)).is_err());
    }
    let mut twice = with("idempotency-key", "a");
    twice.append("idempotency-key", HeaderValue::from_static("b"));
    assert!(idempotency_key(&twice).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_body_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = json::<Create>(&bytes).and_then(draft);
        let _ = json::<Reasoned>(&bytes);
        let _ = json::<Verify<'_>>(&bytes);
    }

    /// An accepted body has a name, only fields that are known, and each of them once.
    #[test]
    fn any_object_is_a_lawful_body_or_refused(fields in proptest::collection::vec((0_usize..10, 0_usize..9), 0..5)) {
        const NAMES: [&str; 10] = [
            "name", "description", "kind", "ttl_s", "metadata", "permissions", "Name", "names", "",
            "expiresAt",
        ];
        const VALUES: [&str; 9] =
            ["null", "true", "7", "-1", "\"\"", "\"a\"", "[]", "{}", "[{}]"];
        let text: Vec<String> =
            fields.iter().map(|(name, value)| format!("\"{}\":{}", NAMES[*name], VALUES[*value])).collect();
        let text = format!("{{{}}}", text.join(","));
        // Whatever one reader refuses, the other one finds the reason of.
        if let Err(error) = json::<Create>(text.as_bytes()) {
            let kind = &error.invalid().unwrap().kind;
            prop_assert!(!matches!(kind, InvalidKind::Unclear), "{}: {}", text, error.detail);
        }
        if json::<Create>(text.as_bytes()).and_then(draft).is_ok() {
            let mut names: Vec<usize> = fields.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            prop_assert!(names.windows(2).all(|two| two[0] != two[1]), "{}", text);
            prop_assert!(names.iter().all(|name| *name < 6), "{}", text);
            prop_assert!(fields.contains(&(0, 5)), "{}", text);
        }
    }

    #[test]
    fn any_text_is_a_place_or_refused(text in "\\PC{0,30}") {
        let _ = text.parse::<Place>();
    }
}
