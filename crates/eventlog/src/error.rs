//! What can go wrong with a log that is open. What can go wrong with opening one is
//! [`crate::sled::OpenError`].

use std::{error::Error, sync::Arc};

use crate::Seq;

/// The error of the storage; shared, because every later append returns the same.
pub type Cause = Arc<dyn Error + Send + Sync + 'static>;

/// Why records were not appended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The log has grown since the caller looked; nothing was written.
    #[error("the log has grown to {length} records")]
    Conflict {
        /// How long it is now.
        length: Seq,
    },
    /// The storage failed, now or earlier: it is unknown whether the records survived, and no
    /// append is accepted until the log is opened anew.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// There is not enough room on the disk; nothing was written, and it may be tried again.
    #[error("only {available} bytes are free on the disk, and {needed} are wanted")]
    Full {
        /// The bytes that are free.
        available: u64,
        /// The bytes that must be, a reserve included.
        needed: u64,
    },
    /// A record or an extra is too long; nothing was written.
    #[error("{length} bytes are too long, at most {limit} can be stored")]
    TooLong {
        /// Its place among the records, or after them among the extras, from 0.
        index: usize,
        /// The bytes it has.
        length: usize,
        /// The bytes it may have.
        limit: usize,
    },
}

/// Why a log accepts no appends any more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Broken {
    /// The storage failed in the middle of an append.
    #[error("the log is broken until it is opened anew")]
    Fault(#[source] Cause),
    /// The storage does not answer an append; it may never.
    #[error("the log is broken until it is opened anew: the storage does not answer")]
    Stalled,
    /// An append ended without a result (its thread panicked).
    #[error("the log is broken until it is opened anew: an append ended halfway")]
    Halfway,
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// Why nothing was read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The storage failed.
    #[error("the storage cannot be read")]
    Storage(#[source] Cause),
    /// What is stored is not what was appended.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// Why a stop is not a clean one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CloseError {
    /// The log was broken before; what the storage holds will be known when it is opened anew.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The last step of writing failed.
    #[error("the log could not be closed cleanly")]
    Storage(#[source] Cause),
}

/// Something that is not as it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame of record {at} {kind}")]
pub struct Damage {
    /// The first record that cannot be trusted.
    pub at: Seq,
    /// What is wrong with its frame.
    pub kind: DamageKind,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// It does not start like one.
    #[error("is not a frame")]
    Magic,
    /// Its length is not the one it says.
    #[error("has another length than it says")]
    Length,
    /// Its bytes were changed.
    #[error("does not match its checksum")]
    Checksum,
    /// Its numbers contradict each other.
    #[error("contradicts itself")]
    Form,
    /// It is filed under another place than it says.
    #[error("is filed in the wrong place")]
    Place,
    /// Records are missing.
    #[error("is missing")]
    Gap,
    /// It does not follow the frame before it.
    #[error("does not follow the frame before it")]
    Chain,
    /// It does not continue the append of the frame before it.
    #[error("does not continue its append")]
    Append,
    /// An extra is longer than any that was ever accepted.
    #[error("is followed by an extra that is too long")]
    Extra,
}
