//! `kill -9` under load, in a short form: what was acknowledged is there, once, without a gap.

use std::collections::BTreeMap;
use std::sync::{Mutex, mpsc};

use crate::support::{DEADLINE, Service};

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut service = Service::start();
    // Of every acknowledged change, the key and its revision after it.
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    for round in 0..3 {
        let seen = Mutex::new(Vec::new());
        let (told, hears) = mpsc::channel();
        let clients: Vec<_> = (0..8).map(|_| service.client("owner")).collect();
        service = std::thread::scope(|threads| {
            for client in clients {
                let (seen, told) = (&seen, told.clone());
                threads.spawn(move || {
                    let note = |answer: crate::support::Answer| {
                        let key = &answer.json()["key"];
                        let id = key["id"].as_str().unwrap().to_owned();
                        seen.lock().unwrap().push((id.clone(), key["revision"].as_u64().unwrap()));
                        let _ = told.send(());
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
                hears.recv_timeout(DEADLINE).unwrap();
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
