//! `--policy`: a quorum of witnesses must have cosigned, for both verifiers, the monitor and the watch.

use std::path::Path;

use serde_json::Value;

use crate::audit::{VERIFIER, both, export, forged, python, verifier_key};
use crate::support::{Program, Service, Witness, keyledger, until};
use crate::watch::{Watch, alarms};
use crate::witnesses::{grow, witnessed};

const FORGE_WITNESSED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/forge_witnessed.py");

/// Both verifiers with these options end with `code`; the output of each.
fn both_with(bundle: &Path, options: &[&str], code: i32) -> [String; 2] {
    let bundle = bundle.to_str().unwrap();
    let ours = keyledger(&["audit", "verify", bundle]).with(options).run();
    let theirs = python(VERIFIER, &[&[bundle], options].concat());
    [(ours.code.unwrap(), ours.out + &ours.err), theirs].map(|(ended, output)| {
        assert_eq!(ended, code, "{bundle} {options:?}: {output}");
        output
    })
}

#[test]
fn both_verifiers_agree_on_what_witnesses_cosigned() {
    let service = Service::start();
    grow(&service, 9);
    assert_eq!(
        service.client_of("umbrella", "owner").send("POST /v1/keys {\"name\":\"k\"}").status,
        201
    );
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    let part = export(&service, "part.tar", &["--account", "acme"]);
    let (out, list) = forged(&service, FORGE_WITNESSED, [&whole, &part]);
    assert!(list.lines().count() > 30, "{list}");
    let policy = out.join("policy");
    let policy = policy.to_str().unwrap();
    for line in list.lines() {
        let [name, without, with] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        both(&out.join(name), &key, without.parse().unwrap());
        // The log is named by the policy.
        both_with(&out.join(name), &["--policy", policy], with.parse().unwrap());
    }
}

fn policy(service: &Service, name: &str, lines: &str) -> String {
    let path = service.folder().join(name);
    std::fs::write(&path, lines).unwrap();
    path.to_str().unwrap().to_owned()
}

fn cosigned_size(service: &Service) -> String {
    let note = service.client_with(None).send("GET /log/checkpoint/cosigned").text;
    note.lines().nth(1).unwrap_or_default().to_owned()
}

fn monitor(service: &Service, options: &[&str]) -> Program {
    let monitor = keyledger(&["audit", "monitor", "--once", "--url", &service.url()]);
    monitor.with(options).argument("--state").argument(service.folder().join("state"))
}

