//! Who may call what: every route with every kind of caller.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use expect_test::expect;
use serde_json::json;

use crate::support::{Client, Service, write_secret};
use crate::webhooks::webhook;

/// Every route that needs a token, with a request that is good but for its caller. `$` is a key, and
/// `WEBHOOK` a webhook.
const ROUTES: [&str; 51] = [
    "GET /v1/keys",
    r#"POST /v1/keys {"name":"k"}"#,
    "GET /v1/keys/$",
    "GET /v1/keys/$/history",
    r#"PATCH /v1/keys/$ {"name":"other"}"#,
    "GET /v1/keys/$/usage",
    "GET /v1/usage",
    r#"POST /v1/keys/bulk {"action":"disable","filter":{"project":"none"}}"#,
    r#"POST /v1/keys/import {"name":"k","import":{"secret":"foreign-$"}}"#,
    "POST /v1/keys/$/enable",
    "POST /v1/keys/$/disable",
    "POST /v1/keys/$/expire",
    "POST /v1/keys/$/revoke",
    "POST /v1/keys/$/rotate",
    "DELETE /v1/keys/$",
    r#"POST /v1/keys/verify {"key":"kl_live_nothing"}"#,
    r#"POST /v1/keys/verify/batch {"keys":[{"key":"kl_live_nothing"}]}"#,
    "GET /v1/authorize",
    "GET /v1/events",
    "GET /v1/events/0",
    "GET /v1/events/stream",
    "POST /v1/expirations",
    "GET /v1/expiring",
    "GET /v1/report/access?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z",
    "GET /v1/table-digest",
    "GET /v1/keys/$/proof",
    "GET /v1/events/0/receipt",
    "GET /v1/proofs/inclusion?seq=0",
    "GET /v1/proofs/consistency?old=1",
    "GET /v1/proofs/events",
    "GET /v1/proofs/rows",
    "GET /v1/audit/bundle",
    "GET /v1/access",
    "GET /v1/webhooks",
    r#"POST /v1/webhooks {"url":"https://hooks.invalid/","events":["created"]}"#,
    "GET /v1/webhooks/WEBHOOK",
    "GET /v1/webhooks/WEBHOOK/deliveries",
    "POST /v1/webhooks/WEBHOOK/replay",
    "DELETE /v1/webhooks/WEBHOOK",
    "GET /log/table",
    "POST /log/stamps",
    "GET /log/tile/entries/000.p/1",
    "GET /log/persons/entries/000.p/1",
    "GET /v1/tokens",
    r#"POST /v1/tokens {"subject":"bob","role":"user","ttl_s":60}"#,
    "DELETE /v1/tokens/none",
    r#"POST /v1/tokens/revoke {"subject":"nobody"}"#,
    "GET /v1/subjects/ann",
    "POST /v1/subjects/ann/hold",
    "POST /v1/subjects/ann/release",
    "POST /v1/subjects/ann/erase",
];

/// Every route that needs a key as the bearer, and takes no token.
const BY_KEY: [&str; 2] = ["GET /v1/self", "POST /v1/self/revoke"];

/// What an answer comes to, without reading a stream that does not end.
fn outcome(client: &Client, route: &str) -> String {
    if ["/stream", "/bundle", "/entries/"].iter().any(|unread| route.contains(unread)) {
        return client.status(route);
    }
    // Forward auth takes its token elsewhere, and the bearer for the client's key.
    let forward = route.contains("/authorize");
    let headers: Vec<(&str, &str)> = match client.token() {
        Some(token) if forward => vec![("x-keyledger-token", token), ("authorization", "")],
        _ => Vec::new(),
    };
    let answer = client.send_with(route, &headers);
    if answer.status < 400 {
        answer.status.to_string()
    } else {
        format!("{} {}", answer.status, answer.code())
    }
}

