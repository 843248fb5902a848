//! What an auditor can find wrong with a record.

use eventlog::Seq;
use keys::{Account, KeyId, Refusal, Timestamp};

use crate::DecodeError;

/// A record that no ledger would have written there, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("record {seq}: {violation}")]
pub struct Finding {
    /// Its place.
    pub seq: Seq,
    /// What is wrong with it.
    pub violation: Violation,
}

/// What is wrong with a record.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Violation {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] DecodeError),
    /// Records are missing in front of it, or it comes twice.
    #[error("the next record is {0}")]
    Order(Seq),
    /// It is older than the record before it.
    #[error("it is dated {found}, but the record before it {before}")]
    TimeGoesBack {
        /// The time of the record before.
        before: Timestamp,
        /// Its own.
        found: Timestamp,
    },
    /// It is about a key that was never created.
    #[error("the key {0} was never created")]
    UnknownKey(KeyId),
    /// A key's due time had come, and its end was not recorded first.
    #[error("the key {key} was due at {due}, and that was not recorded first")]
    Due {
        /// The key.
        key: KeyId,
        /// When its time ran out.
        due: Timestamp,
    },
    /// The rules refuse it.
    #[error("the rules do not allow it: {0}")]
    Refused(#[from] Refusal),
    /// The rules give another event.
    #[error("the rules would have given another event")]
    OtherEvent,
    /// The rules that it says it was judged by are not those that it could be judged by.
    #[error("the rules that it says it was judged by do not give it")]
    OtherRules,
    /// An edit names other values than the key had.
    #[error("the edit names other values before it than the key {0} had")]
    Before(KeyId),
    /// A rotation leaves the old key valid for longer than a rotation can.
    #[error("the replaced key stays valid for longer than a rotation allows")]
    Overlap,
    /// What a link says is not what the records before it make.
    #[error("the link of the key {key} has the wrong {field}")]
    Link {
        /// The key.
        key: KeyId,
        /// The part of the link.
        field: &'static str,
    },
    /// The key's previous record is not among those that were handed in.
    #[error("the record {missing} of the key {key} is left out")]
    LeftOut {
        /// The key.
        key: KeyId,
        /// Its previous record.
        missing: Seq,
    },
    /// A new key, whose parts do not fit each other or the record.
    #[error("the new key {0}")]
    Key(&'static str),
    /// A new key has another number than the next one of its account.
    #[error("the new key has the number {found}; the next one of its account is {expected}")]
    Number {
        /// The next one.
        expected: u64,
        /// Its own.
        found: u64,
    },
    /// The actor acted for one account and touched a key of another.
    #[error("the actor acts for another account than the key's, {0}")]
    Scope(Account),
    /// Something of it is longer, more or otherwise than any request may say (`schemas/limits.json`).
    #[error("{0} is beyond the limits")]
    Limit(&'static str),
    /// Its reason can be read by somebody who neither gave it nor has to do with the key.
    #[error("its reason is sealed for a stranger")]
    Stranger,
    /// The actor may not do that.
    #[error("its actor may not do that: {0}")]
    Authority(&'static str),
}
