//! Opening: every check that can refuse a log runs before anything is written.
//!
//! sled overwrites and removes files while it opens. These writes are held back until the resulting
//! log was compared with the survey and the guard ([`sled::Writes::Aside`]); for a log that is opened
//! read-only they are never executed. When a check fails, the directory is unchanged.

use std::{fs, io, path::Path, sync::Arc};

use super::{
    Options, ballast,
    folder::{self, FORMAT_LINE},
    guard::{self, GuardKeeper, Mark, Opened},
    layout::{FORMAT, GUARD, LOG},
    refusal::OpenError,
    store::{SledStore, open_db},
    survey::{self, NO_SNAPSHOT},
};
use crate::{
    CheckError, Guarded, ReadError, check,
    engine::Engine,
    files,
    frame::{Frame, FrameHash},
    store::{End, Store},
};

/// Opens or makes the log of a data directory.
pub(super) fn open(options: &Options) -> Result<Engine<SledStore>, OpenError> {
    let dir = options.dir.as_path();
    folder::refuse_guard(options.guard.as_deref())?;
    let (lock, made) = folder::lock(dir)?;
    let log = dir.join(LOG);
    let guard_path = guard_path(options);
    let compared = folder::is_ours(dir)
        .and_then(|ours| Ok((ours, compared(options, lock, sled::Writes::Aside)?)));
    if made && compared.is_err() {
        // It is empty. If it cannot be removed, the next start uses it.
        let _ = fs::remove_dir(dir);
    }
    let (ours, (mut engine, guard)) = compared?;
    if !ours {
        let path = dir.join(FORMAT);
        files::write_new(&path, FORMAT_LINE.as_bytes())
            .map_err(|source| OpenError::io(&path, source))?;
    }
    let store = engine.store();
    let at = |source| OpenError::io(&log, source);
    remove_torn_snapshots(&log).map_err(at)?;
    despite_full_disk(dir, || store.release(&log).map_err(|error| OpenError::sled(&log, error)))?;
    folder::tighten(dir, &log);
    despite_full_disk(dir, || store.settle(&log).map_err(|error| OpenError::cause(&log, error)))?;
    let end = end_of(&engine, &log)?;
    let snapshot = survey::newest_snapshot(&log).map_err(at)?;
    let snapshot = snapshot.map_or_else(|| NO_SNAPSHOT.into(), |found| found.name);
    let opened = Opened { length: end.length, snapshot };
    let seal = guard.and_then(|mark| mark.seal);
    let keeper = despite_full_disk(dir, || {
        GuardKeeper::start(guard_path.clone(), (end, opened.clone()), seal.clone())
            .map_err(|source| OpenError::io(&guard_path, source))
    })?;
    store.set_guard(keeper);
    ballast::restore(dir);
    engine.watch(options.append_deadline).map_err(|source| OpenError::io(dir, source))?;
    Ok(engine)
}

/// Opens the log of a data directory read-only, and writes nothing.
pub(super) fn open_read_only(options: &Options) -> Result<Engine<SledStore>, OpenError> {
    let dir = options.dir.as_path();
    let lock = folder::lock_existing(dir)?;
    if !folder::is_ours(dir)? {
        return Err(OpenError::Foreign { dir: dir.into() });
    }
    let (engine, _) = compared(options, lock, sled::Writes::Never)?;
    engine.refuse_appends();
    Ok(engine)
}

fn guard_path(options: &Options) -> std::path::PathBuf {
    options.guard.clone().unwrap_or_else(|| options.dir.join(GUARD))
}

/// The log as sled recovers it, with its writes held back, and its guard. The log matches the guard
/// unless the operator accepts a rollback.
fn compared(
    options: &Options,
    lock: folder::Lock,
    writes: sled::Writes,
) -> Result<(Engine<SledStore>, Option<Mark>), OpenError> {
    let dir = options.dir.as_path();
    let log = dir.join(LOG);
    let guard_path = guard_path(options);
    let guard = guard::read(&guard_path).map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            OpenError::damaged(&guard_path, "it is no guard file")
        } else {
            OpenError::io(&guard_path, error)
        }
    })?;
    refuse_blobs(&log)?;
    if !folder::wait_until_free(&log).map_err(|source| OpenError::io(&log, source))? {
        return Err(OpenError::Locked { dir: dir.into() });
    }
    let survey = survey::survey(&log, guard.as_ref())?;
    if !options.accept_rollback {
        survey.verify(dir, &guard_path, guard.as_ref())?;
    }
    let db = open_db(&log, writes).map_err(|error| OpenError::sled(&log, error))?;
    let guarded = guard.clone().map(|mark| Guarded { length: mark.end.length, seal: mark.seal });
    let place = (dir.to_path_buf(), options.reserve_bytes);
    let store = SledStore::new(db, lock, place, guarded.unwrap_or_default());
    let engine = Engine::open(store).map_err(|error| OpenError::read(&log, error))?;
    if !options.accept_rollback {
        compare(dir, &guard_path, guard.as_ref().map(|mark| mark.end), &engine)?;
        if !survey.is_complete() {
            walk(&log, &engine)?;
        }
    }
    Ok((engine, guard))
}

/// The state at the last open is unknown, so a part that sled would drop may be anywhere: the chain of
/// frames must be complete.
fn walk(log: &Path, engine: &Engine<SledStore>) -> Result<(), OpenError> {
    match check::engine(engine, &mut |_| ()) {
        Ok(_) => Ok(()),
        Err(CheckError::Damaged(damage)) => Err(OpenError::damage(log, damage)),
        Err(CheckError::Storage { source, .. }) => {
            Err(OpenError::read(log, ReadError::Storage(source)))
        }
    }
}

/// The end of a log that was just opened, and so accepts appends.
fn end_of(engine: &Engine<SledStore>, path: &Path) -> Result<End, OpenError> {
    engine.end().map_err(|broken| OpenError::cause(path, Arc::new(broken)))
}

/// The end in the guard must be a part of the log.
fn compare(
    dir: &Path,
    path: &Path,
    guard: Option<End>,
    engine: &Engine<SledStore>,
) -> Result<(), OpenError> {
    let end = end_of(engine, dir)?;
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

/// sled stores values of more than about 8 KB in separate files, which it never syncs. No value of
/// ours is that long: a file there is foreign, or its value is not durable.
fn refuse_blobs(log: &Path) -> Result<(), OpenError> {
    let blobs = log.join("blobs");
    match fs::read_dir(&blobs).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(OpenError::damaged(&blobs, "it must be empty")),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OpenError::io(&blobs, error)),
    }
}

/// A crash while sled writes a snapshot leaves a `snap.*.generating` behind. The snapshot before it
/// is still there, and complete.
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

/// Runs `act`, and on a full disk deletes the ballast and runs it again.
pub(super) fn despite_full_disk<T>(
    dir: &Path,
    mut act: impl FnMut() -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    match act() {
        Err(OpenError::Full { path }) => {
            if ballast::drop(dir).map_err(|source| OpenError::io(dir, source))? {
                tracing::warn!("the disk is full: the ballast was dropped to open the log");
                act()
            } else {
                Err(OpenError::Full { path })
            }
        }
        done => done,
    }
}
