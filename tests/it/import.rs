//! Keys that were made elsewhere: how they move in, and that they are keys like others.

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Script, Service, keyledger};

/// SHA-256 of `foreign-key-1`, which the tests import.
const DIGEST: &str = "wGrgvtiFAyyvH4VTZOf6YUU-MzrpTKOYzp11tRb1W54";

/// A line that imports a key.
pub(crate) fn line(number: u32) -> Value {
    json!({"name": format!("k{number}"), "owner": "ann", "idempotency_key": number.to_string(),
        "import": {"secret": format!("foreign-{number}"), "source": "elsewhere"}})
}

pub(crate) fn code(service: &Service, text: &str) -> String {
    let verify = json!({ "key": text });
    let answer = service.client("verifier").send(&format!("POST /v1/keys/verify {verify}")).json();
    answer["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_moves_in_alone() {
    let service = Service::start();
    let mut script = Script::new(&service);
    script.check(
        &[
            r#"POST /v1/keys/verify {"key":"foreign-key-1"} => code"#,
            r#"POST /v1/keys?dry_run=true {"name":"k","import":{"secret":"foreign-key-1"}} => secret key.status"#,
            r#"POST /v1/keys?receipt=true {"name":"k","import":{"secret":"foreign-key-1","prefix":"forei","created_at":"2024-05-06T07:08:09Z","source":"billing"},"permissions":["a.b"]} | idempotency-key: 1 => secret key.imported.source key.prefix key.masked key.dialect key.kind"#,
            r#"POST /v1/keys?receipt=true {"name":"k","import":{"secret":"foreign-key-1","prefix":"forei","created_at":"2024-05-06T07:08:09Z","source":"billing"},"permissions":["a.b"]} | idempotency-key: 1 => secret key.imported.created_at #idempotency-replayed"#,
            r#"POST /v1/keys {"name":"other","import":{"secret":"foreign-key-2"}} | idempotency-key: 1"#,
            r#"POST /v1/keys/verify {"key":"foreign-key-1","permission":"a.b"} => code key.name"#,
            r#"POST /v1/keys {"name":"k","import":{"sha256":"wGrgvtiFAyyvH4VTZOf6YUU-MzrpTKOYzp11tRb1W54"}}"#,
            r#"@owner:other POST /v1/keys {"name":"k","import":{"secret":"foreign-key-1"}}"#,
            r#"POST /v1/keys {"name":"k","kind":"public","import":{"secret":"foreign-key-3"}}"#,
            r#"POST /v1/keys {"name":"k","import":{"secret":"kl_live_00000000000000000000000000000000"}}"#,
            r#"POST /v1/keys {"name":"k","import":{"secret":"kl_pub_000000000000000000000000000000000"}}"#,
            r#"POST /v1/keys {"name":"k","import":{"secret":"x","sha256":"x"}}"#,
            r#"POST /v1/keys {"name":"k","import":{"sha256":"x"}}"#,
            r#"POST /v1/keys {"name":"k","import":{}}"#,
            "GET /v1/keys?prefix=forei => items.0.imported items.0.status",
            "GET /v1/events?order=desc&limit=1 => items.0.type items.0.revision items.0.data.imported.source",
        ],
        &expect![[r#"
            200 code=NOT_FOUND
            200 secret=null status=enabled
            201 secret=null source=billing prefix=forei masked=forei… dialect=native kind=secret
            201 secret=null created_at=<time> idempotency-replayed: true
            422 idempotency_mismatch
            200 code=VALID name=k
            409 key_exists
            409 key_exists
            400 invalid_request kind
            400 invalid_request import.secret
            400 invalid_request import.secret
            400 invalid_request import.secret
            400 invalid_request import.sha256
            400 invalid_request import.sha256
            200 imported={created_at: <time>, last_used_at: null, source: billing} status=enabled
            200 type=created revision=1 source=billing
        "#]],
    );
    let own = script.step(r#"POST /v1/keys {"name":"own"} => key.status"#);
    assert_eq!(own, "201 status=enabled");
    // The text of a key of this service is taken, whoever has it; and so it is when it is revoked.
    let text = script.secret(1).to_owned();
    let again = format!(r#"POST /v1/keys {{"name":"k","import":{{"secret":"{text}"}}}}"#);
    assert_eq!(script.step(&again), "409 key_exists");
    let own = service.client("owner").all("/v1/keys?status=enabled");
    let taken = service.client("owner").send(&again).json()["detail"].to_string();
    assert!(own.iter().any(|key| taken.contains(key["id"].as_str().unwrap())), "{taken}");
    let others = service.client_of("other", "owner").send(&again).json()["detail"].to_string();
    assert_eq!(others, "\"a key with the same secret exists\"");
}

#[test]
fn a_dry_run_records_nothing() {
    let service = Service::start();
    let owner = service.client("owner");
    let answer = owner.send(&format!("POST /v1/keys/import?dry_run=true {}", line(1)));
    let lines: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({"line": 1, "status": 200}));
    assert_eq!(lines[1]["summary"]["imported"], 1);
    assert_eq!(owner.all("/v1/events").len(), 0);
}

#[test]
fn what_is_no_import_is_refused_before_it_is_read() {
    let service = Service::start();
    let owner = service.client("owner");
    let route = "POST /v1/keys/import {}";
    for (header, code) in [
        (("idempotency-key", "x"), "invalid_request"),
        (("if-match", "\"1\""), "invalid_request"),
        (("content-type", "text/csv"), "invalid_request"),
        (("content-encoding", "br"), "unsupported_encoding"),
    ] {
        assert_eq!(owner.send_with(route, &[header]).code(), code, "{header:?}");
    }
    assert_eq!(owner.send("POST /v1/keys/import?receipt=true {}").code(), "invalid_request");
}

/// Whatever others do with a key, they do with one that moved in.
#[test]
fn an_imported_key_is_a_key() {
    let service = Service::start();
    let owner = service.client("owner");
    let body = json!({"name": "k", "permissions": ["a.b"], "import": {"sha256": DIGEST}});
    let made = owner.send(&format!("POST /v1/keys {body}")).json();
    let id = made["key"]["id"].as_str().unwrap();
    assert_eq!(made["key"]["prefix"], "imported");
    // Gateways, in every place where a client may send it; and the key itself.
    let gateway = service.client_with(None);
    let token = service.token("acme", "verifier");
    let token = ("x-keyledger-token", token.as_str());
    for sent in [
        ("x-api-key", "foreign-key-1"),
        ("authorization", "Bearer foreign-key-1"),
        ("x-forwarded-uri", "/orders?api_key=foreign-key-1"),
    ] {
        let answer = gateway.send_with("GET /v1/authorize?permission=a.b", &[token, sent]);
        assert_eq!((answer.status, answer.header("x-key-id")), (200, Some(id)), "{sent:?}");
    }
    let bearer = service.client_with(Some("foreign-key-1"));
    assert_eq!(bearer.send("GET /v1/self").json()["id"], id);
    assert_eq!(bearer.send("GET /v1/keys").refusal(), (401, "unauthenticated".to_owned()));
    // It is edited, replaced by one that is made here, proved, and ends itself.
    let edited = owner.send(&format!(r#"PATCH /v1/keys/{id} {{"name":"renamed"}}"#));
    assert_eq!(edited.json()["key"]["imported"]["source"], Value::Null);
    let rotated = owner.send(&format!(r#"POST /v1/keys/{id}/rotate {{"overlap_s":600}}"#)).json();
    assert!(rotated["secret"].as_str().unwrap().starts_with("kl_live_"));
    assert_eq!(rotated["key"]["imported"], Value::Null);
    assert_eq!(owner.send(&format!("GET /v1/keys/{id}/proof")).status, 200);
    assert_eq!(bearer.send("POST /v1/self/revoke").status, 200);
    assert_eq!(code(&service, "foreign-key-1"), "REVOKED");
    assert_eq!(
        owner.send(&format!("GET /v1/keys/{id}/history")).json()["items"].as_array().unwrap().len(),
        4
    );
    // A text that was revoked does not come back, and a dialect does not list what it did not make.
    assert_eq!(owner.send(&format!("POST /v1/keys {body}")).code(), "key_exists");
    let (stopped, log) = service.stop();
    assert!(!log.contains("foreign-key-1"), "{log}");
    stopped.is_in_order();
    let replayed = keyledger(&["replay"]).data(&stopped.data()).good();
    assert!(replayed.contains("renamed"), "{replayed}");
}
