//! A data directory before anything in it is opened: whose it is, and who uses it.

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

/// Its only line, in this version.
pub(super) const FORMAT_LINE: &str = "keyledger data v1\n";

/// What every version's line starts with.
const FORMAT_START: &str = "keyledger data v";

/// What may be in a data directory before its `FORMAT` is: the files of a first start, which
/// other parts of the service may make earlier. (`lost+found` is every new volume's.)
const FIRST_FILES: [&str; 5] = ["token.key", "log.key", "usage", BALLAST, "lost+found"];

/// The longest wait for sled to let go of its file.
const LET_GO: Duration = Duration::from_secs(10);

/// A data directory that is ours alone, for as long as this lives.
///
/// The folder itself is locked, so that a refused one gets no file from us. sled's own lock is on
/// `log/db` and comes too late: when sled has it, it has already written.
pub(super) struct Lock {
    _folder: File,
}

/// Makes the folder if there is none, and takes it. Whether it was made.
pub(super) fn take(dir: &Path) -> Result<(Lock, bool), OpenError> {
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
    Ok((take_existing(dir)?, made))
}

/// Takes a folder that is there.
pub(super) fn take_existing(dir: &Path) -> Result<Lock, OpenError> {
    let at = |source| OpenError::io(dir, source);
    let folder = File::open(dir).map_err(at)?;
    match folder.try_lock() {
        Ok(()) => Ok(Lock { _folder: folder }),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.into() }),
        Err(TryLockError::Error(error)) => Err(at(error)),
    }
}

/// Refuses a guard that could not be written: later, there would be a log without one.
pub(super) fn refuse_guard(guard: Option<&Path>) -> Result<(), OpenError> {
    let Some(guard) = guard else { return Ok(()) };
    let folder = files::folder_of(guard);
    if !folder.is_dir() || guard.is_dir() {
        return Err(OpenError::GuardFolder { guard: guard.into() });
    }
    access(&folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| OpenError::io(&folder, error.into()))
}

/// Takes from others what they may do with a data directory and with what is ours in it: sled asks
/// for no permissions of its own, and an earlier version or a copy may have left it open.
pub(super) fn tighten(dir: &Path, log: &Path) {
    let tightened = [FORMAT, GUARD, BALLAST]
        .into_iter()
        .map(|name| dir.join(name))
        .filter(|path| path.exists())
        .try_for_each(|path| files::tighten(&path))
        .and_then(|()| files::tighten(dir))
        .and_then(|()| tighten_all(log));
    if let Err(error) = tightened {
        // It is another user's: whoever lends us a folder decides who else may look into it.
        tracing::warn!(path = %dir.display(), %error, "others may read this; it cannot be changed");
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

/// Whether a folder is a data directory of this version, or can become one (`false`).
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

/// Waits until sled's own lock is free. Whether it is.
///
/// sled lets go of its file some time after it was dropped, when its last thread is done with it.
/// [`Lock`] keeps other processes out, so whoever holds it now was dropped by this one.
pub(super) fn wait_until_free(log: &Path) -> io::Result<bool> {
    let file = match File::open(log.join(DB)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        file => file?,
    };
    let (mutex, nobody) = (Mutex::new(()), Condvar::new());
    let until = Instant::now() + LET_GO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(false),
            Err(TryLockError::WouldBlock) => {
                nobody.wait_for(&mut mutex.lock(), Duration::from_millis(10));
            }
        }
    }
}
