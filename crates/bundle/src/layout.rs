//! The names of a bundle's files, and their order.

use tlog::{TileIndex, TilePath, bundles_of};

pub(crate) const GUIDE: &str = "README.md";
pub(crate) const VERIFIER: &str = "verify.py";
pub(crate) const LIMITS: &str = "limits.json";
pub(crate) const KEYS: &str = "keys";
pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const EARLIER: &str = "checkpoint-earlier";
pub(crate) const CONSISTENCY: &str = "consistency";
pub(crate) const TABLE: &str = "table";
pub(crate) const HEARTBEAT: &str = "heartbeat";
/// As they are called in an error; see [`times_names`].
pub(crate) const TIMES_CHECKPOINT: &str = "times/…/checkpoint";
pub(crate) const TIMES_CONSISTENCY: &str = "times/…/consistency";
pub(crate) const COSIGNED: &str = "cosigned";
pub(crate) const GROWTH: &str = "cosigned-consistency";
pub(crate) const ACCOUNTS: &str = "accounts";
pub(crate) const ACCOUNT: &str = "account";
pub(crate) const PERSONS: &str = "persons";
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const NOTE: &str = "manifest.note";

/// The auditor's guide, which is in every bundle.
pub(crate) const GUIDE_TEXT: &str = include_str!("../../../schemas/AUDITOR.md");
/// The second verifier, in Python.
pub(crate) const VERIFIER_TEXT: &str = include_str!("../../../tools/verify.py");

/// The largest file that is read into memory; exports are streamed.
pub(crate) const MAX_SMALL: u64 = 1 << 30;

/// The number of records in one file of a part of a log, as in a C2SP entry bundle.
pub(crate) const PACK: usize = 256;

/// A file of a whole log's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeFile {
    Entries(TileIndex),
    Hashes(TileIndex),
}

impl TreeFile {
    pub(crate) fn name(self) -> String {
        match self {
            TreeFile::Entries(index) => TilePath::Entries(index).to_string(),
            TreeFile::Hashes(index) => TilePath::Hashes(index).to_string(),
        }
    }
}

/// The files of the tree of `size` records: each entry bundle, followed by the hash tiles that it
/// completes, lowest level first; at the end the partial hash tiles.
pub(crate) fn tree_files(size: u64) -> impl Iterator<Item = TreeFile> {
    let bundles = bundles_of(size).flat_map(|bundle| {
        let completed = (0..=TileIndex::MAX_LEVEL).map_while(move |level| {
            let end = (bundle.number() + 1) >> (8 * level);
            let completes = bundle.is_full() && end << (8 * level) == bundle.number() + 1;
            let tile = TileIndex::full(level, end.checked_sub(1)?);
            tile.filter(|_| completes)
        });
        std::iter::once(TreeFile::Entries(bundle)).chain(completed.map(TreeFile::Hashes))
    });
    let partial = (0..=TileIndex::MAX_LEVEL).filter_map(move |level| {
        let tile = TileIndex::at(level, (size >> (8 * level)) >> 8, size)?;
        Some(TreeFile::Hashes(tile))
    });
    bundles.chain(partial)
}

/// The file with the records from `number * 256` on of a part of a log.
pub(crate) fn records_name(number: u64) -> String {
    grouped("records", number)
}

/// The file with the proofs of the records in the file of the same number.
pub(crate) fn proofs_name(number: u64) -> String {
    grouped("proofs", number)
}

/// The file with the places in the key table of the keys from `number * 256` on.
pub(crate) fn rows_name(number: u64) -> String {
    grouped("rows", number)
}

/// The folder of checkpoints with time-stamps.
pub(crate) const TIMES: &str = "times";

/// The files of a checkpoint with a time-stamp: the checkpoint, the proof that the log extends it, and the
/// time-stamp.
pub(crate) fn times_names(number: u64) -> [String; 3] {
    let folder = grouped(TIMES, number);
    ["checkpoint", "consistency", "stamp.tsr"].map(|name| format!("{folder}/{name}"))
}

/// Numbers are formatted as in tile paths.
#[expect(clippy::expect_used, reason = "a file without a name could not be found")]
fn grouped(folder: &str, number: u64) -> String {
    let path = TileIndex::full(0, number).expect("a log has fewer than 2^64 records").path();
    format!("{folder}/{}", path.strip_prefix("tile/0/").expect("every path begins so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(size: u64) -> Vec<String> {
        tree_files(size).map(TreeFile::name).collect()
    }

    #[test]
    fn tiles_follow_the_entries_that_complete_them() {
        assert_eq!(names(0), [""; 0]);
        assert_eq!(names(1), ["tile/entries/000.p/1", "tile/0/000.p/1"]);
        assert_eq!(names(256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        let large = names(65_793);
        assert_eq!(large[..2], ["tile/entries/000", "tile/0/000"]);
        let end = [
            "tile/entries/255",
            "tile/0/255",
            "tile/1/000",
            "tile/entries/256",
            "tile/0/256",
            "tile/entries/257.p/1",
            "tile/0/257.p/1",
            "tile/1/001.p/1",
            "tile/2/000.p/1",
        ];
        assert_eq!(large[large.len() - end.len()..], end);
        let all: std::collections::BTreeSet<_> =
            tlog::tiles_of(65_793).map(TileIndex::path).collect();
        let listed = large.iter().filter(|name| !name.starts_with("tile/entries")).cloned();
        assert_eq!(listed.collect::<std::collections::BTreeSet<_>>(), all);
    }

    #[test]
    fn packs_are_numbered_like_tiles() {
        assert_eq!(records_name(7), "records/007");
        assert_eq!(proofs_name(1234), "proofs/x001/234");
    }
}
