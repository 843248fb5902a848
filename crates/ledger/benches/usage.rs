//! What it costs a verify to be counted: a counter of the thread's own, beside atomic counters in the
//! key, with one thread and with several that verify the same key or keys of their own. What it
//! shows is said beside the counters, in `src/usage/counters.rs`. They are private: they are compiled
//! into the bench once more.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use keys::{KeyId, Timestamp, Verdict};

use self::counters::Counters;

#[path = "../src/usage/bucket.rs"]
#[expect(dead_code, reason = "a part of the ledger, by itself")]
mod bucket;
#[path = "../src/usage/counters.rs"]
#[expect(dead_code, unreachable_pub, reason = "a part of the ledger, by itself")]
mod counters;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for threads in [1, 2] {
        for keys in [1, 1_000, 100_000] {
            count(&mut criterion, threads, keys);
        }
    }
    criterion.final_summary();
}

/// What a key would have of its own: a counter for each verdict, and whether it is on the list of
/// those that the writer has to look at.
#[derive(Default)]
struct InKey {
    counts: [AtomicU32; Verdict::ALL.len()],
    is_listed: AtomicBool,
}

impl InKey {
    fn count(&self, verdict: Verdict) {
        if let Some(count) = self.counts.get(verdict as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if !self.is_listed.load(Ordering::Relaxed) {
            self.is_listed.store(true, Ordering::Relaxed);
        }
    }
}

fn count(criterion: &mut Criterion, threads: usize, keys: u64) {
    let ids: Vec<_> = (0..u128::from(keys))
        .map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
        .map(|n| KeyId::from_bytes(n.to_be_bytes()))
        .collect();
    let in_keys: Vec<InKey> = ids.iter().map(|_| InKey::default()).collect();
    let counters = Counters::new();
    let now = Timestamp::from_secs(1_800_000_000);
    let mut group = criterion.benchmark_group(format!("{threads} threads, {keys} keys"));
    group.bench_function(BenchmarkId::from_parameter("of the thread"), |timed| {
        timed.iter_custom(|rounds| {
            let took = on_threads(threads, rounds, |round| {
                if let Some(id) = ids.get(place(round, keys)) {
                    counters.count(Verdict::Valid, Some((*id, now)));
                }
            });
            black_box(counters.take());
            took
        });
    });
    group.bench_function(BenchmarkId::from_parameter("in the key"), |timed| {
        timed.iter_custom(|rounds| {
            on_threads(threads, rounds, |round| {
                if let Some(key) = in_keys.get(place(round, keys)) {
                    key.count(Verdict::Valid);
                }
            })
        });
    });
    group.finish();
}

/// Which of `keys` is used in a round.
fn place(round: u64, keys: u64) -> usize {
    usize::try_from(round.wrapping_mul(7_919) % keys).unwrap_or(0)
}

/// How long the slowest of `threads` takes for so many rounds.
fn on_threads(threads: usize, rounds: u64, work: impl Fn(u64) + Sync) -> Duration {
    let barrier = Barrier::new(threads);
    let run = || {
        barrier.wait();
        let start = Instant::now();
        (0..rounds).for_each(&work);
        start.elapsed()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        all.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
    })
}
