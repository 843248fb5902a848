//! What the tests share: entries, trees, a log's key.

use tlog::note::Signer;
use tlog::{Hash, MemoryTree, ProveError, Prover, TileReader, leaf_hash};

pub(crate) const ORIGIN: &str = "ledger.example.com/apikeys";

/// The log's key of the tests: seed 0x07 × 32.
pub(crate) fn signer() -> Signer {
    Signer::from_seed(ORIGIN, &[7; 32]).unwrap()
}

/// Entry `i` of the log that the known roots were made from.
pub(crate) fn entry(i: u64) -> String {
    let op = ["created", "enabled", "disabled", "expired", "revoked"][(i % 5) as usize];
    format!(r#"{{"v":1,"seq":{i},"key":"k{}","op":"{op}"}}"#, i / 5)
}

pub(crate) fn leaf(i: u64) -> Hash {
    leaf_hash(entry(i).as_bytes())
}

pub(crate) fn tree(size: u64) -> MemoryTree {
    (0..size).map(leaf).collect()
}

/// The root that a tree had at `size`, from its tiles.
pub(crate) fn root_at<R: TileReader>(reader: &R, size: u64) -> Result<Hash, ProveError<R::Error>> {
    Prover::new(reader, size).root()
}

/// One inclusion proof.
pub(crate) fn inclusion_proof<R: TileReader>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    Prover::new(reader, size).inclusion(index)
}
