//! A data directory of the first version, which every later one opens, and what is in it.

use std::path::Path;

use tempfile::tempdir;

use super::{append, copy, open};
use crate::{
    Log, Seq,
    sled::{SledLog, guard},
};

/// `schemas/golden/eventlog/data`: never written again.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/golden/eventlog/data");

fn golden_records() -> Vec<Vec<u8>> {
    vec![b"first".to_vec(), Vec::new(), vec![b'x'; 6_000], vec![b'y'; 450], b"last".to_vec()]
}

fn records(log: &SledLog) -> Vec<Vec<u8>> {
    let records = log.read(Seq(0), 100).unwrap();
    records.into_iter().map(|record| record.bytes.to_vec()).collect()
}

#[test]
fn the_golden_data_directory_opens_and_goes_on() {
    let dir = tempdir().unwrap();
    let dir = dir.path().join("data");
    copy(Path::new(GOLDEN), &dir);
    let log = open(&dir);
    assert_eq!(records(&log), golden_records());
    assert_eq!(log.extra(b"tile").unwrap().unwrap(), vec![7; 100]);
    let checked = log.check(&mut |_| ()).unwrap();
    assert_eq!((checked.records, checked.frames, checked.extras), (Seq(5), 4, 1));
    append(&log, &[b"more".to_vec()]);
    log.close().unwrap();
    drop(log);
    assert_eq!(records(&open(&dir)).len(), 6);
}

#[test]
fn the_golden_guard_reads_as_it_was_written() {
    let mark = guard::read(&Path::new(GOLDEN).join("guard")).unwrap().unwrap();
    assert_eq!(mark.end.length, Seq(5));
    assert_eq!(mark.opened.length, Seq(0));
    assert_eq!(mark.opened.snapshot, "none");
}

#[test]
fn the_golden_format_is_one_line() {
    let format = std::fs::read_to_string(Path::new(GOLDEN).join("FORMAT")).unwrap();
    assert_eq!(format, "keyledger data v1\n");
}
