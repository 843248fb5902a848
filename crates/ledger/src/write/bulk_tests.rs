//! Many keys changed in one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};
use keys::{EventKind, KeyId, Refusal, Revocation, Status, Subject};

use super::*;
use crate::testing::{Dice, ManualClock, caller, decoder, draft, idempotent, open, owner};
use crate::{AuditRecord, Auditor, NewKeyRequest, Role};

struct Bench {
    log: Arc<dyn Log>,
    clock: Arc<ManualClock>,
    ledger: Ledger,
}

const REVOKE: Change = Change::Revoke(Revocation { code: None, compromised_since: None });

fn plain() -> RequestOptions {
    RequestOptions::default()
}

fn owned_by(owner: &str) -> Selection {
    let owner = Subject::new(owner).ok();
    Selection::Filter(Box::new(KeyFilter { owner, ..KeyFilter::default() }))
}

impl Bench {
    fn new() -> Bench {
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let ledger = open(&log, &clock);
        Bench { log, clock, ledger }
    }

    async fn key(&self, owner_name: &str, ttl_s: Option<u64>) -> KeyId {
        let request = NewKeyRequest { owner: Subject::new(owner_name).ok(), ..draft(ttl_s) };
        self.ledger.create(&owner(), request, plain()).await.unwrap().key.key.id
    }

    async fn keys(&self, owner_name: &str, count: usize) -> Vec<KeyId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.key(owner_name, None).await);
        }
        ids
    }

    fn search(&self, by: &Caller, bulk: Bulk, dry_run: bool) -> BulkSearch {
        let mut search = BulkSearch::new(bulk, dry_run);
        while !search.is_done() {
            search = self.ledger.look_for(by, search, &|_| true).unwrap();
        }
        search
    }

    async fn bulk(&self, by: &Caller, bulk: Bulk, options: RequestOptions) -> BulkChanged {
        let search = self.search(by, bulk, options.dry_run);
        self.ledger.change_found(by, search, options).await.unwrap()
    }

    fn status(&self, id: KeyId) -> Status {
        self.ledger.key(&caller(None, Role::Admin), id).unwrap().status
    }

    fn records(&self, from: Seq) -> Vec<AuditRecord> {
        let (stored, mut decoder) = (self.log.read(from, usize::MAX).unwrap(), decoder());
        stored.iter().map(|stored| decoder.read(stored.seq, &stored.bytes).unwrap()).collect()
    }

    /// The events of the log from `from` on.
    fn events(&self, from: Seq) -> Vec<(EventKind, KeyId)> {
        let records = self.records(from).into_iter().map(|read| read.record);
        records.map(|record| (record.event.kind(), record.links.own.key)).collect()
    }
}

#[tokio::test]
async fn all_that_match_are_changed_in_one_commit_for_each_thousand() {
    let bench = Bench::new();
    let ann = bench.keys("ann", 25).await;
    let bob = bench.keys("bob", 3).await;
    let before = bench.ledger.stats();
    let revoke = |limit| Bulk { change: REVOKE, of: owned_by("ann"), limit };
    let rehearsed = bench.search(&owner(), revoke(10), true).rehearsed();
    assert_eq!(rehearsed.changed, ann[..10]);
    assert_eq!((rehearsed.matching, rehearsed.more), (25, true));
    assert_eq!(bench.ledger.stats().log_size, before.log_size);

    let mut seen = Vec::new();
    for (batches, more) in [(1, true), (2, true), (3, false)] {
        let done = bench.bulk(&owner(), revoke(10), plain()).await;
        // Those of the calls before are there as well, and in the way of nothing.
        assert_eq!((done.matching, done.more, done.refused.len()), (25, more, seen.len()));
        seen.extend(done.changed);
        assert_eq!(bench.ledger.stats().batches, before.batches + batches);
    }
    assert_eq!(seen, ann);
    assert!(bob.iter().all(|id| bench.status(*id) == Status::Enabled));
    let again = bench.bulk(&owner(), revoke(10), plain()).await;
    assert_eq!((again.changed, again.matching, again.more), (Vec::new(), 25, false));
    assert_eq!(again.refused[0], (ann[0], NotChanged::Refused(Refusal::Already(Status::Revoked))));
    assert_eq!(bench.ledger.stats().batches, before.batches + 3);
}

