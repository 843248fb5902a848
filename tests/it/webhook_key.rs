//! Webhooks: the log's key vouches for the key that signs what they send. It is checked as
//! `docs/webhooks.md` says, with `openssl`.

use std::path::Path;
use std::process::Command;

use crate::support::gateway::block;
use crate::support::{Service, keyledger};

/// Runs the guide's check against what a service shows. Whether it passes.
fn is_vouched_for(url: &str, log: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &block("docs/webhooks.md", "sh")]).current_dir(folder.path());
    let output = shell.env("url", url).env("log", log).output().unwrap();
    output.status.success()
}

/// What `/log/keys/webhooks` shows, and the log's key.
fn shown(service: &Service) -> (String, String) {
    let nobody = service.client_with(None);
    let keys = nobody.send("GET /log/keys").text;
    let newest = keys.lines().take_while(|line| !line.is_empty()).last().unwrap().to_owned();
    (nobody.send("GET /log/keys/webhooks").text, newest)
}

fn field<'a>(page: &'a str, name: &str) -> &'a str {
    page.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim()
}

#[test]
fn the_log_vouches_for_the_key_of_webhooks() {
    let service = Service::with(&["--origin", "ledger.example.com/keys"]);
    let (page, log) = shown(&service);
    assert!(is_vouched_for(&service.url(), &log));
    assert_eq!(page.lines().next(), Some(field(&page, "key ")));
    assert_eq!(field(&page, "origin "), "ledger.example.com/keys");

    // It is the same after a restart; a note that is gone or damaged is made anew.
    let note = service.data().join("webhooks/signing.note");
    assert_eq!(page.split_once("\n\n").unwrap().1, std::fs::read_to_string(&note).unwrap());
    let service = service.restart();
    assert_eq!(shown(&service), (page.clone(), log.clone()));
    let (stopped, _) = service.stop();
    std::fs::write(&note, page.replace("since 2", "since 1")).unwrap();
    let service = stopped.start();
    let (anew, _) = shown(&service);
    assert!(is_vouched_for(&service.url(), &log));
    assert!(field(&anew, "since ") > field(&page, "since "), "{anew}");

    // Another key of the log says it anew, since when it was.
    let (stopped, _) = service.stop();
    keyledger(&["audit", "rotate-signing-key"]).data(&stopped.data()).good();
    let service = stopped.start();
    let (rotated, next) = shown(&service);
    assert_ne!(next, log);
    assert!(is_vouched_for(&service.url(), &next));
    assert!(!is_vouched_for(&service.url(), &log), "the former key signs no more");
    assert_eq!(field(&rotated, "since "), field(&anew, "since "));
    assert_ne!(rotated, anew);

    // Another key of the webhooks is another note.
    let (stopped, _) = service.stop();
    std::fs::remove_file(note.with_file_name("signing.key")).unwrap();
    let service = stopped.start();
    let (other, _) = shown(&service);
    assert_ne!(field(&other, "key "), field(&rotated, "key "));
    assert!(field(&other, "since ") > field(&rotated, "since "), "{other}");
    assert!(is_vouched_for(&service.url(), &next));
}

/// The check of the guide refuses what the log did not sign.
#[test]
fn the_guides_check_refuses_another_key() {
    let service = Service::start();
    let (page, log) = shown(&service);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("log/keys")).unwrap();
    let file = folder.path().join("log/keys/webhooks");
    let serve = |page: &str| {
        std::fs::write(&file, page).unwrap();
        is_vouched_for(&as_url(folder.path()), &log)
    };
    assert!(serve(&page));
    let (key, note) = page.split_once("\n\n").unwrap();
    let other = "whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for wrong in [
        format!("{other}\n\n{note}"),
        page.replace(key, other),
        page.replace("purpose webhooks", "purpose tokens"),
        page.replace("since 2", "since 1"),
        format!("{key}\n"),
        String::new(),
    ] {
        assert!(!serve(&wrong), "{wrong}");
    }
    let stranger = Service::start();
    assert!(!is_vouched_for(&stranger.url(), &log));
}

fn as_url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}