#[test]
fn a_quorum_says_up_to_where_since_when_and_who() {
    let (service, witnesses) = witnessed(2, &[]);
    let log = verifier_key(&service);
    let keys: Vec<String> = witnesses.iter().map(|witness| witness.key.clone()).collect();
    let named = format!("log {log}\nwitness a {}\nwitness b {}\n", keys[0], keys[1]);
    let all = policy(&service, "all", &format!("{named}group g all a b\nquorum g\n"));
    let other = Witness::start("w9.example", &[&log]);
    let more = format!("{named}witness c {}\ngroup g all a b c\nquorum g\n", other.key);
    let three = policy(&service, "three", &more);
    let unnamed = policy(&service, "unnamed", &format!("witness a {}\nquorum a\n", keys[0]));
    let none = policy(&service, "none", "quorum none\n");
    let refused = policy(&service, "refused", "quorum nobody\n");
    grow(&service, 5);
    until("5 are cosigned", || cosigned_size(&service) == "5");
    let _away: Vec<_> = witnesses.into_iter().map(Witness::kill).collect();
    grow(&service, 3);
    let whole = export(&service, "whole.tar", &[]);
    for output in both_with(&whole, &["--policy", &all], 0) {
        let words =
            ["up to size 5", "3 records are beyond that", "a at ", "b at ", "by a quorum until"];
        assert!(words.iter().all(|word| output.contains(word)), "{output}");
    }
    let json = keyledger(&["audit", "verify", "--json", "--policy", &all]).argument(&whole).good();
    let json: Value = serde_json::from_str(&json).unwrap();
    let found = &json["witnessed"];
    assert_eq!((&found["size"], &found["unwitnessed"]), (&5.into(), &3.into()));
    assert_eq!(found["by"].as_array().unwrap().len(), 2);
    assert!(found["fresh_as_of"].as_str().unwrap() <= found["existed_by"].as_str().unwrap());
    // A part has its own count.
    assert_eq!(
        service.client_of("umbrella", "owner").send("POST /v1/keys {\"name\":\"k\"}").status,
        201
    );
    let part = export(&service, "part.tar", &["--from", "2026-01-01T00:00:00Z"]);
    for output in both_with(&part, &["--policy", &all], 0) {
        assert!(
            output.contains("up to size 5") && output.contains("4 records are beyond"),
            "{output}"
        );
    }
    let stranger =
        "ledger.example.com/apikeys+dd441a68+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
    let named = format!("log {stranger}\nquorum none\n");
    let strange = policy(&service, "strange", &named);
    for (options, code, words) in [
        (&["--policy", &three][..], 10, "only"),
        (&["--policy", &none, "--key", &log], 0, "up to size 5"),
        (&["--policy", &unnamed, "--key", &log], 0, "up to size 5"),
        (&["--policy", &unnamed], 2, "--key"),
        (&["--policy", &refused, "--key", &log], 2, "line 1"),
        (&["--policy", &strange], 10, "not one of this log's keys"),
        (&["--policy", "/nowhere", "--key", &log], 2, "--policy"),
        (&["--policy", &all, "--max-age", "1h"], 0, "up to size 5"),
        (&["--policy", &all, "--max-age", "0s"], 13, "STALE"),
        (&[], 2, "--key"),
    ] {
        for output in both_with(&whole, options, code) {
            // Of the other one the usage goes to stderr.
            assert!(code == 2 || output.contains(words), "{options:?} {words}: {output}");
        }
        if !options.is_empty() {
            let watched = monitor(&service, options).run();
            let expected = if options == ["--policy", &unnamed] { 0 } else { code };
            assert_eq!(watched.code, Some(expected), "{options:?} {watched:?}");
            watch_ends(&service, options, expected);
        }
    }
    let watched = monitor(&service, &["--policy", &all]).good();
    assert!(watched.contains("witnessed") && watched.contains("4 records are beyond"), "{watched}");
}

/// A watch that begins anew ends with `code`, and with one alarm if that says that the log is refused.
fn watch_ends(service: &Service, options: &[&str], code: i32) {
    let watch = Watch::of(service);
    let watched = watch.once(&service.url(), options);
    assert_eq!(watched.code, Some(code), "{options:?} {watched:?}");
    assert_eq!(alarms(&watched).len(), usize::from(code >= 10), "{options:?} {watched:?}");
    drop(std::fs::remove_file(watch.state()));
}

#[test]
fn a_stopped_directory_has_what_was_cosigned() {
    let (service, witnesses) = witnessed(1, &[]);
    let log = verifier_key(&service);
    let lines = format!("log {log}\nwitness a {}\nquorum a\n", witnesses[0].key);
    let all = policy(&service, "all", &lines);
    grow(&service, 2);
    until("2 are cosigned", || cosigned_size(&service) == "2");
    drop(witnesses);
    let (stopped, _) = service.stop();
    let out = stopped.folder().join("stopped.tar");
    let export = keyledger(&["audit", "export", "--out"]).argument(&out);
    export.data(&stopped.data()).good();
    both_with(&out, &["--policy", &all], 0);
    // What was not witnessed by anybody has no quorum.
    std::fs::remove_file(stopped.data().join("cosigned")).unwrap();
    let export = keyledger(&["audit", "export", "--out"]).argument(&out);
    export.data(&stopped.data()).good();
    both_with(&out, &["--policy", &all], 10);
    let service = stopped.start();
    let watched = monitor(&service, &["--policy", &all]).run();
    assert_eq!(watched.code, Some(10), "{watched:?}");
}
