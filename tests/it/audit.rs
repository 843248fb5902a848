//! Bundles through the door: made by a server, checked by two verifiers; a log under watch.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Program, Random, Service, Stopped, keyledger, wait};

pub(crate) const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/verify.py");
const FORGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/forge.py");
const FLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/flip.py");

/// The key with which the log signs.
pub(crate) fn verifier_key(service: &Service) -> String {
    let answer = service.client_with(None).send("GET /log/keys");
    answer.text.lines().next().unwrap().to_owned()
}

/// A program that asks `service` as an auditor of all accounts.
pub(crate) fn audit(service: &Service, what: &[&str]) -> Program {
    keyledger(&["audit"])
        .with(what)
        .env("KEYLEDGER_URL", &service.url())
        .env("KEYLEDGER_TOKEN", &service.token("*", "auditor"))
}

pub(crate) fn export(service: &Service, name: &str, part: &[&str]) -> PathBuf {
    let out = service.folder().join(name);
    audit(service, &["export"]).with(part).argument("--out").argument(&out).good();
    out
}

/// How the program itself takes a bundle.
pub(crate) fn ours(bundle: &Path, key: &str, more: &[&str]) -> (i32, String) {
    let ended = keyledger(&["audit", "verify", "--key", key]).with(more).argument(bundle).run();
    (ended.code.unwrap(), ended.out + &ended.err)
}

pub(crate) fn python(script: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new("python3");
    command.arg(script).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("these tests need python3");
    let mut out = child.stdout.take().unwrap();
    let mut output = String::new();
    std::io::Read::read_to_string(&mut out, &mut output).unwrap();
    (wait(child).unwrap(), output)
}

/// How the other verifier takes it.
pub(crate) fn theirs(bundle: &Path, key: &str, more: &[&str]) -> (i32, String) {
    let arguments = [&[bundle.to_str().unwrap(), "--key", key], more].concat();
    python(VERIFIER, &arguments)
}

/// How both take it with `more` options.
pub(crate) fn with(bundle: &Path, key: &str, more: &[&str]) -> [(i32, String); 2] {
    [ours(bundle, key, more), theirs(bundle, key, more)]
}

/// Both verifiers end with `code`; the output of each.
pub(crate) fn both(bundle: &Path, key: &str, code: i32) -> [String; 2] {
    [ours(bundle, key, &[]), theirs(bundle, key, &[])].map(|(ended, output)| {
        assert_eq!(ended, code, "{}: {output}", bundle.display());
        output
    })
}

