//! What many threads count, and what nobody collects.

use std::collections::BTreeMap;

use keys::{KeyId, Timestamp, Verdict};

use super::bucket::Bucket;
use super::counters::{Counters, MOST_ASIDE, MOST_IN_SHARD};

fn key(number: u64) -> KeyId {
    KeyId::from_bytes((u128::from(number) << 64 | u128::from(number)).to_be_bytes())
}

fn sums(counters: &Counters) -> BTreeMap<(KeyId, Bucket), u64> {
    let mut sums = BTreeMap::new();
    for counter in counters.take().into_iter().flatten() {
        *sums.entry((counter.key, counter.bucket)).or_default() += u64::from(counter.count);
    }
    sums
}

#[test]
fn what_many_threads_count_is_counted_once() {
    let counters = Counters::new();
    let at = Timestamp::from_secs(1_800_000_000);
    let mut taken: BTreeMap<(KeyId, Bucket), u64> = BTreeMap::new();
    std::thread::scope(|threads| {
        let counting: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    for n in 0..20_000 {
                        counters.count(Verdict::Valid, Some((key(n % 3), at)));
                        counters.count(Verdict::NotFound, None);
                    }
                })
            })
            .collect();
        while !counting.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            for (place, count) in sums(&counters) {
                *taken.entry(place).or_default() += count;
            }
        }
    });
    for (place, count) in sums(&counters) {
        *taken.entry(place).or_default() += count;
    }
    assert_eq!(taken.len(), 3);
    assert_eq!(taken.values().sum::<u64>(), 80_000);
    let verdicts = counters.verdicts();
    assert_eq!(verdicts[Verdict::Valid as usize], 80_000);
    assert_eq!(verdicts[Verdict::NotFound as usize], 80_000);
    assert_eq!(counters.lost(), 0);
}

#[test]
fn what_nobody_collects_is_bounded() {
    let counters = Counters::new();
    let at = Timestamp::from_secs(1_800_000_000);
    let fits = (MOST_ASIDE + 1) * MOST_IN_SHARD - 1;
    for n in 0..fits as u64 {
        counters.count(Verdict::Valid, Some((key(n), at)));
    }
    assert_eq!(counters.lost(), 0);
    counters.count(Verdict::Valid, Some((key(u64::MAX), at)));
    assert_eq!(counters.lost(), MOST_IN_SHARD as u64);
    assert_eq!(sums(&counters).len(), MOST_ASIDE * MOST_IN_SHARD);
}
