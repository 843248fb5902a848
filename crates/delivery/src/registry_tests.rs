//! Webhooks are made, found again, and deleted.

use super::*;
use crate::definition::Idempotency;

fn options(folder: &Path) -> RegistryOptions {
    RegistryOptions { folder: Some(folder.to_path_buf()), most_per_account: 2, most: 3 }
}

fn new(account: Option<&str>) -> NewWebhook {
    NewWebhook {
        target: "https://a.example/".parse().unwrap(),
        events: vec!["created".to_owned()],
        account: account.map(str::to_owned),
        created_by: "ann".to_owned(),
        secret: None,
        idempotency: None,
    }
}

fn at(next: u64) -> Position {
    Position { next, reminders: Vec::new() }
}

#[test]
fn a_webhook_is_found_again_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(options(folder.path())).unwrap();
    let made = registry.create(new(Some("acme")), at(7), 1).unwrap();
    let id = made.webhook.id();
    assert!(!made.replayed);
    made.webhook.progress.record(0, Entry { position: at(9), trouble: None, attempt: None });
    assert_eq!(made.webhook.progress.status().position, at(9));
    registry.save().unwrap();

    let again = Registry::open(options(folder.path())).unwrap();
    let webhook = again.get(id).unwrap();
    assert_eq!(webhook.progress.status().position, at(9));
    assert_eq!(webhook.definition.secret.text(), made.secret.unwrap().text());
    webhook.progress.replay(3).unwrap();
    // What the task of before the replay still records is too late.
    webhook.progress.record(0, Entry { position: at(10), trouble: None, attempt: None });
    assert_eq!(webhook.progress.status().position, at(3));
    assert_eq!(again.stats(10), Stats { receivers: 1, lag: 7, ..Stats::default() });

    let again = Registry::open(options(folder.path())).unwrap();
    assert_eq!(again.get(id).unwrap().progress.status().position, at(3));
    again.delete(id).unwrap();
    assert!(matches!(again.delete(id), Err(Refusal::Unknown)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(Registry::open(options(folder.path())).unwrap().all().is_empty());
}

#[test]
fn an_account_has_only_so_many() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(options(folder.path())).unwrap();
    let first = registry.create(new(Some("acme")), at(0), 1).unwrap();
    registry.create(new(Some("acme")), at(0), 1).unwrap();
    let refused = registry.create(new(Some("acme")), at(0), 1);
    assert!(matches!(refused, Err(Refusal::TooManyOfAccount(2))));
    registry.create(new(None), at(0), 1).unwrap();
    assert!(matches!(registry.create(new(Some("other")), at(0), 1), Err(Refusal::TooMany(3))));
    registry.delete(first.webhook.id()).unwrap();
    registry.create(new(Some("acme")), at(0), 1).unwrap();
}

#[test]
fn a_repeated_request_makes_one_webhook() {
    let folder = tempfile::tempdir().unwrap();
    let request = |key: u8, request: u8| NewWebhook {
        idempotency: Some(Idempotency { key: [key; 32], request: [request; 32] }),
        ..new(Some("acme"))
    };
    let registry = Registry::open(options(folder.path())).unwrap();
    let made = registry.create(request(1, 1), at(0), 0).unwrap();
    let registry = Registry::open(options(folder.path())).unwrap();
    let again = registry.create(request(1, 1), at(5), SECRET_SHOWN_US - 1).unwrap();
    assert!(again.replayed && again.webhook.id() == made.webhook.id());
    assert_eq!(again.secret.unwrap().text(), made.secret.unwrap().text());
    let late = registry.create(request(1, 1), at(5), SECRET_SHOWN_US).unwrap();
    assert!(late.replayed && late.secret.is_none());
    let other = registry.create(request(1, 2), at(5), 1);
    assert!(matches!(other, Err(Refusal::IdempotencyMismatch)));
    assert!(!registry.create(request(1, 2), at(5), REMEMBERED_US).unwrap().replayed);
}

#[test]
fn what_a_crash_left_is_removed_and_what_is_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(options(folder.path())).unwrap();
    let id = registry.create(new(None), at(0), 1).unwrap().webhook.id();
    let path = definition::path(folder.path(), id);
    let text = std::fs::read(&path).unwrap();

    std::fs::remove_file(&path).unwrap();
    std::fs::write(folder.path().join(".x.json.aside"), "half").unwrap();
    assert!(Registry::open(options(folder.path())).unwrap().all().is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    std::fs::write(&path, &text).unwrap();
    let refused = Registry::open(options(folder.path())).err().unwrap().to_string();
    assert!(refused.contains(&id.to_string()), "{refused}");
    std::fs::write(&path, &text[..20]).unwrap();
    let refused = Registry::open(options(folder.path())).err().unwrap().to_string();
    assert!(refused.contains("it is no webhook"), "{refused}");
}
