//! What an engine stands on: pairs in the order of their keys, and the keys of a log.

use std::{io, sync::Arc};

use bytes::Bytes;

use crate::{Cause, Guarded, Seq, Space, frame::FrameHash};

/// The first byte of the key of an extra. No frame's key starts with it: a log would need more
/// than 2^63 records.
const EXTRA_PREFIX: u8 = 0xFF;

/// The end of a log: how long it is, and the hash of its last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct End {
    pub(crate) length: Seq,
    pub(crate) hash: FrameHash,
}

/// One change to a store.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

impl Change {
    /// The bytes that it writes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Change::Put(key, value) => key.len() + value.len(),
            Change::Remove(key) => key.len(),
        }
    }
}

/// Takes a frame and the place it is filed under; `false` ends the walk.
pub(crate) type FrameVisitor<'a> = &'a mut dyn FnMut(Seq, Bytes) -> bool;

/// Pairs in the order of their keys.
pub(crate) trait Store: Send + Sync + 'static {
    /// The room on its disk, see [`crate::Log::space`].
    fn space(&self) -> Option<Space> {
        None
    }

    /// Makes all the changes or none, and returns when they are on stable storage.
    ///
    /// After an error it is unknown whether they are.
    fn write(&self, changes: Vec<Change>) -> Result<(), Cause>;

    /// Remembers a seal, see [`crate::Log::seal`].
    fn seal(&self, seal: Bytes);

    /// What the guard said when the store was opened.
    fn guarded(&self) -> Guarded;

    /// Is called with each new end, after it is on stable storage.
    fn grown(&self, end: End);

    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Cause>;

    /// The last frame filed under `at` or before.
    fn floor(&self, at: Seq) -> Result<Option<(Seq, Bytes)>, Cause>;

    /// Visits the frames filed under `from` and after, in order.
    fn visit_frames(&self, from: Seq, visitor: FrameVisitor<'_>) -> Result<(), Cause>;

    /// Visits the extras: the length of each value.
    fn visit_extras(&self, visitor: &mut dyn FnMut(usize)) -> Result<(), Cause>;

    /// Leaves everything as after a clean stop.
    fn close(&self, end: End) -> Result<(), Cause>;
}

/// The key of the frame whose first record is at `first`.
pub(crate) fn frame_key(first: Seq) -> [u8; 8] {
    first.0.to_be_bytes()
}

/// The place of the frame that is stored under a key.
pub(crate) fn frame_place(key: &[u8]) -> Result<Seq, Cause> {
    match key.try_into() {
        Ok(key) => Ok(Seq(u64::from_be_bytes(key))),
        Err(_) => Err(Arc::new(io::Error::new(io::ErrorKind::InvalidData, "a key is no place"))),
    }
}

/// The key under which an extra is stored.
pub(crate) fn extra_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + key.len());
    stored.push(EXTRA_PREFIX);
    stored.extend_from_slice(key);
    stored
}

/// Where the extras begin, and the frames end.
pub(crate) const EXTRAS: [u8; 1] = [EXTRA_PREFIX];
