//! No caller takes the service from another: what is long is bounded, and in nobody's way.

use std::io::Write as _;
use std::net::TcpStream;

use crate::support::{Client, Service, until};

const EXPORT: &str = "GET /v1/events";
const REPORT: &str = "GET /v1/report/access?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
const BUNDLE: &str = "GET /v1/audit/bundle";

/// A service whose exports, reports and bundles do not fit into the buffers of a socket.
fn filled(options: &[&str]) -> Service {
    let service = Service::with(options);
    let owner = service.client("owner");
    let long = "x".repeat(500);
    for _ in 0..1_500 {
        owner.create(&format!(r#"{{"name":"k","description":"{long}"}}"#));
    }
    service
}

/// Clients that ask for something long and read nothing of it.
fn dead_readers(service: &Service, client: &Client, line: &str, count: usize) -> Vec<TcpStream> {
    let token = client.token().unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: k\r\nAccept: application/x-ndjson\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    let send = |_| {
        let mut socket = TcpStream::connect(service.address()).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        socket
    };
    (0..count).map(send).collect()
}

/// How many exports, reports and bundles are under way.
fn under_way(service: &Service) -> u64 {
    let page = service.client("owner").send("GET /metrics").text;
    let line = page.lines().find_map(|line| line.strip_prefix("keyledger_exports "));
    line.unwrap().parse().unwrap()
}

#[test]
fn readers_that_do_not_read_hold_up_neither_another_tenant_nor_a_stop() {
    let service = filled(&["--max-exports-per-account=4", "--grace=1s"]);
    let (owner, auditor) = (service.client("owner"), service.client_of("*", "auditor"));
    // The note of the table is there: a request while the first one is made is refused as overloaded.
    assert_eq!(auditor.status("GET /log/table"), "200");
    let held = [
        dead_readers(&service, &auditor, BUNDLE, 40),
        dead_readers(&service, &owner, EXPORT, 40),
        dead_readers(&service, &owner, REPORT, 40),
    ];
    // Four of all accounts, four of the owner's; all others were refused.
    until("they are under way", || under_way(&service) == 8);
    for (client, line) in [(&auditor, BUNDLE), (&owner, REPORT)] {
        let refused = client.send(line);
        assert_eq!(refused.refusal(), (503, "overloaded".into()), "{line}");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    let other = service.client_of("other", "owner");
    let (id, _) = other.create(r#"{"name":"k"}"#);
    for line in [
        "GET /v1/keys",
        "GET /v1/events",
        &format!("GET /v1/keys/{id}/history"),
        &format!("GET /v1/keys/{id}?as_of=seq:1500"),
        "GET /log/checkpoint",
        "GET /log/tile/0/000",
        REPORT,
    ] {
        assert_eq!(other.status(line), "200", "{line}");
    }
    let export = other.send_with(EXPORT, &[("accept", "application/x-ndjson")]);
    assert_eq!((export.status, export.text.lines().count()), (200, 1));
    // It ends well, and in time: nobody has read anything yet.
    service.stop();
    drop(held);
}

#[test]
fn a_reader_that_went_away_leaves_room_for_the_next_one() {
    let service = filled(&["--max-exports-per-account=2"]);
    let owner = service.client("owner");
    for line in [EXPORT, REPORT] {
        let held = dead_readers(&service, &owner, line, 2);
        until("they are under way", || under_way(&service) == 2);
        drop(held);
        until("there is room", || under_way(&service) == 0);
    }
    let report = owner.send(REPORT);
    assert_eq!(report.json()["items"].as_array().unwrap().len(), 1_500);
}
