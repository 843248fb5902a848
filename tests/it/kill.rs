//! Ends: `kill -9` under load, after which what was acknowledged is there, once, without a gap;
//! and a stop, which answers what is under way.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};

use crate::support::{DEADLINE, Service, until};

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut service = Service::start();
    // Of every acknowledged change, the key and its revision after it.
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    for round in 0..3 {
        let seen = Mutex::new(Vec::new());
        let (sender, receiver) = mpsc::channel();
        let clients: Vec<_> = (0..8).map(|_| service.client("owner")).collect();
        service = std::thread::scope(|threads| {
            for client in clients {
                let (seen, sender) = (&seen, sender.clone());
                threads.spawn(move || {
                    let note = |answer: crate::support::Answer| {
                        let key = &answer.json()["key"];
                        let id = key["id"].as_str().unwrap().to_owned();
                        seen.lock().unwrap().push((id.clone(), key["revision"].as_u64().unwrap()));
                        let _ = sender.send(());
                        id
                    };
                    // Until the service is gone.
                    while let Ok(answer) = client.try_send(r#"POST /v1/keys {"name":"k"}"#, &[]) {
                        let id = note(answer);
                        let disable = format!("POST /v1/keys/{id}/disable");
                        let Ok(answer) = client.try_send(&disable, &[]) else { break };
                        note(answer);
                    }
                });
            }
            for _ in 0..60 + 40 * round {
                receiver.recv_timeout(DEADLINE).unwrap();
            }
            service.kill()
        })
        .start();
        acknowledged.extend(seen.into_inner().unwrap());
        check(&service, &acknowledged);
    }
    service.stop().0.is_in_order();
}

fn check(service: &Service, acknowledged: &[(String, u64)]) {
    let owner = service.client("owner");
    let events = owner.all("/v1/events");
    let mut counted: BTreeMap<(&str, u64), usize> = BTreeMap::new();
    for (seq, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], seq, "there is a gap");
        let change = (event["key_id"].as_str().unwrap(), event["revision"].as_u64().unwrap());
        *counted.entry(change).or_default() += 1;
    }
    for (id, revision) in acknowledged {
        assert_eq!(counted.get(&(id.as_str(), *revision)), Some(&1), "{id} at {revision}");
    }
    // Every key is what its events make of it.
    for key in owner.all("/v1/keys") {
        let id = key["id"].as_str().unwrap();
        let last = events.iter().rfind(|event| event["key_id"] == id).unwrap();
        assert_eq!((&key["status"], &key["revision"]), (&last["after"], &last["revision"]));
    }
}

/// Command line: on SIGTERM no new requests are taken, and those under way are answered.
#[test]
fn what_is_under_way_at_a_stop_is_answered() {
    let service = Service::start();
    let token = service.token("acme", "owner");
    let mut socket = TcpStream::connect(service.address()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!(
        "POST /v1/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 25];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n", "its body is waited for");

    let address = service.address();
    let thread = std::thread::spawn(move || {
        until("it takes no more connections", || TcpStream::connect(address).is_err());
        socket.write_all(br#"{"name":"k"}"#).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    });
    let (stopped, _) = service.stop();
    let answer = thread.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    stopped.is_in_order();
    assert_eq!(stopped.start().client("owner").all("/v1/keys").len(), 1);
}
