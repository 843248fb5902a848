//! Lists: pages that hold while others write, filters, cursors.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::Service;

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|key| key["name"].as_str().unwrap()).collect()
}

#[test]
fn pages_stay_whole_while_keys_are_added() {
    let service = Service::start();
    let owner = service.client("owner");
    let mut before = BTreeSet::new();
    for n in 0..60 {
        before.insert(owner.create(&format!(r#"{{"name":"k{n}"}}"#)).0);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let client = service.client("owner");
            while !done.load(Ordering::Relaxed) {
                client.create(r#"{"name":"later"}"#);
            }
        });
        for list in ["/v1/keys", "/v1/events"] {
            for _ in 0..3 {
                let (mut seen, mut cursor) = (Vec::new(), String::new());
                while seen.len() < 100 {
                    let page = owner.send(&format!("GET {list}?limit=7{cursor}"));
                    assert_eq!(page.status, 200, "{page:?}");
                    let page = page.json();
                    let items = page["items"].as_array().unwrap();
                    assert!(items.len() <= 7);
                    let id = |item: &Value| item.get("key_id").unwrap_or(&item["id"]).clone();
                    seen.extend(items.iter().map(|item| id(item).as_str().unwrap().to_owned()));
                    match page["next_cursor"].as_str() {
                        Some(next) => cursor = format!("&cursor={next}"),
                        None => break,
                    }
                }
                let distinct: BTreeSet<_> = seen.iter().cloned().collect();
                assert_eq!(distinct.len(), seen.len(), "one came twice in {list}");
                assert!(before.is_subset(&distinct), "one is missing in {list}");
            }
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
}

#[test]
fn keys_are_found_by_each_of_their_attributes() {
    let service = Service::start();
    let owner = service.client("owner");
    let (first, _) = owner.create(
        r#"{"name":"Alpha","environment":"sandbox","owner":"bob","project":"shop","role":"r1","ttl_s":3600}"#,
    );
    owner.create(r#"{"name":"Beta","kind":"public","description":"the alphabet","ttl_s":7200}"#);
    let (third, _) = owner.create(r#"{"name":"Gamma"}"#);
    owner.send(&format!("DELETE /v1/keys/{third}"));
    let prefix = owner.send(&format!("GET /v1/keys/{first}")).json()["prefix"].clone();
    let soon = owner.send(&format!("GET /v1/keys/{first}")).json()["expires_at"].clone();
    let table = [
        ("status=revoked".to_owned(), vec!["Gamma"]),
        ("status=enabled".to_owned(), vec!["Alpha", "Beta"]),
        ("environment=sandbox".to_owned(), vec!["Alpha"]),
        ("kind=public".to_owned(), vec!["Beta"]),
        ("owner=bob".to_owned(), vec!["Alpha"]),
        ("project=shop".to_owned(), vec!["Alpha"]),
        ("role=r1".to_owned(), vec!["Alpha"]),
        ("q=ALPHA".to_owned(), vec!["Alpha", "Beta"]),
        (format!("prefix={}", prefix.as_str().unwrap()), vec!["Alpha"]),
        ("prefix=kl_pub_".to_owned(), vec!["Beta"]),
        (format!("expires_before={}", soon.as_str().unwrap()), vec![]),
        ("expires_before=2999-01-01T00:00:00Z".to_owned(), vec!["Alpha", "Beta"]),
        ("owner=bob&kind=public".to_owned(), vec![]),
        ("account=acme".to_owned(), vec!["Alpha", "Beta", "Gamma"]),
    ];
    for (query, expected) in table {
        assert_eq!(names(&owner.all(&format!("/v1/keys?{query}"))), expected, "{query}");
    }
    let expiring = |within: u64| {
        let answer = owner.send(&format!("GET /v1/expiring?within_s={within}")).json();
        answer["items"].as_array().unwrap().clone()
    };
    assert_eq!(names(&expiring(10_000)), ["Alpha", "Beta"]);
    assert_eq!(names(&expiring(3_600)), ["Alpha"]);
    assert_eq!(names(&expiring(60)), Vec::<&str>::new());
}

#[test]
fn what_falls_due_comes_in_pages() {
    let service = Service::start();
    let owner = service.client("owner");
    // Made in another order than they fall due in; two at the same moment.
    for ttl_s in [7, 3, 9, 1, 5, 8, 2, 6, 4] {
        owner.create(&format!(r#"{{"name":"k{ttl_s}","ttl_s":{}}}"#, ttl_s * 1000));
    }
    owner.create(r#"{"name":"twin a","expires_at":"2999-01-01T00:00:00Z"}"#);
    owner.create(r#"{"name":"twin b","expires_at":"2999-01-01T00:00:00Z"}"#);
    service.client_of("other", "owner").create(r#"{"name":"other","ttl_s":500}"#);
    let table = [
        (service.client("auditor"), vec!["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"]),
        (
            service.client("admin"),
            vec!["other", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"],
        ),
    ];
    for (client, expected) in table {
        for limit in [1, 2, 3, 500] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let line = format!("GET /v1/expiring?within_s=99999999999&limit={limit}{cursor}");
                let page = client.send(&line).json();
                seen.extend(page["items"].as_array().unwrap().iter().cloned());
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            let mut seen = names(&seen);
            let mut twins = seen.split_off(expected.len());
            twins.sort_unstable();
            assert_eq!(seen, expected, "{limit}");
            assert_eq!(twins, ["twin a", "twin b"]);
        }
    }
}

#[test]
fn a_history_comes_in_pages() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    for _ in 0..30 {
        owner.send(&format!("POST /v1/keys/{id}/disable"));
        owner.create(r#"{"name":"between"}"#);
        owner.send(&format!("POST /v1/keys/{id}/enable"));
    }
    let path = format!("/v1/keys/{id}/history");
    let first = owner.send(&format!("GET {path}")).json();
    assert_eq!(first["items"].as_array().unwrap().len(), 50);
    assert!(first["next_cursor"].is_string());
    let whole = owner.all(&path);
    let revisions: Vec<_> = whole.iter().map(|event| event["revision"].as_u64().unwrap()).collect();
    assert!(revisions.iter().copied().eq(1..=61), "{revisions:?}");
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = owner.send(&format!("GET {path}?cursor={cursor}")).json();
    assert_eq!(rest["items"].as_array().unwrap()[..], whole[50..]);
    assert_eq!(rest["next_cursor"], Value::Null);
    let token = service.token("acme", "auditor");
    let shown = crate::support::keyledger(&["keys", "history", &id])
        .env("KEYLEDGER_URL", &service.url())
        .env("KEYLEDGER_TOKEN", &token)
        .good();
    assert_eq!(shown.lines().count(), 62, "{shown}");
}

#[test]
fn events_are_found_by_type_actor_key_and_time() {
    let service = Service::start();
    let owner = service.client("owner");
    let (first, _) = owner.create(r#"{"name":"a"}"#);
    let (second, _) = owner.create(r#"{"name":"b"}"#);
    let ann = service.client_with(Some(&service.token_of("acme", "ann", "owner")));
    ann.send(&format!("POST /v1/keys/{first}/disable"));
    service.client_of("other", "owner").create(r#"{"name":"c"}"#);
    let admin = service.client("admin");
    let at = |seq: u64| {
        let event = admin.send(&format!("GET /v1/events/{seq}")).json();
        event["recorded_at"].as_str().unwrap().to_owned()
    };
    let table = [
        (String::new(), vec![0, 1, 2, 3]),
        ("?after=1".to_owned(), vec![2, 3]),
        ("?order=desc".to_owned(), vec![3, 2, 1, 0]),
        ("?order=desc&after=1".to_owned(), vec![3, 2]),
        ("?type=created".to_owned(), vec![0, 1, 3]),
        ("?type=revoked".to_owned(), vec![]),
        ("?actor=ann".to_owned(), vec![2]),
        (format!("?key={first}"), vec![0, 2]),
        (format!("?key={second}&type=disabled"), vec![]),
        ("?account=other".to_owned(), vec![3]),
        (format!("?from={}", at(2)), vec![2, 3]),
        (format!("?to={}", at(2)), vec![0, 1]),
        (format!("?from={}&to={}", at(1), at(3)), vec![1, 2]),
    ];
    for (query, expected) in table {
        let events = admin.all(&format!("/v1/events{query}"));
        let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, expected, "{query}");
    }
}

#[test]
fn a_cursor_that_was_tampered_with_is_refused() {
    let service = Service::start();
    let owner = service.client("owner");
    for _ in 0..3 {
        owner.create(r#"{"name":"k"}"#);
    }
    let (id, _) = owner.create(r#"{"name":"k","ttl_s":1000}"#);
    owner.create(r#"{"name":"k","ttl_s":1000}"#);
    owner.send(&format!("POST /v1/keys/{id}/disable"));
    let lists = ["/v1/keys", "/v1/events", "/v1/expiring", &format!("/v1/keys/{id}/history")];
    let cursors = lists.map(|list| {
        let page = owner.send(&format!("GET {list}?limit=1")).json();
        page["next_cursor"].as_str().unwrap().to_owned()
    });
    for (at, list) in lists.iter().enumerate() {
        let (good, other) = (&cursors[at], &cursors[(at + 1) % 4]);
        let bad =
            ["", "A", "%00", "0", &format!("{good}A"), &good[1..], &format!("{good}="), other];
        for cursor in bad {
            let answer = owner.send(&format!("GET {list}?cursor={cursor}"));
            assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{list} {cursor:?}");
        }
        // One that lies beyond the end is an empty page, not an error or a crash.
        let far = format!("{}__________8", &good[..1]);
        let answer = owner.send(&format!("GET {list}?cursor={far}"));
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    }
}

#[test]
fn exports_hold_every_event() {
    let service = Service::start();
    let owner = service.client("owner");
    for n in 0..150 {
        owner.create(&format!(r#"{{"name":"k{n}","description":"a \"quoted\", text"}}"#));
    }
    let lines = owner.send_with("GET /v1/events", &[("accept", "application/x-ndjson")]);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let exported: Vec<Value> =
        lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported, owner.all("/v1/events"));
    let table = owner.send_with("GET /v1/events?type=created", &[("accept", "text/csv")]);
    assert!(table.header("content-type").unwrap().starts_with("text/csv"), "{table:?}");
    assert_eq!(table.text.lines().count(), 151, "{}", table.text);
}

#[test]
fn a_long_access_report_is_whole_and_in_order() {
    let service = Service::start();
    let owner = service.client("owner");
    let mut made: Vec<_> =
        (0..450).map(|n| owner.create(&format!(r#"{{"name":"k{n}"}}"#)).0).collect();
    made.sort_unstable();
    let path = "GET /v1/report/access?from=2020-01-01T00:00:00Z&to=2999-01-01T00:00:00Z";
    let report = owner.send(path);
    assert_eq!(report.header("content-type"), Some("application/json"));
    let json = report.json();
    let items = json["items"].as_array().unwrap();
    let ids: Vec<_> = items.iter().map(|held| held["key"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, made);
    assert_eq!(owner.send(path).text, report.text);
    let fields: Vec<_> = json.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["from", "items", "to"]);
    assert!(report.text.starts_with(r#"{"from":"2020-01-01T00:00:00.000000Z","to":"2999"#));
}

#[test]
fn the_access_report_gives_the_same_bytes_for_the_same_question() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    owner.create(r#"{"name":"other"}"#);
    owner.send(&format!("DELETE /v1/keys/{id}"));
    let path = "GET /v1/report/access?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z";
    assert_eq!(owner.send(path).json()["items"], Value::Array(Vec::new()));
    let events = owner.all("/v1/events");
    let time = |seq: usize| events[seq]["recorded_at"].as_str().unwrap();
    let path = format!("GET /v1/report/access?from={}&to={}", time(0), time(2));
    let report = owner.send(&path);
    assert_eq!(report.status, 200, "{report:?}");
    assert_eq!(report.json()["items"].as_array().unwrap().len(), 2, "{report:?}");
    owner.create(r#"{"name":"later"}"#);
    assert_eq!(owner.send(&path).text, report.text);
    let service = service.restart();
    assert_eq!(service.client("auditor").send(&path).text, report.text);
}
