//! Limits through the ledger, with a clock that is moved.

use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{Cost, Edits, KeyId, Question, Quota, QuotaPeriod, RateLimit, Verdict};

use crate::testing::{ManualClock, draft, open_with, owner};
use crate::usage::UsageOptions;
use crate::{AsOf, KeyEdits, Ledger, NewKeyRequest, Options, RequestOptions, Verified};

struct Bench {
    log: Arc<dyn Log>,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
    ledger: Ledger,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let clock = ManualClock::at("2026-11-29T12:00:00Z".parse().unwrap());
        let ledger = open(&log, &clock, &folder);
        Bench { log, clock, folder, ledger }
    }

    /// As after a crash: what is in memory only is gone.
    fn crash(&mut self) {
        self.ledger = open(&self.log, &self.clock, &self.folder);
    }

    async fn key(&self, rate: Option<RateLimit>, quota: Option<Quota>) -> (KeyId, String) {
        let wanted = NewKeyRequest { rate_limit: rate, quota, ..draft(None) };
        let made = self.ledger.create(&owner(), wanted, RequestOptions::default()).await.unwrap();
        (made.key.key.id, made.secret.unwrap().reveal().to_owned())
    }

    async fn edit(&self, id: KeyId, edits: Edits) {
        let edits = KeyEdits { edits, ..KeyEdits::default() };
        self.ledger.update(&owner(), id, edits, RequestOptions::default()).await.unwrap();
    }

    fn verify(&self, secret: &str, cost: u32) -> Verified {
        let question = Question { cost: Cost::new(cost).unwrap(), ..Question::default() };
        self.ledger.verify(&owner(), secret, &question).unwrap()
    }

    /// The verdict, what the rate limit and the quota have left, and the wait in seconds.
    fn left(&self, secret: &str, cost: u32) -> (Verdict, Option<u32>, Option<u32>, Option<u64>) {
        let Verified { verdict, limits, .. } = self.verify(secret, cost);
        let wait = limits.retry_after.map(|wait| wait.as_secs());
        let remaining = |left: super::QuotaLeft| left.remaining;
        (verdict, limits.rate.map(|left| left.remaining), limits.quota.map(remaining), wait)
    }
}

fn open(log: &Arc<dyn Log>, clock: &Arc<ManualClock>, folder: &tempfile::TempDir) -> Ledger {
    let usage = UsageOptions { folder: Some(folder.path().join("usage")), days: 3 };
    open_with(Arc::clone(log), clock, Options { usage, ..Options::default() }).unwrap()
}

fn rate(limit: u32, period_s: u32) -> Option<RateLimit> {
    RateLimit::new(limit, period_s).ok()
}

fn quota(limit: u32, per: QuotaPeriod) -> Option<Quota> {
    Quota::new(limit, per).ok()
}

const VALID: Verdict = Verdict::Valid;
const LIMITED: Verdict = Verdict::RateLimited;
const EXCEEDED: Verdict = Verdict::UsageExceeded;

#[tokio::test]
async fn both_limits_are_judged_together() {
    let bench = Bench::new();
    let half_a_day = Some(12 * 3_600);
    let (_, secret) = bench.key(rate(4, 40), quota(6, QuotaPeriod::Day)).await;
    for (cost, answer) in [
        // Asks only: what is left is what was left.
        (0, (VALID, Some(4), Some(6), None)),
        (3, (VALID, Some(1), Some(3), None)),
        // A refusal by the rate limit uses nothing of the quota, and of itself.
        (2, (LIMITED, Some(1), Some(3), Some(10))),
        (4, (LIMITED, Some(1), Some(3), Some(30))),
        // More than there ever is: no waiting helps.
        (5, (LIMITED, Some(1), Some(3), None)),
        (1, (VALID, Some(0), Some(2), None)),
        // Nothing is left to ask for.
        (0, (LIMITED, Some(0), Some(2), Some(10))),
    ] {
        assert_eq!(bench.left(&secret, cost), answer, "{cost}");
    }
    bench.clock.advance(30);
    // A refusal by the quota uses nothing of the rate limit.
    let wait = half_a_day.map(|wait| wait - 30);
    assert_eq!(bench.left(&secret, 3), (EXCEEDED, Some(3), Some(2), wait));
    assert_eq!(bench.left(&secret, 2), (VALID, Some(1), Some(0), None));
    assert_eq!(bench.left(&secret, 0), (EXCEEDED, Some(1), Some(0), wait));
    // Both refuse: the rate limit comes first.
    assert_eq!(bench.left(&secret, 3).0, LIMITED);
    // Beyond the quota of any day.
    bench.clock.advance(86_400);
    let (_, secret) = bench.key(None, quota(6, QuotaPeriod::Day)).await;
    assert_eq!(bench.left(&secret, 7), (EXCEEDED, None, Some(6), None));
    // What only asks is no use.
    let (id, secret) = bench.key(rate(4, 40), None).await;
    assert_eq!(bench.left(&secret, 0), (VALID, Some(4), None, None));
    assert_eq!(bench.ledger.key(&owner(), id).unwrap().last_used_at, None);
}