#[tokio::test]
async fn an_id_that_is_not_the_callers_is_unknown() {
    let bench = Bench::new();
    let (own, bobs) = (bench.key("ann", None).await, bench.key("bob", None).await);
    let never = KeyId::from_bytes([7; 16]);
    let ids = vec![never, own, bobs, own];
    let disable = Bulk { change: Change::Disable, of: Selection::Ids(ids), limit: 9 };
    let unknown = |id| (id, NotChanged::Refused(Refusal::UnknownKey));
    let user = caller(Some("acme"), Role::User);
    let by_user = bench.bulk(&user, disable.clone(), plain()).await;
    assert_eq!(by_user.changed, [own]);
    assert_eq!(by_user.refused, [unknown(never), unknown(bobs)]);
    assert_eq!((by_user.matching, by_user.more), (1, false));
    let stranger = caller(Some("umbrella"), Role::Owner);
    let by_stranger = bench.bulk(&stranger, disable.clone(), plain()).await;
    assert_eq!(by_stranger.refused, [unknown(never), unknown(own), unknown(bobs)]);
    // A filter says the same: there is nothing of anybody else.
    let of_bob = Bulk { of: owned_by("bob"), ..disable.clone() };
    for by in [&user, &stranger] {
        assert_eq!(bench.bulk(by, of_bob.clone(), plain()).await, BulkChanged::default());
    }
    for role in [Role::Verifier, Role::Auditor, Role::Worker] {
        let by = caller(Some("acme"), role);
        let looked = bench.ledger.look_for(&by, BulkSearch::new(disable.clone(), false), &|_| true);
        assert!(matches!(looked, Err(Error::Forbidden)), "{role:?}");
    }
}

/// It might match no more. It used to be told as refused, with nothing more to do: who renamed a key at
/// that moment kept it from being revoked.
#[tokio::test]
async fn what_is_changed_while_it_is_found_is_left_for_the_next_time() {
    let bench = Bench::new();
    let ids = bench.keys("ann", 3).await;
    let bulk = Bulk { change: REVOKE, of: owned_by("ann"), limit: 5 };
    let search = bench.search(&owner(), bulk.clone(), false);
    bench.ledger.change(&owner(), ids[1], Change::Disable, plain()).await.unwrap();
    let done = bench.ledger.change_found(&owner(), search, plain()).await.unwrap();
    assert_eq!((&*done.changed, &*done.refused), (&[ids[0], ids[2]][..], &[][..]));
    assert!(done.more, "{done:?}");
    assert_eq!(bench.status(ids[1]), Status::Disabled);
    let again = bench.bulk(&owner(), bulk, plain()).await;
    assert_eq!((&*again.changed, again.more), (&[ids[1]][..], false));
}

#[tokio::test]
async fn a_key_that_is_named_is_changed_whatever_happened_meanwhile() {
    let bench = Bench::new();
    let ids = bench.keys("ann", 3).await;
    let bulk = Bulk { change: REVOKE, of: Selection::Ids(ids.clone()), limit: 3 };
    let search = bench.search(&owner(), bulk, false);
    bench.ledger.change(&owner(), ids[1], Change::Disable, plain()).await.unwrap();
    let done = bench.ledger.change_found(&owner(), search, plain()).await.unwrap();
    assert_eq!(done.changed, ids);
    let length = *bench.log.length().borrow();
    let records = bench.log.read(Seq(0), usize::try_from(length.0).unwrap()).unwrap();
    let last = decoder().read(length, &records.last().unwrap().bytes).unwrap();
    assert_eq!(last.record.rules, [], "nobody insisted on a revision");
}

