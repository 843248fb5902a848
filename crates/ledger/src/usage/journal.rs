//! The journal: rows appended as they come, in frames that are each checked. What is behind the
//! last whole frame was being written when a crash came. See `schemas/usage.md`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::Path;

use eventlog::files;

use super::row::Row;

/// What the file begins with.
const MAGIC: &[u8; 16] = b"keyledger usagej";
/// The most bytes of rows in a frame; the writer makes shorter ones.
const MOST_IN_FRAME: u32 = 1 << 24;
/// In front of the rows of a frame: their length and their checksum.
const FRAME_HEAD: usize = 8;

/// A journal that is written.
pub(crate) struct Journal {
    file: File,
    /// Up to here the frames are whole.
    length: u64,
    /// Set while there may be something behind that.
    torn: bool,
}

impl Journal {
    /// Makes an empty journal.
    pub(crate) fn create(path: &Path) -> io::Result<Journal> {
        files::write_new(path, MAGIC)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Journal { file, length: MAGIC.len() as u64, torn: false })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends one frame after the other; they are on stable storage after [`Journal::commit`].
    pub(crate) fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
        }
        self.torn = true;
        let length = u32::try_from(rows.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend(crc32c::crc32c(rows).to_be_bytes());
        frame.extend(rows);
        self.file.write_all(&frame)?;
        self.length += frame.len() as u64;
        self.torn = false;
        Ok(())
    }

    /// Puts on stable storage what was appended.
    pub(crate) fn commit(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Takes back what was appended since the journal had this length.
    pub(crate) fn undo(&mut self, length: u64) {
        self.torn = self.torn || self.length != length;
        self.length = length;
    }
}

/// Reads a journal, row by row; whether it is one. What is none is left as it is. A frame that is
/// damaged is left out, and what a crash left unfinished behind the last one is cut off, both with
/// a warning in the log.
pub(crate) fn read(path: &Path, each: &mut dyn FnMut(Row)) -> io::Result<bool> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut head = [0; MAGIC.len()];
    if !fill(&mut file, &mut head)? || head != *MAGIC {
        tracing::warn!(file = %path.display(), "is no journal of counts of use; it is left out");
        return Ok(false);
    }
    let (mut frame, mut whole) = (Vec::new(), MAGIC.len() as u64);
    while let Some((bytes, sum)) = frame_head(&mut file, length - whole)? {
        frame.resize(bytes, 0);
        file.read_exact(&mut frame)?;
        if crc32c::crc32c(&frame) == sum {
            let mut left = frame.as_slice();
            while let Some(row) = Row::decode(&mut left) {
                each(row);
            }
        } else {
            tracing::warn!(file = %path.display(), at = whole, "damaged counts of use are left out");
        }
        whole += (FRAME_HEAD + bytes) as u64;
    }
    if whole < length {
        tracing::warn!(
            file = %path.display(), at = whole, bytes = length - whole,
            "counts of use that were being written when the service ended are cut off"
        );
        cut(path, whole)?;
    }
    Ok(true)
}

/// The length and the checksum of the next frame, if the `left` bytes of the file have it whole.
fn frame_head(file: &mut impl io::Read, left: u64) -> io::Result<Option<(usize, u32)>> {
    let mut head = [0; FRAME_HEAD];
    if left < FRAME_HEAD as u64 || !fill(file, &mut head)? {
        return Ok(None);
    }
    let [length @ .., _, _, _, _] = head;
    let [_, _, _, _, sum @ ..] = head;
    let length = u32::from_be_bytes(length);
    // No frame is empty: this is room that a crash left without its bytes.
    let is_whole = u64::from(length) <= left - FRAME_HEAD as u64;
    let is_frame = (1..=MOST_IN_FRAME).contains(&length) && is_whole;
    Ok(is_frame.then_some((length as usize, u32::from_be_bytes(sum))))
}

/// Cuts a journal off behind its last frame, on stable storage.
fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

