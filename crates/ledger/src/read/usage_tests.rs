//! Counts of use through the ledger, with files, restarts and a clock that is moved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{Environment, KeyId, Question, Revocation, Timestamp, Verdict};

use crate::error::Error;
use crate::ledger::{Ledger, Options};
use crate::read::usage::{UsagePoint, UsageQuery, UsageStep};
use crate::testing::{Dice, ManualClock, caller, draft, open_with, owner};
use crate::usage::UsageOptions;
use crate::write::request::RequestOptions;
use crate::{Change, NewKeyRequest, Role};

/// 2026-11-30, shortly before two.
const START: &str = "2026-11-30T13:59:59.999999Z";

struct Bench {
    log: Arc<dyn Log>,
    clock: Arc<ManualClock>,
    _temporary: tempfile::TempDir,
    folder: PathBuf,
    days: u32,
    ledger: Ledger,
}

impl Bench {
    fn new(days: u32) -> Bench {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("usage");
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let clock = ManualClock::at(START.parse().unwrap());
        let ledger = open(&log, &clock, &folder, days);
        Bench { log, clock, _temporary: temporary, folder, days, ledger }
    }

    /// As after a crash: what is in memory only is gone.
    fn crash(&mut self) {
        self.ledger = open(&self.log, &self.clock, &self.folder, self.days);
    }

    async fn key(&self) -> (KeyId, String) {
        self.key_of(draft(None)).await
    }

    async fn key_of(&self, wanted: NewKeyRequest) -> (KeyId, String) {
        let options = RequestOptions::default();
        let made = self.ledger.create(&owner(), wanted, options).await.unwrap();
        (made.key.key.id, made.secret.unwrap().reveal().to_owned())
    }

    fn verify(&self, secret: &str, question: &Question) -> Verdict {
        self.ledger.verify(&owner(), secret, question).unwrap().verdict
    }

    fn points(&self, id: KeyId, step: UsageStep) -> Vec<(String, Vec<(Verdict, u64)>)> {
        let page = self.ledger.key_usage(&owner(), id, &ever(step)).unwrap();
        assert_eq!(page.next, None);
        page.items.into_iter().map(|point| (point.start.to_string(), point.counts)).collect()
    }
}

fn open(log: &Arc<dyn Log>, clock: &Arc<ManualClock>, folder: &Path, days: u32) -> Ledger {
    let usage = UsageOptions { folder: Some(folder.to_owned()), days };
    open_with(Arc::clone(log), clock, Options { usage, ..Options::default() }).unwrap()
}

fn ever(step: UsageStep) -> UsageQuery {
    UsageQuery { from: Timestamp::MIN, to: Timestamp::MAX, step, limit: 100_000 }
}

fn sandbox() -> Question {
    Question { environment: Some(Environment::Sandbox), ..Question::default() }
}

fn daily(limit: u32) -> keys::Quota {
    keys::Quota::new(limit, keys::QuotaPeriod::Day).unwrap()
}

#[tokio::test]
async fn each_verdict_is_counted_in_its_hour() {
    let mut bench = Bench::new(90);
    let (id, secret) = bench.key().await;
    let (other, _) = bench.key().await;
    bench.verify(&secret, &Question::default());
    bench.verify(&secret, &sandbox());
    bench.clock.advance(1);
    bench.verify(&secret, &Question::default());
    bench.verify(&secret, &Question::default());
    bench
        .ledger
        .change(&owner(), id, Change::Revoke(Revocation::default()), RequestOptions::default())
        .await
        .unwrap();
    bench.verify(&secret, &Question::default());
    // Attempts with what is no key of the ledger count for nobody.
    bench.verify("kl_live_00000000000000000000000000000000", &Question::default());
    bench.verify("?", &Question::default());
    let hours = [
        (
            "2026-11-30T13:00:00.000000Z".to_owned(),
            vec![(Verdict::WrongEnvironment, 1), (Verdict::Valid, 1)],
        ),
        (
            "2026-11-30T14:00:00.000000Z".to_owned(),
            vec![(Verdict::Revoked, 1), (Verdict::Valid, 2)],
        ),
    ];
    let day = [(
        "2026-11-30T00:00:00.000000Z".to_owned(),
        vec![(Verdict::Revoked, 1), (Verdict::WrongEnvironment, 1), (Verdict::Valid, 3)],
    )];
    // In memory, in the journal, read back from it, in runs, and in one run with a closed day.
    for step in 0..5 {
        assert_eq!(bench.points(id, UsageStep::Hour), hours, "step {step}");
        assert_eq!(bench.points(id, UsageStep::Day), day, "step {step}");
        assert_eq!(bench.points(other, UsageStep::Day), [], "step {step}");
        let account = bench.ledger.account_usage(&owner(), None, &ever(UsageStep::Day)).unwrap();
        assert_eq!(account.items[0].counts, day[0].1);
        let auditor = caller(None, Role::Auditor);
        let all = bench.ledger.account_usage(&auditor, None, &ever(UsageStep::Hour)).unwrap();
        assert_eq!(all.items.len(), 2);
        match step {
            0 => bench.ledger.save_usage().unwrap(),
            1 => bench.crash(),
            2 => bench.clock.advance(3_600 * 12),
            _ => {
                bench.ledger.save_usage().unwrap();
                bench.ledger.compact_usage().unwrap();
            }
        }
    }
    let stats = bench.ledger.stats().usage;
    assert_eq!((stats.unwritten, stats.lost), (0, 0));
    let last_used = bench.ledger.key(&owner(), id).unwrap().last_used_at;
    bench.crash();
    assert_eq!(bench.ledger.key(&owner(), id).unwrap().last_used_at, last_used);
    assert!(last_used.is_some());
}