fn table(service: &Service, callers: &[(&str, Client)]) -> String {
    let owner = service.client("owner");
    let mut table = String::new();
    for route in ROUTES.iter().chain(&BY_KEY) {
        // Each route has a key of its own, so that no order matters.
        let (id, _) = owner.create(r#"{"name":"k"}"#);
        let mut request = route.replace('$', &id);
        if route.contains("WEBHOOK") {
            let (webhook, _) = webhook(&owner, "https://hooks.invalid/", &["created"]);
            request = request.replace("WEBHOOK", &webhook);
        }
        let shown = route.split(['?', '{']).next().unwrap().trim_end();
        let outcomes: Vec<_> = callers
            .iter()
            .map(|(who, client)| format!("{who}: {}", outcome(client, &request)))
            .collect();
        table += &format!("{shown:<28} {}\n", outcomes.join(", "));
    }
    table
}

#[test]
fn no_route_answers_without_a_token_that_is_good() {
    let service = Service::start();
    let good = service.token("acme", "admin");
    let expired = mint(&service, &json!({"exp": 1_700_000_000}));
    let mut bent = good.clone();
    bent.replace_range(
        bent.len() - 5..bent.len() - 4,
        if &bent[bent.len() - 5..bent.len() - 4] == "A" { "B" } else { "A" },
    );
    let callers: Vec<_> = [None, Some("nonsense"), Some(bent.as_str()), Some(expired.as_str())]
        .map(|token| service.client_with(token))
        .into();
    let (id, _) = service.client("owner").create(r#"{"name":"k"}"#);
    for route in ROUTES.iter().chain(&BY_KEY) {
        for client in &callers {
            let answer = outcome(client, &route.replace('$', &id));
            assert!(answer.starts_with("401"), "{route}: {answer}");
        }
    }
    assert_eq!(service.client("owner").all("/v1/events").len(), 1);
}

#[test]
fn every_role_may_do_what_the_contract_gives_it_and_nothing_else() {
    let service = Service::start();
    let callers: Vec<_> = ["owner", "user", "verifier", "auditor", "worker", "admin"]
        .map(|role| (role, service.client_of("acme", role)))
        .into();
    expect![[r#"
        GET /v1/keys                 owner: 200, user: 200, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        POST /v1/keys                owner: 201, user: 201, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 201
        GET /v1/keys/$               owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/keys/$/history       owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        PATCH /v1/keys/$             owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 200
        GET /v1/keys/$/usage         owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/usage                owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        POST /v1/keys/bulk           owner: 200, user: 200, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 200
        POST /v1/keys/import         owner: 200, user: 200, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 200
        POST /v1/keys/$/enable       owner: 409 already, user: 404 key_not_found, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 409 already
        POST /v1/keys/$/disable      owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 409 already
        POST /v1/keys/$/expire       owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 409 already
        POST /v1/keys/$/revoke       owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 409 already
        POST /v1/keys/$/rotate       owner: 201, user: 404 key_not_found, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 409 not_while_expired
        DELETE /v1/keys/$            owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 409 already
        POST /v1/keys/verify         owner: 200, user: 200, verifier: 200, auditor: 403 forbidden, worker: 403 forbidden, admin: 200
        POST /v1/keys/verify/batch   owner: 200, user: 200, verifier: 200, auditor: 403 forbidden, worker: 403 forbidden, admin: 200
        GET /v1/authorize            owner: 401 key_missing, user: 401 key_missing, verifier: 401 key_missing, auditor: 403 forbidden, worker: 403 forbidden, admin: 401 key_missing
        GET /v1/events               owner: 200, user: 200, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/events/0             owner: 200, user: 404 event_not_found, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/events/stream        owner: 200, user: 200, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        POST /v1/expirations         owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 200, admin: 200
        GET /v1/expiring             owner: 200, user: 200, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/report/access        owner: 200, user: 200, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/table-digest         owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        GET /v1/keys/$/proof         owner: 200, user: 404 key_not_found, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/events/0/receipt     owner: 200, user: 404 event_not_found, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/proofs/inclusion     owner: 200, user: 200, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/proofs/consistency   owner: 200, user: 200, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/proofs/events        owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/proofs/rows          owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/audit/bundle         owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        GET /v1/access               owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        GET /v1/webhooks             owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        POST /v1/webhooks            owner: 201, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 201
        GET /v1/webhooks/WEBHOOK     owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        GET /v1/webhooks/WEBHOOK/deliveries owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 200, worker: 403 forbidden, admin: 200
        POST /v1/webhooks/WEBHOOK/replay owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 200
        DELETE /v1/webhooks/WEBHOOK  owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 404 webhook_not_found
        GET /log/table               owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        POST /log/stamps             owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        GET /log/tile/entries/000.p/1 owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        GET /log/persons/entries/000.p/1 owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        GET /v1/tokens               owner: 200, user: 200, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 200
        POST /v1/tokens              owner: 201, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 201
        DELETE /v1/tokens/none       owner: 404 token_not_found, user: 404 token_not_found, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 404 token_not_found
        POST /v1/tokens/revoke       owner: 200, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 200
        GET /v1/subjects/ann         owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        POST /v1/subjects/ann/hold   owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        POST /v1/subjects/ann/release owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        POST /v1/subjects/ann/erase  owner: 403 forbidden, user: 403 forbidden, verifier: 403 forbidden, auditor: 403 forbidden, worker: 403 forbidden, admin: 403 forbidden
        GET /v1/self                 owner: 401 unauthenticated, user: 401 unauthenticated, verifier: 401 unauthenticated, auditor: 401 unauthenticated, worker: 401 unauthenticated, admin: 401 unauthenticated
        POST /v1/self/revoke         owner: 401 unauthenticated, user: 401 unauthenticated, verifier: 401 unauthenticated, auditor: 401 unauthenticated, worker: 401 unauthenticated, admin: 401 unauthenticated
    "#]].assert_eq(&table(&service, &callers));
}

#[test]
fn a_token_without_a_role_may_do_nothing() {
    let service = Service::start();
    let (id, _) = service.client("owner").create(r#"{"name":"k"}"#);
    let token = mint(&service, &json!({"role": ["janitor"]}));
    let client = service.client_with(Some(&token));
    for route in ROUTES {
        let answer = outcome(&client, &route.replace('$', &id));
        assert!(answer.starts_with("403 forbidden") || answer == "403", "{route}: {answer}");
    }
}

#[test]
fn another_accounts_key_is_not_found() {
    let service = Service::start();
    let (id, secret) = service.client("owner").create(r#"{"name":"k"}"#);
    let stranger = service.client_of("other", "owner");
    for route in ROUTES.iter().filter(|route| route.contains("/$")) {
        let answer = stranger.send(&route.replace('$', &id));
        assert_eq!(answer.refusal(), (404, "key_not_found".into()), "{route}");
    }
    assert_eq!(stranger.send("GET /v1/events/0").refusal(), (404, "event_not_found".into()));
    for list in ["/v1/keys", "/v1/events", "/v1/keys?account=acme", "/v1/events?account=acme"] {
        assert_eq!(stranger.all(list), Vec::<serde_json::Value>::new(), "{list}");
    }
    let verdict = stranger.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#)).json();
    assert_eq!(verdict["code"], "NOT_FOUND");
    assert_eq!(verdict["key"], serde_json::Value::Null);
}

#[test]
fn a_key_never_manages_keys() {
    let service = Service::start();
    let (id, secret) = service.client("owner").create(r#"{"name":"k"}"#);
    let never_made = "kl_live_00000000000000000000000000000000";
    for key in [secret.as_str(), never_made] {
        let client = service.client_with(Some(key));
        for route in ROUTES.iter().filter(|route| !route.contains("stream")) {
            let answer = outcome(&client, &route.replace('$', &id));
            assert_eq!(answer, "403 keys_cannot_manage_keys", "{route}");
        }
        for route in BY_KEY {
            let answer = outcome(&client, route);
            let expected = if key == secret { "200" } else { "401 unauthenticated" };
            assert_eq!(answer, expected, "{route}");
        }
    }
}

#[test]
fn a_caller_of_all_accounts_has_to_name_one() {
    let service = Service::start();
    let admin = service.client("admin");
    let refused = admin.send(r#"POST /v1/keys {"name":"k"}"#);
    assert_eq!(refused.refusal(), (400, "account_required".into()));
    assert!(refused.json()["detail"].as_str().unwrap().starts_with("account: "), "{refused:?}");
    admin.create(r#"{"name":"k","account":"acme"}"#);
    admin.create(r#"{"name":"k","account":"other"}"#);
    assert_eq!(admin.all("/v1/keys").len(), 2);
    assert_eq!(admin.all("/v1/keys?account=other").len(), 1);
    let owner = service.client("owner");
    assert_eq!(owner.send(r#"POST /v1/keys {"name":"k","account":"other"}"#).status / 100, 4);
    owner.create(r#"{"name":"k","account":"acme"}"#);
}

#[test]
fn an_algorithm_is_pinned_to_its_source() {
    let service = Service::start();
    let client = |token: &str| service.client_with(Some(token)).send("GET /v1/keys");
    assert_eq!(client(&mint(&service, &json!({}))).status, 200);
    let claims = claims(&json!({}));
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    for alg in ["none", "None", "NONE", "HS256", "RS256", "ES256", "EdDSA", ""] {
        let head = part(&format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#));
        let unsigned = format!("{head}.{}", part(&claims.to_string()));
        for signature in ["", "AAAA", &part(&"\0".repeat(64))] {
            let refused = client(&format!("{unsigned}.{signature}"));
            assert_eq!(refused.refusal(), (401, "unauthenticated".into()), "{alg} {signature}");
        }
    }
    // HS256 with the public half of the token key as its secret.
    let key = signing_key(&service).verifying_key();
    let head = part(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", part(&claims.to_string()));
    let mac = hmac_sha256(key.as_bytes(), signed.as_bytes());
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
    assert_eq!(client(&forged).refusal(), (401, "unauthenticated".into()));
}

#[test]
fn tokens_from_outside_are_bound_to_issuer_audience_and_role() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "a secret of more than thirty-two bytes";
    let file = folder.path().join("secret");
    write_secret(&file, &format!("{secret}\n"));
    let file = file.to_str().unwrap().to_owned();
    let options =
        ["--jwt-secret-file", &file, "--jwt-issuer", "https://id.test", "--jwt-audience", "keys"];
    let service = Service::with(&options);
    let good = json!({"iss": "https://id.test", "aud": ["keys"], "sub": "ann", "account": "acme",
        "role": "owner", "exp": 4_000_000_000_u64, "jti": "t-1"});
    let send = |change: serde_json::Value| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(r#"{"alg":"HS256"}"#), part(&claims.to_string()));
        let mac = URL_SAFE_NO_PAD.encode(hmac_sha256(secret.as_bytes(), signed.as_bytes()));
        service.client_with(Some(&format!("{signed}.{mac}")))
    };
    send(json!({})).create(r#"{"name":"k"}"#);
    let event = service.client("owner").send("GET /v1/events/0").json();
    assert_eq!(event["actor"]["via"], "token:https://id.test:t-1");
    for change in [
        json!({"iss": "https://evil.test"}),
        json!({"iss": "keyledger"}),
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"account": "*"}),
        json!({"exp": null}),
        json!({"exp": 1_700_000_000}),
        json!({"nbf": 3_999_999_999_u64}),
        json!({"sub": ""}),
    ] {
        let refused = send(change.clone()).send("GET /v1/keys");
        assert_eq!(refused.refusal(), (401, "unauthenticated".into()), "{change}");
    }
    let beyond = send(json!({"role": ["admin", "worker"]})).send("POST /v1/expirations");
    assert_eq!(beyond.refusal(), (403, "forbidden".into()));
}

/// The claims of an own token, changed. Each has another id.
fn claims(change: &serde_json::Value) -> serde_json::Value {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let jti = format!("made by hand {}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let now = seconds_now();
    let mut claims = json!({"iss": "keyledger", "aud": "keyledger", "sub": "ann",
        "account": "acme", "role": ["owner"], "iat": now, "exp": now + 3600, "jti": jti});
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    claims
}

#[expect(clippy::disallowed_methods, reason = "a token's life is told in times of day")]
pub(crate) fn seconds_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn signing_key(service: &Service) -> ed25519_dalek::SigningKey {
    let line = std::fs::read_to_string(service.data().join("token.key")).unwrap();
    let seed = URL_SAFE_NO_PAD.decode(line.trim_end()).unwrap();
    ed25519_dalek::SigningKey::from_bytes(&seed.try_into().unwrap())
}

/// A token with the service's own signature and the claims of our choice.
pub(crate) fn mint(service: &Service, change: &serde_json::Value) -> String {
    use ed25519_dalek::Signer as _;

    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims(change).to_string()));
    let signature = signing_key(service).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// RFC 2104.
pub(crate) fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};

    assert!(key.len() <= 64);
    let pad = |byte: u8| -> Vec<u8> {
        (0..64).map(|at| byte ^ key.get(at).copied().unwrap_or(0)).collect()
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}
