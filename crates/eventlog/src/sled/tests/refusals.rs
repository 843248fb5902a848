//! Directories that are not opened, and are left as they were.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use tempfile::tempdir;

use super::{append, copy, files_of, length, numbered, open};
use crate::{
    Log, Seq, files,
    sled::{OpenError, Options, SledLog},
};

/// Opens, and sees that a refusal left everything as it was.
fn refused(dir: &Path) -> OpenError {
    let before = files_of(dir);
    let error = SledLog::open(&Options::new(dir)).unwrap_err();
    assert_eq!(before, files_of(dir), "{error}");
    let message = error.to_string();
    assert!(message.contains(&*dir.to_string_lossy()), "{message}");
    error
}

fn used(dir: &Path) {
    let log = open(dir);
    append(&log, &numbered(0, 50));
    log.close().unwrap();
}

#[test]
fn a_directory_of_another_version_is_refused() {
    let dir = tempdir().unwrap();
    used(dir.path());
    fs::write(dir.path().join("FORMAT"), "keyledger data v2\n").unwrap();
    let error = refused(dir.path());
    assert!(
        matches!(&error, OpenError::OtherVersion { found, .. } if found == "keyledger data v2")
    );
    for other in ["", "keyledger data v1", "PostgreSQL 17\n"] {
        fs::write(dir.path().join("FORMAT"), other).unwrap();
        refused(dir.path());
    }
}

#[test]
fn a_foreign_directory_is_refused() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Foreign { .. }));
    let file = dir.path().join("thesis.tex");
    let error = SledLog::open(&Options::new(&file)).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }));
    let sled = tempdir().unwrap();
    fs::create_dir(sled.path().join("log")).unwrap();
    assert!(matches!(refused(sled.path()), OpenError::Foreign { .. }));
}

/// It was called somebody else's directory.
#[test]
fn a_log_that_lost_its_format_is_said_to_have() {
    let dir = tempdir().unwrap();
    used(dir.path());
    fs::remove_file(dir.path().join("FORMAT")).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::NoFormat { .. }), "{error}");
    let looked = SledLog::open_read_only(&Options::new(dir.path()));
    assert!(matches!(looked, Err(OpenError::NoFormat { .. })), "{looked:?}");
    fs::write(dir.path().join("FORMAT"), "keyledger data v1\n").unwrap();
    assert_eq!(length(&open(dir.path())), Seq(50));
}

/// A limit of the process was called a damaged file, and a full disk a broken one.
#[test]
fn what_the_system_refuses_is_said_as_what_it_is() {
    let path = Path::new("/data/guard");
    for (number, words) in [
        (24, "no more open files"),
        (23, "no more open files"),
        (12, "no more memory"),
        (11, "no more threads"),
        (28, "is full"),
        (122, "is full"),
        (13, "may not be read"),
        (30, "may not be read"),
        (5, "look at the disk"),
    ] {
        let error = || std::io::Error::from_raw_os_error(number);
        let sled = sled::Error::Io(error());
        for error in [
            OpenError::io(path, error()),
            OpenError::cause(path, Arc::new(error())),
            OpenError::cause(path, Arc::new(sled)),
        ] {
            let message = error.to_string();
            assert!(
                message.contains(words) && message.contains("/data/guard"),
                "{number}: {message}"
            );
            assert!(!message.contains("backup"), "{number}: {message}");
        }
    }
}

#[test]
fn the_files_of_a_first_start_are_not_foreign() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("token.key"), "secret").unwrap();
    fs::write(dir.path().join(".token.key.aside"), "sec").unwrap();
    fs::write(dir.path().join(".FORMAT.aside"), "keyle").unwrap();
    let log = open(dir.path());
    append(&log, &numbered(0, 3));
    assert_eq!(fs::read(dir.path().join("token.key")).unwrap(), b"secret");
}

#[test]
fn a_first_start_may_crash_after_any_step() {
    let whole = tempdir().unwrap();
    drop(open(whole.path()));
    // FORMAT; sled's folder; its settings, torn; its file, still empty; all but the guard.
    for step in 0..5 {
        let dir = tempdir().unwrap();
        let dir = dir.path().join("deep/data");
        fs::create_dir_all(&dir).unwrap();
        fs::copy(whole.path().join("FORMAT"), dir.join("FORMAT")).unwrap();
        match step {
            0 => {}
            1 => fs::create_dir_all(dir.join("log/blobs")).unwrap(),
            2 | 3 => {
                fs::create_dir_all(dir.join("log/blobs")).unwrap();
                fs::write(dir.join("log/conf"), [0; 40]).unwrap();
                if step == 3 {
                    fs::write(dir.join("log/db"), []).unwrap();
                }
            }
            _ => {
                copy(whole.path(), &dir);
                fs::remove_file(dir.join("guard")).unwrap();
            }
        }
        let log = open(&dir);
        append(&log, &numbered(0, 3));
        log.close().unwrap();
        drop(log);
        assert_eq!(length(&open(&dir)), Seq(3), "step {step}");
    }
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempdir().unwrap();
    let log = open(dir.path());
    append(&log, &numbered(0, 3));
    let error = SledLog::open(&Options::new(dir.path())).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    append(&log, &numbered(3, 3));
}

