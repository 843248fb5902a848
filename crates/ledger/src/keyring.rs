//! The keys of the persons that records speak of.
//!
//! What says who a person is stands in records sealed under a random key of that person, and is named
//! by the key's hash, the pseudonym. Who destroys the key has forgotten the person: no record
//! changes. Who belongs to a pseudonym is not stored here: it is in the records, sealed.
//!
//! Keys are made and stored ahead, many at a time, so that a person seen for the first time costs no
//! write of its own.

mod aead;
mod entries;
mod file;
mod mac;
mod sealed_subject;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use keys::{Pseudonym, Subject};
use parking_lot::{Mutex, RwLock};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub(crate) use self::aead::LastCipher;
use self::entries::{Entry, Keys};
pub use self::file::KeyringError;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::file::written_again;
use self::file::{KeyFile, Slot, Stored};
pub use self::mac::Mac;

/// How many keys are made at a time.
const AHEAD: usize = 1_024;

/// The key of one person, or what was derived from those of two. However often it is cloned, its bytes
/// are in memory once, and are written over with zeros when the last clone is dropped: else a table
/// that grows would leave copies behind.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonKey(Arc<Zeroizing<[u8; 32]>>);

impl PersonKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> PersonKey {
        PersonKey(Arc::new(Zeroizing::new(bytes)))
    }

    /// A new one.
    fn random() -> Result<PersonKey, KeyringError> {
        let mut bytes = Arc::new(Zeroizing::new([0; 32]));
        let filled = Arc::get_mut(&mut bytes).map(|bytes| getrandom::fill(&mut **bytes));
        filled.and_then(Result::ok).ok_or(KeyringError::NoRandom)?;
        Ok(PersonKey(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What its person is called in records: it commits to the key.
    #[must_use]
    pub fn pseudonym(&self) -> Pseudonym {
        let hash: [u8; 32] = Sha256::digest(self.as_bytes()).into();
        let mut first = [0; 16];
        first.copy_from_slice(hash.get(..16).unwrap_or_default());
        Pseudonym(first)
    }

    /// The key of what speaks of two persons, which needs both.
    pub(crate) fn with(&self, other: &PersonKey) -> PersonKey {
        let hash = Sha256::new().chain_update(b"keyledger both");
        let hash = hash.chain_update(self.as_bytes()).chain_update(other.as_bytes());
        PersonKey::from_bytes(hash.finalize().into())
    }
}

/// Nothing of a key is ever shown.
impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key of {}", self.pseudonym())
    }
}

/// What there is of a person's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The key.
    Key(PersonKey),
    /// It was destroyed.
    Destroyed,
}

/// The keys of all persons. Cheap to ask from many threads.
#[derive(Default)]
pub struct Keyring {
    /// That of the ledger itself, which makes MACs.
    own: Option<PersonKey>,
    keys: RwLock<Keys>,
    /// Where they are stored; `None` is only in memory.
    file: Option<Mutex<KeyFile>>,
    /// What was looked for and is not there, of a keyring that may have lost keys.
    lost: Option<Mutex<BTreeSet<Pseudonym>>>,
}

