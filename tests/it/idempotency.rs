//! The same request twice is one change.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Service};

fn send(client: &Client, line: &str, key: &str) -> Answer {
    client.send_with(line, &[("idempotency-key", key)])
}

#[test]
fn the_same_request_gives_the_recorded_outcome_again() {
    let service = Service::start();
    let owner = service.client("owner");
    let first = send(&owner, r#"POST /v1/keys {"name":"k"}"#, "a");
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let id = first.json()["key"]["id"].as_str().unwrap().to_owned();
    // The outcome is the one of then, whatever happened since.
    owner.send(&format!("POST /v1/keys/{id}/disable"));
    let again = send(&owner, r#"POST /v1/keys {"name":"k"}"#, "a");
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.json(), first.json());

    for command in ["enable", "revoke"] {
        let line = format!("POST /v1/keys/{id}/{command}");
        let first = send(&owner, &line, "a");
        let again = send(&owner, &line, "a");
        assert_eq!((first.status, again.status), (200, 200), "{command}: {again:?}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.json(), first.json());
    }
    assert_eq!(owner.all("/v1/events").len(), 4);
}

#[test]
fn another_request_with_the_same_key_is_refused() {
    let service = Service::start();
    let owner = service.client("owner");
    assert_eq!(send(&owner, r#"POST /v1/keys {"name":"k"}"#, "a").status, 201);
    let other = send(&owner, r#"POST /v1/keys {"name":"other"}"#, "a");
    assert_eq!(other.refusal(), (422, "idempotency_mismatch".into()));
    assert_eq!(owner.all("/v1/events").len(), 1);
}

#[test]
fn a_key_is_scoped_to_account_subject_and_route() {
    let service = Service::start();
    let create = r#"POST /v1/keys {"name":"k"}"#;
    let ann = service.client_with(Some(&service.token_of("acme", "ann", "owner")));
    let bob = service.client_with(Some(&service.token_of("acme", "bob", "owner")));
    let other = service.client_with(Some(&service.token_of("other", "ann", "owner")));
    for client in [&ann, &bob, &other] {
        let answer = send(client, create, "a");
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, None));
    }
    let id = ann.all("/v1/keys")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(send(&ann, &format!("POST /v1/keys/{id}/disable"), "a").status, 200);
}

#[test]
fn a_refusal_leaves_no_record_and_is_decided_anew() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    let enable = format!("POST /v1/keys/{id}/enable");
    assert_eq!(send(&owner, &enable, "a").refusal(), (409, "already".into()));
    owner.send(&format!("POST /v1/keys/{id}/disable"));
    let answer = send(&owner, &enable, "a");
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, None));
}

