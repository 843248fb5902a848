//! Guards against what sled does, each told as the story it prevents.

use std::{fs, io, sync::mpsc, thread, time::Duration};

use tempfile::tempdir;

use super::{append, length, numbered, open};
use crate::{
    AppendError, Extra, Log, MAX_EXTRA, MAX_RECORD, Seq,
    sled::{
        OpenError, Options, SledLog, ballast,
        guard::{self, GuardKeeper, Mark, Opened},
        open::despite_full_disk,
    },
};

/// sled's `flush` is not enough for a power cut, and no test without one can see that. So the
/// calls are counted.
#[test]
#[cfg(not(feature = "flush-only"))]
fn every_append_is_synced_by_us_before_it_returns() {
    let dir = tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..10 {
        let before = log.engine().store().syncs();
        append(&log, &numbered(n, 1));
        assert_eq!(log.engine().store().syncs(), before + 1);
    }
    let before = log.engine().store().syncs();
    append(&log, &vec![vec![1; 5_000]; 200]);
    assert_eq!(log.engine().store().syncs(), before + 4, "a long append is more than one step");
}

/// sled never syncs `blobs/`.
#[test]
fn the_longest_values_do_not_become_blobs() {
    let dir = tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..40_u8 {
        let extra = |half| Extra { key: vec![n, half], value: vec![n; MAX_EXTRA] };
        let records = vec![vec![n; MAX_RECORD]; 20];
        log.append(length(&log), &records, &[extra(0), extra(1)]).unwrap();
    }
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.check(&mut |_| ()).unwrap().records, Seq(800));
    assert_eq!(fs::read_dir(dir.path().join("log/blobs")).unwrap().count(), 0);
}

/// A crash while sled wrote a snapshot; without the guard sled finds it corrupt, for ever.
#[test]
fn a_torn_snapshot_does_not_keep_a_log_from_opening() {
    let dir = tempdir().unwrap();
    let log = open(dir.path());
    append(&log, &numbered(0, 30));
    log.close().unwrap();
    drop(log);
    let torn = dir.path().join("log/snap.0000000000FFFFFF.generating");
    fs::write(&torn, "half of a snapsh").unwrap();
    let log = open(dir.path());
    assert_eq!(length(&log), Seq(30));
    assert!(!torn.exists());
}

/// sled takes a full disk for damage, in the middle of a write.
#[test]
fn a_full_disk_refuses_appends_and_breaks_nothing() {
    let dir = tempdir().unwrap();
    let options = Options { reserve_bytes: u64::MAX / 2, ..Options::new(dir.path()) };
    let log = SledLog::open(&options).unwrap();
    let refused = log.append(Seq(0), &numbered(0, 3), &[]);
    assert!(matches!(refused, Err(AppendError::Full { .. })));
    assert!(log.health().is_ok());
    assert!(log.read(Seq(0), 10).unwrap().is_empty());
    log.close().unwrap();
}

/// sled needs room to open. Only a full disk costs the ballast.
#[test]
fn the_ballast_is_dropped_to_open_on_a_full_disk() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("ballast");
    ballast::restore(dir.path());
    let whole = fs::metadata(&path).unwrap().len();
    assert!(whole >= 8 << 20);
    let error = |kind: io::ErrorKind| OpenError::io(dir.path(), kind.into());
    let full = || error(io::ErrorKind::StorageFull);
    let opened =
        despite_full_disk(dir.path(), || if path.exists() { Err(full()) } else { Ok("open") });
    assert_eq!(opened.unwrap(), "open");
    let still: Result<(), _> = despite_full_disk(dir.path(), || Err(full()));
    assert!(matches!(still, Err(OpenError::Full { .. })));
    ballast::restore(dir.path());
    let other = || Err(error(io::ErrorKind::NotFound));
    let failed: Result<(), _> = despite_full_disk(dir.path(), other);
    assert!(matches!(failed, Err(OpenError::Storage { .. })));
    assert!(path.exists());
}

#[test]
fn an_open_log_has_its_ballast() {
    let dir = tempdir().unwrap();
    drop(open(dir.path()));
    fs::remove_file(dir.path().join("ballast")).unwrap();
    drop(open(dir.path()));
    assert!(dir.path().join("ballast").exists());
}

#[test]
fn the_guard_is_never_ahead_of_the_log_and_exact_after_a_clean_stop() {
    let dir = tempdir().unwrap();
    let log = open(dir.path());
    let remembered = || guard::read(&dir.path().join("guard")).unwrap().unwrap().end.length;
    let mut last = remembered();
    for n in 0..200 {
        append(&log, &numbered(n, 1));
        // Read before the length: whatever it says is there already.
        let now = remembered();
        assert!(last <= now && now <= length(&log));
        last = now;
    }
    log.close().unwrap();
    assert_eq!(remembered(), Seq(200));
}

#[test]
fn the_guard_is_kept_while_the_log_is_open_and_writing_it_costs_no_append() {
    let dir = tempdir().unwrap();
    let log = open(dir.path());
    append(&log, &numbered(0, 5));
    let path = dir.path().join("guard");
    let remembered = || guard::read(&path).unwrap().unwrap().end.length;
    // The first one is written at once, by its own thread.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while remembered() != Seq(5) {
        assert!(std::time::Instant::now() < deadline);
        thread::yield_now();
    }
}

#[test]
fn a_guard_reads_back_and_a_changed_one_does_not() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("guard");
    let opened = Opened { length: Seq(3), snapshot: "snap.00000000000001F4".into() };
    let end = crate::store::End { length: Seq(9), hash: crate::frame::FrameHash([0xA5; 32]) };
    let mark = Mark { end, opened: opened.clone(), seal: None };
    drop(GuardKeeper::start(path.clone(), (end, opened), None).unwrap());
    let text = fs::read_to_string(&path).unwrap();
    let hash = "a5".repeat(32);
    assert_eq!(
        text,
        format!(
            "keyledger guard v1\nlength 9\nframe {hash}\nopened 3\nsnapshot snap.00000000000001F4\n"
        )
    );
    assert_eq!(guard::decode(text.as_bytes()).unwrap(), mark);
    for cut in 0..text.len() {
        assert!(guard::decode(&text.as_bytes()[..cut]).is_none());
    }
    let sealed = Mark { seal: Some("a\n\nseal \u{2014}\n".into()), ..mark };
    assert_eq!(guard::decode(&guard::encode(&sealed)).unwrap(), sealed);
    for wrong in [
        text.replace(" 9", " 09"),
        text.replace("a5", "A5"),
        format!("{text}\n"),
        format!("{text}seal"),
    ] {
        assert!(guard::decode(wrong.as_bytes()).is_none(), "{wrong}");
    }
}

/// sled lets go of its file some time after it was dropped. Here somebody holds it just as long as
/// it takes to see that opening waits.
#[test]
fn opening_waits_for_sled_to_let_go_of_its_file() {
    let dir = tempdir().unwrap();
    drop(open(dir.path()));
    let held = fs::File::open(dir.path().join("log/db")).unwrap();
    held.lock().unwrap();
    thread::scope(|scope| {
        let (done, opened) = mpsc::channel();
        scope.spawn(move || done.send(SledLog::open(&Options::new(dir.path())).map(|_| ())));
        let early = opened.recv_timeout(Duration::from_millis(100));
        assert!(early.is_err(), "{early:?}");
        drop(held);
        opened.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
    });
}
