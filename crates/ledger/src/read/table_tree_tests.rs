//! The tree of the key table is the one that all records make, however it was made.

use std::sync::atomic::{AtomicBool, Ordering};

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{KeyId, Rotation};
use tlog::{Hash, bucket_of, leaf_hash, root_over_buckets, verify_bucket, verify_in_bucket};

use super::*;
use crate::projection::table_snapshot::{InTable, TableSnapshot};
use crate::testing::{Dice, ManualClock, caller, draft, keyring, open, open_with, owner};
use crate::{
    Auditor, Cancellation, Change, Changes, Decoder, Options, RequestOptions, Role, Signing,
};

fn ledger(log: &Arc<dyn Log>, clock: &Arc<ManualClock>) -> Ledger {
    let signing = Some(Arc::new(Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap()));
    open_with(Arc::clone(log), clock, Options { signing, ..Options::default() }).unwrap()
}

/// Makes, rotates or changes a key.
async fn act(ledger: &Ledger, dice: &mut Dice, keys: &mut Vec<KeyId>) {
    let pick = usize::try_from(dice.roll(keys.len().max(1) as u64)).unwrap();
    let options = RequestOptions::default();
    match (dice.roll(5), keys.get(pick).copied()) {
        (0 | 1, _) | (_, None) => {
            let made = ledger.create(&owner(), draft(Some(1000)), options).await.unwrap();
            keys.push(made.key.key.id);
        }
        (2, Some(id)) => {
            let rotation = Rotation::new(60).unwrap();
            let made = ledger.rotate(&owner(), id, Changes::default(), rotation, options).await;
            keys.extend(made.ok().map(|made| made.key.key.id));
        }
        (n, Some(id)) => {
            let change = if n == 3 { Change::Disable } else { Change::Enable };
            let _refused = ledger.change(&owner(), id, change, options).await;
        }
    }
}

/// The roots that an auditor finds at every size of the log.
fn audited(log: &dyn Log) -> Vec<Hash> {
    let (mut auditor, mut decoder) = (Auditor::whole(), Decoder::new(keyring()));
    let mut roots = vec![auditor.table_root()];
    for stored in log.read(Seq(0), usize::MAX).unwrap() {
        auditor.push(&decoder.read(stored.seq, &stored.bytes).unwrap()).unwrap();
        roots.push(auditor.table_root());
    }
    roots
}

fn root_at(roots: &[Hash], size: u64) -> Hash {
    roots[usize::try_from(size).unwrap()]
}

#[tokio::test]
async fn a_tree_made_of_what_changed_is_the_tree_of_all() {
    for seed in 0..10 {
        let mut dice = Dice(seed * 2 + 1);
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let live = ledger(&log, &clock);
        let (mut keys, mut snapshots) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            act(&live, &mut dice, &mut keys).await;
            if dice.roll(3) == 0 {
                snapshots.push(live.table_snapshot_of_now().unwrap());
            }
        }
        let roots = audited(&*log);
        let all = ledger(&log, &clock).table_snapshot_of_now().unwrap();
        assert_eq!(all.signed.root, *roots.last().unwrap(), "seed {seed}");
        for snapshot in &snapshots {
            assert_eq!(snapshot.signed.root, root_at(&roots, snapshot.signed.size), "seed {seed}");
            for key in keys.iter().copied().chain([KeyId::from_bytes([9; 16])]) {
                // Also of a snapshot that is not the last one.
                assert_proved(&live, snapshot, key);
            }
        }
        let auditor = caller(None, Role::Auditor);
        let size = live.state().size().0;
        for length in size.saturating_sub(40)..=size {
            let digest = live.table_digest(&auditor, Some(Seq(length))).unwrap();
            assert_eq!(digest, (Seq(length), root_at(&roots, length)), "seed {seed}");
        }
        if let Some(beyond) = size.checked_sub(41) {
            let refused = live.table_digest(&auditor, Some(Seq(beyond)));
            assert!(matches!(refused, Err(Error::TooFarBack { most: 40 })), "{refused:?}");
        }
    }
}

