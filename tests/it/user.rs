//! The role `user`: everything with the keys that belong to its subject, and of other people's keys
//! of the same account not even that they are there.

use serde_json::{Value, json};

use crate::support::{Client, Service};

/// Two people of one account, its owner, and somebody of the same name elsewhere.
struct People {
    service: Service,
    owner: Client,
    ann: Client,
    bob: Client,
    namesake: Client,
}

impl People {
    fn meet() -> People {
        let service = Service::start();
        let by = |account: &str, subject: &str| {
            service.client_with(Some(&service.token_of(account, subject, "user")))
        };
        let (ann, bob, namesake) = (by("acme", "ann"), by("acme", "bob"), by("other", "ann"));
        let owner = service.client("owner");
        People { service, owner, ann, bob, namesake }
    }
}

fn ids(items: &[Value], pointer: &str) -> Vec<String> {
    items.iter().map(|item| item.pointer(pointer).unwrap().as_str().unwrap().into()).collect()
}

#[test]
fn a_user_does_with_its_own_keys_what_an_owner_does() {
    let People { service, owner, ann, .. } = People::meet();
    let (id, secret) = ann.create(r#"{"name":"mine","ttl_s":600}"#);
    assert_eq!(ann.send(&format!("GET /v1/keys/{id}")).json()["owner"], "ann");
    for change in ["disable", "enable", "rotate", "revoke"] {
        let answer = ann.send(&format!("POST /v1/keys/{id}/{change}?receipt=true"));
        assert!(matches!(answer.status, 200 | 201), "{change}: {answer:?}");
    }
    // Before that it was good, and a user may ask for its own.
    let (_, other) = ann.create(r#"{"name":"mine too"}"#);
    let verdict = |key: &str| {
        ann.send(&format!(r#"POST /v1/keys/verify {{"key":"{key}"}}"#)).json()["code"].take()
    };
    assert_eq!((verdict(&other), verdict(&secret)), (json!("VALID"), json!("REVOKED")));
    assert_eq!(ann.all("/v1/events"), owner.all("/v1/events"));
    assert_eq!(ann.all(&format!("/v1/keys/{id}/history")).len(), 6);
    // What its owner makes for it is its own too.
    let (given, _) = owner.create(r#"{"name":"given","owner":"ann"}"#);
    assert_eq!(ann.send(&format!("DELETE /v1/keys/{given}")).status, 200);
    let log = service.stop().1;
    assert_eq!(log, "");
}

/// Every route that names a key, every list, every export.
#[test]
fn other_peoples_keys_are_not_there() {
    let People { owner, ann, bob, namesake, service } = People::meet();
    ann.create(r#"{"name":"k","ttl_s":600}"#);
    let (id, secret) = bob.create(r#"{"name":"k","ttl_s":600}"#);
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let routes = [
        "GET /v1/keys/$",
        "GET /v1/keys/$?as_of=seq:1",
        "GET /v1/keys/$/history",
        "GET /v1/keys/$/proof",
        "POST /v1/keys/$/enable",
        "POST /v1/keys/$/disable",
        "POST /v1/keys/$/expire",
        "POST /v1/keys/$/revoke",
        "POST /v1/keys/$/revoke?dry_run=true",
        "POST /v1/keys/$/rotate",
        "DELETE /v1/keys/$",
        "GET /v1/events/1",
        "GET /v1/events/1/receipt",
    ];
    let plain = |mut problem: Value| {
        problem["request_id"].take();
        problem
    };
    for stranger in [&ann, &namesake] {
        for route in routes {
            let answer = stranger.send(&route.replace('$', &id));
            assert_eq!(answer.status, 404, "{route}: {answer:?}");
            let never = route.replace('$', unknown).replace("events/1", "events/999");
            let never = stranger.send(&never);
            assert_eq!(plain(answer.json()), plain(never.json()), "{route}");
        }
        let verdict = stranger.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#));
        assert_eq!(verdict.json()["code"], "NOT_FOUND");
        assert_eq!(verdict.json()["key"], Value::Null);
        let token = stranger.token().unwrap();
        let headers =
            [("x-keyledger-token", token), ("authorization", ""), ("x-api-key", &*secret)];
        let gateway = stranger.send_with("GET /v1/authorize", &headers);
        assert_eq!(gateway.header("x-key-code"), Some("NOT_FOUND"));
        let gateway = stranger.send_with("GET /v1/authorize?account=acme", &headers);
        assert_eq!(gateway.header("x-key-code"), Some("NOT_FOUND"));
    }
    assert_eq!(owner.all("/v1/events").len(), 2);
    drop(service);
}

#[test]
fn every_list_has_a_users_own_keys_alone() {
    let People { owner, ann, bob, namesake, service } = People::meet();
    let (own, _) = ann.create(r#"{"name":"k","ttl_s":600}"#);
    let (id, _) = bob.create(r#"{"name":"k","ttl_s":600}"#);
    let report = "/v1/report/access?from=2026-01-01T00:00:00Z&to=2099-01-01T00:00:00Z";
    for (who, seen) in [(&ann, vec![own.clone()]), (&bob, vec![id.clone()]), (&namesake, vec![])] {
        for list in ["/v1/keys", "/v1/keys?status=enabled", "/v1/keys?as_of=seq:1", "/v1/expiring"]
        {
            assert_eq!(ids(&who.all(list), "/id"), seen, "{list}");
        }
        assert_eq!(ids(&who.all("/v1/events"), "/key_id"), seen);
        assert_eq!(ids(&who.all("/v1/events?order=desc&type=created"), "/key_id"), seen);
        let held = who.send(&format!("GET {report}")).json();
        assert_eq!(ids(held["items"].as_array().unwrap(), "/key/id"), seen);
        for format in ["application/x-ndjson", "text/csv"] {
            let text = who.send_with("GET /v1/events", &[("accept", format)]).text;
            for key in [&own, &id] {
                assert_eq!(text.contains(key.as_str()), seen.contains(key), "{format}");
            }
        }
    }
    for list in [
        "/v1/keys?owner=bob",
        "/v1/keys?account=other",
        "/v1/events?actor=bob",
        "/v1/events?account=other",
        &format!("/v1/events?key={id}"),
    ] {
        assert_eq!(ann.all(list), Vec::<Value>::new(), "{list}");
    }
    assert_eq!(ids(&owner.all("/v1/keys?owner=bob"), "/id"), [id]);
    // Nor does it make any for others, or somewhere else.
    for body in [r#"{"name":"k","owner":"bob"}"#, r#"{"name":"k","account":"other"}"#] {
        let refused = ann.send(&format!("POST /v1/keys {body}"));
        assert_eq!(refused.refusal(), (403, "forbidden".into()), "{body}");
    }
    for route in ["GET /v1/table-digest", "GET /v1/access", "GET /v1/audit/bundle"] {
        assert_eq!(ann.send(route).refusal(), (403, "forbidden".into()), "{route}");
    }
    assert_eq!(owner.all("/v1/events").len(), 2);
    drop(service);
}

/// One who follows is shown its own alone, what was before and what comes.
#[test]
fn a_stream_shows_a_user_its_own_events() {
    let People { owner, ann, bob, service, .. } = People::meet();
    let (own, _) = ann.create(r#"{"name":"k"}"#);
    let (other, _) = bob.create(r#"{"name":"k"}"#);
    let mut all = ann.stream("/v1/events/stream", &[]);
    let mut others = ann.stream(&format!("/v1/events/stream?key={other}"), &[]);
    let mut theirs = ann.stream("/v1/events/stream?account=other", &[]);
    assert_eq!(all.next()["key_id"], own.as_str());
    for id in [&other, &own] {
        owner.send(&format!("POST /v1/keys/{id}/disable"));
    }
    let event = all.next();
    assert_eq!((&event["key_id"], &event["type"]), (&json!(own), &json!("disabled")));
    let (made, _) = owner.create(r#"{"name":"k","owner":"ann"}"#);
    assert_eq!(all.next()["key_id"], made.as_str());
    service.stop();
    for stream in [&mut others, &mut theirs, &mut all] {
        assert_eq!(stream.next_or_end(), None);
    }
}

/// In the APIs of other services a user has its own keys, and no means to more.
#[test]
fn a_user_of_a_dialect_sees_its_own_keys() {
    let People { service, owner, ann, bob, .. } = People::meet();
    let listed = |client: &Client, path: &str, pointer: &str| {
        let answer = client.send(&format!("GET {path}"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json().pointer(pointer).unwrap().as_array().unwrap().len()
    };
    for client in [&ann, &bob] {
        let made = client.send(r#"POST /dialects/callcov/api/v1/api-keys {"description":"k"}"#);
        assert_eq!(made.status, 201, "{made:?}");
        let made = client.send("GET /dialects/composable/api/v1/apikeys/pk?name=web");
        assert_eq!(made.status, 200, "{made:?}");
    }
    let public = |client: &Client| {
        let answer = client.send("GET /dialects/composable/api/v1/apikeys/pk?name=web").json();
        answer["value"].as_str().unwrap().to_owned()
    };
    assert_ne!(public(&ann), public(&bob), "each has its own");
    for client in [&ann, &bob] {
        assert_eq!(listed(client, "/dialects/callcov/api/v1/api-keys", "/api_keys"), 1);
        assert_eq!(listed(client, "/dialects/composable/api/v1/apikeys", ""), 1);
    }
    assert_eq!(listed(&owner, "/dialects/composable/api/v1/apikeys", ""), 2);

    // A key of capgo lists and manages those of the whole organisation.
    let refused = ann.send(r#"POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"read"}"#);
    assert_eq!(refused.status, 403, "{refused:?}");
    let subject = service.client_with(Some(&service.token_of("acme", "ann", "owner")));
    let made = subject.send(r#"POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"all"}"#);
    let key = made.json()["apikey"]["key"].as_str().unwrap().to_owned();
    let of_others = owner.send(r#"POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"all"}"#);
    let of_others = of_others.json()["apikey"].take();
    assert_eq!(listed(&ann, "/dialects/capgo/apikey/", "/data"), 1);
    assert_eq!(listed(&bob, "/dialects/capgo/apikey/", "/data"), 0);
    let native = ann.all("/v1/keys?prefix=ak_").remove(0);
    let id = native["id"].as_str().unwrap();
    let rotated = ann.send(&format!("POST /v1/keys/{id}/rotate"));
    assert_eq!(rotated.refusal(), (403, "forbidden".into()));
    for named in [of_others["id"].to_string(), of_others["key"].as_str().unwrap().to_owned()] {
        let gone = ann.send(&format!("DELETE /dialects/capgo/apikey/{named}"));
        assert_eq!(gone.status, 404, "{gone:?}");
    }
    assert_eq!(ann.send(&format!("DELETE /dialects/capgo/apikey/{key}")).status, 200);

    let paying = |subject: &str, role: &str| service.paying("acme", subject, role, "pro");
    let (ann, bob) = (paying("ann", "user"), paying("bob", "user"));
    let made = ann.send(r#"POST /dialects/cloudsigma/v1/api-keys {"name":"k"}"#);
    assert_eq!(made.status, 201, "{made:?}");
    let prefix = made.json()["data"]["prefix"].as_str().unwrap().to_owned();
    assert_eq!(listed(&ann, "/dialects/cloudsigma/v1/api-keys", "/data/keys"), 1);
    assert_eq!(listed(&bob, "/dialects/cloudsigma/v1/api-keys", "/data/keys"), 0);
    let revoke = format!("DELETE /dialects/cloudsigma/v1/api-keys/{prefix}");
    assert_eq!(bob.send(&revoke).status, 404);
    assert_eq!(ann.send(&revoke).status, 200);

    let covosign =
        r#"POST /dialects/covosign/api/v1/api-keys {"name":"k","environment":"SANDBOX"}"#;
    assert_eq!(bob.send(covosign).status, 201);
    let owners = owner.all("/v1/keys").iter().filter(|key| key["owner"] == "bob").count();
    assert_eq!(owners, 3);
}

#[test]
fn a_user_is_of_one_account() {
    let service = Service::start();
    let everywhere = crate::auth::mint(&service, &json!({"account": "*", "role": ["user"]}));
    let refused = service.client_with(Some(&everywhere)).send("GET /v1/keys");
    assert_eq!(refused.refusal(), (401, "unauthenticated".into()));
    let made = crate::support::keyledger(&["token", "--account", "*", "--subject", "ann"]);
    let made = made.with(&["--role", "user"]).data(&service.data()).run();
    made.says(2, &["--role user is for one account"]);
}
