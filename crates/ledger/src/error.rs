//! Why the ledger did not carry out a command or answer a query.

use std::error::Error as StdError;
use std::sync::Arc;

use eventlog::Seq;
use keys::{Invalid, KeyId, Refusal};

/// Why the ledger did not carry out a command or answer a query.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The rules refuse it; nothing happened.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The caller may not do that.
    #[error("not allowed")]
    Forbidden,
    /// A caller of all accounts must say which one.
    #[error("name the account")]
    AccountRequired,
    /// The log has no such place yet.
    #[error("the log ends at {length}")]
    BeyondTheLog {
        /// The log's length.
        length: Seq,
    },
    /// Nothing is recorded in that account and span of time.
    #[error("nothing is recorded there")]
    NothingThere,
    /// This ledger only looks at a log, and signs nothing.
    #[error("this log is not signed here")]
    NotSigned,
    /// A moment to look back to has not come yet.
    #[error("that moment lies in the future")]
    InTheFuture,
    /// This of a list cannot be told of the past, which is not recorded or not held in that order.
    #[error("{0} is not told of the past")]
    NotOfThePast(&'static str),
    /// The table of keys is not taken back that far on a request.
    #[error("the table is told of the last {most} records; a replay tells it of any")]
    TooFarBack {
        /// How many records before now.
        most: u64,
    },
    /// A key has more records than one proof holds; as of an earlier moment it had fewer.
    #[error("the key has {records} records up to then, and a proof holds at most {most}")]
    TooManyRecords {
        /// How many it has.
        records: u32,
        /// How many there may be.
        most: u32,
    },
    /// The record would be longer than a record may be.
    #[error("the request is too long to be recorded")]
    TooLong,
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    IdempotencyMismatch,
    /// The account makes more requests than it may.
    #[error("this account asks more often than it may; try again in {retry_after_s} s")]
    RateLimited {
        /// When it may try again, in whole seconds.
        retry_after_s: u64,
    },
    /// A key that the caller sees has the secret that was to be imported; nothing happened.
    #[error("a key with the same secret exists: {0}")]
    SecretExists(KeyId),
    /// The key was edited while the new one was made from it; nothing happened.
    #[error("the key was edited meanwhile; try again")]
    Edited,
    /// The metadata would not be lawful with the wanted pairs; nothing happened.
    #[error("metadata {0}")]
    Metadata(Invalid),
    /// A token may have nothing that its maker has not, and only such ones may be ended.
    #[error("the token that calls has not got {0}")]
    MoreThanOwn(&'static str),
    /// A token would live longer than any may, or not at all.
    #[error("a token lives at least 1 s and at most {most_s} s")]
    TokenLife {
        /// The longest life.
        most_s: u64,
    },
    /// No such token, as far as the caller may know.
    #[error("no such token")]
    TokenNotFound,
    /// The token was ended before.
    #[error("the token was ended already")]
    TokenEnded,
    /// The ledger has nothing about such a person.
    #[error("no such subject")]
    SubjectNotFound,
    /// A hold forbids that a person is forgotten.
    #[error("a hold forbids that the subject is forgotten")]
    OnHold,
    /// The person has no such hold.
    #[error("no such hold")]
    HoldNotFound,
    /// The person has several holds, and none was named.
    #[error("name the hold: there are several")]
    HoldNotNamed,
    /// As many tokens are known, or ended by rules, as may be: of the account, or of all.
    #[error("there are as many tokens as there may be")]
    TooManyTokens,
    /// Too much is waiting; try again in a second.
    #[error("too many requests are waiting")]
    Overloaded,
    /// As many requests with an idempotency key are remembered as may be, for this caller or for
    /// all; each is for 24 hours.
    #[error("too many requests with an idempotency key in 24 hours; send it without one, or later")]
    OutcomesFull,
    /// Nobody waits for the answer any more; see [`Cancellation`](crate::Cancellation).
    #[error("nobody waits for the answer any more")]
    Cancelled,
    /// The log is broken and takes no writes until the process is restarted. Whether this change
    /// was recorded is not known.
    #[error("the log is broken")]
    Broken,
    /// The disk is full; nothing was written.
    #[error("the disk is full")]
    Full,
    /// The machine failed.
    #[error("{0}")]
    Fault(Arc<dyn StdError + Send + Sync>),
}

impl Error {
    pub(crate) fn fault(error: impl StdError + Send + Sync + 'static) -> Error {
        Error::Fault(Arc::new(error))
    }
}