/// A few keys with something of everything, of two accounts; the last events are changes.
pub(crate) fn live(service: &Service) {
    let owner = service.client("owner");
    let make = |body: &str| {
        let made = owner.send(&format!("POST /v1/keys {body}"));
        assert_eq!(made.status, 201, "{body}");
        made.json()["key"]["id"].as_str().unwrap().to_owned()
    };
    let change = |id: &str, what: &str| {
        let changed = owner.send(&format!("POST /v1/keys/{id}/{what}"));
        assert!(changed.status < 300, "{what}");
    };
    let first = make(
        r#"{"name":"=1+1","description":"say \"ü\"\n","allowed_ips":["2001:db8::1","10.0.0.0/8"]}"#,
    );
    change(&first, r#"disable {"reason":"@cmd"}"#);
    change(&first, "enable {}");
    // What readers take for a line's end, and formulas in full width.
    change(&first, r#"disable {"reason":"＝1\u2028+1"}"#);
    change(&first, r#"enable {"reason":"a\u2029b"}"#);
    make(r#"{"name":"＠SUM","description":"\u2028","metadata":{"b":"\u0085\u000b\u001e"}}"#);
    make(r#"{"name":"öffentlich","kind":"public","metadata":{"b":"\u0001","a":"x,y"}}"#);
    change(&first, r#"rotate {"overlap_s":60,"permissions":["orders.*"],"daily_limit":5}"#);
    let other = service.client_of("umbrella", "owner");
    assert_eq!(other.send(r#"POST /v1/keys {"name":"theirs","ttl_s":3600}"#).status, 201);
    // Persons: who acts for another, says why, and hands a key on.
    let bobs =
        make(r#"{"name":"desk","owner":"bob","description":"mine","metadata":{"room":"7"}}"#);
    change(&bobs, r#"disable {"reason":"bob is away"}"#);
    let edit = r#"{"owner":"carla","name":"front desk","reason":"bob left"}"#;
    assert_eq!(owner.send(&format!("PATCH /v1/keys/{bobs} {edit}")).status, 200);
    let last = make(r#"{"name":"short","role":"deploy:bot","project":"p"}"#);
    change(&last, "expire {}");
    let since = r#"{"reason_code":"compromised","compromised_since":"2026-01-01T00:00:00Z"}"#;
    change(&last, &format!("revoke {since}"));
}

/// The members of a bundle with their bytes, but for the statement of when it was made, and what signs that.
pub(crate) fn lasting(bundle: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(std::fs::File::open(bundle).unwrap());
    let members = archive.entries().unwrap().map(|member| {
        let mut member = member.unwrap();
        let name = member.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    });
    let members: Vec<_> = members.collect();
    let of_now = ["heartbeat", "manifest.json", "manifest.note"];
    assert!(of_now.iter().all(|name| members.iter().any(|(found, _)| found == name)));
    members.into_iter().filter(|(name, _)| !of_now.contains(&name.as_str())).collect()
}

#[test]
fn a_bundle_is_good_and_the_same_from_a_server_and_from_its_directory() {
    let service = Service::start();
    live(&service);
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    for output in both(&whole, &key, 0) {
        assert!(output.contains("good: every record"), "{output}");
    }
    let part = export(&service, "part.tar", &["--account", "acme"]);
    for output in both(&part, &key, 0) {
        assert!(output.contains("partial"), "{output}");
    }
    let stopped = service.stop().0;
    let out = whole.with_file_name("again.tar");
    keyledger(&["audit", "export", "--out"]).argument(&out).data(&stopped.data()).good();
    assert_eq!(lasting(&whole), lasting(&out));
}

#[test]
fn logs_around_the_size_of_a_tile_are_good() {
    let service = Service::start();
    let key = verifier_key(&service);
    let empty = export(&service, "empty.tar", &[]);
    both(&empty, &key, 0);
    let owner = service.client("owner");
    let made = owner.send(r#"POST /v1/keys {"name":"one"}"#).json();
    let id = made["key"]["id"].as_str().unwrap().to_owned();
    let mut previous: Option<PathBuf> = None;
    let mut size = 1;
    for wanted in [255, 256, 257, 513] {
        while size < wanted {
            let change = if size % 2 == 0 { "enable" } else { "disable" };
            owner.send(&format!("POST /v1/keys/{id}/{change} {{}}"));
            size += 1;
        }
        let whole = match &previous {
            None => export(&service, &format!("{wanted}.tar"), &[]),
            Some(previous) => {
                let earlier = ["--earlier", previous.to_str().unwrap()];
                export(&service, &format!("{wanted}.tar"), &earlier)
            }
        };
        let keep = service.folder().join(format!("{wanted}.checkpoint"));
        let (code, output) = ours(&whole, &key, &["--keep", keep.to_str().unwrap(), "--json"]);
        assert_eq!(code, 0, "{output}");
        assert_eq!(theirs(&whole, &key, &[]).0, 0);
        let output: serde_json::Value = serde_json::from_str(&output).unwrap();
        assert_eq!((&output["size"], &output["records"]), (&wanted.into(), &wanted.into()));
        previous = Some(keep);
    }
    // From the middle on: what came before is believed, and the rest is checked.
    let events = owner.send("GET /v1/events?after=299&limit=1").json();
    let from = events["items"][0]["recorded_at"].as_str().unwrap().to_owned();
    let part = export(&service, "from.tar", &["--from", &from]);
    both(&part, &key, 0);
}

/// Has a script forge with the log's own key; the folder with the forgeries, and what it says of them.
pub(crate) fn forged(service: &Service, script: &str, bundles: [&Path; 2]) -> (PathBuf, String) {
    let out = service.folder().join("forged");
    std::fs::create_dir(&out).unwrap();
    let log_key = service.data().join("log.key");
    let [one, other] = bundles;
    let paths = [Path::new(VERIFIER), one, other, &log_key, &out, Path::new(FORGE)];
    let (code, list) = python(script, &paths.map(|path| path.to_str().unwrap()));
    assert_eq!(code, 0, "{list}");
    (out, list)
}

#[test]
fn every_forgery_is_refused_by_both_verifiers() {
    let service = Service::start();
    live(&service);
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    let part = export(&service, "part.tar", &["--account", "acme"]);
    let (out, list) = forged(&service, FORGE, [&whole, &part]);
    assert!(list.lines().count() > 30, "{list}");
    for line in list.lines() {
        let (name, code) = line.rsplit_once(' ').unwrap();
        both(&out.join(name), &key, code.parse().unwrap());
    }
    // A fork leaves both checkpoints behind, signed: proof for anybody.
    let forks = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name());
    let evidence =
        forks.filter(|name| name.to_str().unwrap().contains("_fork_whole.tar.evidence-"));
    assert_eq!(evidence.count(), 2);
}

#[test]
fn a_bundle_with_any_byte_changed_is_refused() {
    let service = Service::start();
    service.client("owner").send(r#"POST /v1/keys {"name":"one"}"#);
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    let bytes = std::fs::read(&whole).unwrap();
    // Every byte is tried in the server's own tests; here some of them, through the program.
    let seed = u64::from(std::process::id());
    let mut random = Random(seed);
    let changed = whole.with_file_name("changed.tar");
    for _ in 0..40 {
        let at = random.below(bytes.len());
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << random.below(8);
        std::fs::write(&changed, bytes).unwrap();
        let (code, output) = ours(&changed, &key, &[]);
        assert_eq!(code, 10, "byte {at}, seed {seed}: {output}");
    }
    let places = seed.to_string();
    let (code, output) = python(FLIP, &[VERIFIER, whole.to_str().unwrap(), &key, &places]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn a_log_must_extend_an_earlier_checkpoint() {
    let service = Service::start();
    live(&service);
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    let keep = service.folder().join("kept");
    let keep = keep.to_str().unwrap();
    assert_eq!(ours(&whole, &key, &["--keep", keep]).0, 0);
    // The same log, longer: it extends the earlier checkpoint.
    service.client("owner").send(r#"POST /v1/keys {"name":"more"}"#);
    let longer = export(&service, "longer.tar", &[]);
    let newer = service.folder().join("newer");
    assert_eq!(ours(&longer, &key, &["--kept", keep, "--keep", newer.to_str().unwrap()]).0, 0);
    assert_eq!(theirs(&longer, &key, &["--kept", keep]).0, 0);
    // The older bundle does not have the later checkpoint.
    let newer = ["--kept", newer.to_str().unwrap()];
    assert_eq!((ours(&whole, &key, &newer).0, theirs(&whole, &key, &newer).0), (12, 12));
    let stale = ["--max-age", "0s"];
    assert_eq!((ours(&longer, &key, &stale).0, theirs(&longer, &key, &stale).0), (13, 13));
    // What is not there is not found bad.
    let nowhere = Path::new("/nowhere.tar");
    assert_eq!((ours(nowhere, &key, &[]).0, theirs(nowhere, &key, &[]).0), (2, 2));
    // A key that never signed this log.
    let stranger = verifier_key(&Service::start());
    both(&longer, &stranger, 10);
}

#[test]
fn another_signing_key_is_followed_from_the_old_one() {
    let service = Service::start();
    live(&service);
    let old = verifier_key(&service);
    let (stopped, _) = service.stop();
    let rotated =
        keyledger(&["audit", "rotate-signing-key", "--json"]).data(&stopped.data()).good();
    let rotated: serde_json::Value = serde_json::from_str(&rotated).unwrap();
    assert_eq!(rotated["old"].as_str(), Some(old.as_str()));
    let service = stopped.start();
    service.client("owner").send(r#"POST /v1/keys {"name":"more"}"#);
    let whole = export(&service, "whole.tar", &[]);
    both(&whole, &old, 0);
    both(&whole, rotated["new"].as_str().unwrap(), 0);
}

/// Copies a stopped directory.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The directory as it was, served again.
pub(crate) fn put_back(stopped: Stopped, original: &Path) -> Service {
    std::fs::remove_dir_all(stopped.data()).unwrap();
    copy(original, &stopped.data());
    stopped.start()
}

#[test]
fn a_monitor_tells_a_fork_and_a_rollback() {
    let service = Service::start();
    let state = service.folder().join("watched");
    let state = state.to_str().unwrap().to_owned();
    let watch = |url: &str, more: &[&str]| {
        let what = ["audit", "monitor", "--once", "--state", &state, "--url", url];
        keyledger(&what).with(more).run()
    };
    let make = |service: &Service, name: &str| {
        let body = format!("POST /v1/keys {{\"name\":\"{name}\"}}");
        assert_eq!(service.client("owner").send(&body).status, 201);
    };
    make(&service, "one");
    assert_eq!(watch(&service.url(), &[]).code, Some(0));
    let (stopped, _) = service.stop();
    let original = stopped.data().with_file_name("kept");
    copy(&stopped.data(), &original);

    let service = stopped.start();
    make(&service, "two");
    make(&service, "three");
    assert!(watch(&service.url(), &[]).out.contains("extends size 1"));
    let token = service.token("acme", "owner");
    assert!(watch(&service.url(), &["--token", &token]).out.contains("nothing new"));
    assert_eq!(watch(&service.url(), &["--max-age", "0s"]).code, Some(13));

    // The whole directory as it was, guard included: only a kept checkpoint shows it.
    let service = put_back(service.stop().0, &original);
    let rollback = watch(&service.url(), &[]);
    assert_eq!(rollback.code, Some(12), "{rollback:?}");
    // And then it grows another way.
    make(&service, "other two");
    make(&service, "other three");
    for more in [&[][..], &["--token", &service.token("acme", "owner")]] {
        let fork = watch(&service.url(), more);
        assert_eq!(fork.code, Some(11), "{fork:?}");
    }
    make(&service, "other four");
    let fork = watch(&service.url(), &[]);
    assert_eq!(fork.code, Some(11), "{fork:?}");
    let evidence =
        [1, 2].map(|n| std::fs::read_to_string(format!("{state}.evidence-{n}")).unwrap());
    assert_ne!(evidence[0], evidence[1]);
    // The state is what it was: it goes on telling.
    assert_eq!(std::fs::read_to_string(&state).unwrap(), evidence[0]);
    let url = service.url();
    let _stopped = service.stop();
    assert_eq!(watch(&url, &[]).code, Some(3));
    assert_eq!(watch(&url, &["--max-age", "0s"]).code, Some(13));
}

#[test]
fn events_and_keys_are_proved() {
    let service = Service::start();
    live(&service);
    let key = verifier_key(&service);
    let listed = service.client("owner").send("GET /v1/keys?limit=1").json();
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let json = |what: &[&str]| -> serde_json::Value {
        let output = audit(&service, &["prove", "--json", "--key", &key]).with(what).good();
        serde_json::from_str(&output).unwrap()
    };
    for seq in ["0", "4", "11"] {
        assert_eq!(json(&["--seq", seq])["seq"], seq.parse::<u64>().unwrap());
    }
    let proved = json(&["--key-id", &id]);
    assert_eq!((&proved["exists"], &proved["complete_as_of_size"]), (&true.into(), &15.into()));
    let absent = json(&["--key-id", "01890a5d-ac96-774b-bcce-b302099a8057"]);
    assert_eq!((&absent["exists"], &absent["events"]), (&false.into(), &0.into()));
    let stranger = verifier_key(&Service::start());
    let refused = audit(&service, &["prove", "--seq", "0", "--key", &stranger]).run();
    assert_eq!(refused.code, Some(10));
    let same = audit(&service, &["diff", "--key", &key]).good();
    assert!(same.starts_with("the same: 7 keys at size 15"), "{same}");
}

#[test]
fn a_bundle_is_for_auditors_of_all_accounts() {
    let service = Service::start();
    for (account, role, status) in [
        ("*", "auditor", 200),
        ("*", "admin", 200),
        ("acme", "auditor", 403),
        ("acme", "owner", 403),
        ("*", "verifier", 403),
    ] {
        let answer = service.client_of(account, role).send("GET /v1/audit/bundle");
        assert_eq!(answer.status, status, "{role} of {account}");
    }
    let out = service.folder().join("x.tar");
    let refused = keyledger(&["audit", "export", "--out"])
        .argument(&out)
        .env("KEYLEDGER_URL", &service.url())
        .env("KEYLEDGER_TOKEN", &service.token("acme", "owner"))
        .run();
    refused.says(1, &["role does not allow"]);
    assert!(!out.exists() && !out.with_file_name("x.tar.part").exists());
}
