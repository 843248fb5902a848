//! Rate limits and quotas over HTTP, for gateways, and on the command line.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Service, keyledger};

fn verify(client: &Client, secret: &str, cost: u32) -> Value {
    let body = json!({"key": secret, "cost": cost});
    client.send(&format!("POST /v1/keys/verify {body}")).json()
}

/// How many of 1,000 verifications by 20 clients at once are granted.
fn granted(service: &Service, secret: &str) -> usize {
    let verifier = service.client("verifier");
    std::thread::scope(|scope| {
        let one = || (0..50).filter(|_| verify(&verifier, secret, 1)["valid"] == true).count();
        let clients: Vec<_> = (0..20).map(|_| scope.spawn(one)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

#[test]
fn of_a_thousand_at_once_exactly_the_limit_is_granted() {
    let service = Service::start();
    let owner = service.client("owner");
    for (limits, at_once, code) in [
        (r#""rate_limit":{"limit":130,"period_s":86400}"#, 130, "RATE_LIMITED"),
        (r#""quota":{"limit":130,"per":"total"}"#, 130, "USAGE_EXCEEDED"),
        (
            r#""rate_limit":{"limit":900,"period_s":86400},"quota":{"limit":70,"per":"month"}"#,
            70,
            "USAGE_EXCEEDED",
        ),
    ] {
        let (_, secret) = owner.create(&format!(r#"{{"name":"k",{limits}}}"#));
        assert_eq!(granted(&service, &secret), at_once, "{limits}");
        assert_eq!(verify(&owner, &secret, 1)["code"], code, "{limits}");
    }
}

#[test]
fn an_answer_says_what_is_left_and_a_cost_counts_as_so_many() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(
        r#"{"name":"k","rate_limit":{"limit":10.0,"period_s":864e2},"quota":{"limit":8,"per":"day"}}"#,
    );
    let key = owner.send(&format!("GET /v1/keys/{id}")).json();
    assert_eq!(key["rate_limit"], json!({"limit": 10, "period_s": 86_400}));
    assert_eq!(key["quota"], json!({"limit": 8, "per": "day"}));
    assert_eq!(key["daily_limit"], 8);
    for (cost, code, rate, quota) in [
        (0, "VALID", 10, 8),
        (3, "VALID", 7, 5),
        (0, "VALID", 7, 5),
        (8, "RATE_LIMITED", 7, 5),
        (6, "USAGE_EXCEEDED", 7, 5),
        (5, "VALID", 2, 0),
    ] {
        let answer = verify(&owner, &secret, cost);
        assert_eq!(answer["code"], code, "{cost}");
        assert_eq!(answer["rate_limit"]["limit"], 10);
        assert_eq!(answer["rate_limit"]["remaining"], rate, "{cost}");
        assert_eq!(answer["quota"]["remaining"], quota, "{cost}");
        assert_eq!(answer["remaining_today"], quota, "{cost}");
        let wait = answer["retry_after_ms"].as_u64();
        assert_eq!(wait.is_some_and(|wait| wait <= 86_400_000), code != "VALID", "{cost}");
        let reset = answer["rate_limit"]["reset_ms"].as_u64().unwrap();
        assert_eq!(reset == 0, rate == 10, "{cost}");
        assert!(answer["quota"]["reset_ms"].as_u64().unwrap() <= 86_400_000);
    }
    // No waiting makes the limit as large as that.
    let never = verify(&owner, &secret, 11);
    assert_eq!((&never["code"], never.get("retry_after_ms")), (&json!("RATE_LIMITED"), None));
    let wrong = owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}","cost":1000001}}"#));
    assert_eq!(
        (wrong.code().as_str(), wrong.field().as_deref()),
        ("invalid_request", Some("cost"))
    );
    // Many in one request count one by one, and the past counts nothing.
    let (_, secret) = owner.create(r#"{"name":"k","rate_limit":{"limit":2,"period_s":86400}}"#);
    let body = format!(r#"{{"key":"{secret}","cost":1}}"#);
    let batch = format!(r#"POST /v1/keys/verify/batch {{"keys":[{body},{body},{body}]}}"#);
    let past = format!(r#"POST /v1/keys/verify?as_of=seq:1 {body}"#);
    let admin = service.client("admin");
    assert_eq!(admin.send(&past).json()["code"], "VALID");
    let results = owner.send(&batch).json()["results"].clone();
    let codes: Vec<_> = results.as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert_eq!(codes, ["VALID", "VALID", "RATE_LIMITED"]);
    let then = admin.send(&past).json();
    assert_eq!((&then["code"], then.get("rate_limit")), (&json!("VALID"), None));
    // Refusals are counted as what they are.
    let day = owner.send("GET /v1/usage?by=day").json()["items"][0]["counts"].clone();
    assert_eq!((&day["RATE_LIMITED"], &day["USAGE_EXCEEDED"]), (&json!(3), &json!(1)));
    let metrics = service.client_with(None).send("GET /metrics").text;
    assert!(metrics.contains(r#"code="RATE_LIMITED"} 3"#), "{metrics}");
}

#[test]
fn limits_are_edited_inherited_and_refused() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"k","rate_limit":{"limit":1,"period_s":86400}}"#);
    let patch = |body: &str| owner.send(&format!("PATCH /v1/keys/{id} {body}"));
    assert_eq!(verify(&owner, &secret, 1)["code"], "VALID");
    assert_eq!(verify(&owner, &secret, 1)["code"], "RATE_LIMITED");
    let edited =
        patch(r#"{"rate_limit":{"limit":2,"period_s":60},"quota":{"limit":2,"per":"month"}}"#);
    let changes = &edited.json()["event"]["data"]["changes"];
    assert_eq!(changes["rate_limit"]["before"], json!({"limit": 1, "period_s": 86_400}));
    assert_eq!(changes["quota"]["after"], json!({"limit": 2, "per": "month"}));
    assert_eq!(verify(&owner, &secret, 1)["quota"]["remaining"], 0);
    assert_eq!(verify(&owner, &secret, 1)["code"], "USAGE_EXCEEDED");

    // The short form is of a day, and clears nothing else.
    assert_eq!(patch(r#"{"daily_limit":null}"#).json()["event"], Value::Null);
    assert_eq!(
        patch(r#"{"daily_limit":9}"#).json()["key"]["quota"],
        json!({"limit":9,"per":"day"})
    );
    assert_eq!(patch(r#"{"daily_limit":null}"#).json()["key"]["quota"], Value::Null);
    let whole = r#"{"daily_limit":null,"quota":{"limit":7,"per":"total"}}"#;
    assert_eq!(patch(whole).json()["key"]["quota"], json!({"limit": 7, "per": "total"}));

    let rotated = owner.send(&format!("POST /v1/keys/{id}/rotate")).json();
    assert_eq!(rotated["key"]["rate_limit"], json!({"limit": 2, "period_s": 60}));
    assert_eq!(rotated["key"]["quota"], json!({"limit": 7, "per": "total"}));
    let next = rotated["key"]["id"].as_str().unwrap();
    let body = r#"{"rate_limit":{"limit":3,"period_s":1},"quota":{"limit":1,"per":"day"}}"#;
    let again = owner.send(&format!("POST /v1/keys/{next}/rotate {body}")).json();
    assert_eq!(
        (&again["key"]["rate_limit"]["limit"], &again["key"]["daily_limit"]),
        (&json!(3), &json!(1))
    );

    for (fields, field) in [
        (r#""rate_limit":{"limit":0,"period_s":60}"#, "rate_limit"),
        (r#""rate_limit":{"limit":1000001,"period_s":60}"#, "rate_limit"),
        (r#""rate_limit":{"limit":1,"period_s":86401}"#, "rate_limit"),
        (r#""rate_limit":{"limit":1}"#, "rate_limit.period_s"),
        (r#""rate_limit":{"limit":1,"period_s":1,"per":"day"}"#, "rate_limit.per"),
        (r#""rate_limit":[1,60]"#, "rate_limit"),
        (r#""rate_limit":"100/60s""#, "rate_limit"),
        (r#""quota":{"limit":0,"per":"day"}"#, "quota.limit"),
        (r#""quota":{"limit":4294967296,"per":"day"}"#, "quota.limit"),
        (r#""quota":{"limit":1,"per":"week"}"#, "quota.per"),
        (r#""quota":{"limit":1}"#, "quota.per"),
        (r#""quota":{"limit":1,"per":"month"},"daily_limit":1"#, "daily_limit"),
        (r#""quota":{"limit":2,"per":"day"},"daily_limit":1"#, "daily_limit"),
    ] {
        for line in [
            format!(r#"POST /v1/keys {{"name":"k",{fields}}}"#),
            format!("PATCH /v1/keys/{next} {{{fields}}}"),
            format!("POST /v1/keys/{next}/rotate {{{fields}}}"),
        ] {
            let refused = owner.send(&line);
            assert_eq!(refused.refusal(), (400, "invalid_request".into()), "{line}");
            assert_eq!(refused.field().as_deref(), Some(field), "{line}");
        }
    }
    owner.create(r#"{"name":"k","quota":{"limit":2,"per":"day"},"daily_limit":2}"#);
}

#[test]
fn a_quota_outlives_a_restart_and_a_burst_does_not() {
    let service = Service::start();
    let owner = service.client("owner");
    let (_, secret) = owner.create(
        r#"{"name":"k","rate_limit":{"limit":5,"period_s":86400},"quota":{"limit":9,"per":"total"}}"#,
    );
    assert_eq!(verify(&owner, &secret, 5)["quota"]["remaining"], 4);
    assert_eq!(verify(&owner, &secret, 1)["code"], "RATE_LIMITED");
    drop(owner);
    let service = service.restart();
    let answer = verify(&service.client("owner"), &secret, 3);
    assert_eq!((&answer["code"], &answer["quota"]["remaining"]), (&json!("VALID"), &json!(1)));
    assert_eq!(answer["quota"]["reset_ms"], Value::Null);
}

#[test]
fn a_gateway_reads_of_limits_in_fields() {
    let service = Service::start();
    let owner = service.client("owner");
    let token = service.token("acme", "verifier");
    let gateway = service.client_with(None);
    let authorize = |query: &str, secret: &str| -> Answer {
        let headers = [("x-keyledger-token", token.as_str()), ("x-api-key", secret)];
        gateway.send_with(&format!("GET /v1/authorize{query}"), &headers)
    };
    let summary = |answer: &Answer| {
        let header = |name| answer.header(name).unwrap_or("-").to_owned();
        let left = header("ratelimit");
        // Without the seconds, which pass.
        let left: Vec<_> = left.split(", ").map(|item| item.split(";t=").next().unwrap()).collect();
        let code = header("x-key-code");
        format!("{} {code} [{}] [{}]", answer.status, header("ratelimit-policy"), left.join(", "))
    };
    let limits = r#""rate_limit":{"limit":5,"period_s":86400},"quota":{"limit":3,"per":"day"}"#;
    let (_, secret) = owner.create(&format!(r#"{{"name":"k",{limits}}}"#));
    let policy = r#"["rate";q=5;w=86400, "quota";q=3;w=86400]"#;
    for (query, expected) in [
        ("?cost=2", format!(r#"200 VALID {policy} ["rate";r=3, "quota";r=1]"#)),
        ("?cost=0", format!(r#"200 VALID {policy} ["rate";r=3, "quota";r=1]"#)),
        ("?cost=2", format!(r#"429 USAGE_EXCEEDED {policy} ["rate";r=3, "quota";r=1]"#)),
        ("?cost=4", format!(r#"429 RATE_LIMITED {policy} ["rate";r=3, "quota";r=1]"#)),
        (
            "?cost=4&limit_status=403",
            format!(r#"403 RATE_LIMITED {policy} ["rate";r=3, "quota";r=1]"#),
        ),
        ("?permission=a.b", "403 INSUFFICIENT_PERMISSIONS [-] [-]".to_owned()),
        ("?cost=x", "400  [-] [-]".to_owned()),
    ] {
        let answer = authorize(query, &secret);
        assert_eq!(summary(&answer), expected, "{query}");
        let wait = answer.header("retry-after").map(|wait| wait.parse::<u32>().unwrap());
        let refused = expected.contains("RATE_LIMITED") || expected.contains("EXCEEDED");
        assert_eq!(wait.is_some_and(|wait| (1..=86_400).contains(&wait)), refused, "{query}");
    }
    for (query, code) in [("", "key_rate_limited"), ("?limit_status=403", "key_not_allowed")] {
        let (_, secret) = owner.create(r#"{"name":"k","rate_limit":{"limit":1,"period_s":86400}}"#);
        assert_eq!(authorize(query, &secret).status, 200);
        assert_eq!(authorize(query, &secret).code(), code);
    }
    // Nothing is promised where nothing comes back.
    let (_, secret) = owner.create(r#"{"name":"k","quota":{"limit":1,"per":"total"}}"#);
    assert_eq!(summary(&authorize("", &secret)), r#"200 VALID ["quota";q=1] ["quota";r=0]"#);
    let refused = authorize("", &secret);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("usage_exceeded", None));
    let (_, secret) = owner.create(r#"{"name":"k"}"#);
    assert_eq!(summary(&authorize("", &secret)), "200 VALID [-] [-]");
}

#[test]
fn the_command_line_sets_limits() {
    let service = Service::start();
    let (url, token) = (service.url(), service.token("acme", "owner"));
    let program = |words: &[&str]| {
        keyledger(&["keys"]).with(words).env("KEYLEDGER_URL", &url).env("KEYLEDGER_TOKEN", &token)
    };
    let run = |words: &[&str]| -> Value {
        serde_json::from_str(&program(&[words, &["--json"]].concat()).good()).unwrap()
    };
    let made = run(&["create", "--name", "k", "--rate-limit", "100/1m", "--quota", "5/month"]);
    let id = made["key"]["id"].as_str().unwrap();
    let limits = |key: &Value| (key["rate_limit"].clone(), key["quota"].clone());
    assert_eq!(
        limits(&made["key"]),
        (json!({"limit": 100, "period_s": 60}), json!({"limit": 5, "per": "month"}))
    );
    let edited = run(&["update", id, "--rate-limit", "1/1d", "--no-quota"]);
    assert_eq!(limits(&edited["key"]), (json!({"limit": 1, "period_s": 86_400}), Value::Null));
    let edited = run(&["update", id, "--no-rate-limit", "--quota", "2/total"]);
    assert_eq!(limits(&edited["key"]), (Value::Null, json!({"limit": 2, "per": "total"})));
    let secret = made["secret"].as_str().unwrap();
    let verified = program(&["verify", "-", "--cost", "3"]).input(secret).run();
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.out.starts_with("USAGE_EXCEEDED"), "{verified:?}");
    assert!(verified.out.contains(r#""remaining":2"#), "{verified:?}");
    for (option, value, says) in [
        ("--quota", "2/week", "write it as 1000/day"),
        ("--rate-limit", "2", "write it as 100/60s"),
        ("--rate-limit", "2/2d", "must be between 1 and 86400 seconds"),
    ] {
        let refused = program(&["update", id, option, value]).run();
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains(says), "{refused:?}");
    }
}