#[tokio::test]
async fn a_series_comes_in_pages_and_between_moments() {
    let bench = Bench::new(90);
    let (id, secret) = bench.key().await;
    for _ in 0..50 {
        bench.verify(&secret, &Question::default());
        bench.clock.advance(3_600);
    }
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let count = |from: &str, to: &str, step| {
        let query = UsageQuery { from: at(from), to: at(to), ..ever(step) };
        bench.ledger.key_usage(&owner(), id, &query).unwrap().items.len()
    };
    // The first hour is 13, and two days and an hour follow.
    assert_eq!(count("2026-11-30T13:30:00Z", "2026-11-30T15:00:00Z", UsageStep::Hour), 2);
    assert_eq!(count("2026-11-30T13:30:00Z", "2026-11-30T15:00:01Z", UsageStep::Hour), 3);
    assert_eq!(count("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", UsageStep::Hour), 24);
    assert_eq!(count("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", UsageStep::Day), 1);
    assert_eq!(count("2026-12-01T05:00:00Z", "2026-12-01T05:00:00Z", UsageStep::Day), 1);
    assert_eq!(count("2027-12-01T05:00:00Z", "2028-12-01T05:00:00Z", UsageStep::Day), 0);
    for limit in [1, 7, 50, 51] {
        let (mut from, mut items) = (Some(Timestamp::MIN), Vec::new());
        while let Some(start) = from {
            let query = UsageQuery { from: start, limit, ..ever(UsageStep::Hour) };
            let page = bench.ledger.key_usage(&owner(), id, &query).unwrap();
            assert!(page.items.len() <= limit);
            items.extend(page.items);
            from = page.next;
        }
        assert_eq!(items.len(), 50);
        assert!(items.is_sorted_by(|a, b| a.start < b.start));
    }
}

#[tokio::test]
async fn others_counts_are_not_seen() {
    let bench = Bench::new(90);
    let (id, secret) = bench.key().await;
    bench.verify(&secret, &Question::default());
    let stranger = caller(Some("umbrella"), Role::Owner);
    let unseen = bench.ledger.key_usage(&stranger, id, &ever(UsageStep::Day));
    assert!(matches!(unseen, Err(Error::Refused(keys::Refusal::UnknownKey))), "{unseen:?}");
    let acme = keys::Account::new("acme").unwrap();
    for account in [None, Some(&acme)] {
        let none = bench.ledger.account_usage(&stranger, account, &ever(UsageStep::Day)).unwrap();
        assert_eq!(none.items, []);
    }
    let admin = caller(None, Role::Admin);
    let seen = bench.ledger.account_usage(&admin, Some(&acme), &ever(UsageStep::Day)).unwrap();
    assert_eq!(seen.items.len(), 1);
    for role in [Role::Verifier, Role::Worker, Role::User] {
        let refused =
            bench.ledger.account_usage(&caller(Some("acme"), role), None, &ever(UsageStep::Day));
        assert!(matches!(refused, Err(Error::Forbidden)), "{role:?}");
    }
    let user = caller(Some("acme"), Role::User);
    assert_eq!(bench.ledger.key_usage(&user, id, &ever(UsageStep::Day)).unwrap().items.len(), 1);
}

/// Whatever happened in between, the counts are those that were saved, once.
#[tokio::test]
async fn saved_counts_survive_anything_once() {
    for seed in 1..=6 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new(90);
        let mut keys = Vec::new();
        for n in 0..5 {
            let quota = (n % 2 == 0).then(|| daily(3));
            keys.push(bench.key_of(NewKeyRequest { quota, ..draft(None) }).await);
        }
        let mut counted: BTreeMap<(KeyId, Timestamp, Verdict), u64> = BTreeMap::new();
        let mut saved = counted.clone();
        for _ in 0..250 {
            match dice.roll(20) {
                0..12 => {
                    let (id, secret) = &keys[usize::try_from(dice.roll(5)).unwrap()];
                    let question = if dice.roll(3) == 0 { sandbox() } else { Question::default() };
                    let verdict = bench.verify(secret, &question);
                    let hour = UsageStep::Hour.start(bench.ledger.now());
                    *counted.entry((*id, hour, verdict)).or_default() += 1;
                }
                12 => bench.clock.advance(60),
                13 => bench.clock.advance(3_600),
                14 if dice.roll(4) == 0 => bench.clock.advance(86_400),
                15 | 16 => {
                    bench.ledger.save_usage().unwrap();
                    saved = counted.clone();
                }
                17 => bench.ledger.compact_usage().unwrap(),
                18 => {
                    bench.crash();
                    counted = saved.clone();
                }
                _ => {}
            }
            if dice.roll(20) == 0 {
                check(&bench, &keys, &counted, seed);
            }
        }
        bench.ledger.close().await.unwrap();
        bench.crash();
        check(&bench, &keys, &counted, seed);
    }
}

