//! covosign: each example and table of its document, and what the contract adds.

use expect_test::expect;

use super::support::{Answer, Client, Service, exchanges, shown, text};

const KEYS: &str = "/dialects/covosign/api/v1/api-keys";

fn enterprise(service: &Service) -> Client {
    service.paying("acme", "ann", "owner", "enterprise")
}

fn create(name: &str, environment: &str) -> String {
    format!(r#"POST {KEYS} {{"name":"{name}","environment":"{environment}"}}"#)
}

fn key(answer: &Answer) -> String {
    answer.json()["data"]["apiKey"].as_str().unwrap().to_owned()
}

/// Response Examples, Request Examples: both kinds, and the prefix of each.
#[test]
fn keys_are_made_as_in_the_examples() {
    let service = Service::start();
    let ann = enterprise(&service);
    let sandbox = ann.send(&create("Testing Purposes Only", "SANDBOX"));
    let live = ann.send(&create("Live Production Key", "PRODUCTION"));
    let body = r#"{"name":"My Sandbox API Key","environment":"SANDBOX","allowedIps":["192.168.1.1","10.0.0.1"]}"#;
    let bound = service.client("owner").send(&format!("POST {KEYS}/ {body}"));
    expect![[r#"
        201 {"code":201,"statusText":"Created","message":"API key created successfully. Store it securely - it won't be shown again.","data":{"id":"<id>","apiKey":"csk_sandbox_<36base62>","keyPrefix":"csk_sandbox_<14base62>","name":"Testing Purposes Only","environment":"SANDBOX"}}
        201 {"code":201,"statusText":"Created","message":"API key created successfully. Store it securely - it won't be shown again.","data":{"id":"<id>","apiKey":"csk_live_<38base62>","keyPrefix":"csk_live_<16base62>","name":"Live Production Key","environment":"PRODUCTION"}}
        201 {"code":201,"statusText":"Created","message":"API key created successfully. Store it securely - it won't be shown again.","data":{"id":"<id>","apiKey":"csk_sandbox_<36base62>","keyPrefix":"csk_sandbox_<14base62>","name":"My Sandbox API Key","environment":"SANDBOX"}}
    "#]].assert_eq(&(shown(&sandbox) + &shown(&live) + &shown(&bound)));
    for (answer, shown) in [(&sandbox, 26), (&live, 25)] {
        let prefix = answer.json()["data"]["keyPrefix"].as_str().unwrap().to_owned();
        let key = key(answer);
        assert!(key.starts_with(&prefix) && prefix.len() == shown && key.len() >= shown + 22);
    }
    let verify = |ip| {
        let step = format!(r#"POST /v1/keys/verify {{"key":"{}","ip":"{ip}"}}"#, key(&bound));
        ann.send(&step).json()["code"].clone()
    };
    assert_eq!((verify("10.0.0.1"), verify("10.0.0.2")), ("VALID".into(), "IP_NOT_ALLOWED".into()));
    // The test calls from another address than the key is good for.
    let by_bound = ann.send_with(
        &create("a", "SANDBOX"),
        &[("authorization", &format!("Bearer {}", key(&bound)))],
    );
    assert_eq!(by_bound.status, 401);
    let events = ann.all("/v1/events");
    assert!(events.iter().all(|event| event["origin"]["dialect"] == "covosign"));
}

/// Key Types: what a key of each can make, in either header.
#[test]
fn a_key_makes_keys_of_no_higher_kind() {
    let service = Service::start();
    let ann = enterprise(&service);
    let sandbox = key(&ann.send(&create("s", "SANDBOX")));
    let live = key(&ann.send(&create("l", "PRODUCTION")));
    let nobody = service.client_with(None);
    let by = |key: &str, environment| {
        let step = create("child", environment);
        let bearer = service.client_with(Some(key)).send(&step).status;
        let header = nobody.send_with(&step, &[("x-api-key", key)]).status;
        assert_eq!(bearer, header);
        bearer
    };
    assert_eq!((by(&sandbox, "SANDBOX"), by(&sandbox, "PRODUCTION")), (201, 403));
    assert_eq!((by(&live, "SANDBOX"), by(&live, "PRODUCTION")), (201, 201));
}

/// Error Responses; and everything else that goes wrong under the mount.
#[test]
fn errors_have_their_form() {
    let service = Service::start();
    let owner = service.client("owner");
    let nobody = service.client_with(None);
    let mut transcript = shown(&owner.send(&create("a", "PRODUCTION")));
    transcript += &shown(&owner.send(&create("", "SANDBOX")));
    transcript += &shown(&owner.send(&create(&"x".repeat(201), "SANDBOX")));
    transcript += &shown(&owner.send(&format!(r#"POST {KEYS} {{"environment":"SANDBOX"}}"#)));
    transcript += &shown(&owner.send(&create("a", "MOON")));
    transcript += &shown(&nobody.send(&create("a", "SANDBOX")));
    transcript += &shown(&service.client_with(Some("csk_live_none")).send(&create("a", "SANDBOX")));
    transcript += &shown(&service.client("auditor").send(&create("a", "SANDBOX")));
    transcript += &shown(&owner.send(&format!("POST {KEYS} {{")));
    transcript += &shown(&owner.send(&create(&"x".repeat(70_000), "SANDBOX")));
    transcript += &shown(&owner.send(&format!("GET {KEYS}")));
    transcript += &shown(&owner.send("GET /dialects/covosign/nothing"));
    expect![[r#"
        403 {"code":403,"statusText":"Forbidden","message":"Enterprise plan required for production API keys","data":null}
        400 {"code":400,"statusText":"Bad Request","message":"Name must be between 1 and 200 characters","data":null}
        400 {"code":400,"statusText":"Bad Request","message":"Name must be between 1 and 200 characters","data":null}
        400 {"code":400,"statusText":"Bad Request","message":"Name must be between 1 and 200 characters","data":null}
        400 {"code":400,"statusText":"Bad Request","message":"Environment must be SANDBOX or PRODUCTION","data":null}
        401 {"code":401,"statusText":"Unauthorized","message":"Unauthorized","data":null}
        401 {"code":401,"statusText":"Unauthorized","message":"Unauthorized","data":null}
        403 {"code":403,"statusText":"Forbidden","message":"the token's role does not allow this; it takes the role owner or admin or user","data":null}
        400 {"code":400,"statusText":"Bad Request","message":"body: must be JSON","data":null}
        413 {"code":413,"statusText":"Payload Too Large","message":"the body may have 65536 bytes","data":null}
        405 {"code":405,"statusText":"Method Not Allowed","message":"the route has other methods, see Allow","data":null}
        404 {"code":404,"statusText":"Not Found","message":"no such route, see /docs","data":null}
    "#]].assert_eq(&transcript);
}

/// Contract: 409 for an idempotency key seen with another body.
#[test]
fn an_idempotency_key_makes_one_key() {
    let service = Service::start();
    let owner = service.client("owner");
    let once = [("idempotency-key", "a")];
    let first = owner.send_with(&create("a", "SANDBOX"), &once);
    let again = owner.send_with(&create("a", "SANDBOX"), &once);
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = owner.send_with(&create("b", "SANDBOX"), &once);
    expect![[r#"
        409 {"code":409,"statusText":"Conflict","message":"the idempotency key was used with another request","data":null}
    "#]].assert_eq(&shown(&other));
    assert_eq!(owner.all("/v1/events").len(), 1);

    // Conventions: a request that comes too late, or to another process, gets the key but not its text.
    let service = service.restart();
    let late = service.client("owner").send_with(&create("a", "SANDBOX"), &once);
    assert_eq!((late.status, &late.json()["data"]["apiKey"]), (201, &serde_json::Value::Null));
    assert_eq!(late.json()["data"]["id"], first.json()["data"]["id"]);
}

/// Values of other types, nothing at all, what is not there: each step, its answer beneath it.
#[test]
fn what_is_sent_beside_the_examples() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    let keys = "POST /dialects/covosign/api/v1/api-keys";
    let body = |body: &str| format!("{keys} {body}");
    let steps = [
        body(r#"{"name":null,"environment":"SANDBOX"}"#),
        body(r#"{"name":7,"environment":"SANDBOX"}"#),
        body(r#"{"name":"  ","environment":"SANDBOX"}"#),
        body(r#"{"name":"a"}"#),
        body(r#"{"name":"a","environment":null}"#),
        body(r#"{"name":"a","environment":"sandbox"}"#),
        body(r#"{"name":"","environment":"PRODUCTION"}"#),
        body(r#"{"name":"a","environment":"SANDBOX","allowedIps":"10.0.0.1"}"#),
        body(r#"{"name":"a","environment":"SANDBOX","allowedIps":["10.0.0.256"]}"#),
        body(r#"{"name":"a","environment":"SANDBOX","allowedIps":[7]}"#),
        body("null"),
        body("[]"),
        format!("{keys} "),
        body(r#"{"name":"ключ 🔑","environment":"SANDBOX","allowedIps":null,"more":{"a":[]}}"#),
        body(r#"{"name":"net","environment":"SANDBOX","allowedIps":["10.0.0.0/8","::1"]}"#),
        "OPTIONS /dialects/covosign/api/v1/api-keys".to_owned(),
        "GET /dialects/covosign".to_owned(),
    ];
    let transcript = exchanges(&client, &steps.each_ref().map(String::as_str));
    expect![[r#"
        POST /dialects/covosign/api/v1/api-keys {"name":null,"environment":"SANDBOX"}
          400 {"code":400,"statusText":"Bad Request","message":"Name must be between 1 and 200 characters","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":7,"environment":"SANDBOX"}
          400 {"code":400,"statusText":"Bad Request","message":"Name must be between 1 and 200 characters","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"  ","environment":"SANDBOX"}
          400 {"code":400,"statusText":"Bad Request","message":"Name must be between 1 and 200 characters","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"a"}
          400 {"code":400,"statusText":"Bad Request","message":"Environment must be SANDBOX or PRODUCTION","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":null}
          400 {"code":400,"statusText":"Bad Request","message":"Environment must be SANDBOX or PRODUCTION","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"sandbox"}
          400 {"code":400,"statusText":"Bad Request","message":"Environment must be SANDBOX or PRODUCTION","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"","environment":"PRODUCTION"}
          400 {"code":400,"statusText":"Bad Request","message":"Name must be between 1 and 200 characters","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX","allowedIps":"10.0.0.1"}
          400 {"code":400,"statusText":"Bad Request","message":"Allowed IPs must be addresses or CIDR networks","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX","allowedIps":["10.0.0.256"]}
          400 {"code":400,"statusText":"Bad Request","message":"Allowed IPs must be addresses or CIDR networks","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX","allowedIps":[7]}
          400 {"code":400,"statusText":"Bad Request","message":"Allowed IPs must be addresses or CIDR networks","data":null}
        POST /dialects/covosign/api/v1/api-keys null
          400 {"code":400,"statusText":"Bad Request","message":"body: must be an object","data":null}
        POST /dialects/covosign/api/v1/api-keys []
          400 {"code":400,"statusText":"Bad Request","message":"body: must be an object","data":null}
        POST /dialects/covosign/api/v1/api-keys 
          400 {"code":400,"statusText":"Bad Request","message":"body: must be JSON","data":null}
        POST /dialects/covosign/api/v1/api-keys {"name":"ключ 🔑","environment":"SANDBOX","allowedIps":null,"more":{"a":[]}}
          201 {"code":201,"statusText":"Created","message":"API key created successfully. Store it securely - it won't be shown again.","data":{"id":"<id>","apiKey":"csk_sandbox_<36base62>","keyPrefix":"csk_sandbox_<14base62>","name":"ключ 🔑","environment":"SANDBOX"}}
        POST /dialects/covosign/api/v1/api-keys {"name":"net","environment":"SANDBOX","allowedIps":["10.0.0.0/8","::1"]}
          201 {"code":201,"statusText":"Created","message":"API key created successfully. Store it securely - it won't be shown again.","data":{"id":"<id>","apiKey":"csk_sandbox_<36base62>","keyPrefix":"csk_sandbox_<14base62>","name":"net","environment":"SANDBOX"}}
        OPTIONS /dialects/covosign/api/v1/api-keys
          405 {"code":405,"statusText":"Method Not Allowed","message":"the route has other methods, see Allow","data":null}
        GET /dialects/covosign
          404 {"code":404,"statusText":"Not Found","message":"no such route, see /docs","data":null}
    "#]]
    .assert_eq(&transcript);
    let name = format!(r#"{{"name":"{}","environment":"SANDBOX"}}"#, "🔑".repeat(200));
    assert_eq!(client.send(&body(&name)).status, 201);
}

/// Contract: a JWT, or a key as bearer or in `X-API-Key`, and nothing else.
#[test]
fn who_calls_and_how() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    let nobody = service.client_with(None);
    let create = |environment: &str| {
        let path = "/dialects/covosign/api/v1/api-keys";
        format!(r#"POST {path} {{"name":"a","environment":"{environment}"}}"#)
    };
    let key = text(&client.send(&create("SANDBOX")), "/data/apiKey");
    let jwt = client.token().unwrap();
    let status = |headers: &[(&str, &str)]| {
        let answer = nobody.send_with(&create("SANDBOX"), headers);
        assert!(answer.status == 201 || text(&answer, "/message") == "Unauthorized");
        answer.status
    };
    let bearer = |text: &str| format!("Bearer {text}");
    assert_eq!(status(&[("authorization", &bearer(&key))]), 201);
    assert_eq!(status(&[("authorization", &format!("bearer  {key} "))]), 201);
    assert_eq!(status(&[("x-api-key", &key)]), 201);
    assert_eq!(status(&[("authorization", "Basic YTpi"), ("x-api-key", &key)]), 201);
    assert_eq!(status(&[("authorization", &key)]), 401);
    assert_eq!(status(&[("authorization", jwt)]), 401);
    assert_eq!(status(&[("x-api-key", jwt)]), 401);
    assert_eq!(status(&[("x-api-key", &bearer(&key))]), 401);
    assert_eq!(status(&[("x-api-key", &key), ("x-api-key", &key)]), 401);
    assert_eq!(status(&[("x-api-key", &key[..key.len() - 1])]), 401);
    // A sandbox key does not gain from its owner's plan.
    let refused = nobody.send_with(&create("PRODUCTION"), &[("x-api-key", &key)]);
    expect![[r#"
        403 {"code":403,"statusText":"Forbidden","message":"Enterprise plan required for production API keys","data":null}
    "#]].assert_eq(&shown(&refused));
}

/// Contract: a key with a list of addresses calls from there alone, also from behind a proxy.
#[test]
fn a_key_calls_from_its_addresses_alone() {
    let service = Service::with(&["--trusted-proxy", "127.0.0.1"]);
    let body = r#"{"name":"a","environment":"SANDBOX","allowedIps":["198.51.100.0/24"]}"#;
    let made = service.client("owner").send(&format!("POST {KEYS} {body}"));
    let by_key = service.client_with(Some(&key(&made)));
    let from = |address: &str| {
        by_key.send_with(&create("b", "SANDBOX"), &[("x-forwarded-for", address)]).status
    };
    assert_eq!(from("198.51.100.7"), 201);
    assert_eq!(from("203.0.113.7, 198.51.100.7"), 201);
    assert_eq!(from("198.51.100.7, 203.0.113.7"), 401);
    assert_eq!(from("somewhere"), 401);
    assert_eq!(by_key.send(&create("b", "SANDBOX")).status, 401);
}
