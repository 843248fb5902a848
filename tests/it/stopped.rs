//! What looks at a stopped directory changes nothing in it.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::{Service, Stopped, keyledger};

/// Every file and folder below a folder: when it was changed last, and its bytes.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let changed = |path: &Path| path.metadata().unwrap().modified().unwrap();
    found.insert(folder.to_path_buf(), (changed(folder), Vec::new()));
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        } else {
            found.insert(path.clone(), (changed(&path), std::fs::read(&path).unwrap()));
        }
    }
    found
}

/// Whether the owner may write in a folder and to what is in it.
fn let_write(folder: &Path, may: bool) {
    for path in everything(folder).keys() {
        let mode = if path.is_dir() { 0o500 } else { 0o400 };
        let mode = if may { mode | 0o200 } else { mode };
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
}

/// They opened the log as the service does, and the engine rewrote what it took for a torn end.
#[test]
fn looking_at_a_stopped_directory_changes_nothing() {
    let service = Service::start();
    let owner = service.client("owner");
    for _ in 0..20 {
        owner.create(r#"{"name":"k"}"#);
    }
    // The journal gets an entry.
    service.client("auditor").send("GET /v1/events");
    let stopped = service.kill();
    let data = stopped.data();
    std::fs::write(data.join("log/snap.00000000DEADBEEF.generating"), "half").unwrap();
    let_write(&data, false);
    let before = everything(&data);
    let out = stopped.folder().join("bundle.tar");
    for _ in 0..2 {
        keyledger(&["fsck"]).data(&data).good();
        keyledger(&["replay"]).data(&data).good();
        keyledger(&["audit", "export", "--out"]).argument(&out).data(&data).good();
        assert_eq!(everything(&data), before);
    }
    let_write(&data, true);
    let service = stopped.start();
    assert_eq!(service.client("owner").all("/v1/keys").len(), 20);
}

/// A service of some entries, stopped.
fn with_journal() -> Stopped {
    let service = Service::start();
    service.client("owner").create(r#"{"name":"k"}"#);
    service.client("auditor").send("GET /v1/events");
    service.stop().0
}

/// A new one was made, or the other one taken, without a word.
#[test]
fn a_journal_that_is_gone_or_anothers_is_missed() {
    let (stopped, other) = (with_journal(), with_journal());
    let access = stopped.data().join("access");
    std::fs::remove_dir_all(&access).unwrap();
    let serve = || keyledger(&["serve", "--listen", "127.0.0.1:0"]).data(&stopped.data());
    serve().run().says(1, &["access", "is gone", "backup"]);
    std::fs::rename(other.data().join("access"), &access).unwrap();
    serve().run().says(1, &["another log", "backup"]);
    stopped.with("--accept-rollback").start().stop();
}
