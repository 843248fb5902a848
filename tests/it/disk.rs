//! A disk that fills up: the service says that it is not ready, and is again when there is room.

use std::fs::File;

use expect_test::expect;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::support::{Service, until};

/// The gauge of that name.
fn gauge(service: &Service, name: &str) -> u64 {
    let page = service.client_with(None).send("GET /metrics").text;
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} is missing")).parse().unwrap()
}

#[test]
fn a_disk_that_is_full_to_its_reserve_is_logged_once_and_writes_come_back_by_themselves() {
    // A reserve that leaves some room, and a file that takes more than that.
    let folder = tempfile::tempdir().unwrap();
    let stat = statvfs(folder.path()).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    let takes = (free / 4).min(8 << 30);
    // The journal keeps twice the reserve free, so that it stops first: from the start.
    let reserve = free - takes / 2;
    let service = Service::with(&["--disk-reserve", &reserve.to_string()]);
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"before"}"#);
    assert_eq!(service.client_with(None).send("GET /readyz").status, 200);
    assert_eq!(gauge(&service, "keyledger_disk_reserve_bytes"), reserve);
    assert_eq!(gauge(&service, "keyledger_log_writable"), 1);
    assert_eq!(gauge(&service, "keyledger_journal_writable"), 0);
    // What the journal cannot record is shown all the same.
    for _ in 0..2 {
        let shown = owner.send("GET /v1/events");
        assert_eq!((shown.status, shown.header("x-reading-recorded")), (200, Some("false")));
    }
    let other = owner.send(&format!("GET /v1/keys/{id}"));
    assert_eq!(other.header("x-reading-recorded"), None);

    let path = folder.path().join("large");
    fallocate(File::create(&path).unwrap(), FallocateFlags::empty(), 0, takes).unwrap();
    let ready = service.client_with(None).send("GET /readyz");
    assert_eq!(ready.refusal(), (503, "not_ready".to_owned()));
    expect![[r#"
        "the disk is full up to its reserve; nothing is written until there is room again, which needs no restart"
    "#]]
    .assert_eq(&format!("{}\n", ready.json()["detail"]));
    assert!(gauge(&service, "keyledger_disk_free_bytes") < reserve);
    assert_eq!(gauge(&service, "keyledger_log_writable"), 0);
    let refused = owner.send(r#"POST /v1/keys {"name":"during"}"#);
    assert_eq!(refused.refusal(), (503, "disk_full".to_owned()));
    // Reads and verify go on.
    assert_eq!(owner.send(&format!("GET /v1/keys/{id}")).status, 200);
    let verdict = owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#)).json();
    assert_eq!(verdict["code"], "VALID");

    std::fs::remove_file(&path).unwrap();
    until("there is room again", || service.client_with(None).send("GET /readyz").status == 200);
    owner.create(r#"{"name":"after"}"#);
    let (_, log) = service.stop();
    // It may have passed between two checks; what was logged was logged once.
    assert!(log.matches("the disk is full up to its reserve").count() <= 1, "{log}");
    assert_eq!(log.matches("who reads the trail is not recorded").count(), 1, "{log}");
}
