//! The file of the keyring: a head of 48 bytes, then one slot of 48 bytes for each key.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use keys::Pseudonym;
use zeroize::Zeroizing;

use super::PersonKey;

/// What a file begins with; the rest of the head is zero.
const MAGIC: &[u8; 19] = b"keyledger keyring 1";
/// The bytes of a slot: pseudonym, key. A destroyed key is zeros. A slot whose pseudonym is not that
/// of its key was cut off while it was written, before anybody was given it.
const SLOT: usize = 48;

/// Why the keyring cannot be used. Nothing was given that is not stored.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or written.
    #[error("the keyring {path}: {source}", path = path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is none, though there is a log.
    #[error("the keyring {0} is missing; restore it from the backup that the log is from")]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{0} is no keyring")]
    Foreign(PathBuf),
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
    /// An earlier write failed: nobody knows what is stored.
    #[error("the keyring is broken; restart the service to read it again")]
    Broken,
}

/// The open file.
pub(super) struct KeyFile {
    file: File,
    path: PathBuf,
    /// Where the next slot goes.
    end: u64,
    /// Whether a write failed.
    is_broken: bool,
}

/// The slots of a file: the key of a destroyed one is `None`.
type Slots = Vec<(Pseudonym, Option<PersonKey>)>;

impl KeyFile {
    /// Opens a file, which is made if `may_create`, and reads its slots.
    pub(super) fn open(path: &Path, may_create: bool) -> Result<(KeyFile, Slots), KeyringError> {
        let fault = |source| KeyringError::File { path: path.to_owned(), source };
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_create => {
                create(path).map_err(fault)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyringError::Missing(path.to_owned()));
            }
            Err(error) => return Err(fault(error)),
        };
        let (stored, end) = slots_of(&mut file, path)?;
        Ok((KeyFile { file, path: path.to_owned(), end, is_broken: false }, stored))
    }

    /// Appends keys; they are on stable storage when this returns. After an error no more are taken.
    pub(super) fn append(&mut self, keys: &[PersonKey]) -> Result<(), KeyringError> {
        if self.is_broken {
            return Err(KeyringError::Broken);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(SLOT * keys.len()));
        for key in keys {
            bytes.extend(key.pseudonym().0);
            bytes.extend(key.as_bytes());
        }
        self.is_broken = true;
        let written = self.file.write_all_at(&bytes, self.end);
        let synced = written.and_then(|()| self.file.sync_data());
        synced.map_err(|source| KeyringError::File { path: self.path.clone(), source })?;
        self.end += bytes.len() as u64;
        self.is_broken = false;
        Ok(())
    }
}

/// Reads the slots of a file that stays as it is.
pub(super) fn read(path: &Path) -> Result<Slots, KeyringError> {
    let mut file = File::open(path).map_err(|source| {
        let is_missing = source.kind() == io::ErrorKind::NotFound;
        let path = path.to_owned();
        if is_missing { KeyringError::Missing(path) } else { KeyringError::File { path, source } }
    })?;
    Ok(slots_of(&mut file, path)?.0)
}

/// The slots of an open file, and where the next one goes.
fn slots_of(file: &mut File, path: &Path) -> Result<(Slots, u64), KeyringError> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes)
        .map_err(|source| KeyringError::File { path: path.to_owned(), source })?;
    let (slots, _cut_off) = bytes.as_chunks::<SLOT>();
    let slots = slots.split_first().filter(|(first, _)| **first == head());
    let (_, slots) = slots.ok_or_else(|| KeyringError::Foreign(path.to_owned()))?;
    Ok((slots.iter().filter_map(slot).collect(), (SLOT * (slots.len() + 1)) as u64))
}

fn head() -> [u8; SLOT] {
    let mut head = [0; SLOT];
    head.iter_mut().zip(MAGIC).for_each(|(to, from)| *to = *from);
    head
}

/// Makes an empty file aside, and gives it its name when it is stored.
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let aside = path.with_extension("new");
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all_at(&head(), 0)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

/// What is in a slot, unless it was cut off.
fn slot(slot: &[u8; SLOT]) -> Option<(Pseudonym, Option<PersonKey>)> {
    let (name, key) = slot.split_first_chunk::<16>()?;
    let key = PersonKey::from_bytes(*key.first_chunk()?);
    let pseudonym = Pseudonym(*name);
    if *key.as_bytes() == [0; 32] {
        return (*name != [0; 16]).then_some((pseudonym, None));
    }
    (key.pseudonym() == pseudonym).then_some((pseudonym, Some(key)))
}
