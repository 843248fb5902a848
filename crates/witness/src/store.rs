//! What was cosigned last of each log: a file each, which holds the note as it was answered.
//!
//! `<folder>/<SHA-256 of the origin, hex>` is replaced as a whole and synced, with its folder, before
//! the answer is given. `<folder>/lock` keeps a second process out.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventlog::files;
use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest as _, Sha256};
use tlog::Checkpoint;
use tlog::note::{Note, VerifierKey};

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It, or a file in it, cannot be read or made.
    #[error("`{path}`: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process uses it.
    #[error("`{0}` is in use by another witness; two of them would sign forks")]
    InUse(PathBuf),
    /// A file is no cosigned checkpoint of its log.
    #[error(
        "`{0}` is damaged: what was cosigned last is not known. A witness that forgets signs forks: \
         retire its key, or restore the file as it was last"
    )]
    Damaged(PathBuf),
}

/// What was cosigned last of a log, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cosigned {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) time_s: u64,
    /// With the signatures of the log and of the witness.
    pub(crate) note: Arc<str>,
}

impl Cosigned {
    /// Reads a note that `witness` has cosigned.
    fn read(bytes: &[u8], origin: &str, witness: &VerifierKey) -> Option<Cosigned> {
        let note = Note::parse(bytes).ok()?;
        let checkpoint: Checkpoint = note.text().parse().ok()?;
        let verified = note.verify(std::slice::from_ref(witness)).ok()?;
        let time_s = verified.first()?.cosigned_at_s?;
        let note = Arc::from(note.to_string());
        (checkpoint.origin() == origin).then_some(Cosigned { checkpoint, time_s, note })
    }
}

/// A log whose checkpoints are cosigned.
struct Log {
    keys: Vec<VerifierKey>,
    path: PathBuf,
    /// Locked from the check to the end of the write, so that nothing is rolled back in between.
    last: Mutex<Option<Cosigned>>,
}

/// The logs, and what was cosigned last of each.
pub struct Store {
    logs: HashMap<String, Log>,
    /// By the hash of its origin, in hex.
    origins: HashMap<String, String>,
    _lock: File,
}

impl Store {
    /// Opens the folder for these logs, of which several keys may be one's, and makes it if it is not
    /// there. What `witness` has not cosigned is damaged.
    ///
    /// # Errors
    ///
    /// [`OpenError`]
    pub fn open(
        folder: &Path,
        keys: &[VerifierKey],
        witness: &VerifierKey,
    ) -> Result<Store, OpenError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::File { path, source }
        };
        files::make_folder(folder).map_err(at(folder))?;
        let path = folder.join("lock");
        let mut options = File::options();
        options.mode(files::OWNER_FILE);
        let lock =
            options.create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(at(&path)(source)),
        }
        let mut store = Store { logs: HashMap::new(), origins: HashMap::new(), _lock: lock };
        for key in keys {
            if let Some(log) = store.logs.get_mut(key.name()) {
                log.keys.push(key.clone());
                continue;
            }
            let hash = hex::encode(Sha256::digest(key.name()));
            let path = folder.join(&hash);
            let last = match std::fs::read(&path) {
                Ok(bytes) => Some(
                    Cosigned::read(&bytes, key.name(), witness)
                        .ok_or_else(|| OpenError::Damaged(path.clone()))?,
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(at(&path)(error)),
            };
            let log = Log { keys: vec![key.clone()], path, last: Mutex::new(last) };
            store.logs.insert(key.name().to_owned(), log);
            store.origins.insert(hash, key.name().to_owned());
        }
        Ok(store)
    }

    /// How many logs there are.
    #[must_use]
    pub fn logs(&self) -> usize {
        self.logs.len()
    }

    /// The keys of a log.
    pub(crate) fn keys(&self, origin: &str) -> Option<&[VerifierKey]> {
        self.logs.get(origin).map(|log| log.keys.as_slice())
    }

    /// What was cosigned last of a log, locked; `None` if there is no such log.
    pub(crate) fn last(&self, origin: &str) -> Option<Last<'_>> {
        let log = self.logs.get(origin)?;
        Some(Last { path: &log.path, last: log.last.lock() })
    }

    /// The note that was cosigned last of the log whose origin has this hash.
    pub(crate) fn by_hash(&self, hash: &str) -> Option<Arc<str>> {
        let log = self.logs.get(self.origins.get(hash)?)?;
        log.last.lock().as_ref().map(|last| Arc::clone(&last.note))
    }
}

/// What was cosigned last of a log. Nobody else changes it meanwhile.
pub(crate) struct Last<'s> {
    path: &'s Path,
    last: MutexGuard<'s, Option<Cosigned>>,
}

impl Last<'_> {
    pub(crate) fn get(&self) -> Option<&Cosigned> {
        self.last.as_ref()
    }

    /// Replaces it; on return it is on stable storage.
    ///
    /// # Errors
    ///
    /// The file has the old one or the new one. Whichever that is, the new one must not be given to
    /// anybody: what is in memory stays the old one, and a later one extends both.
    pub(crate) fn replace(&mut self, next: Cosigned) -> io::Result<()> {
        files::replace(self.path, next.note.as_bytes())?;
        *self.last = Some(next);
        Ok(())
    }
}
