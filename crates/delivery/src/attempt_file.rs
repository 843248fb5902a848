//! The file of a webhook's attempts, which is appended to: its last line says how far it is.
//!
//! Layout: `schemas/webhooks.md`. A line that a crash cut short is passed over, so that the one
//! before it holds: then a message goes out twice.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eventlog::files;

use crate::attempt::Entry;

/// The attempts that are shown, and left when the file is written anew.
pub(crate) const SHOWN: usize = 100;
/// From so many bytes on the file is written anew.
const MOST_BYTES: u64 = 256 * 1024;
/// A power cut loses at most the lines of this time: their messages go out again.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The file, open to append.
#[derive(Debug)]
pub(crate) struct AttemptFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    synced: Instant,
    /// The last lines with an attempt, and the last line of all.
    lines: VecDeque<Entry>,
    /// Whether the last line may be cut short.
    torn: bool,
}

impl AttemptFile {
    /// Makes the file with a first line. It is on stable storage on return.
    pub(crate) fn create(path: PathBuf, entry: Entry) -> io::Result<AttemptFile> {
        AttemptFile::write_whole(path, VecDeque::from([entry]))
    }

    /// Opens a file, and reads its last lines: the last of all is the last.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if no line of it is whole.
    pub(crate) fn open(path: PathBuf) -> io::Result<AttemptFile> {
        let text = std::fs::read(&path)?;
        let (lines, torn) = read(&text);
        if lines.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no line of it is whole"));
        }
        if torn || text.len() as u64 > MOST_BYTES {
            return AttemptFile::write_whole(path, lines);
        }
        let file = OpenOptions::new().append(true).open(&path)?;
        let (bytes, synced) = (text.len() as u64, Instant::now());
        Ok(AttemptFile { path, file, bytes, synced, lines, torn })
    }

    /// The last lines.
    pub(crate) fn lines(&self) -> &VecDeque<Entry> {
        &self.lines
    }

    /// Appends a line, and sees to it that what is a second old is on stable storage.
    ///
    /// # Errors
    ///
    /// The line may be lost; the next one can be appended all the same.
    pub(crate) fn append(&mut self, entry: Entry) -> io::Result<()> {
        let mut text = if self.torn { vec![b'\n'] } else { Vec::new() };
        write_line(&mut text, &entry);
        push(&mut self.lines, entry);
        if self.bytes + text.len() as u64 > MOST_BYTES {
            *self = AttemptFile::write_whole(self.path.clone(), self.lines.clone())?;
            return Ok(());
        }
        self.torn = true;
        self.file.write_all(&text)?;
        self.torn = false;
        self.bytes += text.len() as u64;
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Brings all lines to stable storage.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced = Instant::now();
        Ok(())
    }

    fn write_whole(path: PathBuf, lines: VecDeque<Entry>) -> io::Result<AttemptFile> {
        let mut text = Vec::new();
        for line in &lines {
            write_line(&mut text, line);
        }
        files::replace(&path, &text)?;
        let file = OpenOptions::new().append(true).open(&path)?;
        let (bytes, synced) = (text.len() as u64, Instant::now());
        Ok(AttemptFile { path, file, bytes, synced, lines, torn: false })
    }
}

/// Whether a file of this name is one of attempts, and of which webhook.
pub(crate) fn webhook_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(SUFFIX)
}

/// What the name of the file ends with.
const SUFFIX: &str = ".attempts";

/// The file of a webhook in a folder.
pub(crate) fn path(folder: &Path, webhook: impl std::fmt::Display) -> PathBuf {
    folder.join(format!("{webhook}{SUFFIX}"))
}

/// Adds a line, and drops what is neither shown nor the last.
fn push(lines: &mut VecDeque<Entry>, entry: Entry) {
    if lines.back().is_some_and(|last| last.attempt.is_none()) {
        lines.pop_back();
    }
    lines.push_back(entry);
    if lines.len() > SHOWN {
        lines.pop_front();
    }
}

/// A line: the CRC-32C of the rest in hexadecimal digits, a space, the entry in JSON.
fn write_line(text: &mut Vec<u8>, entry: &Entry) {
    let json = serde_json::to_vec(entry);
    let json = json.unwrap_or_else(|_| unreachable!("numbers and texts are JSON"));
    text.extend_from_slice(format!("{:08x} ", crc32c::crc32c(&json)).as_bytes());
    text.extend_from_slice(&json);
    text.push(b'\n');
}

