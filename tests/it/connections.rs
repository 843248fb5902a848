//! Connections: how many there may be, and what ends one.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::support::{DEADLINE, Service, until};

/// A connection that is accepted and has sent nothing yet.
fn idle(service: &Service) -> TcpStream {
    let mut socket = TcpStream::connect(service.address()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: k\r\n\r\n").unwrap();
    let mut answer = [0; 2048];
    let read = socket.read(&mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    socket
}

/// How many are open, the one that asks included.
fn open(service: &Service) -> u64 {
    let page = service.client("owner").send("GET /metrics").text;
    let line = page.lines().find_map(|line| line.strip_prefix("keyledger_connections "));
    line.unwrap().parse().unwrap()
}

#[test]
fn past_the_cap_of_an_address_only_health_and_metrics_are_answered() {
    let service = Service::with(&["--max-connections-per-address=3"]);
    let client = service.client("owner");
    let held: Vec<_> = (0..3).map(|_| idle(&service)).collect();
    for line in ["GET /healthz", "GET /readyz", "GET /metrics"] {
        assert_eq!(client.send(line).status, 200, "{line}");
    }
    let refused = client.send("GET /v1/keys");
    assert_eq!(refused.refusal(), (503, "overloaded".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(held);
    until("the places are free again", || client.send("GET /v1/keys").status == 200);
}

#[test]
fn past_the_reserve_a_connection_is_closed_at_once() {
    let service = Service::with(&["--max-connections=1"]);
    // They are in nobody's way: none sends a whole head.
    let held: Vec<_> = (0..40)
        .map(|_| {
            let mut socket = TcpStream::connect(service.address()).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            // One that was closed already does not take it.
            let _ = socket.write_all(b"GET /healthz HT");
            socket
        })
        .collect();
    let mut last = held.last().unwrap();
    // Closed, or broken off because of what it had sent.
    assert!(matches!(last.read(&mut [0; 64]), Ok(0) | Err(_)));
}

#[test]
fn a_stream_whose_client_closed_its_half_ends() {
    let service = Service::start();
    let token = service.token("acme", "auditor");
    let mut sockets: Vec<_> = (0..10)
        .map(|_| {
            let mut socket = TcpStream::connect(service.address()).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            let head = format!(
                "GET /v1/events/stream HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer {token}\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).unwrap();
            let mut first = [0; 16];
            socket.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 200 OK\r");
            socket
        })
        .collect();
    assert_eq!(open(&service), 11);
    for socket in &sockets {
        socket.shutdown(Shutdown::Write).unwrap();
    }
    for socket in &mut sockets {
        // To its end, which comes without an event and long before a heartbeat.
        let _ = socket.read_to_end(&mut Vec::new());
    }
    until("they are gone", || open(&service) == 1);
}

#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let service = Service::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<_> =
        line.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
}
