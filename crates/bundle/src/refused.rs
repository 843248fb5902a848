//! The reasons why a bundle is refused.

use keys::KeyId;
use ledger::{Finding, SigningError, StatementError};
use tlog::note::NoteError;

use crate::ArchiveError;

/// Why the verification of a bundle or of a log failed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Damaged, changed, or not produced by an honest log.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The log has signed two trees of which neither extends the other. Both checkpoints together
    /// prove it to third parties.
    #[error("the log has signed two checkpoints that no one log can have")]
    Fork {
        /// One signed checkpoint.
        one: String,
        /// The other.
        other: String,
    },
    /// The log is shorter than a checkpoint that it signed.
    #[error("the log has {size} records, and once signed for {once}")]
    Rollback {
        /// Its present size.
        size: u64,
        /// The size that it signed.
        once: u64,
        /// The checkpoint of that size.
        checkpoint: String,
    },
    /// An older log was put in the place of the one that was signed for, and that is on record: a new
    /// origin says so.
    #[error("{}", lost(origin, *last, *from))]
    RolledBack {
        /// The origin of the log that was.
        origin: String,
        /// How many records it is known to have signed for last.
        last: u64,
        /// How many records there were when the new origin began, if that is on record.
        from: Option<u64>,
        /// The note that says so, signed by the old key and the new.
        note: String,
    },
    /// The last record is older than allowed.
    #[error("nothing has come since {since}")]
    Stale {
        /// The time of the last record.
        since: String,
    },
}

/// What is invalid.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// The bytes are not an archive in the format of a bundle.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file is missing, unexpected or out of order.
    #[error("expected the file `{expected}`, found `{found}`")]
    Files {
        /// The expected name.
        expected: String,
        /// The name that was found.
        found: String,
    },
    /// A file has another length or hash than the manifest lists.
    #[error("`{0}` is not the file that the manifest lists")]
    Listed(String),
    /// A file is malformed.
    #[error("`{0}` is malformed")]
    Malformed(&'static str),
    /// A line of `persons` is not a pseudonym and its key.
    #[error("`{0}` is not the pseudonym of the key beside it")]
    Person(String),
    /// The rotations do not lead from the trusted key to the present one.
    #[error("the signing keys: {0}")]
    Keys(#[from] SigningError),
    /// The trusted key is not one of this log's keys.
    #[error("the given key is not one of this log's keys")]
    Stranger,
    /// A statement is not signed by the log.
    #[error("`{name}` is not signed by the log: {source}")]
    Unsigned {
        /// The file.
        name: &'static str,
        /// The reason.
        source: StatementError,
    },
    /// A statement is signed in the name of another log than the manifest names.
    #[error("a statement is of another log than the manifest names")]
    OtherLog,
    /// The table of limits is not the one by which this program judges; a sentence.
    #[error("{0}")]
    Limits(String),
    /// A statement is of a time that is not yet.
    #[error("it was signed for {0}, which is not yet: the clock of the log or this one is wrong")]
    Future(String),
    /// A time-stamp is no good.
    #[error("the time-stamp `times/{number:03}`: {source}")]
    Stamp {
        /// Its number.
        number: u64,
        /// The reason.
        source: timestamp::Invalid,
    },
    /// A larger log is older than a smaller one, by outside times.
    #[error(
        "the log had {size} records at {at}, and {larger} at {later}, which is before: outside times go back"
    )]
    OutsideTimes {
        /// The size.
        size: u64,
        /// When it had that.
        at: String,
        /// A larger size.
        larger: u64,
        /// When it had that, which is before.
        later: String,
    },
    /// A record says that it was recorded before the log had all that comes before it.
    #[error(
        "record {seq} is backdated: it says {at}, and at {outside} the log did not have it, by an outside time"
    )]
    Backdated {
        /// The record.
        seq: u64,
        /// When it says that it was recorded.
        at: String,
        /// When the log did not have it.
        outside: String,
    },
    /// A record says that it was recorded after the log had it.
    #[error(
        "record {seq} is postdated: it says {at}, and at {outside} the log had it, by an outside time"
    )]
    Postdated {
        /// The record.
        seq: u64,
        /// When it says that it was recorded.
        at: String,
        /// When the log had it.
        outside: String,
    },
    /// A policy's witnesses have not cosigned.
    #[error("the witnesses of the policy do not vouch for it: {0}")]
    Unwitnessed(String),
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
    /// The records do not hash to the signed tree.
    #[error("the records do not hash to the log's tree: {0}")]
    Tree(String),
    /// A record violates the rules.
    #[error(transparent)]
    Record(#[from] Finding),
    /// A record is outside the scope.
    #[error("record {0} is not in the part that the manifest names")]
    Scope(u64),
    /// A part of a log has none of what it is named after.
    #[error("no record is in the part that the manifest names: nothing is shown")]
    Empty,
    /// A record of a span of time is missing, or the one before or behind it.
    #[error("a span of time is a run of records, and record {0} is not in this one")]
    Gap(u64),
    /// Keys of an account are missing.
    #[error("the log signed that the account has {signed} keys, and {found} are in the part")]
    AccountKeys {
        /// The log's word.
        signed: u64,
        /// How many there are.
        found: u64,
    },
    /// A key of an account's part is not in the log's table as the records make it.
    #[error(
        "the log's table of keys has another row for {0}: a record of it is missing or changed"
    )]
    Row(KeyId),
    /// The records give a different table of keys.
    #[error("the records give a different table of keys than the log signed at size {0}")]
    Table(u64),
    /// An export differs from the records.
    #[error("`{name}` differs from record {seq}")]
    Export {
        /// The file.
        name: &'static str,
        /// The first record that differs.
        seq: u64,
    },
    /// An export is longer or shorter than the records give.
    #[error("`{0}` is longer or shorter than the records give")]
    ExportLength(&'static str),
    /// The auditor's checkpoint cannot be compared with this part of the log.
    #[error(
        "the kept checkpoint has size {0}, for which this part of the log has no root; \
         export it again with --earlier and that checkpoint"
    )]
    Incomparable(u64),
}

impl Invalid {
    pub(crate) fn unsigned<E: Into<StatementError>>(name: &'static str) -> impl Fn(E) -> Invalid {
        move |source| Invalid::Unsigned { name, source: source.into() }
    }

    pub(crate) fn note(name: &'static str) -> impl Fn(NoteError) -> Invalid {
        Invalid::unsigned(name)
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

/// What was lost when another origin began.
fn lost(origin: &str, last: u64, from: Option<u64>) -> String {
    match from {
        Some(from) if from < last => format!(
            "the log was rolled back: `{origin}` signed for {last} records, and this log goes on from \
             {from} of them; {} are gone",
            last - from
        ),
        Some(_) | None => format!(
            "the log was rolled back: `{origin}` signed for {last} records, and this log does not have \
             all of them"
        ),
    }
}

impl Refused {
    /// The exit code (`schemas/bundle.md`).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Refused::Invalid(_) => 10,
            Refused::Fork { .. } => 11,
            Refused::Rollback { .. } => 12,
            Refused::Stale { .. } => 13,
            Refused::RolledBack { .. } => 14,
        }
    }
}
