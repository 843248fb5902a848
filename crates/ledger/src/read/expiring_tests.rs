//! Questions over many keys, held against a plain look at each.

use keys::KeyId;

use crate::read::as_of_tests::Story;
use crate::testing::caller;
use crate::{Due, KeyFilter, Role};

#[tokio::test]
async fn what_falls_due_is_listed_soonest_first_page_by_page() {
    for seed in 0..40 {
        let story = Story::random(seed, 60).await;
        let ledger = &story.ledger;
        let all = Role::Auditor;
        for (account, role, within_s) in [
            (None, all, 10),
            (Some("acme"), all, 10),
            (Some("acme"), all, 0),
            (None, all, 99),
            (Some("acme"), Role::User, 10),
        ] {
            let reader = caller(account, role);
            let until = ledger.now().plus_secs(within_s);
            let all = ledger.keys(&reader, &KeyFilter::default(), 0, 500).unwrap().items;
            let due = all.iter().filter_map(|view| {
                let at = view.state.expires_at.filter(|at| *at <= until)?;
                view.state.status.is_alive().then_some(Due { at, key: view.key.id })
            });
            let mut due: Vec<_> = due.collect();
            due.sort_unstable();
            let due: Vec<_> = due.into_iter().map(|due| due.key).collect();
            for limit in [1, 3, 500] {
                let (mut found, mut after): (Vec<KeyId>, _) = (Vec::new(), None);
                loop {
                    let page = ledger.expiring(&reader, within_s, after, limit).unwrap();
                    assert!(page.items.len() <= limit);
                    found.extend(page.items.iter().map(|view| view.key.id));
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                    // Of an account, a bounded number of keys is looked at for it.
                    let full = page.items.len() == limit || account.is_some();
                    assert!(full, "a page is full if it is not the last");
                }
                assert_eq!(found, due, "seed {seed} {account:?} {role:?} {within_s} {limit}");
            }
        }
    }
}
