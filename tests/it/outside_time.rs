//! Checkpoints that a time-stamping authority stamped: made, served, and held against the records.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::audit::{audit, export, forged, lasting, ours, theirs, verifier_key};
use crate::support::{Client, Service, StampAnswers, Tsa, keyledger, until};

const FORGE_TIMES: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/forge_times.py");

fn stamps(client: &Client, query: &str) -> Value {
    let answer = client.send(&format!("GET /log/stamps{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The number that the metrics have for `name`.
fn metric(client: &Client, name: &str) -> u64 {
    let page = client.send("GET /metrics").text;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{page}")).parse().unwrap()
}

/// Both verifiers end so with these options; the output of each.
fn both_with(bundle: &Path, key: &str, more: &[&str], code: i32) -> [String; 2] {
    [ours(bundle, key, more), theirs(bundle, key, more)].map(|(ended, output)| {
        assert_eq!(ended, code, "{}: {output}", bundle.display());
        output
    })
}

#[test]
fn a_checkpoint_is_stamped_at_the_start_and_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let tsa = Tsa::start(folder.path());
    let service = Service::with(&["--tsa", &tsa.url(), "--tsa-ca", &tsa.roots()]);
    stamped_twice(&service);
    let nobody = service.client_with(None);
    // At most one a minute.
    let again = service.client_of("*", "auditor").send("POST /log/stamps");
    assert_eq!(again.refusal(), (429, "rate_limited".to_owned()));
    assert!(again.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    for (account, role) in [("acme", "auditor"), ("*", "verifier")] {
        let refused = service.client_of(account, role).send("POST /log/stamps");
        assert_eq!(refused.status, 403, "{role} of {account}");
    }
    // Whoever watches keeps them, without a token.
    let first = stamps(&nobody, "?limit=1");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = stamps(&nobody, &format!("?cursor={cursor}"));
    assert_eq!((&first["items"][0]["size"], &second["items"][0]["size"]), (&0.into(), &3.into()));
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(nobody.send("GET /log/stamps?cursor=nonsense").status, 400);
    assert!(metric(&nobody, "keyledger_last_time_stamp_seconds") > 1_700_000_000);
}

/// Has the log stamped when it is empty and when it has three records; then there is one more.
fn stamped_twice(service: &Service) {
    let (nobody, owner) = (service.client_with(None), service.client("owner"));
    until("the first stamp", || metric(&nobody, "keyledger_time_stamps") == 1);
    for _ in 0..3 {
        owner.create(r#"{"name":"k"}"#);
    }
    let out = audit(service, &["stamp"]).good();
    assert!(out.starts_with("size 3 was stamped at 2"), "{out}");
    owner.create(r#"{"name":"after"}"#);
}

#[test]
fn both_verifiers_place_the_records_between_outside_times() {
    let folder = tempfile::tempdir().unwrap();
    let tsa = Tsa::start(folder.path());
    let service = Service::with(&["--tsa", &tsa.url(), "--tsa-ca", &tsa.roots()]);
    stamped_twice(&service);
    let all = stamps(&service.client_with(None), "");
    let at = all["items"][1]["at"].as_str().unwrap().to_owned();
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    let part = export(&service, "part.tar", &["--account", "acme"]);
    let roots = tsa.roots();
    let placed = "each of 3 records lies between two of them at most";
    for bundle in [&whole, &part] {
        for output in both_with(bundle, &key, &["--tsa-ca", &roots], 0) {
            assert!(output.contains(placed), "{output}");
            assert!(output.contains("0 lie before the first, 1 after the last"), "{output}");
            assert!(output.contains(&at), "{output}");
        }
        for output in both_with(bundle, &key, &[], 0) {
            assert!(output.contains("2 time-stamps, not checked"), "{output}");
        }
        for output in both_with(bundle, &key, &["--tsa-ca", &tsa.other_roots()], 10) {
            assert!(output.contains("trusted root"), "{output}");
        }
        both_with(bundle, &key, &["--tsa-ca", "/nowhere.pem"], 2);
    }
    let (_, json) = ours(&whole, &key, &["--json", "--tsa-ca", &roots]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let times = &json["outside_times"];
    assert_eq!((&times["checked"], &times["count"]), (&true.into(), &2.into()));
    assert_eq!((&times["records_between"], &times["last"]), (&3.into(), &at.into()));
    let (_, json) = ours(&whole, &key, &["--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["outside_times"]["checked"], false);

    as_an_auditor_with_openssl_alone(&whole, &roots);

    // They are there after a stop, and from the directory alone.
    let stopped = service.stop().0;
    let out = whole.with_file_name("again.tar");
    keyledger(&["audit", "export", "--out"]).argument(&out).data(&stopped.data()).good();
    assert_eq!(lasting(&whole), lasting(&out));
    // And when another key signs.
    keyledger(&["audit", "rotate-signing-key"]).data(&stopped.data()).good();
    let service = stopped.start();
    assert_eq!(stamps(&service.client_with(None), "")["items"].as_array().unwrap().len(), 2);
    let later = export(&service, "later.tar", &[]);
    for output in both_with(&later, &key, &["--tsa-ca", &roots], 0) {
        assert!(output.contains(placed), "{output}");
    }
}

/// Unpacks a bundle and checks each time-stamp in it with `openssl ts -verify`.
fn as_an_auditor_with_openssl_alone(bundle: &Path, roots: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(bundle).arg("-C").arg(folder.path());
    assert!(tar.status().unwrap().success());
    for (data, good) in [("checkpoint", true), ("consistency", false)] {
        let mut openssl = Command::new("openssl");
        openssl.args(["ts", "-verify", "-data", data, "-in", "stamp.tsr", "-CAfile", roots]);
        let done = openssl.current_dir(folder.path().join("times/001")).stdin(Stdio::null());
        assert_eq!(done.output().unwrap().status.success(), good, "{data}");
    }
}

#[test]
fn an_authority_that_fails_or_lies_delays_nobody_and_nothing_of_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let tsa = Tsa::start(folder.path());
    let service =
        Service::with(&["--tsa", &tsa.url(), "--tsa-every", "1s", "--tsa-ca", &tsa.roots()]);
    let (nobody, owner) = (service.client_with(None), service.client("owner"));
    let stored = || metric(&nobody, "keyledger_time_stamps");
    let failures = || metric(&nobody, "keyledger_time_stamp_failures");
    until("the first stamp", || stored() > 0);
    let wrong = [
        (StampAnswers::OtherImprint, "of something else"),
        (StampAnswers::OtherNonce, "another request"),
        (StampAnswers::OtherAuthority, "no chain of certificates"),
        (StampAnswers::Expired, "no chain of certificates"),
        (StampAnswers::Rejected, "status 2"),
        (StampAnswers::Garbage, "no time-stamp of RFC 3161"),
        (StampAnswers::Half, "no time-stamp of RFC 3161"),
        (StampAnswers::OtherType, "200 and the type `text/html`"),
        (StampAnswers::With(500), "answered with 500"),
        (StampAnswers::Redirect, "answered with 307"),
        (StampAnswers::Flood, "longer than 65536 bytes"),
        (StampAnswers::Never, "timed_out"),
    ];
    for (answers, _) in wrong {
        tsa.answers(answers);
        // One may have been under way.
        let before = failures();
        until("failures", || failures() > before);
        let count = stored();
        let before = failures();
        // The log goes on.
        owner.create(r#"{"name":"k"}"#);
        until("more failures", || failures() > before);
        assert_eq!(stored(), count, "{answers:?}");
    }
    tsa.answers(StampAnswers::Right);
    let count = stored();
    until("another stamp", || stored() > count);
    let (stopped, log) = service.stop();
    for (answers, words) in wrong {
        assert!(log.contains(words), "{answers:?}: {log}");
    }
    // Nothing is stamped twice at once, and every file is whole.
    let service = stopped.start();
    let count = metric(&service.client_with(None), "keyledger_time_stamps");
    let all = stamps(&service.client_with(None), "?limit=500");
    assert!(all["items"].as_array().unwrap().len() as u64 >= count);
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    both_with(&whole, &key, &["--tsa-ca", &tsa.roots()], 0);
}

#[test]
fn without_an_authority_there_is_nothing_to_request() {
    let service = Service::start();
    let refused = service.client_of("*", "auditor").send("POST /log/stamps");
    assert_eq!(refused.refusal(), (404, "not_found".to_owned()));
    assert_eq!(stamps(&service.client_with(None), "")["items"], Value::Array(Vec::new()));
    for (options, words) in [
        (&["--tsa", "ftp://tsa.example"][..], "must begin with https:// or http://"),
        (&["--tsa", "http://user:secret@tsa.example"], "no user name"),
        (&["--tsa-ca", "/nowhere.pem"], "--tsa <URL>"),
        (&["--tsa", "http://tsa.example", "--tsa-ca", "/nowhere.pem"], "/nowhere.pem"),
        (&["--tsa", "http://tsa.example", "--tsa-every", "0s"], "from 1s to 30d"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ended = keyledger(&["serve", "--listen", "127.0.0.1:0"])
            .with(options)
            .data(&folder.path().join("data"))
            .run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(words), "{words}: {ended:?}");
        assert!(!ended.err.contains("secret"), "{ended:?}");
    }
}

#[test]
fn a_damaged_file_of_a_time_stamp_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tsa = Tsa::start(folder.path());
    let service = Service::with(&["--tsa", &tsa.url()]);
    let nobody = service.client_with(None);
    until("the first stamp", || metric(&nobody, "keyledger_time_stamps") == 1);
    let one = stamps(&nobody, "")["items"][0].clone();
    let stamp = STANDARD.decode(one["stamp"].as_str().unwrap()).unwrap();
    assert!(stamp.len() > 500);
    let stopped = service.kill();
    let path = stopped.data().join("times/000000.json");
    let text = std::fs::read_to_string(&path).unwrap();
    // Of another checkpoint, by one letter of its root.
    let other = text.replace("\\n0\\n", "\\n1\\n");
    assert_ne!(text, other);
    std::fs::write(&path, other).unwrap();
    let ended = keyledger(&["serve", "--listen", "127.0.0.1:0"]).data(&stopped.data()).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("000000.json` is damaged"), "{ended:?}");
    std::fs::remove_file(&path).unwrap();
    // Without it the log goes on, and has another one.
    let service = stopped.start();
    let nobody = service.client_with(None);
    until("another stamp", || metric(&nobody, "keyledger_time_stamps") == 1);
}

/// Whoever has the log's key can sign anything, but no authority's time.
#[test]
fn both_verifiers_agree_on_every_outside_time() {
    let service = Service::start();
    let owner = service.client("owner");
    for _ in 0..7 {
        owner.create(r#"{"name":"k"}"#);
    }
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    let part = export(&service, "part.tar", &["--account", "acme"]);
    let (out, list) = forged(&service, FORGE_TIMES, [&whole, &part]);
    assert!(list.lines().count() > 50, "{list}");
    let roots = out.join("authority/root.pem");
    let roots = roots.to_str().unwrap();
    for line in list.lines() {
        let [name, trusted, untrusted, word] =
            line.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
        for (code, more) in [(trusted, &["--tsa-ca", roots][..]), (untrusted, &[])] {
            let bundle = out.join(name);
            let (own, other) = (ours(&bundle, &key, more), theirs(&bundle, &key, more));
            assert_eq!(own.0, other.0, "{name} {more:?}: {own:?} {other:?}");
            if let Ok(code) = code.parse::<i32>() {
                assert_eq!(own.0, code, "{name} {more:?}: {own:?}");
            }
            if !more.is_empty() {
                for output in [own.1, other.1] {
                    assert!(output.contains(word), "{name}: no {word:?} in {output}");
                }
            }
        }
    }
}
