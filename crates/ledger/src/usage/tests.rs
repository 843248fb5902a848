//! The files, where a crash or a full disk comes between two steps.

use std::path::Path;
use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{KeyId, Timestamp, Verdict};

use super::*;
use crate::testing::{ManualClock, draft, open, owner};
use crate::write::request::RequestOptions;

async fn keys(count: usize) -> (crate::Ledger, Vec<KeyId>) {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let ledger = open(&log, &ManualClock::new());
    let mut keys = Vec::new();
    for _ in 0..count {
        let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
        keys.push(made.key.key.id);
    }
    (ledger, keys)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn opened(folder: &Path, table: &KeyTable) -> Usage {
    Usage::open(UsageOptions { folder: Some(folder.to_owned()), days: 90 }, table)
}

/// What a key was counted in all.
fn total(usage: &Usage, table: &KeyTable, key: KeyId) -> u64 {
    let days = (20_000, 22_000);
    let counts = usage.of(SeriesId::of_key(key), days, table);
    (days.0..=days.1).flat_map(|day| counts.day(day).unwrap().into_values()).sum()
}

/// The steps from the journal to runs, and from runs to one run: a crash after each of them, as the
/// files would be left, counts nothing twice and loses nothing.
#[tokio::test]
async fn a_crash_between_two_steps_counts_nothing_twice() {
    let (ledger, keys) = keys(3).await;
    let table = &ledger.state().table;
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("usage");
    let (before, after) = (at("2026-11-30T23:59:59Z"), at("2026-12-01T00:00:01Z"));
    let usage = opened(&folder, table);
    for (key, now) in [(keys[0], before), (keys[1], before), (keys[0], after)] {
        usage.count(Verdict::Valid, Some((key, now)));
    }
    usage.save(table, before, true).unwrap();
    let journal = folder.join("journal-0000000000");
    let bytes = std::fs::read(&journal).unwrap();
    // Into two runs: the journal is of two days.
    usage.count(Verdict::Valid, Some((keys[2], after)));
    usage.save(table, after, true).unwrap();
    let names = || {
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let parts = ["part-2026-11-30-0000000000-0000000000", "part-2026-12-01-0000000000-0000000000"];
    assert_eq!(names(), ["journal-0000000001", parts[0], parts[1]]);
    let check = || {
        let usage = opened(&folder, table);
        let totals: Vec<_> = keys.iter().map(|key| total(&usage, table, *key)).collect();
        assert_eq!(totals, [2, 1, 1], "{:?}", names());
    };
    check();
    // The old journal was not removed.
    std::fs::write(&journal, &bytes).unwrap();
    check();
    // The second run was not written yet.
    let second = std::fs::read(folder.join(parts[1])).unwrap();
    std::fs::remove_file(folder.join(parts[1])).unwrap();
    check();
    std::fs::write(folder.join(parts[1]), second).unwrap();
    std::fs::remove_file(&journal).unwrap();
    // The parts of a day that is over were not removed.
    let first = std::fs::read(folder.join(parts[0])).unwrap();
    let usage = opened(&folder, table);
    usage.compact(after, true).unwrap();
    let day = "day-2026-11-30-0000000000-0000000000";
    assert_eq!(names(), [day, "journal-0000000001", "last-0000000000", parts[1]]);
    check();
    std::fs::write(folder.join(parts[0]), first).unwrap();
    check();
}

#[tokio::test]
async fn on_a_full_disk_counts_wait_in_memory() {
    let (ledger, keys) = keys(1).await;
    let table = &ledger.state().table;
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("usage");
    let now = at("2026-11-30T12:00:00Z");
    let usage = opened(&folder, table);
    usage.save(table, now, false).unwrap();
    for hour in 0..50 {
        let now = now.plus_secs(hour * 3_600);
        usage.count(Verdict::Valid, Some((keys[0], now)));
        assert!(usage.save(table, now, false).is_err());
    }
    assert_eq!(usage.stats().unwritten, 150);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    let now = now.plus_secs(50 * 3_600);
    usage.save(table, now, true).unwrap();
    assert_eq!((usage.stats().unwritten, total(&usage, table, keys[0])), (0, 50));
    let again = opened(&folder, table);
    assert_eq!(total(&again, table, keys[0]), 50);
    // Of days, hours and a journal, one file each.
    again.save(table, now, true).unwrap();
    again.compact(now, true).unwrap();
    assert_eq!(total(&again, table, keys[0]), 50);
}

/// A journal with very many entries is moved into runs, and a day with very many runs is merged,
/// so that neither memory nor files grow with the number of keys that are used in a short time.
#[tokio::test]
async fn many_keys_in_one_hour_are_moved_out_of_memory() {
    let (ledger, keys) = keys(40).await;
    let table = &ledger.state().table;
    let temporary = tempfile::tempdir().unwrap();
    let now = at("2026-11-30T12:00:00Z");
    let codes = Verdict::ALL.len() - 2;
    let usage = opened(temporary.path(), table);
    for round in 0..12 {
        for verdict in Verdict::ALL {
            for key in &keys {
                usage.count(*verdict, Some((*key, now)));
            }
        }
        usage.save(table, now, true).unwrap();
        usage.compact(now, true).unwrap();
        let counts = usage.counts.lock();
        // Of each key, of their account, and of all.
        let one_round = (40 + 2) * codes;
        assert!(counts.recent.len() <= one_round && counts.runs.len() <= 4, "round {round}");
    }
    assert_eq!(usage.stats().verdicts, [12 * 40; Verdict::ALL.len()]);
    let sum = 12 * codes as u64;
    for key in &keys {
        assert_eq!(total(&usage, table, *key), sum);
    }
    let again = opened(temporary.path(), table);
    assert_eq!(total(&again, table, keys[7]), sum);
}

/// The bytes of every file, by name.
fn lengths(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut lengths: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    lengths.sort();
    lengths
}

/// However many keys were used before, a save appends what changed, and without a change nothing.
#[tokio::test]
async fn what_is_written_is_what_changed() {
    let (ledger, keys) = keys(30).await;
    let table = &ledger.state().table;
    let temporary = tempfile::tempdir().unwrap();
    let now = at("2026-11-30T12:00:00Z");
    let usage = opened(temporary.path(), table);
    for key in &keys {
        usage.count(Verdict::Revoked, Some((*key, now)));
    }
    usage.save(table, now, true).unwrap();
    let before = lengths(temporary.path());
    let [(journal, all)] = before.as_slice() else { panic!("{before:?}") };
    for second in 1..100 {
        usage.save(table, now.plus_secs(second), true).unwrap();
        usage.compact(now.plus_secs(second), true).unwrap();
    }
    assert_eq!(lengths(temporary.path()), before, "nothing happened");
    usage.count(Verdict::Revoked, Some((keys[3], now)));
    usage.save(table, now, true).unwrap();
    let after = lengths(temporary.path());
    // A key, its account, and all.
    let appended = after[0].1 - all;
    assert!(after[0].0 == *journal && (1..=8 + 3 * 24).contains(&appended), "{after:?}");
}

/// A kill in the middle of a save loses what it was writing, and nothing else; what was left behind
/// is cut off, and the next start has nothing to say of it.
#[tokio::test]
async fn a_torn_save_loses_what_it_wrote() {
    let (ledger, keys) = keys(2).await;
    let table = &ledger.state().table;
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("journal-0000000000");
    let now = at("2026-11-30T12:00:00Z");
    let usage = opened(temporary.path(), table);
    usage.count(Verdict::Revoked, Some((keys[0], now)));
    usage.save(table, now, true).unwrap();
    let first = std::fs::read(&path).unwrap();
    usage.count(Verdict::Revoked, Some((keys[1], now)));
    usage.save(table, now, true).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in first.len()..whole.len() {
        std::fs::write(&path, &whole[..at]).unwrap();
        let usage = opened(temporary.path(), table);
        assert_eq!(keys.iter().map(|key| total(&usage, table, *key)).sum::<u64>(), 1, "{at}");
        assert_eq!(std::fs::read(&path).unwrap(), first, "{at}");
    }
    // The next save goes on from there.
    let usage = opened(temporary.path(), table);
    usage.count(Verdict::Revoked, Some((keys[1], now)));
    usage.save(table, now, true).unwrap();
    let usage = opened(temporary.path(), table);
    assert_eq!([0, 1].map(|key| total(&usage, table, keys[key])), [1, 1]);
}

/// A file with the name of a journal that is none stays where it is, whatever is written beside it.
#[tokio::test]
async fn a_foreign_file_is_left_as_it_is() {
    let (ledger, keys) = keys(1).await;
    let table = &ledger.state().table;
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("journal-0000000007");
    std::fs::write(&path, "of something else").unwrap();
    let now = at("2026-11-30T12:00:00Z");
    for hour in 0..3 {
        let now = now.plus_secs(hour * 3_600);
        let usage = opened(temporary.path(), table);
        usage.count(Verdict::Revoked, Some((keys[0], now)));
        usage.save(table, now, true).unwrap();
        assert_eq!(total(&usage, table, keys[0]), hour + 1);
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"of something else");
}
