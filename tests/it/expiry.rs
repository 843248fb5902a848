//! Time runs out: keys are denied at once, and that they are expired is recorded once.

use crate::support::{Service, keyledger};

/// When an event was due and when it was recorded, in ms apart.
fn late_ms(event: &serde_json::Value) -> u64 {
    assert!(event["data"]["due_at"].is_string(), "{event}");
    event["data"]["late_ms"].as_u64().unwrap_or_else(|| panic!("{event}"))
}

#[test]
fn a_key_expires_by_itself_and_is_denied_from_then_on() {
    let service = Service::start();
    let owner = service.client("owner");
    let mut stream = owner.stream("/v1/events/stream?type=expired", &[]);
    let (id, secret) = owner.create(r#"{"name":"k","ttl_s":1}"#);
    let verify = format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#);
    let event = stream.next();
    assert_eq!(event["key_id"], id.as_str());
    assert_eq!(
        (&event["actor"]["subject"], &event["actor"]["via"]),
        (&"worker".into(), &"worker".into())
    );
    assert_eq!((&event["before"], &event["after"]), (&"enabled".into(), &"expired".into()));
    assert!(late_ms(&event) < 5_000, "{event}");
    assert_eq!(owner.send(&verify).json()["code"], "EXPIRED");
    let refused = owner.send(&format!("POST /v1/keys/{id}/enable"));
    assert_eq!(refused.refusal(), (409, "not_while_expired".into()));
    assert_eq!(owner.all("/v1/events").len(), 2);
}

#[test]
fn keys_expire_in_the_order_they_are_due_and_each_once() {
    let service = Service::start();
    let owner = service.client("owner");
    let mut stream = owner.stream("/v1/events/stream?type=expired", &[]);
    let (last, _) = owner.create(r#"{"name":"k","ttl_s":3}"#);
    // One that is due earlier than what the worker waits for wakes it.
    let (first, _) = owner.create(r#"{"name":"k","ttl_s":1}"#);
    let (off, _) = owner.create(r#"{"name":"k","ttl_s":2}"#);
    let (never, _) = owner.create(r#"{"name":"k","ttl_s":2}"#);
    owner.send(&format!("POST /v1/keys/{off}/disable"));
    owner.send(&format!("DELETE /v1/keys/{never}"));
    let seen: Vec<_> = (0..3).map(|_| stream.next()["key_id"].clone()).collect();
    assert_eq!(seen, [first.as_str(), &off, &last]);
}

#[test]
fn what_fell_due_while_nobody_served_is_caught_up_with() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k","ttl_s":1}"#);
    let (stopped, _) = service.stop();
    // The time runs out on another service's clock, while this one is stopped.
    let clock = Service::start();
    let mut tick = clock.client("owner").stream("/v1/events/stream?type=expired", &[]);
    clock.client("owner").create(r#"{"name":"tick","ttl_s":2}"#);
    tick.next();
    let service = stopped.start();
    let owner = service.client("owner");
    let mut stream = owner.stream("/v1/events/stream?type=expired", &[]);
    let event = stream.next();
    assert_eq!(event["key_id"], id.as_str());
    assert!(late_ms(&event) > 500, "{event}");
    let service = service.restart();
    assert_eq!(service.client("owner").all("/v1/events?type=expired").len(), 1);
}

#[test]
fn a_due_key_is_denied_even_if_no_worker_runs() {
    let service = Service::with(&["--no-worker"]);
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"k","ttl_s":1}"#);
    let verify = format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#);
    let clock = Service::start();
    let mut tick = clock.client("owner").stream("/v1/events/stream?type=expired", &[]);
    clock.client("owner").create(r#"{"name":"tick","ttl_s":2}"#);
    tick.next();
    assert_eq!(owner.send(&verify).json()["code"], "EXPIRED");
    assert_eq!(owner.send(&format!("GET /v1/keys/{id}")).json()["status"], "expired");
    assert_eq!(owner.all("/v1/events?type=expired").len(), 0);
    // The first command that meets the key records it, and is then judged on an expired key.
    let refused = owner.send(&format!("POST /v1/keys/{id}/disable"));
    assert_eq!(refused.refusal(), (409, "not_while_expired".into()));
    assert_eq!(owner.all("/v1/events?type=expired").len(), 1);
}

#[test]
fn a_worker_outside_records_what_is_due() {
    let service = Service::with(&["--no-worker"]);
    let owner = service.client("owner");
    let mut stream = owner.stream("/v1/events/stream?type=expired", &[]);
    let (id, _) = owner.create(r#"{"name":"k","ttl_s":1}"#);
    let token = service.token("*", "worker");
    let mut worker = keyledger(&["worker", "--interval", "1s", "--url", &service.url()])
        .env("KEYLEDGER_TOKEN", &token);
    let mut child = worker.spawn();
    let event = stream.next();
    assert_eq!(event["key_id"], id.as_str());
    assert_eq!(event["actor"]["subject"], "worker-of-test");
    late_ms(&event);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    drop(child.stdin.take());
    assert_eq!(crate::support::wait(child), Some(0));
    assert_eq!(owner.all("/v1/events?type=expired").len(), 1);
}

#[test]
fn what_is_due_is_recorded_on_request_and_at_most_so_many() {
    let service = Service::with(&["--no-worker"]);
    let owner = service.client("owner");
    for _ in 0..3 {
        owner.create(r#"{"name":"k","ttl_s":1}"#);
    }
    let worker = service.client_of("*", "worker");
    let clock = Service::start();
    let mut tick = clock.client("owner").stream("/v1/events/stream?type=expired", &[]);
    clock.client("owner").create(r#"{"name":"tick","ttl_s":2}"#);
    tick.next();
    let shape = |limit: u64| {
        let answer = worker.send(&format!(r#"POST /v1/expirations {{"limit":{limit}}}"#)).json();
        (answer["expired"].as_array().unwrap().len(), answer["more"].as_bool().unwrap())
    };
    assert_eq!([shape(2), shape(2), shape(2)], [(2, true), (1, false), (0, false)]);
    for limit in ["0", "1001", "-1", "\"a\""] {
        let refused = worker.send(&format!(r#"POST /v1/expirations {{"limit":{limit}}}"#));
        assert_eq!(refused.refusal(), (400, "invalid_request".into()), "{limit}");
    }
}
