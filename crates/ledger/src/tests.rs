//! The ledger through its own door, on the memory log.

use std::sync::Arc;
use std::time::Duration;

use eventlog::Log;
use eventlog::memory::{Fault, MemoryLog};
use keys::{Dialect, Policy, Question, Refusal, Revocation, Rotation, Status, Verdict};

use tlog::Hash;

use crate::testing::{Dice, ManualClock, caller, draft, idempotent, open, owner};
use crate::write::create::Create;
use crate::write::request::WantedKey;
use crate::write::rotate::Rotate;
use crate::{
    Caller, Change, Changes, Error, EventFilter, KeyFilter, Ledger, RequestOptions, Role, Seq, Walk,
};

fn memory() -> Arc<dyn Log> {
    Arc::new(MemoryLog::new())
}

fn digest(ledger: &Ledger) -> (Seq, Hash) {
    ledger.table_digest(&caller(None, Role::Auditor), None).unwrap()
}

fn live_digest(ledger: &Ledger) -> [u8; 32] {
    ledger.state().table.digest()
}

#[tokio::test]
async fn whatever_happened_the_table_replayed_is_the_table_built_live() {
    for seed in 0..200 {
        let mut dice = Dice(seed * 2 + 1);
        let (log, clock) = (memory(), ManualClock::new());
        let ledger = open(&log, &clock);
        let mut ids = Vec::new();
        for _ in 0..60 {
            let caller = owner();
            let pick = usize::try_from(dice.roll(ids.len().max(1) as u64)).unwrap();
            let outcome = match (dice.roll(8), ids.get(pick).copied()) {
                (0 | 1, _) | (_, None) => {
                    let ttl = (dice.roll(2) == 0).then(|| dice.roll(50) + 1);
                    let created =
                        ledger.create(&caller, draft(ttl), RequestOptions::default()).await;
                    created.map(|created| ids.push(created.key.key.id))
                }
                (2, Some(id)) => {
                    let rotation = Rotation::new(dice.roll(30)).unwrap();
                    let changes = Changes::default();
                    let made = ledger
                        .rotate(&caller, id, changes, rotation, RequestOptions::default())
                        .await;
                    made.map(|created| ids.push(created.key.key.id))
                }
                (3, Some(_)) => {
                    clock.advance(i64::try_from(dice.roll(20)).unwrap());
                    let worker = crate::caller::worker();
                    ledger.expire_due(&worker, 100, None).await.map(|_| ())
                }
                (n, Some(id)) => {
                    let change = match n {
                        4 => Change::Enable,
                        5 => Change::Disable,
                        6 => Change::Expire,
                        _ => Change::Revoke(Revocation::default()),
                    };
                    ledger.change(&caller, id, change, RequestOptions::default()).await.map(|_| ())
                }
            };
            assert!(matches!(outcome, Ok(()) | Err(Error::Refused(_))), "seed {seed}: {outcome:?}");
        }
        let live = live_digest(&ledger);
        let replayed = open(&log, &clock);
        assert_eq!(live_digest(&replayed), live, "seed {seed}");
        assert_eq!(digest(&replayed), digest(&ledger), "seed {seed}");
    }
}

#[tokio::test]
async fn two_ledgers_on_one_log_agree() {
    let (log, clock) = (memory(), ManualClock::new());
    let (one, two) = (open(&log, &clock), open(&log, &clock));
    let made = one.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
    // The second one has not heard of it: it conflicts, catches up, and decides again.
    let number =
        two.create(&owner(), draft(None), RequestOptions::default()).await.unwrap().key.key.number;
    assert_eq!(number, 2);
    let id = made.key.key.id;
    let revoke = Change::Revoke(Revocation::default());
    two.change(&owner(), id, revoke, RequestOptions::default()).await.unwrap();
    let again = one.change(&owner(), id, revoke, RequestOptions::default()).await;
    assert!(matches!(again, Err(Error::Refused(Refusal::Already(Status::Revoked)))), "{again:?}");
    one.catch_up().await;
    two.catch_up().await;
    assert_eq!(live_digest(&one), live_digest(&two));
}

