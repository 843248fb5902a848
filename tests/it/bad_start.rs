//! A bad start says one sentence and changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::{Program, Service, keyledger, write_secret};

/// Every file below a folder, and its bytes.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes(&path));
            found.insert(path, Vec::new());
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

fn serve(data: &Path) -> Program {
    keyledger(&["serve", "--listen", "127.0.0.1:0", "--log-level", "error"]).data(data)
}

/// A directory with two records, and its bytes.
fn written() -> (tempfile::TempDir, PathBuf) {
    let service = Service::start();
    let owner = service.client("owner");
    for _ in 0..2 {
        owner.create(r#"{"name":"k"}"#);
    }
    let (stopped, _) = service.stop();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::rename(stopped.data(), &data).unwrap();
    (folder, data)
}

#[test]
fn a_directory_that_is_served_already() {
    let service = Service::start();
    service.client("owner").create(r#"{"name":"k"}"#);
    serve(&service.data()).run().says(1, &["in use", "stop"]);
    for command in ["fsck", "replay"] {
        keyledger(&[command]).data(&service.data()).run().says(1, &["in use"]);
    }
    service.client("owner").create(r#"{"name":"k"}"#);
}

#[test]
fn a_directory_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "chapter one").unwrap();
    let before = bytes(folder.path());
    serve(folder.path()).run().says(1, &["not a keyledger data directory", "choose another"]);
    assert_eq!(bytes(folder.path()), before);
    let file = folder.path().join("thesis.txt");
    serve(&file).run().says(1, &["thesis.txt"]);
    assert_eq!(bytes(folder.path()), before);
}

#[test]
fn a_directory_of_another_version() {
    let (_folder, data) = written();
    std::fs::write(data.join("FORMAT"), "keyledger data v2\n").unwrap();
    let before = bytes(&data);
    serve(&data).run().says(1, &["another version", "v2"]);
    for command in ["fsck", "replay"] {
        keyledger(&[command]).data(&data).run().says(1, &["another version"]);
    }
    assert_eq!(bytes(&data), before);
}

#[test]
fn a_log_that_is_shorter_than_its_guard() {
    let (folder, data) = written();
    // An operator restores last night's directory, but the guard is on another volume.
    let guard = folder.path().join("guard");
    std::fs::copy(data.join("guard"), &guard).unwrap();
    std::fs::remove_dir_all(data.join("log")).unwrap();
    std::fs::remove_file(data.join("guard")).unwrap();
    let before = bytes(&data);
    let with_guard = || serve(&data).argument("--guard").argument(&guard);
    with_guard().run().says(1, &["guard", "restore"]);
    assert_eq!(bytes(&data), before);
}

#[test]
fn a_damaged_log() {
    let (_folder, data) = written();
    let path = data.join("log").join("db");
    let mut log = std::fs::read(&path).unwrap();
    let at = log.windows(8).position(|window| window == b"kl_live_").unwrap();
    log[at] ^= 1;
    std::fs::write(&path, log).unwrap();
    let before = bytes(&data);
    serve(&data).run().says(1, &["restore"]);
    assert_eq!(bytes(&data), before);
    let ended = keyledger(&["fsck"]).data(&data).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

/// What a program sees whose clock lost its battery.
const CLOCK_OF_1969: &str = "
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    time->tv_sec = clock == CLOCK_REALTIME ? -1000000 : 1000000;
    time->tv_nsec = 0;
    return 0;
}
";

#[test]
fn a_clock_before_1970() {
    let (folder, data) = written();
    let source = folder.path().join("clock.c");
    std::fs::write(&source, CLOCK_OF_1969).unwrap();
    let library = folder.path().join("clock.so");
    let mut compiler = std::process::Command::new("cc");
    let made = compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(made.unwrap().success());
    let before = bytes(&data);
    let preload = library.to_str().unwrap();
    // It was called damage of the log.
    serve(&data).env("LD_PRELOAD", preload).run().says(1, &["the clock", "before 1970", "set it"]);
    for command in ["fsck", "replay"] {
        let program = keyledger(&[command]).data(&data).env("LD_PRELOAD", preload);
        program.run().says(1, &["the clock", "before 1970"]);
    }
    assert_eq!(bytes(&data), before);
}

#[test]
fn an_address_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for option in ["--listen", "--metrics-listen"] {
        let program =
            keyledger(&["serve", option, &address]).env("KEYLEDGER_LISTEN", "127.0.0.1:0");
        program.data(&data).run().says(1, &[&address, option]);
        assert!(!data.exists(), "it was made");
    }
}

#[test]
fn secret_files_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let named = ["--jwt-issuer", "https://id.test", "--jwt-audience", "keys"];
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        write_secret(&path, text);
        path
    };
    let missing = folder.path().join("missing");
    let short = file("short", "too short\n");
    let no_keys = file("no.jwks", r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    for (option, path, words) in [
        ("--jwt-secret-file", &missing, ["missing", "--jwt-secret-file"]),
        ("--jwt-secret-file", &short, ["HS256", "32 bytes"]),
        ("--jwks-file", &missing, ["missing", "--jwks-file"]),
        ("--jwks-file", &no_keys, ["no.jwks", "--jwks-file"]),
    ] {
        serve(&data).with(&named).argument(option).argument(path).run().says(1, &words);
        assert!(!data.exists(), "it was made");
    }
    serve(&data).argument("--jwks-file").argument(&no_keys).run().says(2, &["--jwt-issuer"]);
    serve(&data)
        .with(&["--authorize-listen", "127.0.0.1:0"])
        .run()
        .says(2, &["--authorize-account"]);
    assert!(!data.exists(), "it was made");
}

#[test]
fn a_token_key_that_is_none() {
    let (_folder, data) = written();
    std::fs::write(data.join("token.key"), "not a key\n").unwrap();
    let before = bytes(&data);
    serve(&data).run().says(1, &["token.key", "restore"]);
    assert_eq!(bytes(&data), before);
}
