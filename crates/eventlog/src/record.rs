//! The record, its place, and the limits of what a log takes.

use std::fmt;

use bytes::Bytes;

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

/// The most bytes a seal may have; a longer one is dropped.
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

    /// The place `count` records further on. At the end of the numbers it stays there: no log is
    /// that long, so nothing is read from that place.
    pub(crate) fn plus(self, count: usize) -> Seq {
        const { assert!(usize::BITS <= u64::BITS) }
        Seq(self.0.saturating_add(count as u64))
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
