//! Every bit that decides how sled opens is flipped, one at a time: a refusal, or what a read finds,
//! or nothing; never a panic, a wait without end, or another log.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::tempdir;

use super::{append, copy, files_of, length, numbered, open, used_bytes};
use crate::{
    Log, Seq,
    conforms::cases::Dice,
    sled::{Options, SledLog, folder::wait_until_free},
};

/// Flips a bit of each place of a file, in a copy of the folder each time, and has it opened.
fn flip_each(
    folder: &Path,
    file: &Path,
    places: impl Iterator<Item = usize>,
    open: fn(&Path) -> Result<(), String>,
) {
    let whole = fs::read(folder.join(file)).unwrap();
    for at in places {
        let work = tempdir().unwrap();
        let copied = work.path().join("copy");
        copy(folder, &copied);
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(copied.join(file), flipped).unwrap();
        let (done, came) = mpsc::channel();
        thread::spawn(move || {
            let came = catch_unwind(AssertUnwindSafe(|| open(&copied)));
            let _ = done.send(came.unwrap_or_else(|_| Err("it panicked".to_owned())));
        });
        let came = came.recv_timeout(Duration::from_secs(60));
        assert_eq!(came, Ok(Ok(())), "byte {at} of `{}`", file.display());
    }
}

/// The files of a folder that sled believes, but for its log.
fn small_files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name == "conf" || name.starts_with("snap.")).collect()
}

/// As many records as [`used`] makes.
const RECORDS: u64 = 540;

/// A log of three runs: a snapshot, a tail behind it, and pages that were written more than once.
fn used(dir: &Path) {
    for run in 0..3 {
        let log = open(dir);
        for n in 0..6 {
            append(&log, &numbered((run * 6 + n) * 30, 30));
        }
        log.close().unwrap();
    }
}

/// Refused and left as it was, or all of it is there, or a read says what is not.
fn open_log(dir: &Path) -> Result<(), String> {
    let before = files_of(dir);
    match SledLog::open(&Options::new(dir)) {
        Err(_) if files_of(dir) == before => Ok(()),
        Err(error) => Err(format!("changed, and then refused: {error}")),
        Ok(log) => match (log.check(&mut |_| ()), log.read(Seq(0), usize::MAX)) {
            (Ok(_), Ok(read)) if read.len() as u64 != RECORDS => Err(format!("{}", read.len())),
            (Ok(_), Ok(_)) if length(&log) != Seq(RECORDS) => Err(length(&log).to_string()),
            _ => Ok(()),
        },
    }
}

#[test]
fn a_flipped_bit_makes_no_panic_and_no_other_log() {
    let dir = tempdir().unwrap();
    used(dir.path());
    let log = dir.path().join("log");
    // sled's threads may still be at it for a moment: they write and rename files.
    assert!(wait_until_free(&log).unwrap());
    let db = used_bytes(&fs::read(log.join("db")).unwrap());
    flip_each(dir.path(), Path::new("log/db"), (0..64).chain((64..db).step_by(3_989)), open_log);
    for name in small_files(&log) {
        let file = Path::new("log").join(name);
        let length = fs::read(dir.path().join(&file)).unwrap().len();
        flip_each(dir.path(), &file, 0..length, open_log);
    }
}

/// Small segments, so that there are many of them, some freed and some used again.
const SEGMENT: usize = 4_096;

fn config(dir: &Path) -> sled::Config {
    sled::Config::new().path(dir).flush_every_ms(None).segment_size(SEGMENT)
}

/// A database with pages of all kinds, in many segments.
fn database(dir: &Path) {
    let mut dice = Dice(0xF11B);
    for _ in 0..3 {
        let db = config(dir).open().unwrap();
        for _ in 0..150 {
            let key = dice.roll(200).to_be_bytes();
            if dice.roll(5) == 0 {
                db.remove(key).unwrap();
            } else {
                db.insert(key, vec![3; usize::try_from(dice.roll(250)).unwrap()]).unwrap();
            }
            db.flush().unwrap();
        }
        drop(db);
        // sled lets go of its file late: its threads write and rename for a moment more.
        assert!(wait_until_free(dir).unwrap());
    }
}

/// What sled does with it, without the survey and the guard in front.
fn open_database(dir: &Path) -> Result<(), String> {
    if let Ok(db) = config(dir).open() {
        for number in 0..200_u64 {
            let _ = db.get(number.to_be_bytes());
        }
        let read = db.iter().take(1_000).flatten().count();
        if read > 200 {
            return Err(format!("{read} values of 200"));
        }
        let _ = db.range::<[u8; 1], _>(..).next_back();
        let _ = db.insert(b"more", vec![1; 100]).and_then(|_| db.flush());
    }
    Ok(())
}

#[test]
fn a_flipped_bit_makes_sled_neither_panic_nor_wait() {
    let dir = tempdir().unwrap();
    database(dir.path());
    let db = used_bytes(&fs::read(dir.path().join("db")).unwrap());
    let headers = (0..db).step_by(SEGMENT).flat_map(|at| [at, at + 7, at + 16, at + 22, at + 24]);
    let places = headers.chain((64..db).step_by(631)).filter(|at| *at < db);
    flip_each(dir.path(), Path::new("db"), places, open_database);
    for name in small_files(dir.path()) {
        let length = fs::read(dir.path().join(&name)).unwrap().len();
        flip_each(dir.path(), Path::new(&name), 0..length, open_database);
    }
}
