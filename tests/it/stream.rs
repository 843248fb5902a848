//! Server-sent events: catching up, following, coming again.

use serde_json::json;

use crate::auth::mint;
use crate::support::{Service, until};

#[test]
fn a_stream_catches_up_and_then_follows() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"before"}"#);
    let mut stream = service.client("auditor").stream("/v1/events/stream", &[]);
    assert_eq!(stream.next()["key_id"], id.as_str());
    for change in ["disable", "enable", "revoke"] {
        owner.send(&format!("POST /v1/keys/{id}/{change}"));
        let event = stream.next();
        assert_eq!(event["type"], format!("{change}d"), "{event}");
        // What is streamed is what is listed.
        let seq = &event["seq"];
        assert_eq!(event, owner.send(&format!("GET /v1/events/{seq}")).json());
    }
}

#[test]
fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let service = Service::start();
    let owner = service.client("owner");
    for _ in 0..5 {
        owner.create(r#"{"name":"k"}"#);
    }
    let mut stream = owner.stream("/v1/events/stream?after=1", &[]);
    assert_eq!(stream.next()["seq"], 2);
    drop(stream);
    // The header goes before the query: it is what a browser sends when it comes again.
    let mut stream = owner.stream("/v1/events/stream?after=1", &[("last-event-id", "2")]);
    assert_eq!(stream.next()["seq"], 3);
    assert_eq!(stream.next()["seq"], 4);
    owner.create(r#"{"name":"k"}"#);
    assert_eq!(stream.next()["seq"], 5);
    let beyond = owner.send("GET /v1/events/stream?after=999");
    assert_eq!(beyond.refusal(), (400, "invalid_request".into()));
}

#[test]
fn a_stream_shows_only_what_its_reader_may_see_and_asked_for() {
    let service = Service::start();
    let (acme, other) = (service.client("owner"), service.client_of("other", "owner"));
    let mut stream = acme.stream("/v1/events/stream?type=revoked", &[]);
    let (id, _) = acme.create(r#"{"name":"k"}"#);
    let (others, _) = other.create(r#"{"name":"k"}"#);
    other.send(&format!("DELETE /v1/keys/{others}"));
    acme.send(&format!("DELETE /v1/keys/{id}"));
    let event = stream.next();
    assert_eq!((&event["seq"], &event["key_id"]), (&3.into(), &id.as_str().into()));
}

#[test]
fn a_slow_reader_falls_behind_and_misses_nothing() {
    let service = Service::start();
    let owner = service.client("owner");
    let mut stream = owner.stream("/v1/events/stream", &[]);
    let long = "x".repeat(400);
    for _ in 0..800 {
        owner.create(&format!(r#"{{"name":"k","description":"{long}"}}"#));
    }
    for seq in 0..800 {
        assert_eq!(stream.next()["seq"], seq);
    }
}

#[test]
fn a_stop_ends_streams_and_a_restart_takes_them_up() {
    let service = Service::start();
    let owner = service.client("owner");
    owner.create(r#"{"name":"k"}"#);
    let mut stream = owner.stream("/v1/events/stream", &[]);
    assert_eq!(stream.next()["seq"], 0);
    let (stopped, _) = service.stop();
    assert_eq!(stream.next_or_end(), None);
    let service = stopped.start();
    let owner = service.client("owner");
    let mut stream = owner.stream("/v1/events/stream", &[("last-event-id", "0")]);
    owner.create(r#"{"name":"k"}"#);
    assert_eq!(stream.next()["seq"], 1);
}

/// Conventions: a stream ends when its token does, and no cache lets the token live on.
#[test]
fn a_stream_ends_with_its_token() {
    let service = Service::start();
    let owner = service.client("owner");
    owner.create(r#"{"name":"k"}"#);
    // Six seconds are left of the thirty that clocks may differ by.
    let token = mint(&service, &json!({"exp": seconds_now() - 24}));
    let client = service.client_with(Some(&token));
    let mut stream = client.stream("/v1/events/stream", &[]);
    assert_eq!(stream.next()["seq"], 0);
    assert_eq!(stream.next_or_end(), None);
    until("the token is over", || client.send("GET /v1/keys").status == 401);
    assert_eq!(client.status("GET /v1/events/stream"), "401 unauthenticated");
}

#[expect(clippy::disallowed_methods, reason = "a token's end is a time of day")]
fn seconds_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