#[test]
fn a_log_is_opened_again_as_soon_as_it_is_dropped() {
    let dir = tempdir().unwrap();
    for n in 0..20 {
        let log = open(dir.path());
        assert_eq!(length(&log), Seq(n * 5));
        append(&log, &numbered(n * 5, 5));
    }
}

#[test]
fn a_log_shorter_than_its_guard_is_refused_unless_the_rollback_is_accepted() {
    let (dir, older) = (tempdir().unwrap(), tempdir().unwrap());
    used(dir.path());
    copy(dir.path(), older.path());
    let log = open(dir.path());
    append(&log, &numbered(50, 7));
    log.close().unwrap();
    // A backup from before, and the guard of today.
    fs::copy(dir.path().join("guard"), older.path().join("guard")).unwrap();
    let error = refused(older.path());
    assert!(
        matches!(error, OpenError::ShorterThanGuard { length: Seq(50), guard: Seq(57), .. }),
        "{error}"
    );
    let options = Options { accept_rollback: true, ..Options::new(older.path()) };
    let log = SledLog::open(&options).unwrap();
    assert_eq!(length(&log), Seq(50));
    log.close().unwrap();
    drop(log);
    assert_eq!(length(&open(older.path())), Seq(50));
}

#[test]
fn another_log_than_the_guards_is_refused() {
    let (one, other) = (tempdir().unwrap(), tempdir().unwrap());
    used(one.path());
    let log = open(other.path());
    append(&log, &numbered(1, 60));
    log.close().unwrap();
    drop(log);
    fs::copy(one.path().join("guard"), other.path().join("guard")).unwrap();
    let error = refused(other.path());
    assert!(matches!(error, OpenError::OtherThanGuard { guard: Seq(50), .. }), "{error}");
}

#[test]
fn a_log_without_its_guard_is_refused() {
    let dir = tempdir().unwrap();
    used(dir.path());
    fs::remove_file(dir.path().join("guard")).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::NoGuard { .. }));
    fs::write(dir.path().join("guard"), "keyledger guard v1\nlength 50\n").unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn the_guard_may_be_elsewhere_and_then_it_notices_a_rollback_of_the_whole_directory() {
    let (dir, older, volume) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let guard = Some(volume.path().join("ledger.guard"));
    let options = |dir: &Path| Options { guard: guard.clone(), ..Options::new(dir) };
    let log = SledLog::open(&options(dir.path())).unwrap();
    append(&log, &numbered(0, 5));
    log.close().unwrap();
    copy(dir.path(), older.path());
    drop(log);
    let log = SledLog::open(&options(dir.path())).unwrap();
    append(&log, &numbered(5, 5));
    log.close().unwrap();
    assert!(!dir.path().join("guard").exists());
    let error = SledLog::open(&options(older.path())).unwrap_err();
    assert!(matches!(error, OpenError::ShorterThanGuard { .. }), "{error}");
}

#[test]
fn a_directory_with_blobs_is_refused() {
    let dir = tempdir().unwrap();
    used(dir.path());
    fs::write(dir.path().join("log/blobs/17"), "never synced").unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn damaged_settings_or_snapshots_are_refused() {
    let dir = tempdir().unwrap();
    used(dir.path());
    used_again(dir.path());
    let log = dir.path().join("log");
    let snapshot = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let mut snapshot = snapshot.filter(|path| path.to_string_lossy().contains("snap."));
    for path in [log.join("conf"), snapshot.next().unwrap()] {
        let right = fs::read(&path).unwrap();
        let mut wrong = right.clone();
        wrong[5] ^= 4;
        for wrong in [wrong, right[..right.len() / 2].to_vec()] {
            fs::write(&path, &wrong).unwrap();
            assert!(matches!(refused(dir.path()), OpenError::Damaged { .. }), "{path:?}");
        }
        fs::write(&path, &right).unwrap();
    }
    assert_eq!(length(&open(dir.path())), Seq(60));
}

fn used_again(dir: &Path) {
    let log = open(dir);
    append(&log, &numbered(50, 10));
    log.close().unwrap();
}

#[test]
fn what_may_not_be_read_is_said_to_be_so() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("data");
    used(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let opened = SledLog::open(&Options::new(&path));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    // The superuser may read everything.
    assert!(matches!(opened, Ok(_) | Err(OpenError::Denied { .. })), "{opened:?}");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("token.key");
    fs::write(dir.path().join(".token.key.aside"), "of a crash").unwrap();
    files::write_new(&path, b"secret").unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!((fs::read(&path).unwrap().as_slice(), mode & 0o777), (b"secret".as_slice(), 0o600));
    let again = files::write_new(&path, b"other").unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    files::replace(&path, b"third").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"third");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
