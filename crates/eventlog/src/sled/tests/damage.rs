//! Torn, cut and flipped files: refused or healed as designed, never served as the truth.

use std::{fs, path::Path};

use tempfile::tempdir;

use super::{append, copy, files_of, length, numbered, open, used_bytes};
use crate::{
    Log, Seq,
    conforms::cases::Dice,
    sled::{OpenError, Options, SledLog},
};

/// What came of a damaged directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    /// Not opened, and every byte is as it was.
    Refused,
    /// Opened, and a read or the check says where it is damaged.
    Found,
    /// Opened with everything, or with all but the last append.
    Sound,
}

/// Opens a damaged directory whose log had these records; at least `guarded` must be there.
fn outcome(dir: &Path, records: &[Vec<u8>], guarded: usize) -> Outcome {
    let before = files_of(dir);
    let log = match SledLog::open(&Options::new(dir)) {
        Ok(log) => log,
        Err(error) => {
            let after = files_of(dir);
            let changed: Vec<_> =
                after.iter().filter(|(path, bytes)| before.get(*path) != Some(*bytes)).collect();
            let changed: Vec<_> = changed.iter().map(|(path, _)| path).collect();
            assert!(changed.is_empty() && before.len() == after.len(), "{error}: {changed:?}");
            assert!(matches!(
                error,
                OpenError::Damaged { .. }
                    | OpenError::ShorterThanGuard { .. }
                    | OpenError::OtherThanGuard { .. }
            ));
            return Outcome::Refused;
        }
    };
    let checked = log.check(&mut |_| ());
    let read = log.read(Seq(0), usize::MAX);
    let (Ok(_), Ok(read)) = (checked, read) else { return Outcome::Found };
    assert!(read.len() >= guarded, "{} of {guarded}", read.len());
    assert!(read.iter().map(|record| &record.bytes).eq(&records[..read.len()]));
    Outcome::Sound
}

/// A directory of a log that was opened and closed twice, and its records.
fn stopped(dir: &Path) -> Vec<Vec<u8>> {
    for run in 0..2 {
        let log = open(dir);
        for n in 0..30 {
            append(&log, &numbered((run * 30 + n) * 20, 20));
        }
        log.close().unwrap();
    }
    numbered(0, 1_200)
}