#[tokio::test]
async fn a_ledger_keeps_up_with_another_writer() {
    let (log, clock) = (memory(), ManualClock::new());
    let (one, two) = (open(&log, &clock), open(&log, &clock));
    let follower = two.clone();
    let keeping_up = tokio::spawn(async move { follower.keep_up().await });
    let made = one.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
    two.length().wait_for(|size| *size >= Seq(1)).await.unwrap();
    assert_eq!(two.key(&owner(), made.key.key.id).unwrap().key.number, 1);
    two.close().await.unwrap();
    keeping_up.await.unwrap();
}

#[tokio::test]
async fn an_unknown_outcome_stops_writes_and_not_reads() {
    for fault in [Fault::Keep, Fault::Lose] {
        let memory = MemoryLog::new();
        let (log, clock) = (Arc::new(memory.clone()) as Arc<dyn Log>, ManualClock::new());
        let ledger = open(&log, &clock);
        let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
        memory.fail_next(fault);
        for _ in 0..2 {
            let refused = ledger.create(&owner(), draft(None), RequestOptions::default()).await;
            assert!(matches!(refused, Err(Error::Broken)), "{refused:?}");
        }
        assert!(ledger.ready().is_err());
        let secret = made.secret.unwrap();
        let verified = ledger.verify(&owner(), secret.reveal(), &Question::default()).unwrap();
        assert_eq!(verified.verdict, Verdict::Valid);
        let reopened = Arc::new(memory.reopen().unwrap()) as Arc<dyn Log>;
        let keys = open(&reopened, &clock).stats().keys;
        assert!(keys == 1 || keys == 2, "the change is there whole or not at all: {keys}");
    }
}

/// They waited as long as their clients did, and the ledger said that it was ready.
#[tokio::test]
async fn storage_that_does_not_answer_keeps_no_change_and_no_stop_waiting() {
    let memory = MemoryLog::watched(Duration::from_millis(40)).unwrap();
    let (log, clock) = (Arc::new(memory.clone()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
    memory.fail_next(Fault::Hang);
    let (owner, draft) = (owner(), || draft(None));
    let create = || ledger.create(&owner, draft(), RequestOptions::default());
    let (one, other) = tokio::join!(create(), create());
    for refused in [one, other] {
        assert!(matches!(refused, Err(Error::Broken)), "{refused:?}");
    }
    assert!(ledger.ready().is_err());
    let refused = ledger.create(&owner, draft(), RequestOptions::default()).await;
    assert!(matches!(refused, Err(Error::Broken)), "{refused:?}");
    let secret = made.secret.unwrap();
    let verified = ledger.verify(&owner, secret.reveal(), &Question::default()).unwrap();
    assert_eq!(verified.verdict, Verdict::Valid);
    assert!(ledger.close().await.is_err());
    memory.answer();
}

#[tokio::test]
async fn a_repeated_request_gets_the_recorded_outcome() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    let first = ledger.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    let again = ledger.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.key.key.id, first.key.key.id);
    assert_eq!(
        again.secret.map(|secret| secret.reveal().to_owned()),
        first.secret.map(|secret| secret.reveal().to_owned())
    );
    let other = ledger.create(&owner(), draft(None), idempotent(1, 2)).await;
    assert!(matches!(other, Err(Error::IdempotencyMismatch)));

    let reopened = open(&log, &clock);
    let late = reopened.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    assert!(late.replayed && late.secret.is_none());
    clock.advance(24 * 3600);
    let forgotten = reopened.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    assert!(!forgotten.replayed);
}

#[tokio::test]
async fn a_secret_is_given_again_for_ten_minutes_only() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    ledger.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    clock.advance(599);
    let soon = ledger.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    clock.advance(1);
    let late = ledger.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    assert!(soon.secret.is_some() && late.secret.is_none());
}

