//! The tar format (POSIX ustar) of a bundle: a name and a length determine the header.
//!
//! All other fields of a header are fixed: mode 0644, owner 0, time 0. So a verifier can reproduce
//! every byte of a bundle.

use std::io;

use tar::{Builder, EntryType, Header};

/// The block size: headers and contents are padded to a multiple of it.
const BLOCK: u64 = 512;
/// The length of the end marker.
const END: u64 = 2 * BLOCK;
/// The longest name that is written or accepted.
const LONGEST_NAME: usize = 100;

/// The longest member that is written or accepted.
const LONGEST: u64 = 1 << 60;

/// Why bytes are not an archive in the format of `Writer`.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A byte differs from the format.
    #[error("byte {0} differs from the archive's format")]
    Malformed(u64),
    /// They cannot be read.
    #[error("the bundle cannot be read")]
    Read(#[source] io::Error),
}

/// The header of a member; `None` for a name or a length outside the format.
fn header(name: &str, length: u64) -> Option<Header> {
    let plain = |byte: u8| byte.is_ascii_graphic();
    let lawful = !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(plain);
    if !lawful || length > LONGEST {
        return None;
    }
    let mut header = Header::new_ustar();
    header.set_path(name).ok()?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(length);
    header.set_cksum();
    Some(header)
}

/// The number of zeros after a member of that length.
fn padding(length: u64) -> u64 {
    length.next_multiple_of(BLOCK) - length
}

/// Writes an archive into memory, member by member; the bytes so far can be taken at any time.
///
/// [`tar::Builder`] writes a member in one call, which needs the whole member in memory. A member
/// that is produced over many calls is therefore begun, written and padded here.
pub(crate) struct Writer {
    out: Builder<Vec<u8>>,
    /// The missing bytes of the open member, and the zeros after it.
    open: Option<(u64, u64)>,
}

impl Writer {
    pub(crate) fn new() -> Writer {
        Writer { out: Builder::new(Vec::new()), open: None }
    }

    /// Writes a whole member. The previous one must be complete.
    pub(crate) fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.close()?;
        let header = member_header(name, bytes.len() as u64)?;
        self.out.append(&header, bytes)
    }

    /// Begins a member of that length. The previous one must be complete.
    pub(crate) fn begin(&mut self, name: &str, length: u64) -> io::Result<()> {
        self.close()?;
        let header = member_header(name, length)?;
        self.out.get_mut().extend_from_slice(header.as_bytes());
        self.open = Some((length, padding(length)));
        Ok(())
    }

    /// Writes more of the member that was begun.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((left, _)) = &mut self.open else { return Err(io::Error::other("no member")) };
        let more = bytes.len() as u64;
        *left = left.checked_sub(more).ok_or_else(|| io::Error::other("a member is too long"))?;
        self.out.get_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        match self.open.take() {
            None => Ok(()),
            Some((0, padding)) => {
                let out = self.out.get_mut();
                out.extend((0..padding).map(|_| 0));
                Ok(())
            }
            Some((_, _)) => Err(io::Error::other("a member is too short")),
        }
    }

    /// Ends the archive.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.close()?;
        self.out.finish()
    }

    /// The number of bytes that can be taken.
    pub(crate) fn waiting(&self) -> usize {
        self.out.get_ref().len()
    }

    /// Takes the bytes written since the last call.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.out.get_mut())
    }
}

/// The header of a member.
fn member_header(name: &str, length: u64) -> io::Result<Header> {
    header(name, length)
        .ok_or_else(|| io::Error::other(format!("`{name}` is not a name of a member")))
}

/// Bytes with random access from several threads.
pub trait Stored: Sync {
    /// The number of bytes.
    ///
    /// # Errors
    ///
    /// It cannot be determined.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes from `at` on.
    ///
    /// # Errors
    ///
    /// They cannot be read, or there are fewer.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;
}

impl Stored for std::fs::File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, at)
    }
}

impl Stored for [u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let from = usize::try_from(at).ok();
        let bytes = from.and_then(|from| self.get(from..)?.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The position of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) name: String,
    pub(crate) at: u64,
    pub(crate) length: u64,
}

/// Finds all members, and checks every byte outside of them.
pub(crate) fn members<S: Stored + ?Sized>(stored: &S) -> Result<Vec<Placed>, ArchiveError> {
    let whole = stored.length().map_err(ArchiveError::Read)?;
    let mut found = Vec::new();
    let mut at = 0;
    let mut block = [0; 512];
    loop {
        let malformed = ArchiveError::Malformed(at);
        if at + BLOCK > whole {
            return Err(malformed);
        }
        read(stored, &mut block, at)?;
        if block == [0; 512] {
            break;
        }
        let claimed = Header::from_byte_slice(&block);
        let name = claimed.path_bytes();
        let name = str::from_utf8(&name).ok();
        let parts = name.and_then(|name| Some((name, claimed.entry_size().ok()?)));
        let Some((name, length)) = parts else { return Err(malformed) };
        if header(name, length).is_none_or(|header| *header.as_bytes() != block) {
            return Err(malformed);
        }
        found.push(Placed { name: name.to_owned(), at: at + BLOCK, length });
        at = at.saturating_add(BLOCK + length);
        if at.saturating_add(padding(length)) > whole {
            return Err(ArchiveError::Malformed(whole));
        }
        are_zeros(stored, at, padding(length))?;
        at += padding(length);
    }
    if whole != at + END {
        return Err(ArchiveError::Malformed(whole.min(at + END)));
    }
    are_zeros(stored, at, END)?;
    Ok(found)
}