/// The ends of due keys are recorded first, so that the records of a request follow each other and
/// are found again, after a restart too.
#[tokio::test]
async fn a_repeat_has_the_same_outcome_though_keys_fell_due() {
    let mut bench = Bench::new();
    let mut ids = Vec::new();
    for ttl_s in [None, Some(10), None, Some(10), None] {
        ids.push(bench.key("ann", ttl_s).await);
    }
    bench.clock.advance(20);
    let before = Seq(bench.ledger.stats().log_size);
    let revoke = Bulk { change: REVOKE, of: owned_by("ann"), limit: 1000 };
    let first = bench.bulk(&owner(), revoke.clone(), idempotent(1, 1)).await;
    assert_eq!((&first.changed, first.replayed), (&ids, false));
    let expired = [1, 3].map(|at| (EventKind::Expired, ids[at]));
    let revoked = ids.iter().map(|id| (EventKind::Revoked, *id));
    assert_eq!(bench.events(before), expired.into_iter().chain(revoked).collect::<Vec<_>>());

    let late = bench.key("ann", None).await;
    for _ in 0..2 {
        let again = bench.bulk(&owner(), revoke.clone(), idempotent(1, 1)).await;
        assert_eq!((&again.changed, again.replayed), (&ids, true));
        // A key that came later is for another request.
        assert_eq!((again.refused, again.more), (Vec::new(), true));
        assert_eq!(bench.status(late), Status::Enabled);
        bench.ledger = open(&bench.log, &bench.clock);
    }
    let search = bench.search(&owner(), revoke, false);
    let other = bench.ledger.change_found(&owner(), search, idempotent(1, 2)).await;
    assert!(matches!(other, Err(Error::IdempotencyMismatch)), "{other:?}");
}

/// Whatever the keys are, calling again while there is more changes all that can be changed, once.
#[tokio::test]
async fn calling_again_while_there_is_more_comes_to_an_end() {
    let ways = [
        (REVOKE, Status::Revoked),
        (Change::Disable, Status::Disabled),
        (Change::Enable, Status::Enabled),
        (Change::Expire, Status::Expired),
    ];
    for seed in 1..=8 {
        let (bench, mut dice) = (Bench::new(), Dice(seed));
        let mut owners = BTreeMap::new();
        for _ in 0..60 {
            let name = ["ann", "bob"][usize::try_from(dice.roll(2)).unwrap()];
            let id = bench.key(name, (dice.roll(3) == 0).then(|| 1 + dice.roll(50))).await;
            let (change, _) = ways[usize::try_from(dice.roll(4)).unwrap()];
            // Refused now and then.
            drop(bench.ledger.change(&owner(), id, change, plain()).await);
            owners.insert(id, name);
        }
        bench.clock.advance(25);
        let (change, wanted) = ways[usize::try_from(seed).unwrap() % 4];
        let before: BTreeMap<_, _> = owners.keys().map(|id| (*id, bench.status(*id))).collect();
        let (mut changed, mut calls) = (Vec::new(), 0);
        loop {
            let bulk = Bulk { change, of: owned_by("ann"), limit: 7 };
            let done = bench.bulk(&owner(), bulk, plain()).await;
            assert!(done.changed.len() <= 7);
            changed.extend(done.changed);
            calls += 1;
            if !done.more {
                break;
            }
        }
        assert!(calls <= 60 / 7 + 1, "seed {seed}");
        let once: BTreeSet<_> = changed.iter().copied().collect();
        assert_eq!(once.len(), changed.len(), "seed {seed}");
        let mut auditor = Auditor::whole();
        for read in bench.records(Seq(0)) {
            auditor.push(&read).unwrap();
        }
        for (id, before) in before {
            let can = match wanted {
                Status::Revoked => before != Status::Revoked,
                Status::Expired => matches!(before, Status::Enabled | Status::Disabled),
                Status::Enabled => before == Status::Disabled,
                Status::Disabled => before == Status::Enabled,
            };
            let expected = can && owners[&id] == "ann";
            assert_eq!(once.contains(&id), expected, "seed {seed}: {before:?}");
            assert_eq!(bench.status(id), if expected { wanted } else { before }, "seed {seed}");
        }
    }
}