#[tokio::test]
async fn a_due_key_is_expired_before_it_is_changed() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    let made = ledger.create(&owner(), draft(Some(10)), RequestOptions::default()).await.unwrap();
    let (id, secret) = (made.key.key.id, made.secret.unwrap());
    clock.advance(10);
    let verified = ledger.verify(&owner(), secret.reveal(), &Question::default()).unwrap();
    assert_eq!(verified.verdict, Verdict::Expired);
    let revoke = Change::Revoke(Revocation::default());
    let revoked = ledger.change(&owner(), id, revoke, RequestOptions::default()).await.unwrap();
    assert_eq!(revoked.entry.record.links.own.before, Some(Status::Expired));
    let history = ledger.history(&owner(), id, Seq(0), 50).unwrap().items;
    let story: Vec<_> = history.iter().map(|entry| entry.record.event.kind().as_str()).collect();
    assert_eq!(story, ["created", "expired", "revoked"]);
}

#[tokio::test]
async fn fifty_at_once_leave_exactly_ten() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    let caller = Caller { dialect: Dialect::Callcov, ..owner() };
    let policy = Policy { owner_active: Some(10), ..Policy::default() };
    let draft = crate::NewKeyRequest { policy, ..draft(None) };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (ledger, caller, draft) = (ledger.clone(), caller.clone(), draft.clone());
        tasks.spawn(async move { ledger.create(&caller, draft, RequestOptions::default()).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert_eq!(ledger.stats().keys, 10);
}

/// Two secrets with the same shown part are too rare to wait for, so the makings are given.
#[tokio::test]
async fn a_key_whose_prefix_is_taken_is_made_anew_also_by_a_rotation() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    let caller = Caller { dialect: Dialect::Cloudsigma, ..owner() };
    let account = keys::Account::new("acme").unwrap();
    let policy = Policy { unique_prefix: true, ..Policy::default() };
    let draft = crate::NewKeyRequest { policy, ..draft(None) };
    let old = ledger.create(&caller, draft.clone(), RequestOptions::default()).await.unwrap().key;
    let made = |taken: usize| {
        let (ledger, caller, account) = (ledger.clone(), caller.clone(), account.clone());
        let (draft, prefix) = (draft.clone(), old.key.prefix.clone());
        let tries = std::cell::Cell::new(0);
        move || {
            let (wanted, secret) = ledger.make(&caller, caller.dialect, &account, &draft)?;
            tries.set(tries.get() + 1);
            let prefix = if tries.get() <= taken { prefix.clone() } else { wanted.key.prefix };
            let key = keys::NewKey { prefix, ..wanted.key };
            Ok((WantedKey { key, ..wanted }, secret))
        }
    };
    let options = RequestOptions::default();
    let second = ledger.submit_new_key(&caller, &options, made(1), Create).await.unwrap();
    assert_ne!(second.key.key.prefix, old.key.prefix);
    let key = ledger.state().table.get(old.key.id).unwrap();
    let rotation = Rotation::new(0).unwrap();
    let rotate = |wanted| Rotate { old: Arc::clone(&key), wanted, rotation };
    let third = ledger.submit_new_key(&caller, &options, made(7), rotate).await.unwrap();
    assert_ne!(third.key.key.prefix, old.key.prefix);
    assert_eq!(ledger.key(&caller, old.key.id).unwrap().status, Status::Expired);
    // What never ends is no bad luck.
    let never = ledger.submit_new_key(&caller, &options, made(usize::MAX), Create).await;
    assert!(matches!(never, Err(Error::Refused(Refusal::PrefixTaken))), "{never:?}");
    assert_eq!(ledger.stats().keys, 3);
}

