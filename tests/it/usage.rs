//! How often keys were verified: by key and account, by hour and day.

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Service, check, keyledger};

/// Verifies of each kind, counted where they belong.
#[test]
fn verifies_are_counted_by_code_for_key_and_account() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"k","permissions":["a.b"]}"#);
    let (second, other_secret) = owner.create(r#"{"name":"other"}"#);
    for body in [
        format!(r#"{{"key":"{secret}"}}"#),
        format!(r#"{{"key":"{secret}","permission":"a.b"}}"#),
        format!(r#"{{"key":"{secret}","permission":"a.c"}}"#),
        format!(r#"{{"key":"{other_secret}"}}"#),
        r#"{"key":"kl_live_hello"}"#.to_owned(),
    ] {
        owner.send(&format!("POST /v1/keys/verify {body}"));
    }
    owner.send(&format!(
        r#"POST /v1/keys/verify/batch {{"keys":[{{"key":"{secret}"}},{{"key":"{secret}"}}]}}"#
    ));
    // The hour, or the day, may end between two of them.
    let sums = |path: &str| {
        let answer = owner.send(&format!("GET {path}")).json();
        let mut sums = (0, serde_json::Map::new());
        for item in answer["items"].as_array().unwrap() {
            sums.0 += item["total"].as_u64().unwrap();
            for (code, count) in item["counts"].as_object().unwrap() {
                let sum = sums.1.entry(code).or_insert_with(|| json!(0));
                *sum = (sum.as_u64().unwrap() + count.as_u64().unwrap()).into();
            }
        }
        (sums.0, Value::Object(sums.1))
    };
    for by in ["hour", "day"] {
        let of_key = (5, json!({"VALID": 4, "INSUFFICIENT_PERMISSIONS": 1}));
        assert_eq!(sums(&format!("/v1/keys/{id}/usage?by={by}")), of_key);
        assert_eq!(sums(&format!("/v1/keys/{second}/usage?by={by}")), (1, json!({"VALID": 1})));
        let of_all = (6, json!({"VALID": 5, "INSUFFICIENT_PERMISSIONS": 1}));
        assert_eq!(sums(&format!("/v1/usage?by={by}")), of_all);
    }
    assert_eq!(sums("/v1/usage?to=2026-01-01T00:00:00Z").0, 0);
    let metrics = service.client_with(None).send("GET /metrics").text;
    for (code, count) in [("VALID", 5), ("MALFORMED", 1), ("REVOKED", 0)] {
        let line = format!("keyledger_verifications_total{{code=\"{code}\"}} {count}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }

    let token = service.token("acme", "owner");
    let run = |arguments: &[&str]| {
        let program = keyledger(arguments).env("KEYLEDGER_URL", &service.url());
        program.env("KEYLEDGER_TOKEN", &token).good()
    };
    let printed = run(&["keys", "usage", &id]);
    assert!(printed.contains("INSUFFICIENT_PERMISSIONS 1"), "{printed}");
    let printed: Value = serde_json::from_str(&run(&["usage", "--by", "hour", "--json"])).unwrap();
    let totals = printed.as_array().unwrap().iter().map(|item| item["total"].as_u64().unwrap());
    assert_eq!(totals.sum::<u64>(), 6);
}

#[test]
fn counts_are_shown_to_those_who_see_the_keys() {
    check(
        &[
            r#"POST /v1/keys {"name":"k"} => key.status"#,
            r#"@user POST /v1/keys {"name":"own"} => key.status"#,
            r#"@verifier POST /v1/keys/verify {"key":"$s1"} => code"#,
            r#"@verifier POST /v1/keys/verify {"key":"$s2"} => code"#,
            "@user GET /v1/keys/$2/usage => items.0.total next_cursor",
            "@user GET /v1/keys/$1/usage => code",
            "@owner:other GET /v1/keys/$1/usage => code",
            "@user GET /v1/usage => code",
            "@owner:other GET /v1/usage => items",
            "@owner:other GET /v1/usage?account=acme => items",
            "@admin GET /v1/usage?account=acme&limit=1 => items.0.counts",
            "@admin GET /v1/usage => items.0.counts",
            "@auditor GET /v1/usage => items.0.counts",
        ],
        &expect![[r#"
            201 status=enabled
            201 status=enabled
            200 code=VALID
            200 code=VALID
            200 total=1 next_cursor=null
            404 key_not_found
            404 key_not_found
            403 forbidden
            200 items=[]
            200 items=[]
            200 counts={VALID: 2}
            200 counts={VALID: 2}
            200 counts={VALID: 2}
        "#]],
    );
}

#[test]
fn what_is_no_span_is_refused_by_name() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    let table = [
        ("by=week", "by: must be one of: hour day"),
        ("from=never", "from: must be"),
        ("from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to: must not lie before from"),
        ("from=2999-01-01T00:00:00Z", "from: must not lie in the future"),
        ("limit=501", "limit: must be between 1 and 500"),
        ("limit=0", "limit: must be between 1 and 500"),
        ("cursor=x", "cursor: must be a next_cursor of this list"),
        ("since=now", "since: unknown field"),
    ];
    for path in [format!("/v1/keys/{id}/usage"), "/v1/usage".to_owned()] {
        for (query, expected) in table {
            let answer = owner.send(&format!("GET {path}?{query}"));
            assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{query}");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.starts_with(expected), "{query}: {detail}");
        }
    }
    let missing = "00000000-0000-7000-8000-000000000000";
    let unknown = owner.send(&format!("GET /v1/keys/{missing}/usage"));
    assert_eq!(unknown.refusal(), (404, "key_not_found".into()));
}
