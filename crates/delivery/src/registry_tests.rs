//! Webhooks are made, found again, and deleted.

use super::*;
use crate::idempotency::Idempotency;

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
    made.webhook.progress.record(0, Entry::at(at(9)));
    assert_eq!(made.webhook.progress.status().position, at(9));
    registry.save().unwrap();

    let again = Registry::open(options(folder.path())).unwrap();
    let webhook = again.get(id).unwrap();
    assert_eq!(webhook.progress.status().position, at(9));
    assert_eq!(webhook.definition.secret.text(), made.secret.unwrap().text());
    again.replay(id, 3, None, 1).unwrap();
    // What the task of before the replay still records is too late.
    webhook.progress.record(0, Entry::at(at(10)));
    assert_eq!(webhook.progress.status().position, at(3));
    assert_eq!(again.stats(10), Stats { receivers: 1, lag: 7, ..Stats::default() });

    let again = Registry::open(options(folder.path())).unwrap();
    assert_eq!(again.get(id).unwrap().progress.status().position, at(3));
    again.delete(id, None, 1).unwrap();
    assert!(matches!(again.delete(id, None, 1), Err(Refusal::Unknown)));
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
    registry.delete(first.webhook.id(), None, 1).unwrap();
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
    let again = registry.create(request(1, 1), at(5), SECRET_SHOWN_US - 1).unwrap();
    assert!(again.replayed && again.webhook.id() == made.webhook.id());
    assert_eq!(again.secret.unwrap().text(), made.secret.unwrap().text());
    let late = registry.create(request(1, 1), at(5), SECRET_SHOWN_US).unwrap();
    assert!(late.replayed && late.secret.is_none());
    // Another process does not give it, however soon.
    let registry = Registry::open(options(folder.path())).unwrap();
    let again = registry.create(request(1, 1), at(5), 1).unwrap();
    assert!(again.replayed && again.webhook.id() == made.webhook.id());
    assert!(again.secret.is_none());
    let other = registry.create(request(1, 2), at(5), 1);
    assert!(matches!(other, Err(Refusal::IdempotencyMismatch)));
    assert!(!registry.create(request(1, 2), at(5), REMEMBERED_US).unwrap().replayed);
}

#[test]
fn a_repeated_request_moves_or_deletes_once() {
    let folder = tempfile::tempdir().unwrap();
    let request =
        |key: u8, request: u8| Some(Idempotency { key: [key; 32], request: [request; 32] });
    let registry = Registry::open(options(folder.path())).unwrap();
    let one = registry.create(new(None), at(9), 0).unwrap().webhook.id();
    let other = registry.create(new(None), at(9), 0).unwrap().webhook.id();
    assert!(!registry.replay(one, 3, request(1, 1), 0).unwrap().replayed);
    let webhook = registry.get(one).unwrap();
    webhook.progress.record(1, Entry::at(at(5)));
    registry.save().unwrap();
    // It stays where it is by now, after a restart too.
    let registry = Registry::open(options(folder.path())).unwrap();
    let again = registry.replay(one, 3, request(1, 1), REMEMBERED_US - 1).unwrap();
    assert!(again.replayed);
    assert_eq!(again.webhook.progress.status().position, at(5));
    let mismatched = |outcome: Result<Changed, Refusal>| {
        assert!(matches!(outcome, Err(Refusal::IdempotencyMismatch)));
    };
    mismatched(registry.replay(other, 3, request(1, 2), 1));
    assert!(!registry.replay(one, 4, request(1, 1), REMEMBERED_US).unwrap().replayed);
    // A replay without a key is one more, and nothing is forgotten by it.
    assert!(!registry.replay(one, 2, None, REMEMBERED_US).unwrap().replayed);
    assert!(registry.replay(one, 4, request(1, 1), REMEMBERED_US).unwrap().replayed);

    assert!(!registry.delete(one, request(2, 1), 0).unwrap().replayed);
    let again = registry.delete(one, request(2, 1), REMEMBERED_US - 1).unwrap();
    assert!(again.replayed && again.webhook.id() == one);
    mismatched(registry.delete(other, request(2, 2), 1));
    for late in [registry.delete(one, request(2, 1), REMEMBERED_US), registry.delete(one, None, 0)]
    {
        assert!(matches!(late, Err(Refusal::Unknown)));
    }
    assert_eq!(registry.all().len(), 1);
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
