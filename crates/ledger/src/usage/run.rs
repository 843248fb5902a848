//! A run: a file of rows in the order of their series, written once, in blocks that are each
//! checked. See `schemas/usage.md`.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use eventlog::files;

use super::row::Row;
use super::series::SeriesId;

/// What the first block says after its checksum.
const MAGIC: &[u8; 16] = b"keyledger usage1";
/// Bytes of a block. A day of one series with every code in every hour fits.
const BLOCK: usize = 8_192;
/// Checksum and number of rows.
const HEAD: usize = 6;

/// An open run.
pub(crate) struct Run {
    file: File,
    path: PathBuf,
    /// Blocks of rows, behind the first block.
    blocks: u32,
    bytes: u64,
}

impl Run {
    /// Opens the file. [`io::ErrorKind::InvalidData`] if it is no whole run.
    pub(crate) fn open(path: &Path) -> io::Result<Run> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut run = Run { file, path: path.to_owned(), blocks: 0, bytes };
        let first = run.block(0)?;
        let blocks = first.get(HEAD..).and_then(|rest| rest.strip_prefix(MAGIC));
        let blocks = blocks.and_then(|rest| rest.first_chunk()).ok_or_else(damaged)?;
        run.blocks = u32::from_be_bytes(*blocks);
        let whole = (u64::from(run.blocks) + 1) * BLOCK as u64;
        if bytes == whole { Ok(run) } else { Err(damaged()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The row of a series, if it has one.
    pub(crate) fn find(&self, series: SeriesId) -> io::Result<Option<Row>> {
        // The last block that begins with it or one before it.
        let (mut low, mut high) = (1, self.blocks);
        while low < high {
            let middle = high - (high - low) / 2;
            let first = rows_of(self.block(middle)?.as_slice())?.next();
            if first.is_some_and(|row| row.series <= series) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        if self.blocks == 0 {
            return Ok(None);
        }
        Ok(rows_of(self.block(low)?.as_slice())?.find(|row| row.series == series))
    }

    /// All rows in order. A damaged block is left out, with a warning in the log.
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows { run: self, next: 1, block: Vec::new().into_iter() }
    }

    fn block(&self, number: u32) -> io::Result<Box<[u8; BLOCK]>> {
        let mut block = Box::new([0; BLOCK]);
        self.file.read_exact_at(block.as_mut_slice(), u64::from(number) * BLOCK as u64)?;
        let (sum, rest) = block.split_first_chunk().ok_or_else(damaged)?;
        if u32::from_be_bytes(*sum) == crc32c::crc32c(rest) { Ok(block) } else { Err(damaged()) }
    }
}

/// The rows of one block.
fn rows_of(block: &[u8]) -> io::Result<impl Iterator<Item = Row>> {
    let (head, mut rest) = block.split_first_chunk::<HEAD>().ok_or_else(damaged)?;
    let count = u16::from_be_bytes([head[4], head[5]]);
    Ok((0..count).map_while(move |_| Row::decode(&mut rest)))
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "damaged counts of use; remove the file")
}

/// All rows of a run.
pub(crate) struct Rows<'r> {
    run: &'r Run,
    next: u32,
    block: std::vec::IntoIter<Row>,
}

impl Iterator for Rows<'_> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        loop {
            if let Some(row) = self.block.next() {
                return Some(Ok(row));
            }
            if self.next > self.run.blocks {
                return None;
            }
            let block = self.run.block(self.next);
            self.next += 1;
            match block.and_then(|block| Ok(rows_of(block.as_slice())?.collect::<Vec<_>>())) {
                Ok(rows) => self.block = rows.into_iter(),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let file = self.run.path.display();
                    tracing::warn!(%file, block = self.next - 1, "damaged counts of use are left out");
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Writes a run, aside, until [`Writer::finish`] gives it its name.
pub(crate) struct Writer {
    file: File,
    aside: PathBuf,
    path: PathBuf,
    block: Vec<u8>,
    rows: u16,
    blocks: u32,
}

impl Writer {
    /// Begins the run that will be the file `path`.
    pub(crate) fn new(path: &Path) -> io::Result<Writer> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let aside = path.with_file_name(format!(".{}.aside", name.to_string_lossy()));
        files::remove_if_there(&aside)?;
        let mut file = files::create_new(&aside)?;
        file.write_all(&[0; BLOCK])?;
        let path = path.to_owned();
        Ok(Writer { file, aside, path, block: Vec::new(), rows: 0, blocks: 0 })
    }

    /// Appends a row, whose series must come after the one before.
    pub(crate) fn push(&mut self, row: &Row) -> io::Result<()> {
        let start = self.block.len();
        row.encode(&mut self.block);
        if HEAD + self.block.len() > BLOCK {
            let row = self.block.split_off(start);
            self.write_block()?;
            self.block = row;
        }
        self.rows += 1;
        Ok(())
    }

    /// Writes what is left; on return the run is on stable storage under its name.
    pub(crate) fn finish(mut self) -> io::Result<Run> {
        if self.rows > 0 {
            self.write_block()?;
        }
        let first = [MAGIC.as_slice(), &self.blocks.to_be_bytes()].concat();
        self.file.write_all_at(&sealed(0, &first)?, 0)?;
        self.file.sync_all()?;
        files::rename(&self.aside, &self.path)?;
        Run::open(&self.path)
    }

    fn write_block(&mut self) -> io::Result<()> {
        let block = sealed(self.rows, &self.block)?;
        self.file.write_all(&block)?;
        self.blocks = self.blocks.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        self.rows = 0;
        self.block.clear();
        Ok(())
    }
}

