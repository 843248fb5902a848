//! Server-sent events: catching up, following, coming again.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use crate::auth::{mint, seconds_now};
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
fn a_stream_shows_only_what_its_reader_may_see_and_filtered_for() {
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

/// 100 closed streams were still there 48 s later, because the log was never silent.
#[test]
fn closed_streams_are_gone_at_once_though_the_log_is_busy() {
    let service = Service::start();
    let owner = service.client("owner");
    let open = |count: usize| {
        let metrics = service.client_with(None).send("GET /metrics").text;
        metrics.contains(&format!("\nkeyledger_streams {count}\n"))
    };
    let request = format!(
        "GET /v1/events/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        owner.token().unwrap()
    );
    let streams: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(service.address()).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    until("all streams are open", || open(100));
    // Half of them half-closed: who reads a stream and closes its half is gone as well.
    let (closed, half): (Vec<_>, Vec<_>) =
        streams.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
    drop(closed);
    for (_, stream) in &half {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    until("no stream is open", || {
        owner.create(r#"{"name":"busy"}"#);
        open(0)
    });
    until("no socket waits to be closed", || close_wait(service.address().port()) == 0);
}

/// How many of the service's sockets have been closed at the other end and not at its own.
fn close_wait(port: u16) -> usize {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let own = format!(":{port:04X}");
    let is_own = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&own)) && fields.nth(1) == Some("08")
    };
    sockets.lines().filter(is_own).count()
}

#[test]
fn one_more_stream_than_an_account_may_have_is_refused() {
    let options = ["--max-streams-per-account", "2", "--max-streams", "3"];
    let service = Service::with(&options);
    let [acme, other] = ["acme", "other"].map(|account| service.client_of(account, "owner"));
    let _two = [acme.stream("/v1/events/stream", &[]), acme.stream("/v1/events/stream", &[])];
    let refused = acme.send("GET /v1/events/stream");
    assert_eq!(refused.refusal(), (429, "rate_limited".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let _third = other.stream("/v1/events/stream", &[]);
    let refused = other.send("GET /v1/events/stream");
    assert_eq!(refused.refusal(), (503, "overloaded".into()));
    assert_eq!(acme.send("GET /v1/keys").status, 200);
}