#[tokio::test]
async fn another_accounts_key_is_unknown() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
    let stranger = caller(Some("umbrella"), Role::Owner);
    let id = made.key.key.id;
    let unknown = |answer: Option<Error>| {
        assert!(matches!(answer, Some(Error::Refused(Refusal::UnknownKey))), "{answer:?}");
    };
    unknown(ledger.key(&stranger, id).err());
    unknown(ledger.history(&stranger, id, Seq(0), 50).err());
    unknown(ledger.change(&stranger, id, Change::Disable, RequestOptions::default()).await.err());
    let secret = made.secret.unwrap();
    let verified = ledger.verify(&stranger, secret.reveal(), &Question::default()).unwrap();
    assert_eq!(verified.verdict, Verdict::NotFound);
    assert!(ledger.event(&stranger, Seq(0)).is_err());
    let listed = ledger.keys(&stranger, &KeyFilter::default(), 0, 50).unwrap();
    assert!(listed.items.is_empty());
}

#[tokio::test]
async fn a_rehearsal_records_nothing() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    let options = RequestOptions { dry_run: true, ..RequestOptions::default() };
    let rehearsed = ledger.create(&owner(), draft(None), options).await.unwrap();
    assert!(rehearsed.secret.is_none() && rehearsed.entry.is_none());
    assert_eq!(*log.length().borrow(), Seq(0));
}

#[tokio::test]
async fn events_are_found_by_their_filters_both_ways() {
    let (log, clock) = (memory(), ManualClock::new());
    let ledger = open(&log, &clock);
    for account in ["acme", "umbrella"] {
        let owner = caller(Some(account), Role::Owner);
        for n in 0..30 {
            let made = ledger.create(&owner, draft(None), RequestOptions::default()).await.unwrap();
            if n % 3 == 0 {
                let id = made.key.key.id;
                ledger
                    .change(&owner, id, Change::Disable, RequestOptions::default())
                    .await
                    .unwrap();
            }
            clock.advance(1);
        }
    }
    let auditor = caller(None, Role::Auditor);
    let filter = EventFilter {
        account: Some(keys::Account::new("umbrella").unwrap()),
        kind: Some(keys::EventKind::Disabled),
        ..EventFilter::default()
    };
    let all = |mut walk: Walk| {
        let mut found = Vec::new();
        loop {
            let page = ledger.events(&auditor, &filter, walk, 3).unwrap();
            found.extend(page.items.iter().map(|entry| entry.seq));
            match page.next {
                Some(next) => walk = next,
                None => return found,
            }
        }
    };
    let up = all(Walk::Up(Seq(0)));
    let mut down = all(Walk::Down(Seq(u64::MAX)));
    down.reverse();
    assert_eq!(up.len(), 10);
    assert_eq!(up, down);
}

/// How commands are cut into batches changes no reply: all at once and one after the other.
#[tokio::test]
async fn commands_in_one_batch_get_the_replies_of_commands_one_by_one() {
    for seed in 0..20 {
        let mut dice = Dice(seed * 2 + 1);
        let commands: Vec<_> = (0..200).map(|_| (dice.roll(3), dice.roll(40))).collect();
        let mut replies = Vec::new();
        for at_once in [false, true] {
            let ledger = open(&memory(), &ManualClock::new());
            let mut keys = Vec::new();
            for _ in 0..3 {
                let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await;
                keys.push(made.unwrap().key.key.id);
            }
            let run = |(key, change): (u64, u64)| {
                let change = match change {
                    0 => Change::Revoke(Revocation::default()),
                    1..20 => Change::Disable,
                    _ => Change::Enable,
                };
                let (ledger, key) = (ledger.clone(), keys[usize::try_from(key).unwrap()]);
                // Tasks are polled in the order in which they are spawned.
                tokio::spawn(async move {
                    let options = RequestOptions::default();
                    let changed = ledger.change(&owner(), key, change, options).await;
                    changed.map(|changed| changed.key.status).map_err(|error| error.to_string())
                })
            };
            let mut outcomes = Vec::new();
            if at_once {
                let waiting: Vec<_> = commands.iter().map(|command| run(*command)).collect();
                for task in waiting {
                    outcomes.push(task.await.unwrap());
                }
            } else {
                for command in &commands {
                    outcomes.push(run(*command).await.unwrap());
                }
            }
            replies.push(outcomes);
        }
        assert_eq!(replies[0], replies[1], "seed {seed}");
    }
}
