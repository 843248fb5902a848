//! What the engine on disk does beyond the suite: its guards, one by one.

mod damage;
mod engine;
mod flips;
mod golden;
mod guards;
mod permissions;
mod read_only;
mod refusals;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{Options, SledLog};
use crate::{Log, Seq, frame::FrameHash};

/// Every file below a folder, with the hash of its bytes.
fn files_of(dir: &Path) -> BTreeMap<PathBuf, FrameHash> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.insert(path.clone(), FrameHash::default());
            files.extend(files_of(&path));
        } else {
            let hash = FrameHash::of(&fs::read(&path).unwrap());
            files.insert(path, hash);
        }
    }
    files
}

/// Copies a data directory, as a crash at this moment would leave it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else if entry.file_name() == "ballast" {
            fs::hard_link(source, target).unwrap();
        } else if !crate::files::is_aside(&entry.file_name().to_string_lossy()) {
            // One that is being written may be gone the next moment, and means nothing.
            fs::copy(source, target).unwrap();
        }
    }
}

fn open(dir: &Path) -> SledLog {
    SledLog::open(&Options::new(dir)).unwrap()
}

fn append(log: &SledLog, records: &[Vec<u8>]) {
    let at = *log.length().borrow();
    assert_eq!(log.append(at, records, &[]).unwrap(), at);
}

/// Records that can be told apart, from that place on.
fn numbered(from: u64, count: u64) -> Vec<Vec<u8>> {
    (from..from + count)
        .map(|n| n.to_be_bytes().repeat(usize::try_from(n % 30).unwrap() + 1))
        .collect()
}

fn length(log: &SledLog) -> Seq {
    *log.length().borrow()
}

/// Where the used part of sled's file ends: behind it there are zeros.
fn used_bytes(db: &[u8]) -> usize {
    db.len() - db.iter().rev().take_while(|byte| **byte == 0).count()
}
