//! sled's recovery, without its writes.
//!
//! sled's file is a row of segments of 512 KiB, each with a header that says where in the log it
//! belongs (its LSN), full of messages with a checksum each. On opening, sled finds where the
//! messages stop (`check_contiguity_in_unstable_tail`), applies those before (`advance_snapshot`)
//! and overwrites what is behind. This is the same walk over the same bytes, and it writes
//! nothing. It trusts no number it reads.

use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt};

use bytes::Bytes;

/// sled's default, which we do not change; `conf` says it too.
const SEGMENT: u64 = SEGMENT_BYTES as u64;

/// The same, as the length of a buffer.
const SEGMENT_BYTES: usize = 512 * 1024;

/// The header of a segment: CRC-32, LSN, highest stable LSN.
const SEGMENT_HEADER: u64 = 20;

/// No message starts this close to the end of a segment.
const RED_ZONE: u64 = 32;

/// What an LSN in a segment's header is combined with.
const LSN_MASK: u64 = 0x7FFF_FFFF_FFFF_FFFF;

/// Kinds of messages (`MessageKind`).
mod kind {
    pub(super) const CORRUPTED: u8 = 0;
    pub(super) const CAP: u8 = 2;
    pub(super) const MANIFEST: u8 = 3;
    pub(super) const LAST: u8 = 10;
}

/// sled's file as its recovery sees it.
#[derive(Debug)]
pub(super) struct Recovery {
    file: File,
    /// Where the segments are in the file, by LSN.
    segments: BTreeMap<u64, u64>,
    /// The first LSN that is not applied.
    end: u64,
}

/// Two segments claim one place. sled would stop the whole process here.
#[derive(Debug)]
pub(super) struct Ambiguous;

/// One message.
struct Message<'a> {
    kind: u8,
    body: &'a [u8],
    length: u64,
}

impl Recovery {
    /// Reads the headers, and the messages of the tail, as far as they are whole.
    pub(super) fn read(file: File, covered: u64) -> io::Result<Result<Recovery, Ambiguous>> {
        let from = floor(covered);
        let length = file.metadata()?.len();
        let mut segments = BTreeMap::new();
        let mut stable = from;
        let mut at = 0;
        while at + SEGMENT_HEADER <= length {
            let mut header = [0; 20];
            file.read_exact_at(&mut header, at)?;
            if let Some((lsn, max_stable)) = segment_header(&header) {
                stable = stable.max(max_stable);
                if segments.insert(lsn, at).is_some() && lsn >= from {
                    return Ok(Err(Ambiguous));
                }
            }
            at += SEGMENT;
        }
        let mut recovery = Recovery { file, segments, end: 0 };
        recovery.end = recovery.find_end(floor(stable))?;
        Ok(Ok(recovery))
    }

    /// Shows what was written from that LSN on: `true` and the message, if sled would apply it;
    /// `false` and the bytes to the end of the segment, if it would not.
    ///
    /// Of a segment with a message that is not whole sled drops the rest, and goes on with the next.
    pub(super) fn show(&self, from: u64, show: &mut dyn FnMut(bool, &Bytes)) -> io::Result<()> {
        let mut torn = false;
        for (lsn, at) in self.segments.range(floor(from)..) {
            let segment = self.segment(*at)?;
            let mut next = SEGMENT_HEADER;
            while !torn && lsn + next < self.end && next <= SEGMENT - RED_ZONE {
                let Some(message) = message(&segment, next, lsn / SEGMENT) else { break };
                if message.kind == kind::CAP {
                    next = SEGMENT;
                    break;
                }
                if message.kind == kind::MANIFEST && ends_after(message.body, self.end) {
                    torn = true;
                    break;
                }
                if message.kind > kind::MANIFEST && lsn + next >= from {
                    show(true, &segment.slice_ref(message.body));
                }
                next += message.length;
            }
            let next = usize::try_from(next).unwrap_or(usize::MAX).min(segment.len());
            show(false, &segment.slice(next..));
        }
        Ok(())
    }

