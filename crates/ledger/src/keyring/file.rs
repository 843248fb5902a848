//! The file of the keyring: a head of 48 bytes, then one slot of 48 bytes for each key. The first key is
//! that of the ledger itself.

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
/// of its key was cut off: while it was written, before anybody was given it, or while its key was
/// destroyed. Either way the key is destroyed.
const SLOT: usize = 48;
/// The bytes of a slot before its key.
const NAME: u64 = 16;

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
    #[error(
        "the keyring {0} is missing; restore it from the backup that the log is from, or start once \
         with --accept-rollback, which forgets everybody"
    )]
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

/// Where a slot begins, in bytes from the start of the file.
pub(super) type Place = u64;

/// What a file holds.
pub(super) struct Stored {
    /// The key of the ledger itself.
    pub(super) own: PersonKey,
    /// Those of persons.
    pub(super) slots: Vec<Slot>,
}

/// A slot of a file.
pub(super) struct Slot {
    pub(super) pseudonym: Pseudonym,
    /// `None` was destroyed.
    pub(super) key: Option<PersonKey>,
    pub(super) place: Place,
    /// Whether there is something else than its key: that was damaged, or half destroyed.
    pub(super) is_torn: bool,
}

impl KeyFile {
    /// Opens a file, which is made if `may_create`, and reads its slots.
    pub(super) fn open(path: &Path, may_create: bool) -> Result<(KeyFile, Stored), KeyringError> {
        let fault = |source| KeyringError::File { path: path.to_owned(), source };
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_create => {
                create(path, &PersonKey::random()?).map_err(fault)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyringError::Missing(path.to_owned()));
            }
            Err(error) => return Err(fault(error)),
        };
        let (stored, end) = slots_of(&mut file, path)?;
        Ok((KeyFile { file, path: path.to_owned(), end, is_broken: false }, stored))
    }

    /// Appends keys, and says where; they are on stable storage when this returns. After an error no
    /// more are taken.
    pub(super) fn append(&mut self, keys: &[PersonKey]) -> Result<Vec<Place>, KeyringError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SLOT * keys.len()));
        for key in keys {
            write_slot(key, &mut bytes);
        }
        self.write(&[], &bytes)
    }

    /// Writes zeros over the keys in the slots at `places`, and appends slots without a key for
    /// `unknown`; says where those are. On stable storage when this returns; after an error nobody
    /// knows, and no more is written.
    pub(super) fn destroy(
        &mut self,
        places: &[Place],
        unknown: &[Pseudonym],
    ) -> Result<Vec<Place>, KeyringError> {
        if places.is_empty() && unknown.is_empty() {
            return Ok(Vec::new());
        }
        let slots = unknown.iter().flat_map(|name| name.0.into_iter().chain([0; 32]));
        self.write(places, &slots.collect::<Vec<_>>())
    }

    /// Whether it can be written: no write failed with an unknown outcome.
    pub(super) fn check(&self) -> Result<(), KeyringError> {
        if self.is_broken { Err(KeyringError::Broken) } else { Ok(()) }
    }

    fn write(&mut self, destroyed: &[Place], appended: &[u8]) -> Result<Vec<Place>, KeyringError> {
        self.check()?;
        let fault = |source| KeyringError::File { path: self.path.clone(), source };
        // What is behind the end is nobody's, and is written over: a full disk breaks nothing.
        self.file.write_all_at(appended, self.end).map_err(fault)?;
        self.is_broken = true;
        let mut keys = destroyed.iter();
        let written = keys.try_for_each(|place| self.file.write_all_at(&[0; 32], place + NAME));
        let synced = written.and_then(|()| self.file.sync_data());
        synced.map_err(fault)?;
        let start = self.end;
        self.end += appended.len() as u64;
        self.is_broken = false;
        Ok((start..self.end).step_by(SLOT).collect())
    }

    /// Has every write fail from now on.
    #[cfg(test)]
    pub(super) fn fail_writes(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}

/// Reads the slots of a file that stays as it is.
pub(super) fn read(path: &Path) -> Result<Stored, KeyringError> {
    let mut file = File::open(path).map_err(|source| {
        let is_missing = source.kind() == io::ErrorKind::NotFound;
        let path = path.to_owned();
        if is_missing { KeyringError::Missing(path) } else { KeyringError::File { path, source } }
    })?;
    Ok(slots_of(&mut file, path)?.0)
}

/// What an open file holds, and where the next slot goes.
fn slots_of(file: &mut File, path: &Path) -> Result<(Stored, Place), KeyringError> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes)
        .map_err(|source| KeyringError::File { path: path.to_owned(), source })?;
    parse(&bytes).ok_or_else(|| KeyringError::Foreign(path.to_owned()))
}

/// The slots that the bytes of a file have, and where the next one goes; `None` if it is no keyring.
fn parse(bytes: &[u8]) -> Option<(Stored, Place)> {
    let (slots, _cut_off) = bytes.as_chunks::<SLOT>();
    let [first, own, persons @ ..] = slots else { return None };
    let own = slot(own, SLOT as Place).and_then(|slot| slot.key).filter(|_| *first == head())?;
    let end = (SLOT * slots.len()) as Place;
    let places = (2 * SLOT as Place..end).step_by(SLOT);
    let slots = persons.iter().zip(places).filter_map(|(bytes, place)| slot(bytes, place));
    Some((Stored { own, slots: slots.collect() }, end))
}

/// The bytes of a file with the slots that `bytes` have; `None` if they are no keyring.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn written_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let (Stored { own, slots }, _) = parse(bytes)?;
    let mut again = head().to_vec();
    write_slot(&own, &mut again);
    for Slot { pseudonym, key, .. } in slots {
        again.extend(pseudonym.0);
        again.extend(key.map_or([0; 32], |key| *key.as_bytes()));
    }
    Some(again)
}

fn head() -> [u8; SLOT] {
    let mut head = [0; SLOT];
    head.iter_mut().zip(MAGIC).for_each(|(to, from)| *to = *from);
    head
}

/// Makes a file with the ledger's own key aside, and gives it its name when it is stored.
fn create(path: &Path, own: &PersonKey) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let aside = path.with_extension("new");
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    let mut bytes = Zeroizing::new(head().to_vec());
    write_slot(own, &mut bytes);
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

fn write_slot(key: &PersonKey, bytes: &mut Vec<u8>) {
    bytes.extend(key.pseudonym().0);
    bytes.extend(key.as_bytes());
}

/// What is in the slot at `place`; `None` if not even a name was written.
fn slot(bytes: &[u8; SLOT], place: Place) -> Option<Slot> {
    let (name, key) = bytes.split_first_chunk::<16>()?;
    let key = PersonKey::from_bytes(*key.first_chunk()?);
    let pseudonym = Pseudonym(*name);
    let is_whole = key.pseudonym() == pseudonym;
    let is_torn = !is_whole && *key.as_bytes() != [0; 32];
    let key = is_whole.then_some(key);
    (*name != [0; 16]).then_some(Slot { pseudonym, key, place, is_torn })
}
