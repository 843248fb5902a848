//! The bytes of the files, made from `schemas/usage.md` by other code. They never change: what an earlier
//! version wrote is read for ever.

use std::path::Path;

use super::bucket::Bucket;
use super::journal::{self, Journal};
use super::row::Row;
use super::run::{Run, Writer};
use super::series::SeriesId;
use crate::projection::table::LastUse;

/// Two frames of one row each.
const JOURNAL: &str = "6b65796c65646765722075736167656a00000026ad10621201930000000070008000000000000001808cc5c0\
     e6af9803ac02c8010702d09ae703c80109010000001a6fdff13fffffffffffffffffffffffffffffffff0002\
     d09ae703c9010901";
/// The blocks of a run of both rows, without the zeros that follow.
const RUN: [&str; 2] = [
    "1101768a00006b65796c65646765722075736167653100000001",
    "6deeca46000201930000000070008000000000000001808cc5c0e6af9803ac02c8010702d09ae703c8010901\
     ffffffffffffffffffffffffffffffff0002d09ae703c9010901",
];

/// Of a key, and of all: used 200 times in an hour, refused once by its rate limit.
fn rows() -> [Row; 2] {
    let key = SeriesId::from_bytes(0x0193_0000_0000_7000_8000_0000_0000_0001_u128.to_be_bytes());
    let last = LastUse { at: 1_796_045_400_000_000, total: 300, in_month: 200, on_day: 7 };
    let hour = 498_901 * 16;
    let counts = |used| vec![(Bucket::from_number(hour), used), (Bucket::from_number(hour + 9), 1)];
    [
        Row { series: key, last, counts: counts(200) },
        Row { series: SeriesId::ALL, last: LastUse::NONE, counts: counts(201) },
    ]
}

fn hex(path: &Path) -> String {
    hex::encode(std::fs::read(path).unwrap())
}

#[test]
fn a_journal_of_before_is_read_and_written_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old");
    std::fs::write(&path, hex::decode(JOURNAL).unwrap()).unwrap();
    let mut read = Vec::new();
    assert!(journal::read(&path, &mut |row| read.push(row)).unwrap());
    assert_eq!(read, rows());
    let path = folder.path().join("new");
    let mut journal = Journal::create(&path).unwrap();
    for row in rows() {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        journal.append(&bytes).unwrap();
    }
    assert_eq!(hex(&path), JOURNAL);
}

#[test]
fn a_run_of_before_is_read_and_written_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let whole = RUN.map(|block| format!("{block:0<16384}")).concat();
    let path = folder.path().join("old");
    std::fs::write(&path, hex::decode(&whole).unwrap()).unwrap();
    let run = Run::open(&path).unwrap();
    assert_eq!(run.rows().map(Result::unwrap).collect::<Vec<_>>(), rows());
    let path = folder.path().join("new");
    let mut writer = Writer::new(&path).unwrap();
    rows().iter().try_for_each(|row| writer.push(row)).unwrap();
    writer.finish().unwrap();
    assert_eq!(hex(&path), whole);
}
