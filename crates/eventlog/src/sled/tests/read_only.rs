//! Looking at a log writes nothing, and a log that is not opened is not written to either.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use tempfile::tempdir;

use super::{append, copy, files_of, length, numbered, open, used_bytes};
use crate::{
    AppendError, Broken, Log, Seq,
    sled::{OpenError, Options, SledLog},
};

/// When every file and folder below a folder was changed last.
fn times_of(dir: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let paths = files_of(dir).into_keys().chain([dir.to_path_buf()]);
    paths.map(|path| (path.clone(), fs::metadata(&path).unwrap().modified().unwrap())).collect()
}

/// A log as a crash leaves it: behind its guard, with a torn end and half a snapshot.
fn crashed(dir: &Path) {
    let running = tempdir().unwrap();
    for run in 0..2 {
        let log = open(running.path());
        append(&log, &numbered(run * 20, 20));
        log.close().unwrap();
    }
    let log = open(running.path());
    append(&log, &numbered(40, 10));
    copy(running.path(), dir);
    let db = fs::read(dir.join("log/db")).unwrap();
    fs::write(dir.join("log/db"), [&db[..used_bytes(&db)], &[7; 300]].concat()).unwrap();
    fs::write(dir.join("log/snap.00000000DEADBEEF.generating"), "half").unwrap();
    fs::remove_file(dir.join("ballast")).unwrap();
}

#[test]
fn looking_at_a_log_changes_nothing() {
    let dir = tempdir().unwrap();
    crashed(dir.path());
    let (files, times) = (files_of(dir.path()), times_of(dir.path()));
    for _ in 0..2 {
        let log = SledLog::open_read_only(&Options::new(dir.path())).unwrap();
        assert_eq!(length(&log), Seq(50));
        assert_eq!(log.read(Seq(0), 100).unwrap().len(), 50);
        assert!(log.check(&mut |_| ()).is_ok());
        assert!((Seq(40)..=Seq(50)).contains(&log.guarded().length));
        let refused = log.append(Seq(50), &numbered(50, 1), &[]);
        assert!(matches!(refused, Err(AppendError::Broken(Broken::Closed))));
        let twice = SledLog::open_read_only(&Options::new(dir.path()));
        assert!(matches!(twice, Err(OpenError::Locked { .. })), "{twice:?}");
        log.close().unwrap();
    }
    assert_eq!((files_of(dir.path()), times_of(dir.path())), (files, times));
    // Whoever opens it to write to it heals it.
    assert_eq!(length(&open(dir.path())), Seq(50));
    assert!(!dir.path().join("log/snap.00000000DEADBEEF.generating").exists());
    assert!(dir.path().join("ballast").exists());
}

#[test]
fn looking_at_what_is_no_log_makes_none() {
    let dir = tempdir().unwrap();
    let missing = dir.path().join("missing");
    for path in [missing.as_path(), dir.path()] {
        assert!(SledLog::open_read_only(&Options::new(path)).is_err());
    }
    assert!(!missing.exists() && fs::read_dir(dir.path()).unwrap().next().is_none());
    // A first start that crashed has a log of no records.
    fs::write(dir.path().join("FORMAT"), "keyledger data v1\n").unwrap();
    assert_eq!(length(&SledLog::open_read_only(&Options::new(dir.path())).unwrap()), Seq(0));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// It was only found when sled had written what it does on opening.
#[test]
fn a_directory_that_is_refused_is_not_made() {
    let (dir, guard) = (tempdir().unwrap(), tempdir().unwrap());
    let options = Options {
        guard: Some(guard.path().join("guard")),
        ..Options::new(dir.path().join("data"))
    };
    let log = SledLog::open(&options).unwrap();
    append(&log, &numbered(0, 20));
    log.close().unwrap();
    drop(log);
    fs::remove_dir_all(&options.dir).unwrap();
    let error = SledLog::open(&options).unwrap_err();
    assert!(matches!(error, OpenError::ShorterThanGuard { .. }), "{error}");
    assert!(!options.dir.exists());
}
