//! Why a bundle is not believed.

use ledger::{Finding, SigningError};
use tlog::checkpoint::CheckpointError;
use tlog::note::NoteError;

use crate::ArchiveError;

/// What a check of a bundle, or of a log, came to when it did not come out well.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not what it says it is: damaged, changed, or never made by an honest log.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The log has signed two trees of which neither extends the other. Keep both checkpoints:
    /// together they prove it to anybody.
    #[error("the log has signed two checkpoints that no one log can have")]
    Fork {
        /// One signed checkpoint.
        one: String,
        /// The other.
        other: String,
    },
    /// The log is shorter than it once was.
    #[error("the log has {size} records, and once signed for {once}")]
    Rollback {
        /// What it has now.
        size: u64,
        /// What it signed for.
        once: u64,
        /// The checkpoint that says so.
        checkpoint: String,
    },
    /// Nothing new has come for longer than was allowed.
    #[error("nothing has come since {since}")]
    Stale {
        /// The time of the last news.
        since: String,
    },
}

/// What is wrong with something that is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// The bytes are no archive of ours.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file is missing, or is another one, or comes in another order.
    #[error("the file `{found}` stands where `{expected}` belongs")]
    Files {
        /// What belongs there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A file has another length or hash than the manifest lists.
    #[error("`{0}` is not the file that the manifest lists")]
    Listed(String),
    /// A file is not in its form.
    #[error("`{0}` is malformed")]
    Malformed(&'static str),
    /// The keys do not lead from the one that is trusted to the one that signs.
    #[error("the signing keys: {0}")]
    Keys(#[from] SigningError),
    /// The key that is trusted never signed this log.
    #[error("the given key is not one of this log's keys")]
    Stranger,
    /// A statement is not signed as it must be.
    #[error("`{name}` is not signed by the log: {source}")]
    Unsigned {
        /// The file.
        name: &'static str,
        /// The reason.
        source: CheckpointError,
    },
    /// The proof that one tree extends another is wrong.
    #[error("the consistency proof is wrong: {0}")]
    Consistency(tlog::ProofError),
    /// The proof of a record is wrong.
    #[error("the proof of record {seq} is wrong: {source}")]
    Inclusion {
        /// The record.
        seq: u64,
        /// The reason.
        source: tlog::ProofError,
    },
    /// The records do not make the tree.
    #[error("the records do not make the log's tree: {0}")]
    Tree(String),
    /// A record is not what the rules allow.
    #[error(transparent)]
    Record(#[from] Finding),
    /// A record does not belong in this part.
    #[error("record {0} is not in the part that the manifest names")]
    Scope(u64),
    /// The records make another table of keys.
    #[error("the records make another table of keys than the log signed at size {0}")]
    Table(u64),
    /// An export differs from the records.
    #[error("`{name}` differs from record {seq}")]
    Export {
        /// The file.
        name: &'static str,
        /// The first record that it shows otherwise.
        seq: u64,
    },
    /// An export has more or less than the records.
    #[error("`{0}` is not as long as the records make it")]
    ExportLength(&'static str),
    /// The checkpoint that the auditor kept cannot be compared with this part of the log.
    #[error(
        "the kept checkpoint is of size {0}, which this part of the log says nothing of; \
         export it again with --earlier and that checkpoint"
    )]
    Incomparable(u64),
}

impl Invalid {
    pub(crate) fn unsigned(name: &'static str) -> impl Fn(CheckpointError) -> Invalid {
        move |source| Invalid::Unsigned { name, source }
    }

    pub(crate) fn note(name: &'static str) -> impl Fn(NoteError) -> Invalid {
        move |source| Invalid::Unsigned { name, source: source.into() }
    }
}

impl From<ArchiveError> for Refused {
    fn from(error: ArchiveError) -> Refused {
        Refused::Invalid(error.into())
    }
}

impl From<Finding> for Refused {
    fn from(finding: Finding) -> Refused {
        Refused::Invalid(finding.into())
    }
}

impl Refused {
    /// The number that a script sees (`schemas/bundle.md`).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Refused::Invalid(_) => 10,
            Refused::Fork { .. } => 11,
            Refused::Rollback { .. } => 12,
            Refused::Stale { .. } => 13,
        }
    }
}
