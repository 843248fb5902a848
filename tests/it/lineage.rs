//! What became of a log whose keys changed, and of one that was rolled back with its operator's word.

use std::path::PathBuf;

use serde_json::Value;

use crate::audit::{VERIFIER, both, copy, export, forged, python, verifier_key};
use crate::support::{Service, Stopped, keyledger};

const FORGE_LINEAGE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/forge_lineage.py");

/// Makes keys until the log has so many records.
fn grow(service: &Service, size: u64) {
    let owner = service.client("owner");
    while log_size(service) < size {
        owner.create(r#"{"name":"a key"}"#);
    }
}

fn log_size(service: &Service) -> u64 {
    let checkpoint = service.client_with(None).send("GET /log/checkpoint").text;
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn both_verifiers_agree_on_every_lineage() {
    let service = Service::start();
    grow(&service, 7);
    let whole = export(&service, "whole.tar", &[]);
    let part = export(&service, "part.tar", &["--account", "acme"]);
    let (out, list) = forged(&service, FORGE_LINEAGE, [&whole, &part]);
    assert!(list.lines().count() > 40, "{list}");
    for line in list.lines() {
        let [name, code, key] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        both(&out.join(name), key, code.parse().unwrap());
    }
}

/// A log of 5 records, of which a backup was made, that was signed for at 8.
struct RolledBack {
    stopped: Stopped,
    /// The key that signed.
    key: String,
    /// Where somebody stored a checkpoint of 8 records.
    checkpoint: PathBuf,
}

/// Puts the backup in the place of the log; the guard was elsewhere, and knows what was signed last.
fn roll_back() -> RolledBack {
    let service = Service::start();
    grow(&service, 5);
    let key = verifier_key(&service);
    let (stopped, _) = service.stop();
    let (data, backup) = (stopped.data(), stopped.folder().join("backup"));
    copy(&data, &backup);
    let service = stopped.start();
    grow(&service, 8);
    let checkpoint = service.folder().join("checkpoint");
    std::fs::write(&checkpoint, service.client_with(None).send("GET /log/checkpoint").text)
        .unwrap();
    let (stopped, _) = service.stop();
    let guard = std::fs::read(data.join("guard")).unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    std::fs::write(data.join("guard"), guard).unwrap();
    RolledBack { stopped, key, checkpoint }
}

/// It used to be called good, with the key of the old origin, by both verifiers.
#[test]
fn a_rollback_that_is_on_record_is_told() {
    let RolledBack { stopped, key: old, checkpoint } = roll_back();
    let service = stopped.with("--accept-rollback").start();
    grow(&service, 10);
    let keys = service.client_with(None).send("GET /log/keys").text;
    let new = keys.lines().nth(1).unwrap();
    let whole = export(&service, "whole.tar", &[]);
    let part = export(&service, "part.tar", &["--account", "acme"]);

    // Whoever trusts the old origin hears of it, and of how to go on.
    for bundle in [&whole, &part] {
        for output in both(bundle, &old, 14) {
            let words = ["ROLLED BACK", "signed for 8 records", "from 5 of them", "3 are gone"];
            for word in words.iter().chain(&[&*format!("--key '{new}'")]) {
                assert!(output.contains(word), "{word}: {output}");
            }
        }
        // Whoever trusts the new one has accepted it, and sees it in the lineage.
        for output in both(bundle, new, 0) {
            let lineage = "a new origin, on 5 records, of which at most 5 are among the 8";
            assert!(output.contains(lineage), "{output}");
        }
    }
    let refused = keyledger(&["audit", "verify", "--json", "--key", &old]).argument(&whole).run();
    let refused: Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!(refused["code"], "rolled_back");
    let lineage = refused["lineage"].as_array().unwrap();
    assert_eq!(
        (&lineage[0]["last"]["size"], &lineage[0]["is_new_origin"]),
        (&8.into(), &false.into())
    );
    assert_eq!((&lineage[1]["went_on_from"]["size"], &lineage[1]["lost"]), (&5.into(), &3.into()));
    assert_eq!(lineage[1]["key"], new);
    // The note that admits it is proof for anybody.
    let note = std::fs::read_to_string(whole.with_extension("tar.evidence-1")).unwrap();
    assert!(
        note.starts_with(&format!("keyledger succession v1\nold {old}\nnew {new}\n")),
        "{note}"
    );

    // A checkpoint from before is no fork: what it is of was lost, and that is on record.
    let checkpoint = checkpoint.to_str().unwrap();
    for key in [&old, new] {
        let ours = keyledger(&["audit", "verify", "--kept", checkpoint, "--key", key]);
        assert_eq!(ours.argument(&whole).run().code, Some(14));
        let bundle = whole.to_str().unwrap();
        assert_eq!(python(VERIFIER, &[bundle, "--key", key, "--kept", checkpoint]).0, 14);
    }
    let run = |what: &[&str]| {
        let audit = keyledger(&["audit"]).with(what).env("KEYLEDGER_URL", &service.url());
        audit.env("KEYLEDGER_TOKEN", &service.token("*", "auditor")).run()
    };
    let fresh = service.folder().join("fresh");
    let fresh = fresh.to_str().unwrap();
    let watch = ["monitor", "--once", "--state"];
    let prove = ["prove", "--seq", "1", "--out", fresh, "--key"];
    for (command, code, word) in [
        ([&watch[..], &[checkpoint]].concat(), 14, "3 are gone"),
        ([&watch[..], &[fresh, "--key", &old]].concat(), 14, "3 are gone"),
        ([&watch[..], &[fresh, "--key", new]].concat(), 0, "a new origin, on 5 records"),
        ([&prove[..], &[&old]].concat(), 14, "3 are gone"),
        ([&prove[..], &[new]].concat(), 0, "a new origin, on 5 records"),
    ] {
        let ended = run(&command);
        assert_eq!(ended.code, Some(code), "{command:?} {ended:?}");
        assert!(ended.out.contains(word), "{command:?} {ended:?}");
    }
}

/// Somebody holds an old key of the log, and the auditor still trusts it.
#[test]
fn the_verdict_says_who_signed_and_which_key_to_trust_from_now_on() {
    let service = Service::start();
    grow(&service, 3);
    let old = verifier_key(&service);
    let (stopped, _) = service.stop();
    keyledger(&["audit", "rotate-signing-key"]).data(&stopped.data()).good();
    let service = stopped.start();
    grow(&service, 4);
    let keys = service.client_with(None).send("GET /log/keys").text;
    let new = keys.lines().nth(1).unwrap();
    let whole = export(&service, "whole.tar", &[]);
    let moves_over = format!("from now on give --key '{new}'");
    for output in both(&whole, &old, 0) {
        let signed_by = output.split("signed by").nth(1).unwrap().trim_start();
        assert!(signed_by.starts_with(new), "{output}");
        for words in [&moves_over, &format!("{old}: signed last for 3 records")] {
            assert!(output.contains(words.as_str()), "{words}: {output}");
        }
    }
    for output in both(&whole, new, 0) {
        assert!(!output.contains("from now on"), "{output}");
    }
}