#[test]
fn a_cut_file_is_refused() {
    let (dir, work) = (tempdir().unwrap(), tempdir().unwrap());
    let records = stopped(dir.path());
    let db = fs::read(dir.path().join("log/db")).unwrap();
    for (n, permille) in [0, 1, 200, 400, 600, 700, 800, 900, 990].into_iter().enumerate() {
        let copied = work.path().join(n.to_string());
        copy(dir.path(), &copied);
        fs::write(copied.join("log/db"), &db[..used_bytes(&db) * permille / 1_000]).unwrap();
        let outcome = outcome(&copied, &records, records.len());
        assert_eq!(outcome, Outcome::Refused, "{permille}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused_found_or_harmless() {
    let (dir, work) = (tempdir().unwrap(), tempdir().unwrap());
    let records = stopped(dir.path());
    let db = fs::read(dir.path().join("log/db")).unwrap();
    let mut dice = Dice(0x5EED);
    let mut refused = 0;
    for n in 0..80_u64 {
        let copied = work.path().join(n.to_string());
        copy(dir.path(), &copied);
        let mut damaged = db.clone();
        let at = if n < 40 { n } else { dice.roll(u64::try_from(used_bytes(&db)).unwrap()) };
        damaged[usize::try_from(at).unwrap()] ^= 1 << dice.roll(8);
        fs::write(copied.join("log/db"), damaged).unwrap();
        let outcome = outcome(&copied, &records, records.len());
        refused += usize::from(outcome == Outcome::Refused);
        fs::remove_dir_all(&copied).unwrap();
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_lost_page_of_the_disk_is_refused_found_or_harmless() {
    let (dir, work) = (tempdir().unwrap(), tempdir().unwrap());
    let records = stopped(dir.path());
    let db = fs::read(dir.path().join("log/db")).unwrap();
    for (n, page) in (0..used_bytes(&db)).step_by(4_096).enumerate() {
        if n % 5 == 1 {
            let copied = work.path().join(n.to_string());
            copy(dir.path(), &copied);
            let mut damaged = db.clone();
            let end = db.len().min(page + 4_096);
            damaged[page..end].fill(0);
            fs::write(copied.join("log/db"), damaged).unwrap();
            outcome(&copied, &records, records.len());
            fs::remove_dir_all(&copied).unwrap();
        }
    }
}

/// Where `db` ends, and what it holds, before and after one more append.
struct Crash {
    dir: tempfile::TempDir,
    records: Vec<Vec<u8>>,
    before: usize,
}

/// A log whose guard is one append behind, as after a `kill -9` within a second.
fn crashed(appends: u64) -> Crash {
    let (running, dir) = (tempdir().unwrap(), tempdir().unwrap());
    let log = open(running.path());
    append(&log, &numbered(0, 20));
    log.close().unwrap();
    drop(log);
    let log = open(running.path());
    let guard = fs::read(running.path().join("guard")).unwrap();
    let before = used_bytes(&fs::read(running.path().join("log/db")).unwrap());
    for n in 0..appends {
        append(&log, &numbered(20 + n * 10, 10));
    }
    copy(running.path(), dir.path());
    fs::write(dir.path().join("guard"), guard).unwrap();
    Crash { dir, records: numbered(0, 20 + appends * 10), before }
}

#[test]
fn a_crash_loses_nothing_that_was_acknowledged() {
    let crash = crashed(7);
    let log = open(crash.dir.path());
    assert_eq!(length(&log), Seq(90));
    let read = log.read(Seq(0), 100).unwrap();
    assert!(read.iter().map(|record| &record.bytes).eq(&crash.records));
}

#[test]
fn the_torn_append_of_a_crash_is_healed_away() {
    let crash = crashed(1);
    let path = crash.dir.path().join("log/db");
    let db = fs::read(&path).unwrap();
    let end = used_bytes(&db);
    assert!(crash.before < end);
    let work = tempdir().unwrap();
    for (n, cut) in (crash.before..end).step_by(97).enumerate() {
        let copied = work.path().join(n.to_string());
        copy(crash.dir.path(), &copied);
        fs::write(copied.join("log/db"), &db[..cut]).unwrap();
        let log = open(&copied);
        assert_eq!(length(&log), Seq(20), "cut at {cut} of {end}");
        append(&log, &numbered(20, 5));
        assert!(log.check(&mut |_| ()).is_ok());
    }
}

/// Damage in front of an append that was acknowledged is no torn write, whatever the guard says.
#[test]
fn damage_before_the_last_append_of_a_crash_is_refused() {
    let crash = crashed(4);
    let path = crash.dir.path().join("log/db");
    let db = fs::read(&path).unwrap();
    let work = tempdir().unwrap();
    let quarter = (used_bytes(&db) - crash.before) / 4;
    for (n, at) in (crash.before..crash.before + 2 * quarter).step_by(61).enumerate() {
        let copied = work.path().join(n.to_string());
        copy(crash.dir.path(), &copied);
        let mut damaged = db.clone();
        damaged[at] ^= 0x10;
        fs::write(copied.join("log/db"), damaged).unwrap();
        assert_eq!(outcome(&copied, &crash.records, 20), Outcome::Refused, "at {at}");
    }
}

/// What looks like a frame inside of a record is not one.
#[test]
fn a_frame_in_a_record_does_not_fool_the_survey() {
    let dir = tempdir().unwrap();
    let log = open(dir.path());
    let fake = crate::frame::Frame {
        first: Seq(1 << 40),
        place: 0,
        number: 1,
        before: crate::frame::FrameHash::default(),
        records: vec![bytes::Bytes::from_static(b"not there")],
    };
    for _ in 0..25 {
        append(&log, &[fake.encode(), vec![1; 100]]);
    }
    log.close().unwrap();
    drop(log);
    for _ in 0..2 {
        assert_eq!(length(&open(dir.path())), Seq(50));
    }
}
