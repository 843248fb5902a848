//! An append-only log that signs what it holds, and proves it.
//!
//! Records are opaque bytes: what one means is the business of the caller, its *client*. The log
//! gives the client four things:
//!
//! - **Durability.** [`SignedLog::append`] returns when the records are on stable storage, all or
//!   none of them (see [`eventlog::Log`], whose engines it stands on).
//! - **A signed state.** A Merkle tree (RFC 6962) grows by a leaf for each record. Every append is
//!   signed as a checkpoint (c2sp.org/tlog-checkpoint) with the log's key ([`Signing`]), which can
//!   be rotated ([`KeyChain`]).
//! - **Proofs.** [`SignedLog::head`] gives the published tree as it is, without waiting for a
//!   writer: receipts that can be checked offline ([`PublishedTree::receipt`]), proofs of inclusion
//!   and of consistency, and the tiles and entries (c2sp.org/tlog-tiles) of which an auditor makes
//!   the tree again.
//! - **A replay that checks.** [`SignedLog::open`] gives every record to the client in order, and
//!   holds all of them against the tiles that were written with them and against the last
//!   checkpoint, which is kept outside the log. A changed, lost or cut record is refused by its
//!   place ([`IntegrityError`]), unless an operator accepts the log as it is
//!   ([`Mismatch::Accept`]).
//!
//! # One record from end to end
//!
//! ```
//! use std::sync::Arc;
//!
//! use eventlog::memory::MemoryLog;
//! use signedlog::{Mismatch, ReplayError, Seq, SignedLog, Signing};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The key's name is the log's origin. A real seed is 32 random bytes, kept secret.
//! let key = Arc::new(Signing::new("example.com/deployments", [7; 32])?);
//! let stored = Arc::new(MemoryLog::new());
//!
//! // The client's projection: here, the texts themselves.
//! let mut seen: Vec<String> = Vec::new();
//! let log = SignedLog::open(
//!     stored,
//!     Some(Arc::clone(&key)),
//!     Mismatch::Refuse,
//!     |record| Ok::<_, ReplayError>(String::from_utf8_lossy(&record.bytes).into_owned()),
//!     |chunk| seen.extend(chunk.into_records().map(|(_, text)| text)),
//! )?;
//! assert!(seen.is_empty());
//!
//! // Append, apply, publish: in this order.
//! let first = log.append(Seq(0), &[b"web 1.0 to production".to_vec()])?;
//! seen.push("web 1.0 to production".to_owned());
//! log.publish(first.next());
//!
//! // Anybody who has the receipt, the record and the public key can check it, without the log.
//! let receipt = log.head().receipt(first)?.to_string();
//! let proof: tlog::ProofFile = receipt.parse()?;
//! let checkpoint = proof.verify(b"web 1.0 to production", key.chain().newest())?;
//! assert_eq!(checkpoint.size(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # The order of one commit
//!
//! 1. The client decides, on what it has applied, and calls [`SignedLog::append`] with the length
//!    that it decided on. If another writer of the same log was faster, nothing is written
//!    ([`AppendError::Conflict`]): the client catches up ([`SignedLog::catch_up`]) and decides again.
//! 2. The records and the tiles that they complete are written in one step and synced.
//! 3. The tree is signed, the checkpoint sealed in the log's guard, and shown to readers.
//! 4. The client applies the records to its projections.
//! 5. [`SignedLog::publish`] wakes those who follow.
//!
//! So whoever learns of a record can have it proved at once, and what a checkpoint promises is
//! never ahead of what the disk holds.
//!
//! # What it does not know
//!
//! What a record means, who may read it, HTTP, JSON, where the key is kept. `eventlog` knows how
//! records are stored, `tlog` how trees and notes are computed; this crate joins them.
//!
//! `examples/deployments.rs` is a whole client with a record of its own.

mod error;
mod guard;
mod head;
mod heartbeat;
mod key_chain;
mod log;
mod proofs;
mod receipt;
mod replay;
mod signing;
mod succession;
#[cfg(test)]
mod tests;
mod tiles;
mod tree;
mod vouched;

pub use error::{
    CloseError, IntegrityError, ProofError, ReplayError, SigningError, StatementError,
};
pub use eventlog::{AppendError, Seq};
pub use head::PublishedTree;
pub use heartbeat::Heartbeat;
pub use key_chain::{Era, KeyChain};
pub use log::SignedLog;
pub use proofs::{Consistency, Inclusion};
pub use receipt::{Receipt, ReceiptTail};
pub use replay::{Chunk, Mismatch, head_of};
pub use signing::{SignedRoot, Signing};
pub use succession::Succession;
pub use tree::{Leaf, TreeHead};
pub use vouched::Vouched;