#[test]
fn it_holds_across_a_restart_but_the_secret_does_not() {
    let service = Service::start();
    let first = send(&service.client("owner"), r#"POST /v1/keys {"name":"k"}"#, "a");
    let service = service.restart();
    let again = send(&service.client("owner"), r#"POST /v1/keys {"name":"k"}"#, "a");
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.json()["key"], first.json()["key"]);
    assert_eq!(again.json()["secret"], Value::Null);
    let service = service.kill().start();
    let other = send(&service.client("owner"), r#"POST /v1/keys {"name":"other"}"#, "a");
    assert_eq!(other.refusal(), (422, "idempotency_mismatch".into()));
    assert_eq!(service.client("owner").all("/v1/events").len(), 1);
}

#[test]
fn a_request_that_is_sent_many_times_at_once_happens_once() {
    let service = Service::start();
    let owner = service.client("owner");
    let ids: Vec<String> = std::thread::scope(|threads| {
        let senders: Vec<_> = (0..8)
            .map(|_| threads.spawn(|| send(&owner, r#"POST /v1/keys {"name":"k"}"#, "once")))
            .collect();
        let answers = senders.into_iter().map(|sender| sender.join().unwrap());
        answers.map(|answer| answer.json()["key"]["id"].to_string()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(owner.all("/v1/events").len(), 1);
}

#[test]
fn an_idempotency_key_that_is_none_is_refused() {
    let service = Service::start();
    let owner = service.client("owner");
    for key in ["", &"k".repeat(1_000)] {
        let answer = send(&owner, r#"POST /v1/keys {"name":"k"}"#, key);
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{key:?}");
    }
}

/// Conventions: on every POST that changes something.
#[test]
fn rotations_and_expirations_are_repeated_too() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    let rotate = format!(r#"POST /v1/keys/{id}/rotate {{"overlap_s":60}}"#);
    let first = send(&owner, &rotate, "a");
    let again = send(&owner, &rotate, "a");
    assert_eq!((first.status, again.status), (201, 201), "{again:?}");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    // The new key, its secret and all, as in the first response.
    assert_eq!(again.json(), first.json());
    assert_eq!(send(&owner, &rotate, "b").refusal(), (409, "already_replaced".into()));
    let dry = send(&owner, r#"POST /v1/keys?dry_run=true {"name":"k"}"#, "c");
    assert_eq!((dry.status, dry.header("idempotency-replayed")), (200, None));
    assert_eq!(send(&owner, r#"POST /v1/keys {"name":"k"}"#, "c").status, 201);

    let service = Service::with(&["--no-worker"]);
    let owner = service.client("owner");
    let worker = service.client("worker");
    for _ in 0..3 {
        owner.create(r#"{"name":"k","ttl_s":1}"#);
    }
    let expire = r#"POST /v1/expirations {"limit":2}"#;
    let mut first = send(&worker, expire, "0");
    let mut tries = 0;
    crate::support::until("two keys are due", || {
        // None was recorded under the keys before, so each is decided anew.
        if first.json()["expired"].as_array().unwrap().is_empty() {
            tries += 1;
            first = send(&worker, expire, &tries.to_string());
        }
        first.json()["expired"].as_array().is_some_and(|expired| !expired.is_empty())
    });
    let again = send(&worker, expire, &tries.to_string());
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json()["expired"], first.json()["expired"]);
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

/// What a client that repeats its request must not do: end what was made since.
#[test]
fn tokens_that_were_made_since_outlive_a_repeated_end() {
    let service = Service::start();
    let make = |service: &Service| {
        let line = r#"POST /v1/tokens {"subject":"tt","role":"owner","ttl_s":600}"#;
        let made = service.client("owner").send(line).json();
        made["secret"].as_str().unwrap().to_owned()
    };
    let works = |service: &Service, token: &str| {
        service.client_with(Some(token)).send("GET /v1/keys").status == 200
    };
    let line = r#"POST /v1/tokens/revoke {"subject":"tt"}"#;
    let gone = make(&service);
    let first = send(&service.client("owner"), line, "a");
    assert_eq!((first.status, replayed(&first)), (200, false), "{first:?}");
    let next = make(&service);
    let check = |service: &Service| {
        let again = send(&service.client("owner"), line, "a");
        assert_eq!((again.status, replayed(&again)), (200, true), "{again:?}");
        assert_eq!(again.json(), first.json());
        let other = send(&service.client("owner"), &line.replace("tt", "uu"), "a");
        assert_eq!(other.refusal(), (422, "idempotency_mismatch".into()));
        assert_eq!([works(service, &gone), works(service, &next)], [false, true]);
    };
    check(&service);
    let service = service.kill().start();
    check(&service);
    // Without a key, or with another one, it is another request.
    assert!(!replayed(&send(&service.client("owner"), line, "b")));
    assert!(!works(&service, &next));
}

#[test]
fn holds_are_placed_and_released_once() {
    let service = Service::start();
    service.client("admin").create(r#"{"name":"k","account":"acme","owner":"ann"}"#);
    let to = |service: &Service, line: &str, key: &str| {
        send(&service.client("admin"), &format!("POST /v1/subjects/ann/{line}"), key)
    };
    let hold = r#"hold {"reason":"case 1"}"#;
    let placed = to(&service, hold, "a");
    assert_eq!((placed.status, replayed(&placed)), (201, false), "{placed:?}");
    let rehearsed = to(&service, "hold?dry_run=true", "a");
    assert_eq!((rehearsed.status, replayed(&rehearsed)), (200, false));
    let check = |service: &Service| {
        let again = to(service, hold, "a");
        assert_eq!((again.status, replayed(&again)), (201, true), "{again:?}");
        assert_eq!(again.json(), placed.json());
        let other = to(service, r#"hold {"reason":"case 2"}"#, "a");
        assert_eq!(other.refusal(), (422, "idempotency_mismatch".into()));
    };
    check(&service);
    let service = service.kill().start();
    check(&service);
    let released = to(&service, "release", "a");
    assert_eq!((released.status, replayed(&released)), (200, false), "{released:?}");
    assert_eq!(released.json()["released"], placed.json()["hold"]);
    let stays = to(&service, hold, "b").json()["hold"].clone();
    let service = service.kill().start();
    let again = to(&service, "release", "a");
    assert_eq!((again.status, replayed(&again)), (200, true), "{again:?}");
    assert_eq!(again.json(), released.json());
    let shown = service.client("admin").send("GET /v1/subjects/ann").json();
    assert_eq!(shown["holds"], json!([stays]));
}

#[test]
fn a_person_is_erased_once_as_far_as_that_can_be_told() {
    let service = Service::start();
    let admin = service.client("admin");
    admin.create(r#"{"name":"k","account":"acme","owner":"ann"}"#);
    let line = r#"POST /v1/subjects/ann/erase {"legal_basis":"Art. 17"}"#;
    let first = send(&admin, line, "a");
    assert_eq!((first.status, replayed(&first)), (200, false), "{first:?}");
    // One of the same name, who is another person.
    admin.create(r#"{"name":"k","account":"acme","owner":"ann"}"#);
    let again = send(&admin, line, "a");
    assert_eq!((again.status, replayed(&again)), (200, true), "{again:?}");
    assert_eq!(again.json(), first.json());
    let other = send(&admin, "POST /v1/subjects/ann/erase", "a");
    assert_eq!(other.refusal(), (422, "idempotency_mismatch".into()));
    assert_eq!(admin.send("GET /v1/subjects/ann").status, 200);
    let service = service.kill().start();
    let again = send(&service.client("admin"), line, "a");
    assert_eq!((again.status, replayed(&again)), (200, false), "it is not on record: {again:?}");
    let again = send(&service.client("admin"), &line.replace("ann", "nobody"), "b");
    assert_eq!(again.refusal(), (404, "subject_not_found".into()));
}

#[test]
fn the_secret_of_a_webhook_is_given_again_by_the_same_process_alone() {
    let service = Service::start();
    let line = r#"POST /v1/webhooks {"url":"https://a.example/","events":["created"]}"#;
    let owner = service.client("owner");
    let (first, again) = (send(&owner, line, "a"), send(&owner, line, "a"));
    assert_eq!((first.status, again.status), (201, 201), "{first:?}");
    assert!(first.json()["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!((&again.json()["secret"], replayed(&again)), (&first.json()["secret"], true));
    let service = service.restart();
    let again = send(&service.client("owner"), line, "a");
    assert_eq!((again.status, replayed(&again)), (201, true), "{again:?}");
    assert_eq!(again.json()["webhook"]["id"], first.json()["webhook"]["id"]);
    assert_eq!(again.json()["secret"], Value::Null);
}