/// Reads as many bytes as there is room for; `false` at the end of the file.
fn fill(file: &mut impl io::Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::table::LastUse;
    use crate::usage::bucket::Bucket;
    use crate::usage::series::SeriesId;

    fn rows(path: &Path) -> Vec<u64> {
        let mut rows = Vec::new();
        read(path, &mut |row| rows.push(row.last.at)).unwrap();
        rows
    }

    fn frame(at: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let counts = vec![(Bucket::from_number(7), at)];
        let last = LastUse { at, ..LastUse::NONE };
        Row { series: SeriesId::ALL, last, counts }.encode(&mut bytes);
        bytes
    }

    /// The bytes of a journal of three frames, and where each part of it ends.
    fn three_frames(path: &Path) -> (Vec<u8>, Vec<usize>) {
        let mut journal = Journal::create(path).unwrap();
        let mut ends = vec![MAGIC.len()];
        for n in 1..=3 {
            journal.append(&frame(n)).unwrap();
            ends.push(usize::try_from(journal.length()).unwrap());
        }
        journal.commit().unwrap();
        (std::fs::read(path).unwrap(), ends)
    }

    /// Cut anywhere, the frames before that are read and the rest is cut off, so that it is said once.
    #[test]
    fn a_torn_tail_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (bytes, ends) = three_frames(&path);
        assert_eq!(rows(&path), [1, 2, 3]);
        for at in MAGIC.len()..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= at).count() - 1;
            let expected: Vec<u64> = (1..=whole as u64).collect();
            // Some file systems give room before they give it bytes.
            for zeros in [0, 5, 8, 100] {
                let mut torn = bytes[..at].to_vec();
                torn.resize(at + zeros, 0);
                std::fs::write(&path, &torn).unwrap();
                assert_eq!(rows(&path), expected, "cut at {at}, then {zeros} zeros");
                // A frame that the zeros made as long as it was is damaged, and no tail.
                let left = std::fs::read(&path).unwrap();
                assert!(torn.starts_with(&left) && left.len() >= ends[whole], "{at}, {zeros}");
                assert!(zeros > 0 || left.len() == ends[whole], "cut at {at}");
                assert_eq!(rows(&path), expected);
                assert_eq!(std::fs::read(&path).unwrap(), left, "cut twice at {at}");
            }
        }
    }

    /// With any bit turned, no frame but that one is lost; if it is one of a length, also those
    /// behind it, and no count comes out other than it was.
    #[test]
    fn a_damaged_frame_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (bytes, ends) = three_frames(&path);
        for at in MAGIC.len()..bytes.len() {
            let number = ends.iter().filter(|end| **end <= at).count();
            let is_length = at - ends[number - 1] < 4;
            let others: Vec<u64> = (1..=3).filter(|n| *n != number as u64).collect();
            for bit in 0..8 {
                let mut turned = bytes.clone();
                turned[at] ^= 1 << bit;
                std::fs::write(&path, &turned).unwrap();
                let read = rows(&path);
                if is_length {
                    assert!(read.starts_with(&others[..number - 1]), "bit {bit} turned at {at}");
                    assert!(read.is_sorted() && read.iter().all(|n| others.contains(n)));
                } else {
                    assert_eq!(read, others, "bit {bit} turned at {at}");
                    assert_eq!(std::fs::read(&path).unwrap(), turned, "nothing is cut off");
                }
            }
        }
    }

    /// What is no journal is left as it is, whatever its name says.
    #[test]
    fn what_is_no_journal_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (bytes, _) = three_frames(&path);
        let newer = [b"keyledger usagek".as_slice(), &bytes[MAGIC.len()..]].concat();
        for foreign in [b"".as_slice(), b"keyled", b"something else altogether", &newer] {
            std::fs::write(&path, foreign).unwrap();
            assert!(!read(&path, &mut |_| unreachable!()).unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), foreign);
        }
    }

    #[test]
    fn what_was_undone_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path).unwrap();
        journal.append(&frame(1)).unwrap();
        let length = journal.length();
        journal.append(&frame(2)).unwrap();
        journal.append(&frame(3)).unwrap();
        journal.undo(length);
        journal.append(&frame(4)).unwrap();
        assert_eq!(rows(&path), [1, 4]);
    }
}
