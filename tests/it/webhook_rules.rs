//! Webhooks: who may make and see them, and what is refused.

use serde_json::{Value, json};

use crate::support::{Receiver, Service, keyledger, until};
use crate::webhooks::{is_idle, service, shown, webhook};

const URL: &str = "https://hooks.invalid/x";

#[test]
fn a_webhook_is_its_accounts_and_its_secret_is_shown_once() {
    let (service, receiver) = (service(), Receiver::start());
    let (owner, admin) = (service.client("owner"), service.client("admin"));
    let (auditor, stranger) = (service.client("auditor"), service.client_of("other", "owner"));
    let (of_acme, secret) = webhook(&owner, URL, &["created"]);
    let (of_all, _) = webhook(&admin, &receiver.url(), &["created"]);
    assert_eq!(shown(&admin, &of_all)["account"], Value::Null);
    let body = json!({"url": URL, "events": ["created"], "account": "other"});
    let made = admin.send(&format!("POST /v1/webhooks {body}")).json();
    let of_other = made["webhook"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made["webhook"]["account"], "other");
    let refused = owner.send(&format!("POST /v1/webhooks {body}"));
    assert_eq!(refused.refusal(), (403, "forbidden".into()));

    for (client, seen) in [
        (&owner, vec![&of_acme]),
        (&auditor, vec![&of_acme]),
        (&stranger, vec![&of_other]),
        (&admin, vec![&of_acme, &of_all, &of_other]),
    ] {
        let listed = client.all("/v1/webhooks");
        let ids: Vec<_> = listed.iter().map(|webhook| webhook["id"].as_str().unwrap()).collect();
        assert_eq!(ids, seen);
        for id in [&of_acme, &of_all, &of_other] {
            let status = if seen.contains(&id) { 200 } else { 404 };
            let one = client.send(&format!("GET /v1/webhooks/{id}"));
            assert_eq!(one.status, status);
            assert!(!one.text.contains(&secret) && !one.text.contains("whsec"), "{one:?}");
        }
    }
    assert_eq!(admin.all("/v1/webhooks?account=other").len(), 1);
    let page = admin.send("GET /v1/webhooks?limit=2").json();
    let rest = format!("GET /v1/webhooks?cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(admin.send(&rest).json()["items"][0]["id"], of_other.as_str());
    for route in
        ["DELETE /v1/webhooks/$", "POST /v1/webhooks/$/replay", "GET /v1/webhooks/$/deliveries"]
    {
        let refused = stranger.send(&route.replace('$', &of_acme));
        assert_eq!(refused.refusal(), (404, "webhook_not_found".into()), "{route}");
    }
    // One of all accounts hears of each.
    owner.create(r#"{"name":"k"}"#);
    stranger.create(r#"{"name":"k"}"#);
    let accounts: Vec<_> =
        receiver.wait_for(2).iter().map(|one| one.json()["account"].clone()).collect();
    assert_eq!(accounts, ["acme", "other"]);

    // Who has events sent reads them as they happen, and that is on record.
    let readings = service.client_of("*", "auditor").all("/v1/access");
    let streams = readings.iter().filter(|one| one["reading"] == "stream");
    let streams: Vec<_> =
        streams.map(|one| [&one["actor"]["subject"], &one["of_account"]]).collect();
    let expected = [
        [json!("owner-of-test"), json!("acme")],
        [json!("admin-of-test"), Value::Null],
        [json!("admin-of-test"), json!("other")],
    ];
    assert_eq!(streams, expected.each_ref().map(<[Value; 2]>::each_ref));

    let deleted = owner.send(&format!("DELETE /v1/webhooks/{of_acme}"));
    assert_eq!(deleted.json()["id"], of_acme.as_str());
    let again = owner.send(&format!("DELETE /v1/webhooks/{of_acme}"));
    assert_eq!(again.refusal(), (404, "webhook_not_found".into()));
    admin.send(&format!("DELETE /v1/webhooks/{of_all}"));
    owner.create(r#"{"name":"k"}"#);
    let service = service.restart();
    assert_eq!(service.client("admin").all("/v1/webhooks").len(), 1);
    assert_eq!(receiver.received().len(), 2);
}

#[test]
fn a_webhook_that_is_wrong_names_its_field() {
    let service = Service::start();
    let owner = service.client("owner");
    let table = [
        (json!({}), "url"),
        (json!({"url": URL}), "events"),
        (json!({"url": URL, "events": []}), "events"),
        (json!({"url": URL, "events": ["made"]}), "events"),
        (json!({"url": URL, "events": "created"}), "events"),
        (json!({"url": "hooks.example.com", "events": ["created"]}), "url"),
        (json!({"url": "ftp://a.example/", "events": ["created"]}), "url"),
        (json!({"url": "https://ann:pw@a.example/", "events": ["created"]}), "url"),
        // No network was allowed.
        (json!({"url": "http://a.example/", "events": ["created"]}), "url"),
        (json!({"url": URL, "events": ["created"], "secret": "whsec_c2hvcnQ="}), "secret"),
        (json!({"url": URL, "events": ["created"], "secret": "guess"}), "secret"),
        (json!({"url": URL, "events": ["created"], "account": ""}), "account"),
        (json!({"url": URL, "events": ["created"], "urls": []}), "urls"),
    ];
    for (body, field) in table {
        let refused = owner.send(&format!("POST /v1/webhooks {body}"));
        assert_eq!(refused.refusal(), (400, "invalid_request".into()), "{body}");
        assert_eq!(refused.field().as_deref(), Some(field), "{body}: {refused:?}");
        assert!(!refused.text.contains("pw@") && !refused.text.contains("whsec_c2"), "{refused:?}");
    }
    for route in ["GET /v1/webhooks/x", "GET /v1/webhooks?cursor=x", "GET /v1/webhooks?owner=x"] {
        assert_eq!(owner.send(route).refusal(), (400, "invalid_request".into()), "{route}");
    }
    let good = json!({"url": URL, "events": ["created"]});
    let refused = owner.send(&format!("POST /v1/webhooks?receipt=true {good}"));
    assert_eq!(refused.refusal(), (400, "invalid_request".into()));
    let tried = owner.send(&format!("POST /v1/webhooks?dry_run=true {good}"));
    assert_eq!((tried.status, tried.json()), (200, json!({"webhook": null, "secret": null})));
    assert!(owner.all("/v1/webhooks").is_empty());
}

#[test]
fn an_account_has_only_so_many_webhooks() {
    let service = Service::with(&["--max-webhooks-per-account", "2", "--max-webhooks", "3"]);
    let owner = service.client("owner");
    let other = service.client_of("other", "owner");
    let make = |client: &crate::support::Client| {
        client.send(&format!(r#"POST /v1/webhooks {{"url":"{URL}","events":["created"]}}"#))
    };
    assert_eq!([make(&owner).status, make(&owner).status], [201, 201]);
    assert_eq!(make(&owner).refusal(), (409, "webhook_limit".into()));
    assert_eq!(make(&other).status, 201);
    assert_eq!(make(&other).refusal(), (409, "webhook_limit".into()));
}

#[test]
fn a_repeated_request_makes_one_webhook() {
    let service = Service::start();
    let owner = service.client("owner");
    let key = [("idempotency-key", "once")];
    let body = |url: &str| format!(r#"POST /v1/webhooks {{"url":"{url}","events":["created"]}}"#);
    let made = owner.send_with(&body(URL), &key);
    let again = owner.send_with(&body(URL), &key);
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(made.json()["secret"], again.json()["secret"]);
    let other = owner.send_with(&body("https://b.invalid/"), &key);
    assert_eq!(other.refusal(), (422, "idempotency_mismatch".into()));
    let service = service.restart();
    let owner = service.client("owner");
    let again = owner.send_with(&body(URL), &key);
    assert_eq!(again.json()["webhook"]["id"], made.json()["webhook"]["id"]);
    assert_eq!(owner.all("/v1/webhooks").len(), 1);
}

#[test]
fn a_repeated_request_deletes_and_replays_once() {
    let (service, receiver) = (service(), Receiver::start());
    let owner = service.client("owner");
    let send = |client: &crate::support::Client, line: &str| {
        let answer = client.send_with(line, &[("idempotency-key", "once")]);
        let replayed = answer.header("idempotency-replayed") == Some("true");
        (answer.status, replayed)
    };
    owner.create(r#"{"name":"k"}"#);
    let (id, _) = webhook(&owner, &receiver.url(), &["created"]);
    let (other, _) = webhook(&owner, URL, &["revoked"]);
    let replay = format!("POST /v1/webhooks/{id}/replay");
    assert_eq!(send(&owner, &replay), (200, false));
    receiver.wait_for(1);
    until("it is idle", || is_idle(&owner, &id));
    assert_eq!(send(&owner, &replay), (200, true));
    assert_eq!(shown(&owner, &id)["next_seq"], 1, "it did not go back");
    // Another request with that key is refused, whatever it is about; another caller's is its own.
    for line in [format!("{replay}?after=0"), format!("POST /v1/webhooks/{other}/replay")] {
        let refused = owner.send_with(&line, &[("idempotency-key", "once")]);
        assert_eq!(refused.refusal(), (422, "idempotency_mismatch".into()), "{line}");
    }
    let admin = service.client("admin");
    assert_eq!(send(&admin, &replay), (200, false));
    receiver.wait_for(2);
    until("it is idle", || is_idle(&owner, &id));
    let refused = owner.send_with(&replay, &[("idempotency-key", "")]);
    assert_eq!(refused.refusal(), (400, "invalid_request".into()));

    // It is remembered over a kill.
    let service = service.kill().start();
    let (owner, admin) = (service.client("owner"), service.client("admin"));
    assert_eq!(send(&admin, &replay), (200, true));
    let delete = format!("DELETE /v1/webhooks/{id}");
    assert_eq!(send(&owner, &delete), (200, false));
    assert_eq!(send(&owner, &delete), (200, true));
    let refused =
        owner.send_with(&format!("DELETE /v1/webhooks/{other}"), &[("idempotency-key", "once")]);
    assert_eq!(refused.refusal(), (422, "idempotency_mismatch".into()));
    assert_eq!(owner.send(&delete).refusal(), (404, "webhook_not_found".into()));
    let stranger = service.client_of("other", "owner");
    assert_eq!(send(&stranger, &delete), (404, false));
    // A deletion is remembered as long as the service runs.
    let service = service.restart();
    assert_eq!(send(&service.client("owner"), &delete), (404, false));
    assert_eq!(receiver.received().len(), 2);
}

#[test]
fn a_secret_of_ones_own_signs_and_nothing_logs_it() {
    let (service, receiver) = (service(), Receiver::start());
    let owner = service.client("owner");
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = json!({"url": receiver.url(), "events": ["created"], "secret": secret});
    let made = owner.send(&format!("POST /v1/webhooks {body}")).json();
    assert_eq!(made["secret"], secret);
    owner.create(r#"{"name":"k"}"#);
    receiver.wait_for(1);
    let (_, log) = service.stop();
    assert!(!log.contains("whsec_"), "{log}");
}

#[test]
fn webhooks_by_the_command_line() {
    let (service, receiver) = (service(), Receiver::start());
    let token = service.token("acme", "owner");
    let owner = service.client("owner");
    let program = |arguments: &[&str]| {
        let program = keyledger(&["webhooks"]).with(arguments);
        program.env("KEYLEDGER_URL", &service.url()).env("KEYLEDGER_TOKEN", &token)
    };
    let url = receiver.url();
    let made = program(&["create", &url, "--event", "created,expiring"]).good();
    assert!(made.lines().last().unwrap().starts_with("whsec_"), "{made}");
    let listed: Value = serde_json::from_str(&program(&["list", "--json"]).good()).unwrap();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["events"], json!(["created", "expiring"]));
    owner.create(r#"{"name":"k"}"#);
    receiver.wait_for(1);
    until("it is idle", || is_idle(&owner, &id));
    assert!(program(&["list"]).good().contains("active"));
    assert!(program(&["show", &id]).good().contains("next_seq       1"));
    assert!(program(&["deliveries", &id]).good().contains("delivered"));
    assert_eq!(program(&["replay", &id]).run().code, Some(2), "from where is to be said");
    for _ in 0..2 {
        program(&["replay", &id, "--all", "--idempotency-key", "once"]).good();
        receiver.wait_for(2);
        until("it is idle", || is_idle(&owner, &id));
    }
    for _ in 0..2 {
        program(&["delete", &id, "--idempotency-key", "once"]).good();
    }
    assert_eq!(receiver.received().len(), 2);
    program(&["show", &id]).run().says(1, &["webhook_not_found"]);
    program(&["create", "https://127.0.0.2:1/x", "--event", "made"]).run().says(1, &["events"]);
}