/// Proves that a key has a row or none.
fn assert_proved(ledger: &Ledger, snapshot: &TableSnapshot, key: KeyId) {
    let (place, root) = (Row::place(key), &snapshot.signed.root);
    let (found, in_table) = ledger.find_row(snapshot, key).unwrap();
    match in_table {
        InTable::Row(row) => {
            assert_eq!(row.row.key, place);
            let (leaf, path) = (leaf_hash(&row.row.to_bytes()), [row.path, found.path].concat());
            let (bucket, place) = (bucket_of(&place), (row.index, found.rows));
            verify_in_bucket(&leaf, bucket, place, &path, root).unwrap();
        }
        InTable::Absent { before: None, after: None } => {
            assert_eq!(found.rows, 0);
            verify_bucket(bucket_of(&place), &bucket_root(&[]), &found.path, root).unwrap();
        }
        InTable::Absent { before, after } => {
            for row in [before, after].into_iter().flatten() {
                assert_eq!(bucket_of(&row.row.key), bucket_of(&place));
                assert_ne!(row.row.key, place);
            }
        }
    }
}

/// The writer goes on while trees are made: each is that of its size, and the next one misses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_that_are_made_beside_the_writer_are_those_of_their_sizes() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let live = ledger(&log, &clock);
    let done = Arc::new(AtomicBool::new(false));
    let (maker, is_done) = (live.clone(), Arc::clone(&done));
    let maker = std::thread::spawn(move || {
        let mut made = Vec::new();
        while !is_done.load(Ordering::Acquire) {
            let mut making = maker.state().snapshots.making.lock();
            made.push(maker.table_tree(&mut making).unwrap());
        }
        let mut making = maker.state().snapshots.making.lock();
        made.push(maker.table_tree(&mut making).unwrap());
        made
    });
    let (mut dice, mut keys) = (Dice(5), Vec::new());
    for _ in 0..400 {
        act(&live, &mut dice, &mut keys).await;
    }
    done.store(true, Ordering::Release);
    let made = maker.join().unwrap();
    let roots = audited(&*log);
    assert_eq!(made.last().unwrap().size, live.state().size());
    for tree in made {
        assert_eq!(tree.buckets.root(), root_at(&roots, tree.size.0), "{}", tree.size);
    }
}

#[tokio::test]
async fn what_was_touched_is_not_lost_with_a_tree_that_nobody_waited_for() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let live = ledger(&log, &clock);
    let (mut dice, mut keys) = (Dice(7), Vec::new());
    act(&live, &mut dice, &mut keys).await;
    live.table_snapshot_of_now().unwrap();
    act(&live, &mut dice, &mut keys).await;
    let cancellation = Cancellation::new();
    cancellation.cancel();
    let gone = live.until(&cancellation);
    assert!(matches!(gone.table_snapshot_of_now(), Err(Error::Cancelled)));
    let made = live.table_snapshot_of_now().unwrap();
    assert_eq!(made.signed.root, *audited(&*log).last().unwrap());
}

#[tokio::test]
async fn a_key_is_taken_back_to_what_it_was() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let live = ledger(&log, &clock);
    let mut keys = Vec::new();
    for _ in 0..4 {
        let made = live.create(&owner(), draft(Some(1000)), RequestOptions::default()).await;
        keys.push(made.unwrap().key.key.id);
    }
    let rows = |size| {
        let keys = live.state().table.slice(0, 100);
        let rows =
            keys.iter().filter_map(|key| live.row(key, key.chained_state(), Seq(size)).unwrap());
        rows.collect::<Vec<_>>()
    };
    let mut seen = vec![rows(4)];
    for key in [2, 0, 2] {
        let change = if seen.len() == 3 { Change::Enable } else { Change::Disable };
        live.change(&owner(), keys[key], change, RequestOptions::default()).await.unwrap();
        seen.push(rows(4 + seen.len() as u64));
    }
    for (more, expected) in seen.iter().enumerate() {
        assert_eq!(rows(4 + more as u64), *expected, "{more}");
    }
    assert_eq!((rows(2).len(), rows(0).len()), (2, 0));
}

#[tokio::test]
async fn one_tree_is_made_at_a_time() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let (live, auditor) = (open(&log, &clock), caller(None, Role::Auditor));
    let digest = || live.table_digest(&auditor, None);
    assert_eq!(digest().unwrap(), (Seq(0), root_over_buckets([])));
    let making = live.state().snapshots.making.lock();
    assert!(matches!(digest(), Err(Error::Overloaded)));
    drop(making);
    assert_eq!(digest().unwrap().0, Seq(0));
}
