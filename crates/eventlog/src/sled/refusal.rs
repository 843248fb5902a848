//! The reasons why a data directory is not opened; each message says what to do.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::io::Errno;

use crate::{Cause, Damage, ReadError, Seq};

/// Why a log was not opened. The directory was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It belongs to something else.
    #[error("`{dir}` is not a keyledger data directory and not empty; choose another directory")]
    Foreign {
        /// The directory.
        dir: PathBuf,
    },
    /// `FORMAT` is missing.
    #[error(
        "`{dir}` has a log and no file `FORMAT`, which says of which version it is; restore that file \
         from a backup, or write it: its only line is `keyledger data v1`"
    )]
    NoFormat {
        /// The directory.
        dir: PathBuf,
    },
    /// Another version of keyledger made it.
    #[error("`{dir}` is of another version (`{found}`); open it with the version that made it")]
    OtherVersion {
        /// The directory.
        dir: PathBuf,
        /// Its `FORMAT`.
        found: String,
    },
    /// It is in use.
    #[error("`{dir}` is in use by another process; stop that one first")]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// Its content is not what was appended.
    #[error("`{path}` is damaged ({what}); restore it from a backup")]
    Damaged {
        /// The damaged file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// The frame, if it is one.
        damage: Option<Damage>,
    },
    /// Acknowledged records are missing.
    #[error(
        "the log in `{dir}` has {length} records, its guard {guard}; restore the \
         missing ones from a backup, or accept the rollback explicitly"
    )]
    ShorterThanGuard {
        /// The directory.
        dir: PathBuf,
        /// The number of records in the log.
        length: Seq,
        /// The number of records in the guard.
        guard: Seq,
    },
    /// The guard belongs to another log.
    #[error(
        "the log in `{dir}` is not the one of its guard (at {guard} records); restore \
         the right one, or accept the rollback explicitly"
    )]
    OtherThanGuard {
        /// The directory.
        dir: PathBuf,
        /// Where they differ.
        guard: Seq,
    },
    /// There is no guard.
    #[error(
        "the log in `{dir}` has records and no guard at `{guard}`; put its guard file there, or \
         accept the rollback explicitly"
    )]
    NoGuard {
        /// The directory.
        dir: PathBuf,
        /// Where the guard should be.
        guard: PathBuf,
    },
    /// The guard could not be written.
    #[error("there is no folder for the guard `{guard}`; make it, or choose another place")]
    GuardFolder {
        /// Where the guard should be.
        guard: PathBuf,
    },
    /// There is no room to open it.
    #[error("the disk of `{path}` is full; free some space and start again")]
    Full {
        /// The file or folder that could not be written.
        path: PathBuf,
    },
    /// It may not be read or written.
    #[error("`{path}` may not be read and written by this user; change its owner or permissions")]
    Denied {
        /// The file or folder.
        path: PathBuf,
    },
    /// A limit of the process was reached. Nothing is wrong with the directory.
    #[error(
        "the system has no more {what} for this process, which it needs to open `{path}`; raise \
         its limits and start again"
    )]
    Exhausted {
        /// The file or folder.
        path: PathBuf,
        /// The exhausted resource.
        what: &'static str,
    },
    /// The storage failed.
    #[error("`{path}` cannot be read or written; look at the disk and start again")]
    Storage {
        /// The file or folder.
        path: PathBuf,
        /// The error of the storage.
        source: Cause,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, source: io::Error) -> OpenError {
        let path = path.into();
        let is = |kinds: &[io::ErrorKind]| kinds.contains(&source.kind());
        if is(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
            OpenError::Full { path }
        } else if is(&[io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem]) {
            OpenError::Denied { path }
        } else if let Some(what) = exhausted(&source) {
            OpenError::Exhausted { path, what }
        } else {
            OpenError::Storage { path, source: Arc::new(source) }
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> OpenError {
        OpenError::Damaged { path: path.into(), what: what.into(), damage: None }
    }

    pub(super) fn damage(path: &Path, damage: Damage) -> OpenError {
        OpenError::Damaged { path: path.into(), what: damage.to_string(), damage: Some(damage) }
    }

    /// Maps an error of sled, or of a read through it.
    pub(super) fn sled(path: &Path, error: sled::Error) -> OpenError {
        match error {
            sled::Error::Io(error) => OpenError::io(path, error),
            sled::Error::Corruption { .. } => {
                OpenError::damaged(path, "sled finds it inconsistent")
            }
            sled::Error::Unsupported(what) => OpenError::damaged(path, what),
            sled::Error::CollectionNotFound(_) | sled::Error::ReportableBug(_) => {
                OpenError::Storage { path: path.into(), source: Arc::new(error) }
            }
        }
    }

    /// Maps an error of a read.
    pub(super) fn read(path: &Path, error: ReadError) -> OpenError {
        match error {
            ReadError::Damaged(damage) => OpenError::damage(path, damage),
            ReadError::Storage(source) => OpenError::cause(path, source),
        }
    }

    /// Maps an error of the store, which is one of sled or of the system.
    pub(super) fn cause(path: &Path, source: Cause) -> OpenError {
        if let Some(error) = source.downcast_ref::<sled::Error>() {
            return OpenError::sled(path, error.clone());
        }
        match source.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            Some(number) => OpenError::io(path, io::Error::from_raw_os_error(number)),
            None => OpenError::Storage { path: path.into(), source },
        }
    }
}

/// The resource that is exhausted, if that is the error.
fn exhausted(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::MFILE | Errno::NFILE => Some("open files"),
        Errno::NOMEM => Some("memory"),
        // Returned when a thread cannot be started.
        Errno::AGAIN => Some("threads"),
        _ => None,
    }
}
