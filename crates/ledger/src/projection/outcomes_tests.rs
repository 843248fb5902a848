//! What is remembered for repeated requests, and how much of it.

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{KeyId, Subject};

use super::*;
use crate::testing::{ManualClock, draft, idempotent, keyring, owner};
use crate::{Caller, Clock, Error, Identity, Ledger, Options, RequestOptions};

fn named(name: &str) -> Caller {
    let owner = owner();
    let subject = Subject::new(name).unwrap();
    Caller { identity: Arc::new(Identity { subject, ..(*owner.identity).clone() }), ..owner }
}

fn open(log: &Arc<dyn Log>, clock: &Arc<ManualClock>, all: usize, one: usize) -> Ledger {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let outcomes = OutcomeBounds { all, one };
    let options = Options { clock, outcomes, keyring: keyring(), ..Options::default() };
    Ledger::open(Arc::clone(log), options, &mut |_| {}).unwrap()
}

async fn create(ledger: &Ledger, caller: &Caller, key: u8) -> &'static str {
    match ledger.create(caller, draft(None), idempotent(key, key)).await {
        Ok(created) if created.replayed => "again",
        Ok(_) => "made",
        Err(Error::OutcomesFull) => "full",
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn each_caller_has_its_bound_and_all_have_one_and_a_restart_forgets_neither() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let (ann, bob) = (named("ann"), named("bob"));
    let mut ledger = open(&log, &clock, 5, 3);
    let mut replies = Vec::new();
    for key in 1..=4 {
        replies.push(create(&ledger, &ann, key).await);
    }
    assert_eq!(replies, ["made", "made", "made", "full"]);
    for _ in 0..2 {
        // Past its bound, what was answered is answered again, and bob is not concerned.
        assert_eq!(create(&ledger, &ann, 1).await, "again");
        assert_eq!(create(&ledger, &ann, 5).await, "full");
        ledger.create(&ann, draft(None), RequestOptions::default()).await.unwrap();
        ledger = open(&log, &clock, 5, 3);
    }
    let replies = [create(&ledger, &bob, 11).await, create(&ledger, &bob, 12).await];
    assert_eq!(replies, ["made", "made"]);
    assert_eq!(create(&ledger, &bob, 13).await, "full", "all of them together are five");

    clock.advance(24 * 3600);
    assert_eq!(create(&ledger, &ann, 4).await, "made", "after a day there is room again");
    assert_eq!(create(&ledger, &bob, 13).await, "made");
}

#[tokio::test]
async fn many_at_once_do_not_get_past_the_bound() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock, 100, 10);
    let mut tasks = tokio::task::JoinSet::new();
    for key in 0..50 {
        let ledger = ledger.clone();
        tasks.spawn(async move { create(&ledger, &named("ann"), key).await });
    }
    let replies = tasks.join_all().await;
    assert_eq!(replies.iter().filter(|reply| **reply == "made").count(), 10);
    assert_eq!(ledger.stats().keys, 10);
}

#[tokio::test]
async fn one_who_asks_again_because_no_answer_came_gets_the_secret() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock, 100, 10);
    {
        // Asked once, and gone before the answer: the future is dropped.
        let caller = owner();
        let first = ledger.create(&caller, draft(None), idempotent(1, 1));
        let mut first = std::pin::pin!(first);
        let waker = std::task::Waker::noop();
        // A writer that is quicker than this thread has replied by now: nobody reads that either.
        let _ = first.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    let again = ledger.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    assert!(again.replayed);
    let secret = again.secret.expect("it is remembered");
    assert_eq!(again.key.key.digest, secret.digest());
}

#[tokio::test]
async fn a_refused_request_leaves_no_secret_behind() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock, 100, 10);
    let made = ledger.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    let other = ledger.create(&owner(), draft(None), idempotent(1, 2)).await;
    assert!(matches!(other, Err(Error::IdempotencyMismatch)));
    let again = ledger.create(&owner(), draft(None), idempotent(1, 1)).await.unwrap();
    assert!(again.replayed);
    let ids: Vec<KeyId> = ledger.state().secrets.lock().by_id.keys().copied().collect();
    assert_eq!(ids, [made.key.key.id]);
}
