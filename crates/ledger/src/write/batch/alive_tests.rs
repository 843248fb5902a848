//! The keys of an account are counted rightly, whenever in a batch a rule first depends on it.

use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{AccountRules, Command, Dialect, Refusal, Revocation, RulesByAccount, SecretPrefix};

use super::*;
use crate::testing::{ManualClock, caller, draft, open, owner};
use crate::write::request::RequestContext;
use crate::{Caller, Change, Ledger, RequestOptions, Role};

fn memory() -> Arc<dyn Log> {
    Arc::new(MemoryLog::new())
}

fn acme() -> Account {
    Account::new("acme").unwrap()
}

fn ruled(ledger: &Ledger, rules: AccountRules) {
    let named = [(acme(), rules)].into();
    ledger.set_account_rules(RulesByAccount { named, others: None });
}

fn at_most(most: u64) -> AccountRules {
    AccountRules { max_active_keys: Some(most), ..AccountRules::default() }
}

/// One step of a batch, and how many keys of acme are alive after it.
type Step = (fn(&mut Batch<'_>, &Ledger, &[KeyId]), u64);

fn make(batch: &mut Batch<'_>, ledger: &Ledger, account: &str) {
    let (of, account) = (caller(Some(account), Role::Owner), Account::new(account).unwrap());
    let (wanted, _) = ledger.make(&of, Dialect::Native, &account, &draft(None)).unwrap();
    batch.create(&RequestContext::plain(of), &wanted).unwrap();
}

fn change(batch: &mut Batch<'_>, ledger: &Ledger, id: KeyId, command: Command) {
    let key = ledger.state().table.get(id).unwrap();
    batch.change(&RequestContext::plain(owner()), &key, command).unwrap();
}

#[tokio::test]
async fn the_count_is_right_whenever_it_begins() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
        ids.push(made.key.key.id);
    }
    let steps: [Step; 7] = [
        (|b, l, _| make(b, l, "acme"), 4),
        (|b, l, _| make(b, l, "other"), 4),
        (|b, l, ids| change(b, l, ids[0], Command::Disable), 4),
        (|b, l, ids| change(b, l, ids[1], Command::Revoke(Revocation::default())), 3),
        (|b, l, ids| change(b, l, ids[0], Command::Enable), 3),
        (|b, l, ids| change(b, l, ids[0], Command::Expire), 2),
        (|b, l, _| make(b, l, "acme"), 3),
    ];
    let policy = Policy { account_alive: Some(100), ..Policy::default() };
    for first in 0..steps.len() {
        let mut batch = Batch::new(ledger.state());
        for (at, (step, alive)) in steps.iter().enumerate() {
            step(&mut batch, &ledger, &ids);
            assert_eq!(batch.alive.is_some(), at > first, "nothing is counted before it matters");
            if at >= first {
                assert_eq!(batch.account_alive(&policy, &acme()), *alive, "step {at} from {first}");
            }
        }
    }
}

#[tokio::test]
async fn fifty_at_once_leave_as_many_as_the_account_may_have() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    ruled(&ledger, at_most(10));
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..50 {
        let dialect = Dialect::ALL[at % Dialect::ALL.len()];
        let (ledger, caller) = (ledger.clone(), Caller { dialect, ..owner() });
        tasks.spawn(
            async move { ledger.create(&caller, draft(None), RequestOptions::default()).await },
        );
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    let refused = answers.into_iter().filter_map(Result::err);
    assert!(
        refused.into_iter().all(|why| matches!(why, Error::Refused(Refusal::AccountLimit(10))))
    );
    // Another account has no rules.
    let other = caller(Some("other"), Role::Owner);
    ledger.create(&other, draft(None), RequestOptions::default()).await.unwrap();
}

/// With a worker that is late or elsewhere, an account is not refused for a key that has ended.
#[tokio::test]
async fn a_due_key_makes_room_before_its_end_is_recorded() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    ruled(&ledger, at_most(2));
    let create = async |ttl| {
        ledger.create(&owner(), draft(ttl), RequestOptions::default()).await.map(|made| made.key)
    };
    let first = create(Some(5)).await.unwrap().key.id;
    let second = create(None).await.unwrap().key.id;
    assert!(matches!(create(None).await, Err(Error::Refused(Refusal::AccountLimit(2)))));
    clock.advance(5);
    create(None).await.unwrap();
    // Its end, and then the new key.
    assert_eq!(ledger.stats().log_size, 4);
    assert_eq!(ledger.key(&owner(), first).unwrap().state.status, Status::Expired);
    // A disabled key can be enabled again without room.
    let change = async |change| {
        ledger.change(&owner(), second, change, RequestOptions::default()).await.map(|_| ())
    };
    change(Change::Disable).await.unwrap();
    assert!(create(None).await.is_err());
    change(Change::Enable).await.unwrap();
    change(Change::Revoke(Revocation::default())).await.unwrap();
    create(None).await.unwrap();
}

/// The file may be read again between the making of a key's text and the decision on it.
#[tokio::test]
async fn a_key_whose_prefix_changed_meanwhile_is_made_anew() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    let word = |text| AccountRules {
        secret_prefix: Some(SecretPrefix::new(text).unwrap()),
        ..AccountRules::default()
    };
    ruled(&ledger, word("old"));
    let made = || {
        let made = ledger.make(&owner(), Dialect::Native, &acme(), &draft(None));
        ruled(&ledger, word("new"));
        made
    };
    let options = RequestOptions::default();
    let create = crate::write::create::Create;
    let made = ledger.submit_new_key(&owner(), &options, made, create).await.unwrap();
    assert!(made.key.key.prefix.as_str().starts_with("new_live_"));
    assert!(made.secret.unwrap().reveal().starts_with("new_live_"));
}