#[tokio::test]
async fn an_edit_of_a_limit_takes_effect_at_once() {
    let bench = Bench::new();
    let (id, secret) = bench.key(None, None).await;
    // What was used before any quota was set counts, of the rate nothing.
    assert_eq!(bench.left(&secret, 5), (VALID, None, None, None));
    let rated =
        |limit, period_s| Edits { rate_limit: Some(rate(limit, period_s)), ..Edits::default() };
    let bound = |limit, per| Edits { quota: Some(quota(limit, per)), ..Edits::default() };
    bench.edit(id, rated(1, 86_400)).await;
    assert_eq!(bench.left(&secret, 1), (VALID, Some(0), None, None));
    assert_eq!(bench.left(&secret, 1).0, LIMITED);
    bench.edit(id, rated(2, 60)).await;
    assert_eq!(bench.left(&secret, 1), (VALID, Some(1), None, None));
    bench.edit(id, Edits { rate_limit: Some(None), ..Edits::default() }).await;
    for per in QuotaPeriod::ALL {
        bench.edit(id, bound(7, *per)).await;
        assert_eq!(bench.left(&secret, 1), (EXCEEDED, None, Some(0), bench.wait(*per)), "{per}");
    }
    for per in QuotaPeriod::ALL {
        bench.edit(id, bound(8, *per)).await;
        assert_eq!(bench.left(&secret, 0), (VALID, None, Some(1), None), "{per}");
    }
    // The short form takes away its own only.
    let edits = KeyEdits { no_daily_quota: true, ..KeyEdits::default() };
    let shorten =
        async || bench.ledger.update(&owner(), id, edits.clone(), RequestOptions::default()).await;
    assert!(matches!(shorten().await.unwrap(), crate::Updated::Unchanged(_)));
    bench.edit(id, bound(8, QuotaPeriod::Day)).await;
    shorten().await.unwrap();
    assert_eq!(bench.ledger.key(&owner(), id).unwrap().key.quota, None);
}

impl Bench {
    /// The seconds until the next period.
    fn wait(&self, per: QuotaPeriod) -> Option<u64> {
        let now = self.ledger.now();
        per.bounds(now).map(|(_, end)| end.micros_since(now) / 1_000_000)
    }
}

/// A quota outlives what the counts of hours do not: the days of a month, and of years.
#[tokio::test]
async fn a_quota_holds_after_restarts_in_its_whole_period() {
    let mut bench = Bench::new();
    let mut keys = Vec::new();
    for per in QuotaPeriod::ALL {
        keys.push((*per, bench.key(None, quota(10, *per)).await.1));
    }
    // From one November to the next but one, 15 days and 700 later.
    for (days, left) in [(0, [7, 7, 7]), (1, [7, 4, 4]), (15, [7, 7, 1]), (700, [7, 7, 1])] {
        bench.clock.advance(days * 86_400);
        for ((per, secret), left) in keys.iter().zip(left) {
            let cost = if days == 700 && *per == QuotaPeriod::Total { 0 } else { 3 };
            assert_eq!(bench.left(secret, cost).2, Some(left), "{per} after {days} days");
        }
        for _ in 0..2 {
            bench.ledger.save_usage().unwrap();
            bench.ledger.compact_usage().unwrap();
            bench.crash();
            for ((per, secret), left) in keys.iter().zip(left) {
                assert_eq!(bench.left(secret, 0).2, Some(left), "{per} after {days} days");
            }
            bench.clock.advance(3_600);
        }
    }
}

#[tokio::test]
async fn the_past_uses_nothing() {
    let bench = Bench::new();
    let (_, secret) = bench.key(rate(1, 86_400), quota(1, QuotaPeriod::Total)).await;
    let admin = crate::testing::caller(None, crate::Role::Admin);
    let moment = bench.ledger.moment(&admin, Some(AsOf::Seq(eventlog::Seq(0)))).unwrap();
    for _ in 0..3 {
        let then =
            bench.ledger.verify_as_of(&admin, &secret, &Question::default(), &moment).unwrap();
        assert_eq!((then.verdict, then.limits.rate.is_some()), (VALID, false));
    }
    assert_eq!(bench.left(&secret, 1), (VALID, Some(0), Some(0), None));
}

/// Exactly as many as there may be are granted, however many come at once.
#[tokio::test]
async fn limits_are_exact_under_concurrency() {
    let bench = Bench::new();
    for (rate_limit, quota_limit, granted) in [
        (rate(100, 86_400), None, 100),
        (None, quota(100, QuotaPeriod::Total), 100),
        (rate(90, 86_400), quota(100, QuotaPeriod::Month), 90),
        (rate(100, 86_400), quota(90, QuotaPeriod::Day), 90),
        (None, None, 1_000),
    ] {
        let (id, secret) = bench.key(rate_limit, quota_limit).await;
        let valid = std::thread::scope(|scope| {
            let one = || (0..250).filter(|_| bench.verify(&secret, 1).verdict == VALID).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(valid, granted);
        // What was refused was used of neither.
        let most = quota(2_000, QuotaPeriod::Total);
        bench
            .edit(id, Edits { rate_limit: Some(None), quota: Some(most), ..Edits::default() })
            .await;
        let left = 2_000 - u32::try_from(granted).unwrap();
        assert_eq!(bench.left(&secret, 0).2, Some(left));
    }
}

#[test]
fn what_was_counted_beside_a_copy_is_added_to_it() {
    let spent = |period, used| super::Spent {
        day: super::Tally { period, used },
        ..super::Spent::default()
    };
    // What the copy counts, what was copied, what the other counts now, and the sum.
    let table = [
        ((7, 3), (7, 3), (7, 3), (7, 3)),
        ((7, 4), (7, 3), (7, 5), (7, 6)),
        ((8, 1), (7, 3), (7, 5), (8, 1)),
        ((7, 3), (7, 3), (8, 2), (8, 2)),
        ((8, 1), (7, 3), (8, 2), (8, 3)),
        ((7, u32::MAX), (7, 0), (7, 9), (7, u32::MAX)),
    ];
    for (copy, then, now, sum) in table {
        let [mut copy, then, now] = [copy, then, now].map(|(period, used)| spent(period, used));
        copy.add_since(&then, &now);
        assert_eq!((copy.day.period, copy.day.used), sum, "{copy:?}");
    }
}
