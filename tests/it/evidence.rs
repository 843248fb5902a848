//! The log proves itself over HTTP, and a changed one is not served.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tlog::note::VerifierKey;
use tlog::{Checkpoint, Hash, ProofFile, Rebuild, Tile, TileIndex, TilePath, tiles_of};

use crate::support::{Client, Service, keyledger, until};

/// Everything that a log serves about itself.
struct Copy {
    key: VerifierKey,
    checkpoint: Checkpoint,
    entries: Vec<Vec<u8>>,
}

/// Fetches checkpoint, tiles and entries below `log`, and makes the tree again from them.
fn rebuild(auditor: &Client, log: &str) -> Copy {
    let keys = auditor.send(&format!("GET {log}/keys")).text;
    let key: VerifierKey = keys.lines().next().unwrap().parse().unwrap();
    let note = auditor.send(&format!("GET {log}/checkpoint")).text;
    let checkpoint = Checkpoint::open(note.as_bytes(), &key).unwrap();
    let size = checkpoint.size();
    let bytes = |path: TilePath| auditor.bytes(&format!("GET {log}/{path}"));
    let tiles: BTreeMap<TileIndex, Tile> = tiles_of(size)
        .map(|index| (index, Tile::new(index, bytes(TilePath::Hashes(index))).unwrap()))
        .collect();
    let read = |index: TileIndex| {
        let whole = tiles
            .iter()
            .find(|(found, _)| (found.level(), found.number()) == (index.level(), index.number()));
        Ok::<_, std::io::Error>(whole.and_then(|(_, tile)| tile.prefix(index.width())))
    };
    let mut entries = Vec::new();
    let mut rebuild = Rebuild::new(&read);
    for index in tlog::bundles_of(size) {
        let bundle = bytes(TilePath::Entries(index));
        for entry in tlog::entries::decode(&bundle).unwrap() {
            rebuild.push(entry).unwrap();
            entries.push(entry.to_vec());
        }
    }
    rebuild.finish(size, &checkpoint.root()).unwrap();
    Copy { key, checkpoint, entries }
}

