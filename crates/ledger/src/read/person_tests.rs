//! The keys of a person are found in all accounts, page by page, each once.

use std::sync::Arc;

use eventlog::memory::MemoryLog;
use keys::{Edits, KeyId};

use super::*;
use crate::testing::{ManualClock, caller, draft, open};
use crate::{KeyEdits, NewKeyRequest, RequestOptions};

/// All keys that `subject` has or had, in pages of `limit`.
fn had(ledger: &Ledger, admin: &Caller, subject: &Subject, limit: usize) -> Vec<KeyId> {
    let (mut ids, mut from) = (Vec::new(), Some(0));
    while let Some(place) = from {
        let accounts = ledger.accounts_of(admin, subject, place).unwrap();
        for account in &accounts.items {
            let mut after = Some(0);
            while let Some(number) = after {
                let page = ledger.keys_had(admin, account, subject, number, limit).unwrap();
                ids.extend(page.items.iter().map(|view| view.key.id));
                after = page.next;
            }
        }
        from = accounts.next;
    }
    ids
}

#[tokio::test]
async fn keys_that_a_person_has_or_had_are_found_once_each() {
    let ledger = open(&(Arc::new(MemoryLog::new()) as _), &ManualClock::new());
    let admin = caller(None, Role::Admin);
    let subject = |name: &str| Subject::new(name).unwrap();
    let names = ["ann", "bob", "carla"];
    let mut expected = vec![Vec::new(); names.len()];
    let mut owned = vec![0; names.len()];
    // More accounts, and more keys, than one call looks at.
    for number in 0..3 * MOST_LOOKED_AT / 2 {
        let account = Account::new(format!("a{}", number % 41)).unwrap();
        let whose = number % 5 % names.len();
        let request = NewKeyRequest {
            account: Some(account),
            owner: Some(subject(names[whose])),
            ..draft(None)
        };
        let made = ledger.create(&admin, request, RequestOptions::default()).await.unwrap();
        let id = made.key.key.id;
        expected[whose].push(id);
        owned[whose] += 1;
        if number % 7 == 0 {
            let to = (whose + 1) % names.len();
            let edits = Edits { owner: Some(subject(names[to])), ..Edits::default() };
            let edits = KeyEdits { edits, ..KeyEdits::default() };
            ledger.update(&admin, id, edits, RequestOptions::default()).await.unwrap();
            expected[to].push(id);
            owned[whose] -= 1;
            owned[to] += 1;
        }
    }
    for (place, name) in names.iter().enumerate() {
        expected[place].sort_unstable();
        for limit in [1, 3, 500] {
            let mut found = had(&ledger, &admin, &subject(name), limit);
            found.sort_unstable();
            assert_eq!(found, expected[place], "{name} by {limit}");
        }
        assert_eq!(ledger.count_keys_of(&admin, &subject(name)).unwrap(), owned[place], "{name}");
    }
    assert_eq!(had(&ledger, &admin, &subject("nobody"), 1), []);
    for other in [caller(Some("a1"), Role::Admin), caller(None, Role::Auditor)] {
        let refused = ledger.accounts_of(&other, &subject("ann"), 0);
        assert!(matches!(refused, Err(Error::Forbidden)));
    }
}
