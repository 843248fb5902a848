//! Opening: everything that can be refused is refused before sled touches the folder.

use std::{fs, io, path::Path};

use super::{
    OpenError, Options, ballast,
    folder::{self, FORMAT, FORMAT_LINE},
    guard::{self, GuardKeeper, Opened},
    store::{SledStore, open_db},
    survey::{self, NO_SNAPSHOT},
};
use crate::{
    Guarded, ReadError,
    engine::{End, Engine, Store},
    files,
    frame::{Frame, FrameHash},
};

/// sled's folder in a data directory.
const LOG: &str = "log";

/// The guard, where it is not elsewhere.
const GUARD: &str = "guard";

/// Opens or makes the log of a data directory.
pub(super) fn open(options: &Options) -> Result<Engine<SledStore>, OpenError> {
    let dir = options.dir.as_path();
    let lock = folder::take(dir)?;
    if !folder::is_ours(dir)? {
        let path = dir.join(FORMAT);
        files::write_new(&path, FORMAT_LINE.as_bytes(), 0o644)
            .map_err(|source| OpenError::io(&path, source))?;
    }
    let log = dir.join(LOG);
    let guard_path = options.guard.clone().unwrap_or_else(|| dir.join(GUARD));
    let guard = guard::read(&guard_path).map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            OpenError::damaged(&guard_path, "it is no guard file")
        } else {
            OpenError::io(&guard_path, error)
        }
    })?;
    refuse_blobs(&log)?;
    let at = |source| OpenError::io(&log, source);
    if !folder::wait_until_free(&log).map_err(at)? {
        return Err(OpenError::Locked { dir: dir.into() });
    }
    let survey = survey::survey(&log, guard.as_ref())?;
    if !options.accept_rollback {
        survey.judge(dir, &guard_path, guard.as_ref())?;
    }
    // Up to here nothing was changed but for a first start's own files.
    remove_torn_snapshots(&log).map_err(at)?;
    let db = open_despite_full_disk(dir, &log, || open_db(&log))?;
    let place = (dir.to_path_buf(), options.reserve_bytes);
    let store = SledStore::new(db, lock, place, &log).map_err(at)?;
    let engine = Engine::open(store).map_err(|error| OpenError::read(&log, error))?;
    if !options.accept_rollback {
        compare(dir, &guard_path, guard.as_ref().map(|mark| mark.end), &engine)?;
    }
    let end = engine.end();
    let store = engine.store();
    store.settle(&log).map_err(at)?;
    let snapshot = survey::newest_snapshot(&log).map_err(at)?;
    let snapshot = snapshot.map_or_else(|| NO_SNAPSHOT.into(), |found| found.name);
    let opened = Opened { length: end.length, snapshot };
    let guarded = guard.map(|mark| Guarded { length: mark.end.length, seal: mark.seal });
    let keeper = GuardKeeper::start(guard_path.clone(), (end, opened), guarded.unwrap_or_default())
        .map_err(|source| OpenError::io(&guard_path, source))?;
    store.keep(keeper);
    ballast::restore(dir);
    Ok(engine)
}

/// The end that the guard remembers must be a part of the log.
fn compare(
    dir: &Path,
    path: &Path,
    guard: Option<End>,
    engine: &Engine<SledStore>,
) -> Result<(), OpenError> {
    let end = engine.end();
    let Some(guard) = guard else {
        if end == End::default() {
            return Ok(());
        }
        return Err(OpenError::NoGuard { dir: dir.into(), guard: path.into() });
    };
    if end.length < guard.length {
        let (length, guard) = (end.length, guard.length);
        return Err(OpenError::ShorterThanGuard { dir: dir.into(), length, guard });
    }
    let Some(last) = guard.length.0.checked_sub(1) else { return Ok(()) };
    let found = engine.store().floor(crate::Seq(last)).map_err(ReadError::Storage);
    let found = found.map_err(|error| OpenError::read(dir, error))?;
    let same = found.is_some_and(|(_, bytes)| {
        FrameHash::of(&bytes) == guard.hash
            && Frame::decode(&bytes).is_ok_and(|frame| frame.end() == guard.length)
    });
    if same {
        Ok(())
    } else {
        Err(OpenError::OtherThanGuard { dir: dir.into(), guard: guard.length })
    }
}

/// sled puts values of more than about 8 KB into files of their own, which it never syncs. None
/// of ours is that long: a file there is not ours, or its value is not safe.
fn refuse_blobs(log: &Path) -> Result<(), OpenError> {
    let blobs = log.join("blobs");
    match fs::read_dir(&blobs).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(OpenError::damaged(&blobs, "it must be empty")),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OpenError::io(&blobs, error)),
    }
}

/// A crash while sled opens leaves a `snap.*.generating` behind, and sled takes it for a snapshot
/// that is damaged and never opens again. The snapshot before it is still there, and complete.
fn remove_torn_snapshots(log: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            files::remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Opens with `open`, and on a full disk once more without the ballast.
pub(super) fn open_despite_full_disk<T>(
    dir: &Path,
    log: &Path,
    mut open: impl FnMut() -> sled::Result<T>,
) -> Result<T, OpenError> {
    let at = |error| OpenError::sled(log, error);
    match open().map_err(at) {
        Err(OpenError::Full { path }) => {
            // sled needs room to open. The ballast was kept for this.
            if ballast::drop(dir).map_err(|source| OpenError::io(dir, source))? {
                remove_torn_snapshots(log).map_err(|source| OpenError::io(log, source))?;
                tracing::warn!("the disk is full: the ballast was dropped to open the log");
                open().map_err(at)
            } else {
                Err(OpenError::Full { path })
            }
        }
        opened => opened,
    }
}
