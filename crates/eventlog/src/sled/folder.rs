//! A data directory before anything in it is opened: its lock, its format and its permissions.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use rustix::fs::{Access, access};

use super::{
    layout::{BALLAST, DB, FORMAT, GUARD, LOG},
    refusal::OpenError,
};
use crate::files;

/// The content of `FORMAT` in this version.
pub(super) const FORMAT_LINE: &str = "keyledger data v1\n";

/// The prefix of the line of every version.
const FORMAT_START: &str = "keyledger data v";

/// Files that may exist before `FORMAT`: those of a first start, which other parts of the service
/// may create earlier, and the `lost+found` of a new volume.
const FIRST_FILES: [&str; 5] = ["token.key", "log.key", "usage", BALLAST, "lost+found"];

/// The longest wait for sled to release its file.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// An exclusive lock on a data directory, released on drop.
///
/// The folder itself is locked, so that no file is created in one that is refused. sled's own lock
/// is on `log/db` and comes too late: when sled has it, it has already written.
pub(super) struct Lock {
    _folder: File,
}

/// Creates the folder if it is missing, and locks it. Returns whether it was created.
pub(super) fn lock(dir: &Path) -> Result<(Lock, bool), OpenError> {
    let at = |source| OpenError::io(dir, source);
    let made = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            files::make_folder(dir).map_err(at)?;
            true
        }
        Err(error) => return Err(at(error)),
        Ok(found) if !found.is_dir() => return Err(OpenError::Foreign { dir: dir.into() }),
        Ok(_) => false,
    };
    Ok((lock_existing(dir)?, made))
}

/// Locks an existing folder.
pub(super) fn lock_existing(dir: &Path) -> Result<Lock, OpenError> {
    let at = |source| OpenError::io(dir, source);
    let folder = File::open(dir).map_err(at)?;
    match folder.try_lock() {
        Ok(()) => Ok(Lock { _folder: folder }),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.into() }),
        Err(TryLockError::Error(error)) => Err(at(error)),
    }
}

/// Refuses a guard path that cannot be written: there would be a log without a guard later.
pub(super) fn refuse_guard(guard: Option<&Path>) -> Result<(), OpenError> {
    let Some(guard) = guard else { return Ok(()) };
    let folder = files::folder_of(guard);
    if !folder.is_dir() || guard.is_dir() {
        return Err(OpenError::GuardFolder { guard: guard.into() });
    }
    access(&folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| OpenError::io(&folder, error.into()))
}

/// Removes the permissions of other users on a data directory and our files in it: sled sets none
/// itself, and an earlier version or a copy may have left them open.
pub(super) fn tighten(dir: &Path, log: &Path) {
    let tightened = [FORMAT, GUARD, BALLAST]
        .into_iter()
        .map(|name| dir.join(name))
        .filter(|path| path.exists())
        .try_for_each(|path| files::tighten(&path))
        .and_then(|()| files::tighten(dir))
        .and_then(|()| tighten_all(log));
    if let Err(error) = tightened {
        // The folder belongs to another user, who decides its permissions.
        tracing::warn!(path = %dir.display(), %error, "other users may read this directory, and its permissions cannot be changed");
    }
}

fn tighten_all(folder: &Path) -> io::Result<()> {
    files::tighten(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            tighten_all(&entry.path())?;
        } else {
            files::tighten(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether a folder is a data directory of this version; `false` if it can become one.
pub(super) fn is_ours(dir: &Path) -> Result<bool, OpenError> {
    let path = dir.join(FORMAT);
    match fs::read(&path) {
        Ok(line) if line == FORMAT_LINE.as_bytes() => Ok(true),
        Ok(line) => Err(match String::from_utf8(line) {
            Ok(line) if line.starts_with(FORMAT_START) => {
                OpenError::OtherVersion { dir: dir.into(), found: line.trim_end().into() }
            }
            _ => OpenError::Foreign { dir: dir.into() },
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if dir.join(LOG).join(DB).try_exists().map_err(|source| OpenError::io(dir, source))? {
                return Err(OpenError::NoFormat { dir: dir.into() });
            }
            for entry in fs::read_dir(dir).map_err(|source| OpenError::io(dir, source))? {
                let name = entry.map_err(|source| OpenError::io(dir, source))?.file_name();
                let name = name.to_string_lossy();
                if !FIRST_FILES.contains(&name.as_ref()) && !files::is_aside(&name) {
                    return Err(OpenError::Foreign { dir: dir.into() });
                }
            }
            Ok(false)
        }
        Err(error) => Err(OpenError::io(&path, error)),
    }
}

/// Waits until sled's own lock is free. Returns whether it is.
///
/// sled releases its file some time after it was dropped, when its last thread has ended. [`Lock`]
/// excludes other processes, so the holder is a database that this process dropped.
pub(super) fn wait_until_free(log: &Path) -> io::Result<bool> {
    let file = match File::open(log.join(DB)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        file => file?,
    };
    let (mutex, never_notified) = (Mutex::new(()), Condvar::new());
    let until = Instant::now() + RELEASE_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(false),
            Err(TryLockError::WouldBlock) => {
                never_notified.wait_for(&mut mutex.lock(), Duration::from_millis(10));
            }
        }
    }
}