    /// The first LSN behind the last whole message of the tail, which starts at `lowest`.
    fn find_end(&self, lowest: u64) -> io::Result<u64> {
        let mut end = 0;
        let mut expected = lowest;
        for (lsn, at) in self.segments.range(lowest..) {
            if *lsn != expected {
                break;
            }
            expected += SEGMENT;
            let segment = self.segment(*at)?;
            let mut next = SEGMENT_HEADER;
            end = lsn + next;
            loop {
                if next > SEGMENT - RED_ZONE {
                    break;
                }
                let Some(message) = message(&segment, next, lsn / SEGMENT) else { return Ok(end) };
                if message.kind == kind::CAP {
                    break;
                }
                next += message.length;
                end = lsn + next;
            }
        }
        Ok(end)
    }

    fn segment(&self, at: u64) -> io::Result<Bytes> {
        let mut bytes = vec![0; SEGMENT_BYTES];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes.into())
    }
}

/// The LSN of the segment that holds this one.
fn floor(lsn: u64) -> u64 {
    lsn / SEGMENT * SEGMENT
}

fn segment_header(header: &[u8; 20]) -> Option<(u64, u64)> {
    let (checksum, fields) = header.split_first_chunk::<4>()?;
    if crc32fast::hash(fields) ^ u32::MAX != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (lsn, stable) = fields.split_first_chunk::<8>()?;
    let lsn = u64::from_le_bytes(*lsn) ^ LSN_MASK;
    let stable = u64::from_le_bytes(*stable.first_chunk::<8>()?) ^ LSN_MASK;
    // The stable LSN before the first byte is -1.
    let stable = if stable > LSN_MASK { 0 } else { stable };
    (lsn.is_multiple_of(SEGMENT) && lsn <= LSN_MASK).then_some((lsn, stable))
}

/// The message at `at` in a segment, if it is whole.
fn message(segment: &[u8], at: u64, number: u64) -> Option<Message<'_>> {
    let start = segment.get(usize::try_from(at).ok()?..)?;
    let (checksum, rest) = start.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first()?;
    let mut rest = rest;
    let length = varint(&mut rest)?;
    let segment_number = varint(&mut rest)?;
    let _page = varint(&mut rest)?;
    let body = rest.get(..usize::try_from(length).ok()?)?;
    let header = start.get(4..start.len() - rest.len())?;
    let mut crc = crc32fast::Hasher::new();
    crc.update(body);
    crc.update(header);
    let whole = crc.finalize() ^ u32::MAX == u32::from_le_bytes(*checksum)
        && *kind != kind::CORRUPTED
        && *kind <= kind::LAST
        && segment_number == number;
    let length = u64::try_from(start.len() - rest.len() + body.len()).ok()?;
    whole.then_some(Message { kind: *kind, body, length })
}

/// Whether the batch that a manifest announces ends at or after `end`.
fn ends_after(manifest: &[u8], end: u64) -> bool {
    match manifest.try_into() {
        Ok(last) => u64::from_le_bytes(last) >= end,
        Err(_) => true,
    }
}

/// sled's numbers of 1 to 9 bytes.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let (tag, rest) = bytes.split_first()?;
    let (size, number) = match *tag {
        0..=240 => (0, u64::from(*tag)),
        241..=248 => (1, 240 + 256 * (u64::from(*tag) - 241) + u64::from(*rest.first()?)),
        249 => (2, 2288 + 256 * u64::from(*rest.first()?) + u64::from(*rest.get(1)?)),
        250..=255 => {
            let size = usize::from(*tag) - 247;
            let mut number = [0; 8];
            number.get_mut(..size)?.copy_from_slice(rest.get(..size)?);
            (size, u64::from_le_bytes(number))
        }
    };
    *bytes = rest.get(size..)?;
    Some(number)
}
