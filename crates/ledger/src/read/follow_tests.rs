//! Following: shared, complete, and what was missed is reported.

use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;

use super::*;
use crate::projection::feed::{MAX_BYTES, MAX_ENTRIES};
use crate::testing::{Dice, ManualClock, draft, open, owner};
use crate::{Change, RequestOptions};

fn ledger() -> (Ledger, Arc<dyn Log>, Arc<ManualClock>) {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    (open(&log, &clock), log, clock)
}

fn held(ledger: &Ledger) -> (usize, usize) {
    ledger.state().feed.in_ring()
}

/// Takes all that is there: the places, and where something was missed.
fn take_all(following: &mut Following) -> (Vec<u64>, Vec<u64>) {
    let (mut places, mut missed) = (Vec::new(), Vec::new());
    let mut next = following.next();
    while let Some(followed) = following.take() {
        match followed {
            Followed::Entries(batch) => {
                places.extend(batch.iter().map(|e| e.seq).filter(|seq| *seq >= next).map(|s| s.0));
            }
            Followed::Missed(until) => missed.push(until.0),
        }
        next = following.next();
    }
    (places, missed)
}

#[tokio::test]
async fn nothing_is_kept_for_nobody() {
    let (ledger, ..) = ledger();
    let create = async || ledger.create(&owner(), draft(None), RequestOptions::default()).await;
    create().await.unwrap();
    assert_eq!(held(&ledger), (0, 0));
    let mut following = ledger.follow();
    create().await.unwrap();
    assert_eq!(held(&ledger).0, 1);
    assert_eq!(take_all(&mut following), (vec![1], vec![]));
    let other = ledger.follow();
    drop(following);
    assert_eq!(held(&ledger).0, 1);
    drop(other);
    assert_eq!(held(&ledger), (0, 0));
    create().await.unwrap();
    assert_eq!(held(&ledger), (0, 0));
}

#[tokio::test]
async fn a_batch_is_shared_and_not_copied() {
    let (ledger, ..) = ledger();
    let (mut one, mut two) = (ledger.follow(), ledger.follow());
    let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
    one.changed().await;
    let (Some(Followed::Entries(of_one)), Some(Followed::Entries(of_two))) =
        (one.take(), two.take())
    else {
        panic!("both follow")
    };
    assert!(Arc::ptr_eq(&of_one, &of_two));
    let entry = made.entry.unwrap();
    assert_eq!((of_one[0].seq, &of_one[0].record), (entry.seq, &entry.record));
    assert_eq!(of_one[0].account, entry.account);
}

/// However the followers pause, nothing comes twice or out of order, and what does not come is
/// said to be missed.
#[tokio::test]
async fn every_place_is_given_out_or_said_to_be_missed() {
    for seed in 1..40 {
        let mut dice = Dice(seed);
        let (ledger, ..) = ledger();
        let mut following: Vec<(Following, u64)> = Vec::new();
        let id = ledger
            .create(&owner(), draft(None), RequestOptions::default())
            .await
            .unwrap()
            .key
            .key
            .id;
        for round in 0..60 {
            let change = if round % 2 == 0 { Change::Disable } else { Change::Enable };
            ledger.change(&owner(), id, change, RequestOptions::default()).await.unwrap();
            if dice.roll(4) == 0 {
                ledger.state().feed.drop_older_half();
            }
            if dice.roll(5) == 0 {
                let new = ledger.follow();
                let next = new.next().0;
                following.push((new, next));
            }
            for (one, place) in &mut following {
                if dice.roll(3) > 0 {
                    continue;
                }
                while let Some(followed) = one.take() {
                    match followed {
                        Followed::Entries(batch) => {
                            let new: Vec<_> = batch.iter().filter(|e| e.seq.0 >= *place).collect();
                            let places: Vec<_> = new.iter().map(|entry| entry.seq.0).collect();
                            let want: Vec<_> = (*place..one.next().0).collect();
                            assert_eq!(places, want, "seed {seed}");
                        }
                        Followed::Missed(until) => assert!(until.0 > *place, "seed {seed}"),
                    }
                    *place = one.next().0;
                }
                assert_eq!(*place, ledger.stats().log_size, "seed {seed}");
            }
        }
    }
}

#[tokio::test]
async fn one_who_falls_behind_the_ring_is_told_where_it_begins() {
    let (ledger, ..) = ledger();
    let mut following = ledger.follow();
    let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
    let entry = made.entry.unwrap();
    let batch = |from: u64| -> Arc<[Entry]> {
        (from..from + 1_000).map(|seq| Entry { seq: Seq(seq), ..entry.clone() }).collect()
    };
    for from in (0..20_000).step_by(1_000) {
        ledger.state().feed.push(batch(from), 300_000);
    }
    assert!(held(&ledger).0 <= MAX_ENTRIES && held(&ledger).1 <= MAX_BYTES);
    ledger.state().log.publish(Seq(20_000));
    let (places, missed) = take_all(&mut following);
    assert_eq!((missed.len(), places.len() as u64), (1, 20_000 - missed[0]));
    // One batch that is larger than the ring stays nevertheless.
    ledger.state().feed.push(batch(20_000), 2 * MAX_BYTES);
    assert_eq!(held(&ledger).0, 1_000);
}

#[tokio::test]
async fn what_another_writer_appended_is_followed_too() {
    let (one, log, clock) = ledger();
    let two = open(&log, &clock);
    let mut following = two.follow();
    for _ in 0..3 {
        one.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
    }
    two.catch_up().await;
    assert_eq!(take_all(&mut following), (vec![0, 1, 2], vec![]));
}