fn check(
    bench: &Bench,
    keys: &[(KeyId, String)],
    counted: &BTreeMap<(KeyId, Timestamp, Verdict), u64>,
    seed: u64,
) {
    let mut found = BTreeMap::new();
    for (id, _) in keys {
        let page = bench.ledger.key_usage(&owner(), *id, &ever(UsageStep::Hour)).unwrap();
        for UsagePoint { start, counts } in page.items {
            found.extend(counts.into_iter().map(|(verdict, count)| ((*id, start, verdict), count)));
        }
    }
    assert_eq!(found, *counted, "seed {seed}");
    let account = bench.ledger.account_usage(&owner(), None, &ever(UsageStep::Day)).unwrap();
    let sum: u64 = account.items.iter().flat_map(|point| &point.counts).map(|(_, n)| n).sum();
    assert_eq!(sum, counted.values().sum::<u64>(), "seed {seed}");
}

#[tokio::test]
async fn a_daily_limit_holds_after_a_restart() {
    let mut bench = Bench::new(90);
    let (_, secret) = bench.key_of(NewKeyRequest { quota: Some(daily(3)), ..draft(None) }).await;
    for _ in 0..2 {
        bench.verify(&secret, &Question::default());
        bench.clock.advance(3_600);
        bench.ledger.save_usage().unwrap();
    }
    bench.crash();
    assert_eq!(bench.verify(&secret, &Question::default()), Verdict::Valid);
    assert_eq!(bench.verify(&secret, &Question::default()), Verdict::UsageExceeded);
    bench.clock.advance(86_400);
    bench.ledger.save_usage().unwrap();
    bench.crash();
    assert_eq!(bench.verify(&secret, &Question::default()), Verdict::Valid);
}

/// Old days go, what is used stays small, and the last use stays for ever.
#[tokio::test]
async fn days_that_are_too_old_are_removed() {
    let mut bench = Bench::new(3);
    let (once, secret) = bench.key().await;
    bench.verify(&secret, &Question::default());
    let (id, secret) = bench.key().await;
    for _ in 0..10 * 6 {
        bench.verify(&secret, &Question::default());
        bench.clock.advance(4 * 3_600);
        bench.ledger.save_usage().unwrap();
        bench.ledger.compact_usage().unwrap();
    }
    let days: Vec<_> = bench.points(id, UsageStep::Day).into_iter().map(|(day, _)| day).collect();
    let first = bench.ledger.usage_since().to_string();
    assert_eq!((days.len(), &days[0]), (4, &first), "{days:?}");
    assert_eq!(bench.points(once, UsageStep::Day), []);
    let names: Vec<_> =
        std::fs::read_dir(&bench.folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    // Four days at most in three parts each, the last uses, the journal.
    assert!(names.len() <= 3 + 4 + 2, "{names:?}");
    let bytes: u64 = std::fs::read_dir(&bench.folder)
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(bytes, bench.ledger.stats().usage.bytes);
    bench.crash();
    assert!(bench.ledger.key(&owner(), once).unwrap().last_used_at.is_some());
}

/// Whatever is in the place of the files: the ledger opens.
#[tokio::test]
async fn no_start_fails_because_of_counts() {
    let mut bench = Bench::new(90);
    let (id, secret) = bench.key().await;
    for _ in 0..30 {
        bench.verify(&secret, &Question::default());
        bench.clock.advance(3_600);
        bench.ledger.save_usage().unwrap();
    }
    bench.ledger.compact_usage().unwrap();
    let files: Vec<PathBuf> =
        std::fs::read_dir(&bench.folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for path in &files {
        // What was merged meanwhile is gone.
        let Ok(whole) = std::fs::read(path) else { continue };
        for bytes in [&whole[..whole.len() / 2], &[0; 20], &[]] {
            std::fs::write(path, bytes).unwrap();
            bench.crash();
            assert_eq!(bench.verify(&secret, &Question::default()), Verdict::Valid);
            bench.ledger.save_usage().unwrap();
            bench.ledger.compact_usage().unwrap();
            bench.points(id, UsageStep::Day);
        }
    }
    std::fs::remove_dir_all(&bench.folder).unwrap();
    std::fs::write(&bench.folder, "a file").unwrap();
    bench.crash();
    assert_eq!(bench.verify(&secret, &Question::default()), Verdict::Valid);
    let failed = bench.ledger.save_usage().unwrap_err().to_string();
    assert!(failed.contains("usage"), "{failed}");
    assert_eq!(bench.points(id, UsageStep::Day).len(), 1);
    // As soon as it is out of the way, what was counted meanwhile is written.
    std::fs::remove_file(&bench.folder).unwrap();
    bench.ledger.save_usage().unwrap();
    bench.crash();
    assert_eq!(bench.points(id, UsageStep::Day).len(), 1);
}
