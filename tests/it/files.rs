//! Files and secrets: which users may read them, and where no secret ends up.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use crate::support::{Service, keyledger, write_secret};

/// What in and below a folder others may read, write or enter.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut open = Vec::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(path) = left.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        if found.mode() & 0o077 != 0 {
            open.push(format!("{} {:o}", path.display(), found.mode() & 0o777));
        }
        if found.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    open
}

fn open_up(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn whatever_the_umask_a_directory_is_its_owners_alone() {
    let service = Service::under_umask("000");
    let owner = service.client("owner");
    let (_, secret) = owner.create(r#"{"name":"k"}"#);
    // Uses are counted in a file.
    owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#));
    // This makes an entry in the access journal, which has files of its own.
    service.client("auditor").all("/v1/events");
    assert_eq!(open_to_others(&service.data()), Vec::<String>::new());
    let (stopped, _) = service.stop();
    assert_eq!(open_to_others(&stopped.data()), Vec::<String>::new());
    // As an earlier version left it.
    for name in ["FORMAT", "guard", "log/db", "access/FORMAT", "access/log/db"] {
        open_up(&stopped.data().join(name));
    }
    open_up(&stopped.data().join("usage/journal-0000000000"));
    for name in ["", "log", "access", "usage"] {
        fs::set_permissions(stopped.data().join(name), Permissions::from_mode(0o755)).unwrap();
    }
    let (stopped, _) = stopped.start().stop();
    assert_eq!(open_to_others(&stopped.data()), Vec::<String>::new());
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let service = Service::start();
    let (stopped, _) = service.stop();
    let data = stopped.data();
    let serve = || keyledger(&["serve", "--listen", "127.0.0.1:0"]).data(&data);
    let token = ["token", "--account", "acme", "--subject", "ann", "--role", "owner"];
    for name in ["token.key", "log.key", "access/log.key"] {
        let path = data.join(name);
        open_up(&path);
        let words = [name, "others may read", "chmod 600", "--insecure-files"];
        serve().run().says(1, &words);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let secret = stopped.folder().join("secret");
    write_secret(&secret, "a secret of more than thirty-two bytes");
    open_up(&secret);
    let named = ["--jwt-issuer", "https://id.test", "--jwt-audience", "keys"];
    let from_outside = serve().with(&named).argument("--jwt-secret-file").argument(&secret);
    from_outside.run().says(1, &["secret", "others may read", "--jwt-secret-file"]);

    open_up(&data.join("token.key"));
    keyledger(&token).data(&data).run().says(1, &["token.key", "--insecure-files"]);
    let ended = keyledger(&token).data(&data).argument("--insecure-files").run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("others may read"), "{ended:?}");
    let (_, log) = stopped.with("--insecure-files").start().stop();
    assert!(log.contains("token.key") && log.contains("others may read"), "{log}");
}

#[test]
fn a_guard_without_a_folder_changes_nothing_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let guard = folder.path().join("no-such-folder/guard");
    let serve = keyledger(&["serve", "--listen", "127.0.0.1:0", "--log-level", "error"]);
    let ended = serve.data(&data).argument("--guard").argument(&guard).run();
    ended.says(1, &["no-such-folder", "make it"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_export_follows_no_link_and_takes_over_no_file() {
    let service = Service::start();
    service.client("owner").create(r#"{"name":"k"}"#);
    let token = service.token("*", "auditor");
    let folder = tempfile::tempdir().unwrap();
    let (out, part) = (folder.path().join("b.tar"), folder.path().join("b.tar.part"));
    let export = || {
        let export = keyledger(&["audit", "export", "--url", &service.url(), "--out"]);
        export.argument(&out).env("KEYLEDGER_TOKEN", &token)
    };
    let precious = folder.path().join("precious");
    fs::write(&precious, "do not touch").unwrap();
    symlink(&precious, &part).unwrap();
    export().run().says(2, &["b.tar.part", "remove it"]);
    fs::remove_file(&part).unwrap();
    fs::write(&part, "of another export").unwrap();
    export().run().says(2, &["b.tar.part", "remove it"]);
    assert_eq!(fs::read_to_string(&part).unwrap(), "of another export");
    fs::remove_file(&part).unwrap();
    // A link in the place of the file itself is replaced.
    symlink(&precious, &out).unwrap();
    export().good();
    let made = fs::symlink_metadata(&out).unwrap();
    assert!(made.is_file() && made.mode() & 0o777 == 0o600, "{made:?}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "do not touch");
    assert!(!part.exists());
}

/// In the environment it would stay, and accept the next rollback too, which nobody has seen.
#[test]
fn a_rollback_is_accepted_on_the_command_line_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for name in ["KEYLEDGER_ACCEPT_ROLLBACK", "KEYLEDGER_SERVE_ACCEPT_ROLLBACK"] {
        let serve = keyledger(&["serve", "--listen", "127.0.0.1:0"]).data(&data);
        serve.env(name, "true").run().says(2, &[name, "--accept-rollback", "command line"]);
        assert!(!data.exists());
    }
}

#[test]
fn what_is_secret_on_a_command_line_is_warned_of() {
    let service = Service::start();
    let token = service.token("acme", "owner");
    let (_, secret) = service.client("owner").create(r#"{"name":"k"}"#);
    let warned = |with: &[&str]| {
        let list = keyledger(&["keys", "list", "--url", &service.url()]).with(with);
        list.env("KEYLEDGER_TOKEN", &token).run().err
    };
    assert_eq!(warned(&[]), "");
    let warning = warned(&["--token", &token]);
    assert!(warning.contains("KEYLEDGER_TOKEN") && !warning.contains(&token), "{warning}");
    assert_eq!(warning.lines().count(), 1);
    let verify = keyledger(&["keys", "verify", &secret, "--url", &service.url()]);
    let ended = verify.env("KEYLEDGER_TOKEN", &token).run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("warning") && !ended.err.contains(&secret), "{ended:?}");
}

/// A pasted key must not stay for ever in a log that auditors read.
#[test]
fn a_key_is_refused_wherever_a_text_is_recorded() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"k"}"#);
    let sandbox = owner.create(r#"{"name":"k","environment":"sandbox"}"#).1;
    let dialect = "POST /dialects/covosign/api/v1/api-keys";
    let foreign =
        owner.send(&format!(r#"{dialect} {{"name":"k","environment":"SANDBOX"}}"#)).json();
    let foreign = foreign["data"]["apiKey"].as_str().unwrap().to_owned();
    for key in [&secret, &sandbox, &foreign] {
        for body in [
            format!(r#"{{"name":"was {key}"}}"#),
            format!(r#"{{"name":"k","description":"{key} is the old one"}}"#),
            format!(r#"{{"name":"k","reason":"replaces {key}!"}}"#),
            format!(r#"{{"name":"k","metadata":{{"{key}":"v"}}}}"#),
            format!(r#"{{"name":"k","metadata":{{"n":"{key}"}}}}"#),
            format!(r#"{{"name":"k","owner":"{key}"}}"#),
            format!(r#"{{"name":"k","project":"{key}"}}"#),
            format!(r#"{{"name":"k","role":"{key}"}}"#),
            format!(r#"{{"name":"k","account":"{key}"}}"#),
            format!(r#"{{"name":"k","permissions":["{key}"]}}"#),
            format!(r#"{{"name":"k","allowed_ips":["{key}"]}}"#),
            format!(r#"{{"name":"k","{key}":1}}"#),
            format!(r#"{{"name":"k","{}{key}":1}}"#, "x".repeat(40)),
        ] {
            let refused = owner.send(&format!("POST /v1/keys {body}"));
            assert!(matches!(refused.status, 400 | 403), "{body}: {}", refused.text);
            assert!(!refused.text.contains(&key[..20]), "{}", refused.text);
        }
        for line in [
            format!(r#"POST /v1/keys/{id}/disable {{"reason":"{key}"}}"#),
            format!(r#"POST /v1/keys/{id}/rotate {{"name":"{key}"}}"#),
            format!("GET /v1/keys/{key}"),
            format!("GET /v1/keys?account={key}"),
            format!("GET /v1/keys?{key}=1"),
            format!("GET /v1/keys?cursor={key}"),
            format!("GET /v1/keys?as_of={key}"),
            format!("GET /v1/events?actor={key}"),
            format!(r#"{dialect} {{"name":"{key}"}}"#),
            format!(r#"POST /dialects/callcov/api/v1/api-keys/ {{"description":"{key}"}}"#),
        ] {
            let refused = owner.send(&line);
            assert!(
                matches!(refused.status, 400 | 422),
                "{line}: {} {}",
                refused.status,
                refused.text
            );
            assert!(!refused.text.contains(&key[..20]), "{line}: {}", refused.text);
        }
        let named = owner.send_with("GET /v1/keys", &[("x-request-id", key.as_str())]);
        assert_eq!(named.status, 200);
        assert_ne!(named.headers["x-request-id"].to_str().unwrap(), key);
    }
    // One that has a wrong checksum is no key, and gives nothing away.
    let none = "kl_live_00000000000000000000000000000000";
    owner.create(&format!(r#"{{"name":"like {none}"}}"#));
    // Nor does the command line repeat one that stands in the wrong place.
    for arguments in [&["keys", "show", &secret, "--url", "x"][..], &["keys", "list", &secret]] {
        let ended = keyledger(arguments).env("KEYLEDGER_TOKEN", "t").run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!ended.err.contains(&secret[..20]), "{ended:?}");
    }
    let (stopped, log) = service.stop();
    assert!(!log.contains(&secret[..20]), "{log}");
    stopped.is_in_order();
}

/// Another process of the same user cannot read the service's memory, nor is it in a core dump.
#[test]
fn no_other_process_of_the_user_reads_the_memory() {
    const NOBODY: u32 = 65_534;
    // The superuser may read everything, so the service is then somebody else's.
    let user = rustix::process::geteuid().is_root().then_some(NOBODY);
    let program = Path::new(env!("CARGO_BIN_EXE_keyledger"));
    let enters = |folder: &Path| fs::metadata(folder).unwrap().mode() & 0o001 != 0;
    if user.is_some() && !program.ancestors().all(enters) {
        println!("skipped: {} is in a folder that others may not enter", program.display());
        return;
    }
    let service = Service::of_user(user);
    let shown = fs::metadata(format!("/proc/{}/environ", service.pid())).unwrap();
    // What a process that may not be dumped shows of itself belongs to the superuser.
    assert_eq!(shown.uid(), 0);
}