/// A run that was not finished leaves nothing.
impl Drop for Writer {
    fn drop(&mut self) {
        // If it was, there is no such file any more.
        let _ = files::remove_if_there(&self.aside);
    }
}

/// A block of `rows` rows, with its checksum in front and zeros behind.
fn sealed(rows: u16, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut block = vec![0; 4];
    block.extend(rows.to_be_bytes());
    block.extend(bytes);
    if block.len() > BLOCK {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a row longer than a block"));
    }
    block.resize(BLOCK, 0);
    if let Some((sum, rest)) = block.split_first_chunk_mut::<4>() {
        *sum = crc32c::crc32c(rest).to_be_bytes();
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::table::LastUse;
    use crate::usage::bucket::Bucket;

    fn row(number: u32) -> Row {
        Row {
            series: SeriesId::from_bytes(u128::from(number).to_be_bytes()),
            last: LastUse { at: u64::from(number) * 1_000_000, ..LastUse::NONE },
            counts: vec![(Bucket::from_number(number), u64::from(number))],
        }
    }

    fn written(path: &Path, rows: u32) -> Run {
        let mut writer = Writer::new(path).unwrap();
        (0..rows).for_each(|number| writer.push(&row(number * 2)).unwrap());
        writer.finish().unwrap()
    }

    #[test]
    fn rows_are_found_and_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for rows in [0, 1, 2, 300, 301, 5_000] {
            let run = written(&folder.path().join("run"), rows);
            let read: Vec<Row> = run.rows().map(Result::unwrap).collect();
            assert_eq!(read, (0..rows).map(|number| row(number * 2)).collect::<Vec<_>>());
            for number in 0..rows * 2 + 2 {
                let expected = (number % 2 == 0 && number < rows * 2).then(|| row(number));
                assert_eq!(run.find(row(number).series).unwrap(), expected, "{number} of {rows}");
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// The longest row there can be: every code in every hour of a day.
    #[test]
    fn the_longest_row_fits_in_a_block() {
        let folder = tempfile::tempdir().unwrap();
        let first = Bucket::first_of(20_000).number();
        let counts = (first..first + 24 * 16).map(|n| (Bucket::from_number(n), u64::MAX)).collect();
        let last = LastUse { at: u64::MAX, total: u32::MAX, in_month: u32::MAX, on_day: u32::MAX };
        let row = Row { series: SeriesId::ALL, last, counts };
        let mut writer = Writer::new(&folder.path().join("run")).unwrap();
        writer.push(&row).unwrap();
        assert_eq!(writer.finish().unwrap().find(SeriesId::ALL).unwrap(), Some(row));
    }

    #[test]
    fn damage_is_noticed_and_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let run = written(&path, 5_000);
        let bytes = std::fs::read(&path).unwrap();
        for at in [4, 20, 25, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            let opened = Run::open(&path);
            assert_eq!(opened.is_err(), at < BLOCK, "{at}");
        }
        for length in [0, 100, BLOCK, bytes.len() - BLOCK, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(Run::open(&path).is_err(), "{length}");
        }
        let mut bad = bytes;
        bad[BLOCK + 100] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let damaged = Run::open(&path).unwrap();
        assert!(damaged.find(row(0).series).is_err());
        assert_eq!(damaged.find(row(9_998).series).unwrap(), Some(row(9_998)));
        let left = damaged.rows().map(Result::unwrap).count();
        assert!((4_000..5_000).contains(&left), "{left}");
        drop(run);
    }
}
