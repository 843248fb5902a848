//! What the log proves to an account of its own keys, a page at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tlog::{Hash, leaf_hash, verify_in_bucket, verify_inclusion};

use crate::support::Service;

fn hashes(of: &Value) -> Vec<Hash> {
    let hashes = of["hashes"].as_array().unwrap();
    hashes.iter().map(|hash| hash.as_str().unwrap().parse().unwrap()).collect()
}

/// The root of a note.
fn root(note: &str) -> Hash {
    note.lines().nth(2).unwrap().parse().unwrap()
}

#[test]
fn an_account_has_its_own_records_proved_and_no_others() {
    let service = Service::start();
    let (owner, stranger) = (service.client("owner"), service.client_of("other", "owner"));
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(owner.create(r#"{"name":"mine"}"#).0);
        stranger.create(r#"{"name":"theirs"}"#);
    }
    let root = root(&owner.send("GET /log/checkpoint").text);
    let (mut seqs, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("GET /v1/proofs/events?size=10&limit=2{cursor}");
        let page = owner.send(&path).json();
        for item in page["items"].as_array().unwrap() {
            let (seq, entry) = (item["seq"].as_u64().unwrap(), item["entry"].as_str().unwrap());
            let leaf = leaf_hash(&STANDARD.decode(entry).unwrap());
            verify_inclusion(&leaf, seq, 10, &hashes(item), &root).unwrap();
            seqs.push(seq);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seqs, [0, 2, 4, 6, 8]);
    let later = owner.send("GET /v1/proofs/events?size=7&after=2").json();
    let later: Vec<_> =
        later["items"].as_array().unwrap().iter().map(|item| &item["seq"]).collect();
    assert_eq!(later, [4, 6]);

    let mut listed = Vec::new();
    let mut path = "GET /v1/proofs/rows?limit=3".to_owned();
    loop {
        let page = owner.send(&path).json();
        let table = self::root(page["table"].as_str().unwrap());
        for item in page["items"].as_array().unwrap() {
            let (row, bucket) = (&item["row"], &item["bucket"]);
            let bytes = STANDARD.decode(row["bytes"].as_str().unwrap()).unwrap();
            let place = (row["index"].as_u64().unwrap(), bucket["rows"].as_u64().unwrap());
            let (leaf, number) = (leaf_hash(&bytes), u16::from_be_bytes([bytes[0], bytes[1]]));
            let path = [hashes(row), hashes(bucket)].concat();
            verify_in_bucket(&leaf, number, place, &path, &table).unwrap();
            listed.push(item["key_id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => path = format!("GET /v1/proofs/rows?cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed, ids);
}

#[test]
fn who_does_not_see_all_of_an_account_has_nothing_proved() {
    let service = Service::start();
    service.client("owner").create(r#"{"name":"k"}"#);
    let all = service.client_of("*", "auditor");
    let table = [
        (&all, "", 400, "account_required"),
        (&all, "?account=acme", 200, ""),
        (&service.client("owner"), "?account=acme", 200, ""),
        (&service.client("owner"), "?account=other", 403, "forbidden"),
        (&service.client("user"), "", 403, "forbidden"),
        (&service.client("owner"), "?cursor=x", 400, "invalid_request"),
    ];
    for (client, query, status, code) in table {
        for path in ["/v1/proofs/events", "/v1/proofs/rows"] {
            let answer = client.send(&format!("GET {path}{query}"));
            assert_eq!(answer.status, status, "{path}{query} {answer:?}");
            if status != 200 {
                assert_eq!(answer.code(), code, "{path}{query}");
            }
        }
    }
    let beyond = service.client("owner").send("GET /v1/proofs/events?size=2");
    assert_eq!(beyond.refusal(), (400, "invalid_request".into()));
}
