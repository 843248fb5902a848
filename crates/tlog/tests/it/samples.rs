//! What the tests share: entries, trees, a log's key.

use tlog::note::Signer;
use tlog::{Hash, MemoryTree, leaf_hash};

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