fn are_zeros<S: Stored + ?Sized>(stored: &S, at: u64, count: u64) -> Result<(), ArchiveError> {
    let mut buffer = [0; 1024];
    let zeros = usize::try_from(count).ok().and_then(|count| buffer.get_mut(..count));
    let zeros = zeros.ok_or(ArchiveError::Malformed(at))?;
    read(stored, zeros, at)?;
    let bad = zeros.iter().position(|byte| *byte != 0);
    match bad.and_then(|place| u64::try_from(place).ok()) {
        Some(place) => Err(ArchiveError::Malformed(at + place)),
        None => Ok(()),
    }
}

fn read<S: Stored + ?Sized>(stored: &S, buffer: &mut [u8], at: u64) -> Result<(), ArchiveError> {
    stored.read_at(buffer, at).map_err(ArchiveError::Read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new();
        for (name, bytes) in members {
            writer.begin(name, bytes.len() as u64).unwrap();
            writer.write(bytes).unwrap();
        }
        writer.finish().unwrap();
        writer.take()
    }

    #[test]
    fn what_is_written_is_found_again() {
        let long = [7; 513];
        let parts: [(&str, &[u8]); 3] = [("a", b""), ("tile/0/000", &long), ("z.json", b"{}")];
        let bytes = archive(&parts);
        let found = members(bytes.as_slice()).unwrap();
        for (placed, (name, content)) in found.iter().zip(parts) {
            assert_eq!((placed.name.as_str(), placed.length), (name, content.len() as u64));
            let at = usize::try_from(placed.at).unwrap();
            assert_eq!(&bytes[at..at + content.len()], content);
        }
        // Other implementations read it too.
        let mut theirs = tar::Archive::new(bytes.as_slice());
        let names = theirs.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into());
        let names: Vec<std::path::PathBuf> = names.collect();
        assert_eq!(names, ["a", "tile/0/000", "z.json"].map(std::path::PathBuf::from));
    }

    #[test]
    fn a_member_written_whole_is_the_same_as_one_written_in_pieces() {
        for length in [0, 1, 511, 512, 513, 5000] {
            let bytes = vec![7; length];
            let mut whole = Writer::new();
            whole.file("a", &bytes).unwrap();
            whole.finish().unwrap();
            let mut pieces = Writer::new();
            pieces.begin("a", length as u64).unwrap();
            bytes.chunks(100).for_each(|piece| pieces.write(piece).unwrap());
            pieces.finish().unwrap();
            assert!(whole.take() == pieces.take(), "{length} bytes");
        }
    }

    #[test]
    fn every_byte_outside_of_members_is_fixed() {
        let bytes = archive(&[("a", b"x"), ("b", b"yy")]);
        let inside = [512, 1536, 1537];
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let same_shape = members(changed.as_slice())
                .is_ok_and(|found| found.iter().map(|placed| placed.length).eq([1, 2]));
            assert_eq!(same_shape, inside.contains(&at), "byte {at}");
        }
        for length in 0..bytes.len() {
            assert!(members(&bytes[..length]).is_err(), "cut at {length}");
        }
        assert!(members([bytes, vec![0; 512]].concat().as_slice()).is_err());
    }

    #[test]
    fn a_long_log_fits_too() {
        for length in [0, 1, (1 << 33) - 1, 1 << 33, LONGEST] {
            let header = header("events.ndjson", length).unwrap();
            assert_eq!(header.entry_size().unwrap(), length);
        }
        // From 8 GiB on, octal digits are not enough (GNU's base 256).
        let size = header("a", 1 << 33).unwrap().as_bytes()[124..136].to_vec();
        assert_eq!(size, [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        assert!(header("a", LONGEST + 1).is_none());
    }

    #[test]
    fn a_member_has_the_length_it_was_begun_with() {
        let mut writer = Writer::new();
        writer.begin("a", 2).unwrap();
        assert!(writer.write(b"xyz").is_err());
        let mut writer = Writer::new();
        writer.begin("a", 2).unwrap();
        assert!(writer.begin("b", 0).is_err());
        assert!(Writer::new().begin(&"n".repeat(101), 0).is_err());
    }
}
