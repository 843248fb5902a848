//! A log that nobody takes: the service goes on, and ends in good order.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Client, keyledger, wait};

/// Serves with that stderr, makes it log more than any pipe holds, and stops it.
fn served_with(stderr: Stdio, level: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log-level", level];
    let (mut child, address) = keyledger(&serve).data(&data).serving(stderr);
    let token = keyledger(&["token", "--account", "acme", "--subject", "ann", "--role", "owner"])
        .data(&data)
        .good();
    let owner = Client::new(address, token.lines().last());
    for _ in 0..3_000 {
        assert_eq!(owner.send("GET /healthz").status, 200);
    }
    owner.create(r#"{"name":"k"}"#);
    let metrics = owner.send("GET /metrics").text;
    let lost = metrics.lines().find_map(|line| line.strip_prefix("keyledger_log_lines_lost "));
    assert!(lost.unwrap().parse::<u64>().unwrap() > 0, "{lost:?}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    drop(child.stdin.take());
    assert_eq!(wait(child), Some(0));
    keyledger(&["fsck"]).data(&data).good();
}

#[test]
fn a_log_on_a_full_disk_stalls_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    served_with(full.into(), "debug");
}

#[test]
fn a_log_into_a_closed_pipe_stalls_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    served_with(writer.into(), "debug");
}

#[test]
fn a_log_that_nobody_reads_stalls_nothing() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    served_with(writer.into(), "debug");
    // It took what it could hold.
    let mut held = Vec::new();
    reader.read_to_end(&mut held).unwrap();
    assert!(held.len() >= 4096);
}

/// Nor does a command that cannot say what is wrong end in another way than it would.
#[test]
fn a_complaint_that_nobody_takes_changes_no_exit_code() {
    for (arguments, code) in [(&["fsck", "--data", "/nowhere"][..], 1), (&["keys", "list"], 2)] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = keyledger(arguments).spawn_with(full.into());
        assert_eq!(wait(child), Some(code), "{arguments:?}");
    }
}
