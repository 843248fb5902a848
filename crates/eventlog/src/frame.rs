//! Frames: the bytes in which records are stored, the same for every engine.
//!
//! A frame holds consecutive records of one append and says so itself: where it starts, how many
//! records it has, which part of its append it is, and the hash of the frame before it. The layout
//! is `schemas/frames.md`; golden bytes pin it. This module knows no storage.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{DamageKind, MAX_FRAME, MAX_RECORD, Seq};

/// The bytes of a frame before its records.
pub const HEADER: usize = 60;

/// What a frame starts with; its last byte is the version of the layout.
pub const MAGIC: [u8; 4] = *b"klf1";

/// Where the checksum ends, and so where the bytes it covers begin.
const COVERED: usize = 8;

/// The bytes of the length in front of each record.
const LENGTH: usize = 2;

/// The SHA-256 of a frame; zeros stand for the frame before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FrameHash(pub [u8; 32]);

impl FrameHash {
    /// The hash of a frame, all of it.
    #[must_use]
    pub fn of(frame: &[u8]) -> FrameHash {
        FrameHash(Sha256::digest(frame).into())
    }
}

/// A frame, taken apart and found to be in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The place of its first record.
    pub first: Seq,
    /// Which frame of its append it is, from 0.
    pub place: u32,
    /// How many frames its append has.
    pub number: u32,
    /// The hash of the frame before it in the log.
    pub before: FrameHash,
    /// Its records, slices of the frame.
    pub records: Vec<Bytes>,
}

impl Frame {
    /// The place after its last record.
    #[must_use]
    pub fn end(&self) -> Seq {
        self.first.plus(self.records.len())
    }

    /// Whether it is the last frame of its append.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.place.saturating_add(1) == self.number
    }

    /// The bytes of this frame.
    ///
    /// Its records must be 1 to [`MAX_RECORD`] bytes and together fit in [`MAX_FRAME`].
    ///
    /// # Panics
    ///
    /// They are together more than 64 KiB.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let records: Vec<&[u8]> = self.records.iter().map(AsRef::as_ref).collect();
        encode(self.first, (self.place, self.number), self.before, &records)
    }

    /// Takes a frame apart. Its records share `bytes`, nothing is copied.
    ///
    /// What is returned encodes to exactly `bytes` again.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn decode(bytes: &Bytes) -> Result<Frame, DamageKind> {
        let mut fields = Fields(bytes);
        if fields.take::<4>()? != MAGIC {
            return Err(DamageKind::Magic);
        }
        let checksum = u32::from_be_bytes(fields.take()?);
        let length = usize::from(u16::from_be_bytes(fields.take()?));
        if length != bytes.len() || !(HEADER..=MAX_FRAME).contains(&length) {
            return Err(DamageKind::Length);
        }
        if crc32c::crc32c(bytes.get(COVERED..).unwrap_or_default()) != checksum {
            return Err(DamageKind::Checksum);
        }
        let count = u16::from_be_bytes(fields.take()?);
        let place = u32::from_be_bytes(fields.take()?);
        let number = u32::from_be_bytes(fields.take()?);
        let first = Seq(u64::from_be_bytes(fields.take()?));
        let before = FrameHash(fields.take()?);
        if count == 0 || place >= number || first.0.checked_add(count.into()).is_none() {
            return Err(DamageKind::Form);
        }
        let mut records = Vec::with_capacity(count.into());
        let mut at = HEADER;
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes(fields.take()?));
            if length > MAX_RECORD {
                return Err(DamageKind::Form);
            }
            fields.skip(length)?;
            at += LENGTH;
            records.push(bytes.slice(at..at + length));
            at += length;
        }
        if at != bytes.len() {
            return Err(DamageKind::Form);
        }
        Ok(Frame { first, place, number, before, records })
    }
}

/// The length that the start of a frame announces, if it is the start of one.
pub(crate) fn announced_length(bytes: &[u8]) -> Option<usize> {
    let mut fields = Fields(bytes);
    if fields.take::<4>().ok()? != MAGIC {
        return None;
    }
    fields.take::<4>().ok()?;
    Some(u16::from_be_bytes(fields.take().ok()?).into())
}

/// What is left to be read of a frame.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DamageKind> {
        let (field, rest) = self.0.split_first_chunk().ok_or(DamageKind::Length)?;
        self.0 = rest;
        Ok(*field)
    }

    fn skip(&mut self, length: usize) -> Result<(), DamageKind> {
        self.0 = self.0.get(length..).ok_or(DamageKind::Form)?;
        Ok(())
    }
}

/// A frame that is ready to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    pub(crate) first: Seq,
    pub(crate) bytes: Vec<u8>,
}

/// Packs the records of one append into as few frames as they fit in, in order.
///
/// The records have been checked to be at most [`MAX_RECORD`] long. Returns the hash of the last
/// frame too, which is `before` if there are no records.
pub(crate) fn pack(first: Seq, before: FrameHash, records: &[Vec<u8>]) -> (Vec<Packed>, FrameHash) {
    let groups = group(records);
    #[expect(clippy::expect_used, reason = "frames with a wrong number could not be read")]
    let number = u32::try_from(groups.len()).expect("an append has fewer than 2^32 frames");
    let (mut first, mut before) = (first, before);
    let mut frames = Vec::with_capacity(groups.len());
    for (place, group) in (0..).zip(groups) {
        let bytes = encode(first, (place, number), before, group);
        before = FrameHash::of(&bytes);
        frames.push(Packed { first, bytes });
        first = first.plus(group.len());
    }
    (frames, before)
}

/// Cuts the records into runs that fit in one frame each.
fn group(records: &[Vec<u8>]) -> Vec<&[Vec<u8>]> {
    let mut groups = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let mut room = MAX_FRAME - HEADER;
        let mut count = 0;
        for record in rest {
            let Some(left) = room.checked_sub(LENGTH + record.len()) else { break };
            room = left;
            count += 1;
        }
        // A record always fits in a frame of its own, so this ends.
        let (group, tail) = rest.split_at(count.max(1));
        groups.push(group);
        rest = tail;
    }
    groups
}

fn encode(
    first: Seq,
    (place, number): (u32, u32),
    before: FrameHash,
    records: &[impl AsRef<[u8]>],
) -> Vec<u8> {
    let length = HEADER + records.iter().map(|r| LENGTH + r.as_ref().len()).sum::<usize>();
    let mut covered = Vec::with_capacity(length);
    covered.extend_from_slice(&u16_of(length).to_be_bytes());
    covered.extend_from_slice(&u16_of(records.len()).to_be_bytes());
    covered.extend_from_slice(&place.to_be_bytes());
    covered.extend_from_slice(&number.to_be_bytes());
    covered.extend_from_slice(&first.0.to_be_bytes());
    covered.extend_from_slice(&before.0);
    for record in records {
        let record = record.as_ref();
        covered.extend_from_slice(&u16_of(record.len()).to_be_bytes());
        covered.extend_from_slice(record);
    }
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&crc32c::crc32c(&covered).to_be_bytes());
    bytes.extend_from_slice(&covered);
    bytes
}

/// A frame's counts fit: it is at most [`MAX_FRAME`] bytes.
#[expect(clippy::expect_used, reason = "a frame with a wrong length could not be read")]
fn u16_of(count: usize) -> u16 {
    u16::try_from(count).expect("a frame is shorter than 64 KiB")
}
