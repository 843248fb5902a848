//! The input of a bundle: the log, and its signed statements.

use std::error::Error;
use std::io;
use std::sync::Arc;

use keys::{Account, KeyId};
use ledger::{Entry, Finding, Keyring, Seq};
use tlog::{Hash, TileIndex};

use crate::manifest::Scope;
use crate::stamped::Stamped;

/// An error of a [`Source`].
pub type Fault = Box<dyn Error + Send + Sync>;

/// The log that a bundle is produced from. All reads refer to the tree at one size.
pub trait Source {
    /// An entry bundle (c2sp.org/tlog-tiles).
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn entries(&self, index: TileIndex) -> Result<Vec<u8>, Fault>;

    /// The account of a key.
    ///
    /// # Errors
    ///
    /// There is no such key.
    fn account(&self, key: KeyId) -> Result<Account, Fault>;

    /// The place of a key's row in its bucket of the key table of the table note, and the audit path from it.
    ///
    /// # Errors
    ///
    /// The table has no such key, or cannot be read.
    fn row(&self, key: KeyId) -> Result<RowPlace, Fault>;

    /// Signs how many keys an account has: the note of [`ledger::account_text`].
    ///
    /// # Errors
    ///
    /// It cannot be signed.
    fn sign_account(&self, account: &Account, keys: u64) -> Result<String, Fault>;

    /// Some records in `scope` from `from` on, in order, and where to continue; `None` at the end.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    fn part(&self, scope: &Scope, from: Seq) -> Result<Part, Fault>;

    /// The proof that record `seq` is in the tree of `size` records.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    fn inclusion(&self, seq: Seq, size: u64) -> Result<Vec<Hash>, Fault>;

    /// How many checkpoints of this origin, of at most the size of the bundle's, have a time-stamp.
    fn stamps(&self) -> u64;

    /// One of these, oldest first.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn stamp(&self, number: u64) -> Result<Stamped, Fault>;

    /// The keys of the persons that the records speak of.
    fn keyring(&self) -> Arc<Keyring>;

    /// Signs the manifest: the note of [`ledger::manifest_text`], signed once, by the log's
    /// newest key.
    ///
    /// # Errors
    ///
    /// It cannot be signed.
    fn sign(&self, manifest: &[u8]) -> Result<String, Fault>;
}

/// Events with their stored bytes, and where to continue.
pub type Part = (Vec<(Entry, Vec<u8>)>, Option<Seq>);

/// Where a row of the key table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// Its index in its bucket, from 0.
    pub index: u64,
    /// The number of rows of the bucket.
    pub rows: u64,
    /// The audit path in the bucket, from its sibling up, and that of the bucket.
    pub path: Vec<Hash>,
}

/// The signed statements and the scope of a bundle.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The name of the log.
    pub origin: String,
    /// The number of records that the checkpoint commits to.
    pub size: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// An earlier signed checkpoint.
    pub earlier: String,
    /// The proof that the tree of the checkpoint extends that of the earlier one.
    pub consistency: Vec<Hash>,
    /// The signed table note, of a size that is not larger; of an account's part, of the same size.
    pub table: String,
    /// The signed heartbeat: that the log had no more than the checkpoint says at a moment.
    pub heartbeat: String,
    /// A checkpoint with the cosignatures of witnesses, and the proof that the larger one of it and the
    /// checkpoint extends the other; empty texts if there is none.
    pub cosigned: (String, Vec<Hash>),
    /// The keys that sign the log, with the notes that rotated them.
    pub keys: String,
    /// Which records the bundle contains.
    pub scope: Scope,
    /// The first of them; 0 in an empty log.
    pub first: Seq,
}

/// Why a bundle was not completed. The bytes so far are not a valid bundle.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// It cannot be written.
    #[error("the bundle cannot be written")]
    Write(#[from] io::Error),
    /// The log cannot be read, or cannot sign.
    #[error("the log cannot be read or cannot sign")]
    Source(#[source] Fault),
    /// A record is damaged.
    #[error(transparent)]
    Record(#[from] Finding),
}

pub(crate) fn fault(error: impl Into<Fault>) -> MakeError {
    MakeError::Source(error.into())
}
