//! Opaque records in order, durable when acknowledged.
//!
//! A log holds records one after the other, each at its place ([`Seq`]), for ever. It does not
//! know what a record means: the bytes go in and the same bytes come out. Two engines keep the
//! contract of [`Log`]: [`memory::MemoryLog`] and [`sled::SledLog`]; a third one, for more than
//! one machine, has to fit through the same trait and the same tests.
//!
//! Records are stored in frames ([`frame`]), chained by hash, so that a lost, changed or moved
//! record does not go unnoticed.

mod check;
mod engine;
mod error;
pub mod files;
pub mod frame;
pub mod memory;
pub mod sled;
mod watchdog;

#[cfg(test)]
mod conforms;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use tokio::sync::watch;

pub use crate::{
    check::{CheckError, Checked, check},
    error::{AppendError, Broken, Cause, CloseError, Damage, Flaw, ReadError},
};

/// The most bytes a record may have.
pub const MAX_RECORD: usize = 6_000;

/// The most bytes a frame may have, header and records together.
pub const MAX_FRAME: usize = 6_500;

/// The most bytes the value of an [`Extra`] may have.
///
/// sled moves large values into files that it never syncs; this stays well below.
pub const MAX_EXTRA: usize = 7_000;

/// The most bytes the key of an [`Extra`] may have.
pub const MAX_EXTRA_KEY: usize = 64;

/// The most bytes a seal may have; a longer one is not kept.
pub const MAX_SEAL: usize = 64 * 1024;

/// The place of a record in its log, from 0; also the length of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The plain number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Seq {
        self.plus(1)
    }

    /// The place `count` records further on.
    pub(crate) fn plus(self, count: usize) -> Seq {
        Seq(self.0.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub seq: Seq,
    /// What was appended, a slice of the frame that holds it.
    pub bytes: Bytes,
}

/// A pair that is written together with records, in a key range of its own.
///
/// For what is computed from records and is worth keeping, such as completed tiles of hashes.
/// A later extra of the same key replaces the earlier one.
#[derive(Clone, Debug)]
pub struct Extra {
    /// Its name, at most [`MAX_EXTRA_KEY`] bytes.
    pub key: Vec<u8>,
    /// Its bytes, at most [`MAX_EXTRA`].
    pub value: Vec<u8>,
}

/// What a log remembers of its end where the log itself cannot lose it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Guarded {
    /// A length that was durable.
    pub length: Seq,
    /// The last seal; `None` if there never was one.
    pub seal: Option<Bytes>,
}

/// How much room there is on the disk of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The bytes that are free.
    pub available: u64,
    /// The bytes that stay free: what would take of them is refused.
    pub reserve: u64,
}

impl Space {
    /// Whether there is room for `bytes` more.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        self.available >= self.reserve.saturating_add(bytes)
    }
}

/// An append-only log of records that many threads may use at once.
///
/// Nothing may assume that it is the only writer of a log: on a conflict, catch up, decide again
/// and retry.
pub trait Log: Send + Sync + 'static {
    /// Appends `records` in order, all or none, and returns the first one's place.
    ///
    /// On return they are on stable storage, and readable. `expected` is the length the caller
    /// last saw: if the log has grown since, nothing is written. `extras` are written with them,
    /// in the same step; without records, `extras` alone are.
    ///
    /// # Errors
    ///
    /// After [`AppendError::Broken`] nobody knows whether the records survived; the log answers
    /// the same to every later append until it is opened anew. After every other error nothing
    /// was written and the log is as it was.
    fn append(
        &self,
        expected: Seq,
        records: &[Vec<u8>],
        extras: &[Extra],
    ) -> Result<Seq, AppendError>;

    /// Reads at most `limit` records from `from` on, in order; none at the end of the log.
    ///
    /// Only what is durable is read, and no appender is waited for while it writes to disk.
    ///
    /// # Errors
    ///
    /// The storage cannot be read, or what it holds is damaged. Nothing is changed by that: the
    /// records before the damage can still be read with a smaller `limit`.
    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, ReadError>;

    /// The value of the extra of that key; `None` if there never was one.
    ///
    /// # Errors
    ///
    /// The storage cannot be read; nothing is changed by that.
    fn extra(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// Remembers `seal`, in the place of the one before, where the end of the log is guarded.
    ///
    /// For a statement that the layer above makes of what is durable, such as a signed
    /// checkpoint. It reaches the disk off the commit's path, about a second later at most, and
    /// on a clean stop; it is opaque here, and at most [`MAX_SEAL`] bytes of it are kept.
    fn seal(&self, seal: Bytes);

    /// What the guard said when the log was opened.
    fn guarded(&self) -> Guarded;

    /// The length, as it grows. It wakes a follower; the data always come from [`Log::read`].
    fn length(&self) -> watch::Receiver<Seq>;

    /// Whether appends are still accepted.
    ///
    /// # Errors
    ///
    /// Why not: [`Log::append`] would answer the same.
    fn health(&self) -> Result<(), Broken>;

    /// Becomes true when an append has not returned in the time that the storage may take: it may
    /// never, and whoever waits for it need not. The log is broken then, see [`Log::health`].
    fn stalled(&self) -> watch::Receiver<bool>;

    /// The room on its disk; `None` where it is on none, or nobody knows. Asks the system.
    fn space(&self) -> Option<Space> {
        None
    }

    /// Stops accepting appends and leaves the log as after a clean stop. Reading goes on.
    ///
    /// # Errors
    ///
    /// What was acknowledged is safe anyway; the next start has to look harder. The log is closed
    /// all the same.
    fn close(&self) -> Result<(), CloseError>;
}

impl<L: Log + ?Sized> Log for Arc<L> {
    fn append(
        &self,
        expected: Seq,
        records: &[Vec<u8>],
        extras: &[Extra],
    ) -> Result<Seq, AppendError> {
        (**self).append(expected, records, extras)
    }

    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, ReadError> {
        (**self).read(from, limit)
    }

    fn extra(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        (**self).extra(key)
    }

    fn seal(&self, seal: Bytes) {
        (**self).seal(seal);
    }

    fn guarded(&self) -> Guarded {
        (**self).guarded()
    }

    fn length(&self) -> watch::Receiver<Seq> {
        (**self).length()
    }

    fn health(&self) -> Result<(), Broken> {
        (**self).health()
    }

    fn stalled(&self) -> watch::Receiver<bool> {
        (**self).stalled()
    }

    fn space(&self) -> Option<Space> {
        (**self).space()
    }

    fn close(&self) -> Result<(), CloseError> {
        (**self).close()
    }
}