fn read_line(line: &[u8]) -> Option<Entry> {
    let (sum, rest) = line.split_at_checked(8)?;
    let json = rest.strip_prefix(b" ")?;
    if sum != format!("{:08x}", crc32c::crc32c(json)).as_bytes() {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// The lines that are whole, and whether any is not.
fn read(text: &[u8]) -> (VecDeque<Entry>, bool) {
    let (mut lines, mut torn) = (VecDeque::new(), !text.ends_with(b"\n"));
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match read_line(line) {
            Some(entry) => push(&mut lines, entry),
            None => torn = true,
        }
    }
    (lines, torn)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attempt::{Attempt, Mark, Position, Replay, Trouble};
    use crate::idempotency::Idempotency;
    use crate::outcome::OutcomeKind;

    fn entry(next: u64, attempted: bool) -> Entry {
        let mark = Mark { days: 7, at: 12, key: "k".to_owned() };
        let attempt = attempted.then(|| Attempt {
            at: 1_700_000_000_000_000,
            message: format!("m_{next}"),
            kind: "created".to_owned(),
            seq: Some(next),
            number: 1,
            outcome: OutcomeKind::Rejected,
            status: Some(500),
            took_ms: 3,
        });
        let trouble = attempted.then_some(Trouble { since: 1, failures: 2, retry_at: Some(3) });
        let position = Position { next, reminders: vec![mark] };
        Entry { trouble, attempt, ..Entry::at(position) }
    }

    /// Stored for ever: a later version reads this line.
    #[test]
    fn a_line_is_as_it_was() {
        let mut text = Vec::new();
        write_line(&mut text, &entry(7, true));
        let line = r#"b6605d93 {"position":{"next":7,"reminders":[{"days":7,"at":12,"key":"k"}]},"trouble":{"since":1,"failures":2,"retry_at":3},"attempt":{"at":1700000000000000,"message":"m_7","kind":"created","seq":7,"number":1,"outcome":"rejected","status":500,"took_ms":3}}"#;
        assert_eq!(String::from_utf8(text).unwrap(), format!("{line}\n"));
        assert_eq!(read_line(line.as_bytes()), Some(entry(7, true)));
        let request = Idempotency { key: [1; 32], request: [2; 32] };
        let replayed = Entry { replay: Some(Replay { request, at: 9 }), ..entry(7, false) };
        let mut text = Vec::new();
        write_line(&mut text, &replayed);
        let numbers = |number: &str| [number; 32].join(",");
        let (key, request) = (numbers("1"), numbers("2"));
        let expected = format!(
            r#""attempt":null,"replay":{{"request":{{"key":[{key}],"request":[{request}]}},"at":9}}}}"#
        );
        assert!(String::from_utf8(text.clone()).unwrap().trim_end().ends_with(&expected));
        assert_eq!(read(&text).0, [replayed]);
    }

    #[test]
    fn the_last_line_holds_and_the_last_attempts_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "one");
        let mut file = AttemptFile::create(path.clone(), entry(0, false)).unwrap();
        for next in 1..3000 {
            file.append(entry(next, next % 2 == 0)).unwrap();
        }
        let lines = AttemptFile::open(path.clone()).unwrap().lines;
        assert_eq!(lines, file.lines);
        assert_eq!(lines.back(), Some(&entry(2999, false)));
        assert_eq!(lines.iter().filter(|line| line.attempt.is_some()).count(), SHOWN - 1);
        assert!(std::fs::metadata(&path).unwrap().len() <= MOST_BYTES);
        assert_eq!(webhook_of(&path), Some("one"));
    }

    /// Wherever a crash cuts the file, the line before holds.
    #[test]
    fn a_line_that_was_cut_short_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "one");
        let mut file = AttemptFile::create(path.clone(), entry(0, false)).unwrap();
        file.append(entry(1, true)).unwrap();
        let before = std::fs::metadata(&path).unwrap().len();
        file.append(entry(2, true)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in usize::try_from(before).unwrap()..whole.len() - 1 {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut cut = AttemptFile::open(path.clone()).unwrap();
            assert_eq!(cut.lines.back(), Some(&entry(1, true)), "{length}");
            cut.append(entry(3, true)).unwrap();
            assert_eq!(AttemptFile::open(path.clone()).unwrap().lines, cut.lines);
        }
        std::fs::write(&path, &whole[..9]).unwrap();
        let refused = AttemptFile::open(path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        /// Any bytes are read, and what is taken of them is written as it was.
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, at: usize, bit in 0_u32..8, junk in "[0-9a-f]{8} \\{.{0,40}\\}") {
            read(&bytes);
            read(junk.as_bytes());
            let mut text = Vec::new();
            write_line(&mut text, &entry(5, true));
            let at = at % (text.len() - 1);
            text[at] ^= 1_u8 << bit;
            prop_assert_eq!(read(&text).0.len(), 0);
        }
    }
}
