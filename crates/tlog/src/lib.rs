//! The arithmetic of a transparency log: trees, tiles, proofs, notes, checkpoints.
//!
//! The formats are the ones the field has settled on, so that other people's verifiers work on
//! a log made here: RFC 6962 trees, and the C2SP documents signed-note, tlog-checkpoint,
//! tlog-tiles, tlog-cosignature, tlog-witness, tlog-policy and tlog-proof.
//!
//! Everything here is a pure function of bytes. This crate does not know where bytes are kept,
//! what an entry means, what time it is, or that there is a network. Whoever stores tiles hands
//! them in through [`TileReader`]; whoever needs a signature's time passes the seconds.
//!
//! Two ways to read a log, and what each is worth:
//! - [`Prover`] trusts its tiles. A wrong tile gives a proof that [`verify_inclusion`] or
//!   [`verify_consistency`] refuses, never a wrong proof that is accepted.
//! - [`Rebuild`] trusts nothing: it hashes every entry, compares every tile on the way, and
//!   accepts only the root it was given. A forged entry with a matching forged tile is refused.
//!
//! A log grows, a proof is made from its tiles, and somebody else checks it:
//!
//! ```
//! use std::{collections::BTreeMap, convert::Infallible};
//! use tlog::{Checkpoint, Prover, RightEdge, TileIndex, leaf_hash, note::Signer, verify_inclusion};
//!
//! // The log: hashes the entries, stores the tiles they complete, signs what it has.
//! let mut edge = RightEdge::new();
//! let mut tiles = BTreeMap::new();
//! for entry in 0..1000_u32 {
//!     for tile in edge.push(leaf_hash(&entry.to_be_bytes())) {
//!         tiles.insert(tile.index(), tile);
//!     }
//! }
//! let log = Signer::from_seed("log.example.com", &[7; 32])?;
//! let note = Checkpoint::new(log.name(), edge.size(), edge.root())?.sign(&log)?;
//! let stored = |index: TileIndex| Ok::<_, Infallible>(tiles.get(&index).cloned());
//! let proof = Prover::new(&edge.over(stored), edge.size()).inclusion(5)?;
//!
//! // Anybody who has the log's verifier key:
//! let checkpoint = Checkpoint::open(note.as_bytes(), log.verifier_key())?;
//! let leaf = leaf_hash(&5_u32.to_be_bytes());
//! verify_inclusion(&leaf, 5, checkpoint.size(), &proof, &checkpoint.root())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod buckets;
mod edge;
mod frontier;
mod hash;
mod memory;
mod nodes;
mod proof;
mod prover;
mod rebuild;
mod text;
mod tile;

pub mod add_checkpoint;
pub mod checkpoint;
pub mod cosignature;
pub mod entries;
pub mod note;
pub mod policy;
pub mod proof_file;

pub use add_checkpoint::AddCheckpoint;
pub use buckets::{
    BUCKETS, BucketTree, bucket_of, root_over_buckets, verify_bucket, verify_in_bucket,
};
pub use checkpoint::Checkpoint;
pub use edge::{OverEdge, RightEdge};
pub use frontier::Frontier;
use hash::node_hash;
pub use hash::{Hash, ParseHashError, empty_root, leaf_hash};
pub use memory::MemoryTree;
pub use proof::{ProofError, verify_consistency, verify_inclusion};
pub use proof_file::ProofFile;
pub use prover::{ProveError, Prover, TileReader, consistency_proof};
pub use rebuild::{Rebuild, RebuildError};
pub use tile::{TILE_WIDTH, Tile, TileError, TileIndex, TilePath, bundles_of, tiles_of};
