//! Go's own code on a live server: `golang.org/x/mod/sumdb`, which the formats come from.

use std::io::Write as _;
use std::process::Command;

use crate::audit::verifier_key;
use crate::support::{Service, go_program};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/outside/tlog.go");

/// The checkpoint opens with `note`; each record's proof and each older tree hold by `tlog`, made from
/// the served tiles.
#[test]
fn gos_tlog_reads_the_log() {
    let Some(program) = go_program(SOURCE) else {
        // Past the test harness, which swallows what a test prints.
        writeln!(std::io::stderr(), "Go or x/mod cannot be had here: its test is left out")
            .unwrap();
        return;
    };
    let service = Service::start();
    let (owner, key) = (service.client("owner"), verifier_key(&service));
    let (id, _) = owner.create(r#"{"name":"one"}"#);
    let mut size = 1;
    // A tile alone, full ones, and one that is not full beside a full one.
    for wanted in [1, 255, 256, 257, 300] {
        while size < wanted {
            let change = if size % 2 == 0 { "enable" } else { "disable" };
            owner.send(&format!("POST /v1/keys/{id}/{change} {{}}"));
            size += 1;
        }
        let ended = Command::new(&program).args([&service.url(), &key]).output().unwrap();
        let output = String::from_utf8_lossy(&ended.stdout);
        let err = String::from_utf8_lossy(&ended.stderr);
        assert!(output.starts_with(&format!("{size} records")), "{size}: {output}{err}");
    }
    let stranger = verifier_key(&Service::start());
    let refused = Command::new(&program).args([&service.url(), &stranger]).output().unwrap();
    assert!(!refused.status.success());
}