impl Keyring {
    /// A keyring of these keys, in memory only: an auditor's.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = (Pseudonym, Found)>) -> Keyring {
        let keyring = Keyring::default();
        keyring.keys.write().all.extend(keys.into_iter().map(|(pseudonym, found)| {
            let key = match found {
                Found::Key(key) => Some(key),
                Found::Destroyed => None,
            };
            (pseudonym, Entry { key, person: None, place: None, is_torn: false })
        }));
        keyring
    }

    /// Reads the keyring in the file `path`, which does not change: for looking at a log.
    ///
    /// # Errors
    ///
    /// [`KeyringError`].
    pub fn read(path: &Path) -> Result<Keyring, KeyringError> {
        let Stored { own, slots } = file::read(path)?;
        let found = |key: Option<PersonKey>| key.map_or(Found::Destroyed, Found::Key);
        let persons = slots.into_iter().map(|slot| (slot.pseudonym, found(slot.key)));
        Ok(Keyring { own: Some(own), ..Keyring::of(persons) })
    }

    /// Opens the keyring in the file `path`, which is made if `may_create`.
    ///
    /// # Errors
    ///
    /// [`KeyringError`].
    pub fn open(path: &Path, may_create: bool) -> Result<Keyring, KeyringError> {
        let (file, Stored { own, slots }) = KeyFile::open(path, may_create)?;
        let mut keys = Keys::default();
        for Slot { pseudonym, key, place, is_torn } in slots {
            if key.is_some() {
                keys.spare.push(pseudonym);
            }
            let entry = Entry { key, person: None, place: Some(place), is_torn };
            keys.all.insert(pseudonym, entry);
        }
        Ok(Keyring {
            own: Some(own),
            keys: RwLock::new(keys),
            file: Some(Mutex::new(file)),
            lost: None,
        })
    }

    /// The same, though keys of the log may be missing: they are taken as destroyed, until
    /// [`Keyring::settle`] destroys them for good.
    ///
    /// # Errors
    ///
    /// [`KeyringError`].
    pub fn open_with_losses(path: &Path) -> Result<Keyring, KeyringError> {
        Ok(Keyring { lost: Some(Mutex::default()), ..Keyring::open(path, true)? })
    }

    /// Destroys what was looked for and not found, and says how many that are.
    ///
    /// # Errors
    ///
    /// As [`Keyring::destroy`].
    pub fn settle(&self) -> Result<usize, KeyringError> {
        let Some(lost) = &self.lost else { return Ok(0) };
        let lost: Vec<_> = std::mem::take(&mut *lost.lock()).into_iter().collect();
        self.destroy(&lost)?;
        Ok(lost.len())
    }

    /// What there is of the key behind a pseudonym; `None` if it was never one of this keyring.
    #[must_use]
    pub fn find(&self, pseudonym: &Pseudonym) -> Option<Found> {
        let keys = self.keys.read();
        let Some(entry) = keys.all.get(pseudonym) else {
            self.lost.as_ref()?.lock().insert(*pseudonym);
            return Some(Found::Destroyed);
        };
        Some(entry.key.clone().map_or(Found::Destroyed, Found::Key))
    }

    /// What `subject` is called in records from now on. A person that has no key is given one, which
    /// is on stable storage when this returns.
    ///
    /// # Errors
    ///
    /// [`KeyringError`], when no new key can be made or stored.
    pub(crate) fn person(&self, subject: &Subject) -> Result<Pseudonym, KeyringError> {
        if let Some(pseudonym) = self.seen(subject) {
            return Ok(pseudonym);
        }
        loop {
            if let Some(pseudonym) = self.keys.write().give(subject) {
                return Ok(pseudonym);
            }
            self.make_more()?;
        }
    }

    /// What `subject` would be called in a record, for one that is not written: nobody is given a
    /// key.
    ///
    /// # Errors
    ///
    /// As [`Keyring::person`].
    pub(crate) fn person_unwritten(&self, subject: &Subject) -> Result<Pseudonym, KeyringError> {
        loop {
            let spare = || self.keys.read().spare.last().copied();
            if let Some(pseudonym) = self.seen(subject).or_else(spare) {
                return Ok(pseudonym);
            }
            self.make_more()?;
        }
    }

    /// What `subject` is called, if it is called anything yet.
    fn seen(&self, subject: &Subject) -> Option<Pseudonym> {
        let given = || self.keys.read().persons.get(subject).copied();
        subject.erased_pseudonym().or_else(given)
    }

    /// Bytes that only `subject`'s key makes of `bytes`, so that they tell nothing of it once that is
    /// destroyed: always the same, and in no record but as they are.
    ///
    /// # Errors
    ///
    /// [`KeyringError`], as for who has no key yet.
    pub fn blind<const N: usize>(
        &self,
        subject: &Subject,
        bytes: &[u8; N],
    ) -> Result<[u8; N], KeyringError> {
        let pseudonym = self.person(subject)?;
        let mut hash = Sha256::new().chain_update(b"keyledger blind");
        if let Some(Found::Key(key)) = self.find(&pseudonym) {
            hash.update(key.as_bytes());
        }
        let hash: [u8; 32] = hash.chain_update(bytes).finalize().into();
        let mut blinded = [0; N];
        blinded.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Ok(blinded)
    }

    /// Takes in from a record who is behind a pseudonym.
    pub(crate) fn learn(&self, pseudonym: Pseudonym, subject: &Subject) {
        if subject.is_erased() || self.keys.read().persons.get(subject) == Some(&pseudonym) {
            return;
        }
        let mut keys = self.keys.write();
        let entry = keys.all.get_mut(&pseudonym).filter(|entry| entry.key.is_some());
        if let Some(entry) = entry {
            entry.person = Some(subject.clone());
            keys.persons.insert(subject.clone(), pseudonym);
        }
    }

    /// Whether anything of the key behind a pseudonym is there.
    pub(crate) fn has_left(&self, pseudonym: &Pseudonym) -> bool {
        self.keys.read().all.get(pseudonym).is_some_and(Entry::has_left)
    }

    /// How many keys are damaged: their persons read as erased.
    #[must_use]
    pub fn damaged(&self) -> usize {
        self.keys.read().all.values().filter(|entry| entry.is_torn).count()
    }

    /// Whether keys can be stored and destroyed.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Broken`]
    pub fn check(&self) -> Result<(), KeyringError> {
        self.file.as_ref().map_or(Ok(()), |file| file.lock().check())
    }

    /// Whether a write of the file had an unknown outcome. Waits for none that goes on.
    pub(crate) fn is_broken(&self) -> bool {
        let file = self.file.as_ref().and_then(Mutex::try_lock);
        file.is_some_and(|file| file.check().is_err())
    }

    /// Who is behind a pseudonym, as far as a record said so.
    pub(crate) fn subject(&self, pseudonym: &Pseudonym) -> Option<Subject> {
        self.keys.read().all.get(pseudonym)?.person.clone()
    }

    /// What `subject` is called in records that can be read still, in no order. Looks at every key.
    #[must_use]
    pub fn pseudonyms(&self, subject: &Subject) -> Vec<Pseudonym> {
        let keys = self.keys.read();
        let own = keys
            .all
            .iter()
            .filter(|(_, entry)| entry.key.is_some() && entry.person.as_ref() == Some(subject));
        own.map(|(pseudonym, _)| *pseudonym).collect()
    }

    /// Destroys the keys behind these pseudonyms, on stable storage and in memory: what was sealed
    /// with them can never be read again. Their persons may be given others. One that the keyring
    /// never had is destroyed in it from now on. Those that are destroyed already stay so.
    ///
    /// # Errors
    ///
    /// [`KeyringError`]. In memory all is as before; whether anything was destroyed in the file is
    /// not known, and it is not written again until it is opened anew.
    pub fn destroy(&self, pseudonyms: &[Pseudonym]) -> Result<(), KeyringError> {
        // Held all along, so that nobody else destroys the same.
        let mut file = self.file.as_ref().map(Mutex::lock);
        let (mut places, mut unknown) = (Vec::new(), BTreeSet::new());
        {
            let keys = self.keys.read();
            for pseudonym in pseudonyms {
                match keys.all.get(pseudonym) {
                    Some(entry) => places.extend(entry.place.filter(|_| entry.has_left())),
                    None => drop(unknown.insert(*pseudonym)),
                }
            }
        }
        let unknown: Vec<_> = unknown.into_iter().collect();
        let made = file.as_mut().map(|file| file.destroy(&places, &unknown)).transpose()?;
        let mut keys = self.keys.write();
        let mut made = made.into_iter().flatten();
        for pseudonym in unknown {
            let place = made.next();
            keys.all.insert(pseudonym, Entry { key: None, person: None, place, is_torn: false });
        }
        for pseudonym in pseudonyms {
            keys.destroy(*pseudonym);
        }
        keys.spare.retain(|spare| !pseudonyms.contains(spare));
        Ok(())
    }

    /// Has every write of the file fail from now on.
    #[cfg(test)]
    pub(crate) fn fail_writes(&self) {
        self.file.as_ref().unwrap().lock().fail_writes();
    }

    /// Makes keys for persons to come. The lock is not held across the write.
    fn make_more(&self) -> Result<(), KeyringError> {
        // Without a file there is nothing to save up for.
        let count = if self.file.is_some() { AHEAD } else { 1 };
        let made = (0..count).map(|_| PersonKey::random()).collect::<Result<Vec<_>, _>>()?;
        let places = self.file.as_ref().map(|file| file.lock().append(&made)).transpose()?;
        let mut places = places.into_iter().flatten();
        let mut keys = self.keys.write();
        for key in made {
            let pseudonym = key.pseudonym();
            let place = places.next();
            let entry = Entry { key: Some(key), person: None, place, is_torn: false };
            keys.all.insert(pseudonym, entry);
            keys.spare.push(pseudonym);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
