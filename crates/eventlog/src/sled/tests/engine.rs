//! What was mended in sled itself (`vendor/sled/CHANGES.md`), without the guards around it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use sled::{Batch, Db, FailingDisk, Writes};
use tempfile::TempDir;

use super::{copy, files_of, used_bytes};
use crate::{frame::FrameHash, sled::folder::wait_until_free};

/// How many values are written before anything fails: some segments of 512 KiB.
const VALUES: u64 = 2_000;

fn config(dir: &Path, failing: &FailingDisk) -> sled::Config {
    sled::Config::new().path(dir).flush_every_ms(None).failing_disk(failing.clone())
}

/// A database that was used in two runs, so that it has a snapshot and a tail behind it; and how many
/// values it holds.
///
/// It is cut as by a crash. Mostly that takes the last value; once it took ten, because what is written
/// last depends on sled's threads.
fn database() -> (TempDir, u64) {
    let dir = tempfile::tempdir().unwrap();
    for (from, to) in [(0, VALUES / 2), (VALUES / 2, VALUES)] {
        let db = config(dir.path(), &FailingDisk::default()).open().unwrap();
        for number in from..to {
            db.insert(number.to_be_bytes(), vec![7; 800]).unwrap();
        }
        db.flush().unwrap();
        drop(db);
        // sled lets go of its file late: its threads write and rename for a moment more.
        assert!(wait_until_free(dir.path()).unwrap());
    }
    // As a crash leaves it: the file ends in the middle of a write.
    let path = dir.path().join("db");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..used_bytes(&bytes) - 100]).unwrap();
    let whole = tempfile::tempdir().unwrap();
    copy(dir.path(), whole.path());
    let held = values(&config(whole.path(), &FailingDisk::default()).open().unwrap());
    assert!((VALUES - 50..VALUES).contains(&held), "{held}");
    (dir, held)
}

fn values(db: &Db) -> u64 {
    db.iter().map(|pair| pair.map(|_| 1).unwrap()).sum()
}

/// It was the end of the log, and what came behind it was overwritten with zeros.
#[test]
fn a_read_that_fails_while_sled_opens_is_an_error_and_loses_nothing() {
    let (whole, held) = database();
    let counted = FailingDisk::default();
    {
        let dir = tempfile::tempdir().unwrap();
        copy(whole.path(), dir.path());
        drop(config(dir.path(), &counted).open().unwrap());
    }
    let reads = counted.reads_done.load(Ordering::SeqCst);
    assert!(reads > 5, "only {reads} reads");
    for read in 0..reads {
        let dir = tempfile::tempdir().unwrap();
        copy(whole.path(), dir.path());
        let failing = FailingDisk { read: Some(read), ..FailingDisk::default() };
        // A page may be read in another order by sled's threads; an error is an error.
        let error = config(dir.path(), &failing).open().err();
        assert!(matches!(error, Some(sled::Error::Io(_))), "read {read}: {error:?}");
        // sled lets go of its file a little later; what is copied is at rest.
        assert!(wait_until_free(dir.path()).unwrap());
        let again = tempfile::tempdir().unwrap();
        copy(dir.path(), again.path());
        let db = config(again.path(), &FailingDisk::default()).open().unwrap();
        assert_eq!(values(&db), held, "after read {read} failed");
    }
}

/// Whoever waited for a buffer that another thread failed to write was never woken: the buffer of
/// a batch's manifest is handed to such a thread by the reservation that is the last to leave it.
#[test]
fn a_write_that_fails_wakes_whoever_waits_for_it() {
    for round in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let failing = FailingDisk { write: Some(4 + round), ..FailingDisk::default() };
        let db = config(dir.path(), &failing).open().unwrap();
        let (done, waiting) = mpsc::channel();
        thread::spawn(move || {
            let error = (0..1_000_u64).find_map(|value| {
                let mut batch = Batch::default();
                for part in 0..4_u64 {
                    batch.insert([value, part].map(u64::to_be_bytes).concat(), vec![1; 2_000]);
                }
                db.apply_batch(batch).and_then(|()| db.flush()).err()
            });
            done.send(error.is_some()).unwrap();
        });
        let failed = waiting.recv_timeout(Duration::from_secs(20));
        assert_eq!(failed, Ok(true), "round {round}: somebody waits for ever");
    }
}

/// Opens a copy, and says what is in its folder then. sled lets go of its file a little later.
fn opened((whole, held): (&Path, u64), writes: Writes) -> (TempDir, BTreeMap<PathBuf, FrameHash>) {
    let dir = tempfile::tempdir().unwrap();
    copy(whole, dir.path());
    let before = files_of(dir.path());
    let db = config(dir.path(), &FailingDisk::default()).writes(writes).open().unwrap();
    assert_eq!(values(&db), held);
    if writes != Writes::Through {
        assert_eq!(files_of(dir.path()), before);
    }
    assert_eq!(db.release().is_ok(), writes != Writes::Never);
    assert_eq!(values(&db), held);
    let after = files_of(dir.path());
    assert_eq!(after == before, writes == Writes::Never);
    let after = after.into_iter();
    let named = after.map(|(path, hash)| (path.strip_prefix(dir.path()).unwrap().into(), hash));
    let named = named.collect();
    (dir, named)
}

#[test]
fn what_was_set_aside_and_released_is_what_would_have_been_written() {
    let (whole, held) = database();
    let (_through, written) = opened((whole.path(), held), Writes::Through);
    let (aside, released) = opened((whole.path(), held), Writes::Aside);
    assert_eq!(released, written);
    assert!(wait_until_free(aside.path()).unwrap());
    let again = tempfile::tempdir().unwrap();
    copy(aside.path(), again.path());
    assert_eq!(values(&config(again.path(), &FailingDisk::default()).open().unwrap()), held);
    let (_never, untouched) = opened((whole.path(), held), Writes::Never);
    assert_ne!(untouched, written);
}
