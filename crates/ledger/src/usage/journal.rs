//! The journal: rows appended as they come, in frames that are each checked. What is behind the
//! last whole frame was being written when a crash came. See `schemas/usage.md`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::path::Path;

use eventlog::files;

use super::row::Row;

/// What the file begins with.
const MAGIC: &[u8; 16] = b"keyledger usagej";
/// The most bytes of rows in a frame; the writer makes shorter ones.
const MOST_IN_FRAME: u32 = 1 << 24;

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

/// Reads a journal, row by row, up to what a crash left unfinished.
pub(crate) fn read(path: &Path, each: &mut dyn FnMut(Row)) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    let mut head = [0; MAGIC.len()];
    if !fill(&mut file, &mut head)? || head != *MAGIC {
        tracing::warn!(file = %path.display(), "is no journal of counts of use; it is left out");
        return Ok(());
    }
    let mut frame = Vec::new();
    let mut head = [0; 8];
    while fill(&mut file, &mut head)? {
        let [length @ .., _, _, _, _] = head;
        let [_, _, _, _, sum @ ..] = head;
        let length = u32::from_be_bytes(length);
        if length > MOST_IN_FRAME {
            break;
        }
        frame.resize(length as usize, 0);
        if !fill(&mut file, &mut frame)? || crc32c::crc32c(&frame) != u32::from_be_bytes(sum) {
            break;
        }
        let mut left = frame.as_slice();
        while let Some(row) = Row::decode(&mut left) {
            each(row);
        }
    }
    Ok(())
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

    /// Cut anywhere, or with any bit turned, the frames before that are read.
    #[test]
    fn a_torn_tail_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path).unwrap();
        let mut ends = vec![journal.length()];
        for n in 1..=3 {
            journal.append(&frame(n)).unwrap();
            ends.push(journal.length());
        }
        journal.commit().unwrap();
        assert_eq!(rows(&path), [1, 2, 3]);
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= at as u64).count().saturating_sub(1);
            let expected: Vec<u64> = (1..=whole as u64).collect();
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert_eq!(rows(&path), expected, "cut at {at}");
            let mut turned = bytes.clone();
            turned[at] ^= 0x10;
            std::fs::write(&path, &turned).unwrap();
            assert_eq!(rows(&path), expected, "turned at {at}");
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
