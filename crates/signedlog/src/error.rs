//! What can go wrong with a signed log.
//!
//! An append fails as [`eventlog::AppendError`] says: signing adds no failure of its own.

use eventlog::{ReadError, Seq};
use tlog::checkpoint::CheckpointError;
use tlog::entries::BundleError;
use tlog::note::{KeyError, NoteError};
use tlog::{ProveError, TileIndex};

/// Why a text is no signing key, or no chain of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Not a seed, verifier keys and the notes between them.
    #[error("not a signing key: {0}")]
    Malformed(&'static str),
    /// The origin cannot be the name of a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key is not named by the one before it.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// How a log differs from what was recorded or signed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegrityError {
    /// A record does not have the hash that is in the tile which was written with it.
    #[error("record {seq} is not the one that was recorded: its hash is not the one in {path}")]
    Record {
        /// The first such record.
        seq: Seq,
        /// The path of the tile (c2sp.org/tlog-tiles).
        path: String,
    },
    /// A stored tile of a higher level is not what the records make it.
    #[error("{path} is not what the records make it")]
    Tile {
        /// The path of the tile.
        path: String,
    },
    /// A tile is missing that was written with the records.
    #[error("{path} is missing, which was written with record {seq}")]
    Missing {
        /// The record that completed it.
        seq: Seq,
        /// The path of the tile.
        path: String,
    },
    /// There are fewer records than the log once signed for.
    #[error(
        "the log has {length} records, and its last signed checkpoint says {sealed}: record \
         {length} and what followed are lost"
    )]
    Shorter {
        /// How many records there are.
        length: Seq,
        /// How many were signed for.
        sealed: u64,
    },
    /// The records are not those that the log signed for.
    #[error(
        "records 0 to {} are not those of the log's last signed checkpoint",
        .sealed.saturating_sub(1)
    )]
    Root {
        /// The size of the checkpoint.
        sealed: u64,
    },
    /// The guard holds no checkpoint, or one that none of this log's keys signed.
    #[error("the guard holds no checkpoint that this log's key signed")]
    Seal,
}

/// Why a signed statement about a log is not to be believed.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// None of the keys signed it, or it is in no form that they sign.
    #[error(transparent)]
    Unsigned(#[from] CheckpointError),
    /// The key was taken out of use before.
    #[error("{key} signed for {size} records, and was succeeded at {last}")]
    Succeeded {
        /// The key.
        key: String,
        /// How many records it signed for.
        size: u64,
        /// The size that it signed for last, by the note in which it names the next key.
        last: u64,
    },
}

impl From<NoteError> for StatementError {
    fn from(error: NoteError) -> StatementError {
        StatementError::Unsigned(error.into())
    }
}

/// Why a log was not read up to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The records cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The log gave no record at a place that is within its length.
    #[error("the log has no record {end}, and its length is {length} or more")]
    Ended {
        /// The place.
        end: Seq,
        /// The length up to which it was read.
        length: Seq,
    },
    /// The stored tiles cannot be read.
    #[error("the tiles of the log cannot be read")]
    Tiles(#[source] ReadError),
    /// The records are not those that the log's tiles and its checkpoint were made of.
    #[error(transparent)]
    Integrity(#[from] IntegrityError),
    /// Tiles that were made again could not be written.
    #[error("the tiles that were made again could not be written")]
    Mend(#[from] eventlog::AppendError),
    /// The system refused a thread.
    #[error("no thread to read the log")]
    Thread(#[from] std::io::Error),
}

/// Why something was not proved or served.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The published tree has fewer records than that.
    #[error("the log ends at {length}")]
    BeyondTheLog {
        /// The size of the tree that was asked.
        length: Seq,
    },
    /// The log was opened without a key.
    #[error("this log is not signed here")]
    NotSigned,
    /// A fault: the log has no such tile, or fewer records than it must have.
    #[error("{} is missing", .0.path())]
    Missing(TileIndex),
    /// A fault: the storage cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// A fault: a record is longer than a bundle of entries can hold.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl From<ProveError<ReadError>> for ProofError {
    fn from(error: ProveError<ReadError>) -> ProofError {
        match error {
            ProveError::OutOfRange { size, .. } => ProofError::BeyondTheLog { length: Seq(size) },
            ProveError::Missing(index) => ProofError::Missing(index),
            ProveError::Read(error) => ProofError::Read(error),
        }
    }
}

/// Why a log was not closed in order. What was acknowledged is safe all the same.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] eventlog::CloseError),
    /// The storage does not answer.
    #[error("the storage does not answer")]
    Stalled,
    /// The task that closes it ended early.
    #[error("the task that closes the log ended early")]
    Task(#[from] tokio::task::JoinError),
}