fn hashes(json: &Value) -> Vec<Hash> {
    let texts = json["hashes"].as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_log_is_made_again_from_what_is_served_while_it_grows() {
    let service = Service::start();
    let (owner, auditor) = (service.client("owner"), service.client_of("*", "auditor"));
    assert_eq!(rebuild(&auditor, "/log").entries.len(), 0);
    let mut before: Option<Copy> = None;
    for size in [1, 255, 256, 257, 300] {
        let mut have = before.as_ref().map_or(0, |copy| copy.entries.len());
        while have < size {
            owner.create(r#"{"name":"k"}"#);
            have += 1;
        }
        let copy = rebuild(&auditor, "/log");
        assert_eq!(copy.entries.len(), size);
        if let Some(before) = before {
            let (old, new) = (&before.checkpoint, &copy.checkpoint);
            let path = format!("GET /v1/proofs/consistency?old={}&new={size}", old.size());
            let proof = auditor.send(&path).json();
            let path = hashes(&proof);
            tlog::verify_consistency(old.size(), &old.root(), new.size(), &new.root(), &path)
                .unwrap();
        }
        before = Some(copy);
    }
    let restarted = service.restart();
    let copy = rebuild(&restarted.client_of("*", "auditor"), "/log");
    let before = before.unwrap();
    assert_eq!((copy.key, copy.checkpoint), (before.key, before.checkpoint));
}

#[test]
fn every_change_can_carry_its_receipt() {
    let service = Service::start();
    let (owner, auditor) = (service.client("owner"), service.client_of("*", "auditor"));
    let made = owner.send(r#"POST /v1/keys?receipt=true {"name":"k"}"#).json();
    let id = made["key"]["id"].as_str().unwrap().to_owned();
    let mut receipts = vec![made["receipt"].as_str().unwrap().to_owned()];
    for step in [
        format!("POST /v1/keys/{id}/disable?receipt=true"),
        format!("POST /v1/keys/{id}/enable?receipt=true"),
        format!("POST /v1/keys/{id}/rotate?receipt=true"),
        format!("DELETE /v1/keys/{id}?receipt=true"),
    ] {
        receipts.push(owner.send(&step).json()["receipt"].as_str().unwrap().to_owned());
    }
    let copy = rebuild(&auditor, "/log");
    for (seq, text) in receipts.iter().enumerate() {
        let receipt: ProofFile = text.parse().unwrap();
        // An expiry goes before a change of a key that is due: places are not all in a row.
        let entry = &copy.entries[usize::try_from(receipt.index).unwrap()];
        receipt.verify(entry, &copy.key).unwrap();
        let later = owner.send(&format!("GET /v1/events/{}/receipt", receipt.index)).text;
        let later: ProofFile = later.parse().unwrap();
        assert_eq!(later.verify(entry, &copy.key).unwrap(), copy.checkpoint, "{seq}");
    }
    let dry = owner.send(r#"POST /v1/keys?receipt=true&dry_run=true {"name":"k"}"#).json();
    assert!(dry.get("receipt").is_none());
    assert!(owner.send(r#"POST /v1/keys {"name":"k"}"#).json().get("receipt").is_none());
}

#[test]
fn a_key_is_proved_to_those_who_may_see_it() {
    let service = Service::start();
    let (owner, auditor) = (service.client("owner"), service.client_of("*", "auditor"));
    let stranger = service.client_of("other", "owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    owner.create(r#"{"name":"another"}"#);
    owner.send(&format!("DELETE /v1/keys/{id}"));
    let proof = owner.send(&format!("GET /v1/keys/{id}/proof")).json();
    let copy = rebuild(&auditor, "/log");
    let table = tlog::note::open(
        proof["table"].as_str().unwrap().as_bytes(),
        std::slice::from_ref(&copy.key),
    );
    let table = table.unwrap();
    let mut lines = table.text().lines();
    assert_eq!(lines.next(), Some(format!("{}/table", copy.key.name()).as_str()));
    assert_eq!(lines.next(), Some("3"));
    let root: Hash = lines.next().unwrap().parse().unwrap();
    let row = &proof["row"];
    let bytes = STANDARD.decode(row["bytes"].as_str().unwrap()).unwrap();
    let bucket = &proof["bucket"];
    let place = (row["index"].as_u64().unwrap(), bucket["rows"].as_u64().unwrap());
    let (leaf, number) = (tlog::leaf_hash(&bytes), u16::from_be_bytes([bytes[0], bytes[1]]));
    let path = [hashes(row), hashes(bucket)].concat();
    tlog::verify_in_bucket(&leaf, number, place, &path, &root).unwrap();
    let records = proof["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    for record in records {
        let entry = STANDARD.decode(record["entry"].as_str().unwrap()).unwrap();
        let (seq, size) = (record["seq"].as_u64().unwrap(), proof["size"].as_u64().unwrap());
        assert_eq!(entry, copy.entries[usize::try_from(seq).unwrap()]);
        let root = copy.checkpoint.root();
        let leaf = tlog::leaf_hash(&entry);
        tlog::verify_inclusion(&leaf, seq, size, &hashes(record), &root).unwrap();
    }
    let first = auditor.send(&format!("GET /v1/keys/{id}/proof?as_of=seq:1")).json();
    assert_eq!(first["records"].as_array().unwrap().len(), 1);

    let nobody = "01890000-0000-7000-8000-000000000000";
    let absent = auditor.send(&format!("GET /v1/keys/{nobody}/proof")).json();
    // The ids are random: most likely its bucket is empty.
    let neighbours = ["before", "after"].map(|side| !absent["neighbours"][side].is_null());
    let is_empty = absent["bucket"]["rows"] == 0;
    assert!(absent["row"].is_null() && neighbours.contains(&true) != is_empty, "{absent}");
    assert_eq!(hashes(&absent["bucket"]).len(), 16);
    for path in [format!("/v1/keys/{nobody}/proof"), format!("/v1/keys/{id}/proof")] {
        let refused = stranger.send(&format!("GET {path}"));
        assert_eq!(refused.refusal(), (404, "key_not_found".to_owned()));
    }
}

#[test]
fn what_is_public_needs_no_token_and_nothing_else_does_without() {
    let service = Service::start();
    let (owner, nobody) = (service.client("owner"), service.client_with(None));
    for _ in 0..3 {
        owner.create(r#"{"name":"k"}"#);
    }
    owner.send("GET /v1/events");
    let auditor = service.client_of("*", "auditor");
    let table = [
        ("/log/checkpoint", 200, 200),
        ("/log/checkpoint/cosigned", 404, 404),
        ("/log/heartbeat", 200, 200),
        ("/log/stamps", 200, 200),
        ("/log/keys", 200, 200),
        ("/log/tile/0/000.p/3", 200, 200),
        ("/log/tile/0/000.p/2", 200, 200),
        ("/log/access/checkpoint", 200, 200),
        ("/log/access/keys", 200, 200),
        ("/log/access/tile/0/000.p/1", 200, 200),
        ("/log/tile/0/000", 404, 404),
        ("/log/tile/0/000.p/4", 404, 404),
        ("/log/tile/0/0", 404, 404),
        ("/log/tile/9/000.p/1", 404, 404),
        ("/log/tile/0/x001/000", 404, 404),
        ("/log/tile/-1/000.p/1", 404, 404),
        ("/log/tile/entries/000.p/3", 401, 200),
        ("/log/access/tile/entries/000.p/1", 401, 200),
        ("/log/tile/entries/000.p/4", 401, 404),
        ("/log/table", 401, 200),
        ("/v1/access", 401, 200),
        ("/v1/proofs/inclusion?seq=2", 401, 200),
        ("/v1/proofs/inclusion?seq=3", 401, 400),
        ("/v1/proofs/inclusion?seq=1&size=1", 401, 400),
        ("/v1/proofs/inclusion", 401, 400),
        ("/v1/proofs/consistency?old=0", 401, 200),
        ("/v1/proofs/consistency?old=4", 401, 400),
        ("/v1/proofs/consistency?old=2&new=1", 401, 400),
        ("/v1/events/2/receipt", 401, 200),
        ("/v1/events/3/receipt", 401, 404),
    ];
    for (path, without, with) in table {
        let line = format!("GET {path}");
        assert_eq!(nobody.bytes_or_status(&line).0, without, "{path} without a token");
        assert_eq!(auditor.bytes_or_status(&line).0, with, "{path} of an auditor");
        if with < 400 && without == 401 && !path.starts_with("/v1/proofs") {
            let own = if path.starts_with("/v1/events") { 200 } else { 403 };
            assert_eq!(owner.bytes_or_status(&line).0, own, "{path} of an owner");
        }
    }
}

#[test]
fn reading_the_trail_is_on_record() {
    let service = Service::start();
    let (owner, auditor) = (service.client("owner"), service.client_of("*", "auditor"));
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    owner.send("GET /v1/events");
    owner.send(&format!("GET /v1/keys/{id}/history"));
    auditor.send_with("GET /v1/events?account=acme", &[("accept", "application/x-ndjson")]);
    auditor.send("GET /v1/events/0");
    auditor.send("GET /v1/report/access?from=2026-01-01T00:00:00Z&to=2036-01-01T00:00:00Z");
    auditor.send(&format!("GET /v1/keys/{id}/proof"));
    auditor.bytes("GET /log/tile/entries/000.p/1");
    // Neither shows events of the trail.
    auditor.send("GET /v1/keys");
    auditor.send("GET /log/checkpoint");
    // The tokens that were shown for the first time stand among them, whenever that is written.
    let read: Vec<String> = auditor
        .all("/v1/access")
        .iter()
        .filter(|entry| entry["type"] == "read")
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
            let key = if entry["of_key"] == id.as_str() { "the key" } else { "-" };
            let (from, until) = (&entry["from"], &entry["until"]);
            let who = entry["actor"]["account"].as_str().unwrap();
            let (how, of) = (text("reading"), text("of_account"));
            format!("{who} {how} {from}..{until} {of} {key}")
        })
        .collect();
    expect_test::expect![[r#"
        acme events 0..1 - -
        acme history 0..1 - the key
        * events 0..null acme -
        * event 0..1 - -
        * report 0..1 - -
        * proof 0..1 - the key
        * entries 0..1 - -"#]]
    .assert_eq(&read.join("\n"));
    // The same again within a minute is counted.
    for _ in 0..50 {
        owner.send("GET /v1/events");
    }
    let copy = rebuild(&auditor, "/log/access");
    assert!(copy.entries.len() >= 7, "{}", copy.entries.len());
    assert!(copy.key.name().ends_with("/access"));
    // It survives, and goes on; what was counted is written when it stops.
    let service = service.restart();
    let auditor = service.client_of("*", "auditor");
    let mut counted = auditor.all("/v1/access");
    counted.retain(|entry| entry["type"] == "read" && entry["count"] != 1);
    assert_eq!(counted.len(), 1, "{counted:?}");
    let counted = &counted[0];
    assert_eq!((&counted["count"], &counted["reading"]), (&50.into(), &"events".into()));
    assert_eq!((&counted["from"], &counted["until"]), (&0.into(), &1.into()));
    let origin = &counted["origin"];
    assert!(origin["request_id"].is_null() && origin["ip"].is_string(), "{counted}");
    let times = [&counted["first_at"], &counted["last_at"]].map(|at| at.as_str().unwrap());
    assert!(times[0] < times[1], "{counted}");
    // Reading the journal is not recorded in it.
    let size = || rebuild(&auditor, "/log/access").entries.len();
    until("the journal stands still", || size() == size());
    assert!(size() >= 8);
    let (stopped, _) = service.stop();
    let report = keyledger(&["fsck", "--json"]).data(&stopped.data()).good();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["readings"].as_u64() >= Some(8), "{report}");
}

#[test]
fn one_actor_looks_the_same_in_events_and_in_the_access_journal() {
    let service = Service::start();
    let (owner, auditor) = (service.client("owner"), service.client_of("*", "auditor"));
    owner.create(r#"{"name":"k"}"#);
    let event = &owner.all("/v1/events")[0];
    let access = &auditor.all("/v1/access")[0];
    assert_eq!(access["actor"], event["actor"]);
    assert_eq!(access["actor"]["account"], "acme");
    assert!(access["actor"]["via"].as_str().unwrap().starts_with("token:"), "{access}");
    assert_eq!(access["origin"]["ip"], event["origin"]["ip"]);
}

/// Copies a folder.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(source, target).unwrap();
        }
    }
}

/// Somebody edits the log with sled itself and gets every checksum and every chain right.
#[test]
fn a_log_that_was_edited_on_disk_is_refused_until_a_new_origin_is_accepted() {
    let service = Service::with(&["--origin", "ledger.example.com/apikeys"]);
    let owner = service.client("owner");
    for _ in 0..300 {
        owner.create(r#"{"name":"honest"}"#);
    }
    let key = owner.send("GET /log/keys").text;
    let (stopped, _) = service.stop();
    let data = stopped.data();
    let other = stopped.folder().join("other");
    copy(&data, &other);
    edit(&data, b"node-1", b"node-2");
    let serve = || keyledger(&["serve", "--listen", "127.0.0.1:0"]).data(&data);
    let words = ["record 150 is not the one that was recorded", "backup", "--accept-rollback"];
    serve().run().says(1, &words);
    keyledger(&["fsck"]).data(&data).run().says(1, &["record 150", "backup"]);
    // The one that nobody edited still starts.
    keyledger(&["fsck"]).data(&other).good();

    let service = stopped.with("--accept-rollback").start();
    let owner = service.client("owner");
    let keys = owner.send("GET /log/keys").text;
    assert!(keys.starts_with(&key), "{keys}");
    let second: VerifierKey = keys.lines().nth(1).unwrap().parse().unwrap();
    assert!(second.name().starts_with("keyledger.local/"), "{keys}");
    assert!(keys.contains("keyledger succession v1\nold ledger.example.com/apikeys+"), "{keys}");
    let note = owner.send("GET /log/checkpoint").text;
    assert_eq!(Checkpoint::open(note.as_bytes(), &second).unwrap().size(), 300);
    // From then on it opens as it is, and a second acceptance begins no third origin.
    let service = service.restart();
    assert_eq!(service.client("owner").send("GET /log/keys").text, keys);
}

/// Changes the record in the middle, and everything in the log that depends on it but what is
/// signed: the chain of frames, and the guard's idea of it.
fn edit(data: &std::path::Path, from: &[u8], to: &[u8]) {
    use eventlog::{Extra, Log as _, Seq};

    let copied = data.with_extension("copy");
    let guard = {
        let log = eventlog::sled::SledLog::open(&eventlog::sled::Options::new(data)).unwrap();
        let mut records: Vec<Vec<u8>> = log
            .read(Seq(0), usize::MAX)
            .unwrap()
            .into_iter()
            .map(|record| record.bytes.to_vec())
            .collect();
        let place = records[150].windows(from.len()).position(|window| window == from).unwrap();
        records[150][place..place + to.len()].copy_from_slice(to);
        let mut extras = Vec::new();
        for half in 0..2 {
            let key = [b"tile".as_slice(), &[0; 9], &[half]].concat();
            let value = log.extra(&key).unwrap().unwrap().to_vec();
            extras.push(Extra { key, value });
        }
        let forged = eventlog::sled::SledLog::open(&eventlog::sled::Options::new(&copied)).unwrap();
        forged.append(Seq(0), &records, &extras).unwrap();
        forged.seal(log.guarded().seal.unwrap());
        forged.close().unwrap();
        log.close().unwrap();
        copied.join("guard")
    };
    std::fs::remove_dir_all(data.join("log")).unwrap();
    std::fs::rename(copied.join("log"), data.join("log")).unwrap();
    std::fs::rename(guard, data.join("guard")).unwrap();
}
