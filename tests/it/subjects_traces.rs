//! What is left on the disk of a person who was erased: nothing, whatever is put back.

use std::path::Path;

use crate::audit::copy;
use crate::subjects::contains;
use crate::support::{Person, Service, TEXTS, keyledger};

/// The ids of the person's tokens, which say who it is, too.
fn jtis(person: &Person) -> Vec<String> {
    use base64::Engine as _;

    let jti = |token: &String| {
        let claims = token.split('.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        claims["jti"].as_str().unwrap().to_owned()
    };
    person.tokens.iter().map(jti).collect()
}

/// No file below `folder` has a byte sequence of these. How many files there are.
fn has_none(folder: &Path, texts: &[String]) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += has_none(&path, texts);
            continue;
        }
        // A file may have been replaced meanwhile.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        files += 1;
        for text in texts {
            assert!(!contains(&bytes, text), "{text} is in {}", path.display());
        }
    }
    files
}

fn texts(person: &Person) -> Vec<String> {
    let texts = TEXTS.iter().map(|text| (*text).to_owned());
    texts.chain(jtis(person)).collect()
}

fn erase(service: &Service) {
    let admin = service.client("admin");
    let erased = admin.send(&format!("POST {}", Person::path("/erase")));
    assert_eq!(erased.status, 200, "{erased:?}");
}

fn is_erased(service: &Service, person: &Person) {
    let shown = service.client("admin").send(&format!("GET /v1/keys/{}", person.keys[0].0)).json();
    assert_eq!((&shown["owner"], &shown["name"]), (&"erased".into(), &"erased".into()));
}

/// The names and texts of a person are never on the disk, and nothing there opens what is sealed.
#[test]
fn no_byte_on_the_disk_says_who_was_erased_whatever_is_put_back() {
    let outside = tempfile::tempdir().unwrap();
    let sink = format!("file:{}", outside.path().join("events").display());
    let service = Service::with(&["--audit-sink", &sink]);
    let person = Person::live(&service);
    // So that it is counted.
    for (_, secret) in &person.keys {
        let verify = format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#);
        assert_eq!(service.client("owner").send(&verify).status, 200);
    }
    let texts = texts(&person);
    let (stopped, _) = service.stop();
    let backup = stopped.folder().join("backup");
    copy(&stopped.data(), &backup);

    let service = stopped.start();
    erase(&service);
    assert!(has_none(&service.data(), &texts) > 10, "of every file in use");
    is_erased(&service, &person);
    let (stopped, _) = service.kill().start().stop();
    has_none(&stopped.data(), &texts);
    stopped.is_in_order();

    // A backup of all but the access journal, which knows of the erasure.
    for entry in std::fs::read_dir(&backup).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), stopped.data().join(entry.file_name()));
        if entry.file_name() == "access" {
            continue;
        }
        if from.is_dir() {
            std::fs::remove_dir_all(&to).unwrap();
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
    let before = std::fs::read(backup.join("keyring")).unwrap();
    assert_eq!(std::fs::read(stopped.data().join("keyring")).unwrap(), before);
    let service = stopped.start();
    is_erased(&service, &person);
    let hook = service.client("owner").send(&format!("GET /v1/webhooks/{}", person.webhook)).json();
    assert_eq!(hook["created_by"], "erased");
    has_none(&service.data(), &texts);
    let (stopped, log) = service.stop();
    assert!(log.contains("is forgotten again"), "{log}");
    has_none(&stopped.data(), &texts);
    let after = std::fs::read(stopped.data().join("keyring")).unwrap();
    let changed = before.iter().zip(&after).filter(|(one, other)| one != other);
    assert!((1..=32).contains(&changed.count()), "the key of one person");
    assert_eq!(stopped.start().stop().1, "", "once");
}

#[test]
fn tokens_that_were_ended_stay_ended_when_their_subject_is_erased() {
    let service = Service::start();
    let person = Person::live(&service);
    let [ended, unseen, good] = &person.tokens;
    let statuses = |service: &Service| {
        let send = |token| service.client_with(Some(token)).send("GET /v1/keys").status;
        [send(ended), send(unseen), send(good)]
    };
    assert_eq!(statuses(&service), [401, 401, 200]);
    erase(&service);
    assert_eq!(statuses(&service), [401, 401, 200], "a token is ended by who ends it");
    let service = service.kill().start();
    assert_eq!(statuses(&service), [401, 401, 200]);
    let service = service.restart();
    assert_eq!(statuses(&service), [401, 401, 200]);
}

#[test]
fn without_its_keyring_a_log_is_refused_and_can_be_taken_with_everybody_erased() {
    let service = Service::start();
    let person = Person::live(&service);
    let owner = service.client("owner");
    let (other, _) = owner.create(r#"{"name":"of somebody else"}"#);
    let (stopped, _) = service.stop();
    std::fs::remove_file(stopped.data().join("keyring")).unwrap();
    let refused = keyledger(&["serve", "--listen", "127.0.0.1:0"]).data(&stopped.data()).run();
    refused.says(1, &["the keyring", "is missing", "--accept-rollback"]);
    assert!(!stopped.data().join("keyring").exists());

    let service = stopped.with("--accept-rollback").start();
    is_erased(&service, &person);
    let admin = service.client("admin");
    assert_eq!(admin.send(&format!("GET /v1/keys/{other}")).json()["name"], "erased");
    let (_, secret) = &person.keys[0];
    let verdict = admin.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#)).json();
    assert_eq!(verdict["code"], "VALID");
    assert_eq!(admin.send(&format!("GET {}", Person::path(""))).status, 404);
    has_none(&service.data(), &texts(&person));
    let (_, log) = service.stop();
    assert!(log.contains("they are forgotten from now on"), "{log}");
}
