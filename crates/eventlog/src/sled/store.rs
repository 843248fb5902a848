//! The pairs of a log in one sled tree, durable when `write` returns.

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use sled::{Batch, Db, IVec, Writes};

use super::{folder::Lock, guard::GuardKeeper, layout::DB};
use crate::{
    Cause, Guarded, Seq, Space, files,
    store::{Change, EXTRAS, End, FrameVisitor, Store, frame_key, frame_place},
};

/// sled's cache. Its default is 1 GiB, whatever the machine. Ours reads what it has not read lately
/// at the start and for an audit, and then in order: a large one would not help.
const CACHE_BYTES: u64 = 16 << 20;

/// How often a frame is looked at once it is written, or a scan has passed it.
///
/// sled finds out that its cache is too large when it has been asked 64 times for pages of one of
/// its 256 shards (`lru.rs`, `AccessQueue`). A page holds 8 to 16 frames and is asked for once by a
/// scan and once for each frame put in it: hundreds of megabytes would stay in memory.
const LOOKS: usize = 4;

/// A sled database that was opened by [`open_db`].
pub(crate) struct SledStore {
    // Declared, and so dropped, in this order: sled's files are let go before our lock is.
    db: Db,
    /// Set when what sled writes is no longer set aside.
    disk: OnceLock<Disk>,
    /// Set when the log is known to be the right one.
    guard: OnceLock<GuardKeeper>,
    /// What the guard said when the log was opened.
    guarded: Guarded,
    dir: PathBuf,
    reserve_bytes: u64,
    #[cfg(test)]
    fault: parking_lot::Mutex<Option<(u32, crate::memory::Fault)>>,
    _lock: Lock,
}

/// Opens sled's folder. What sled does to it is set aside.
pub(super) fn open_db(folder: &Path, writes: Writes) -> sled::Result<Db> {
    sled::Config::new()
        .path(folder)
        .writes(writes)
        .cache_capacity(CACHE_BYTES)
        // sled's own flusher logs its errors and goes on. Every flush here is ours, and an error
        // of one breaks the log.
        .flush_every_ms(None)
        // Every write is synced by us before it counts. What fails when it is dropped is no fault.
        .sync_on_drop(false)
        .open()
}

impl SledStore {
    pub(super) fn new(
        db: Db,
        lock: Lock,
        (dir, reserve_bytes): (PathBuf, u64),
        guarded: Guarded,
    ) -> SledStore {
        SledStore {
            #[cfg(test)]
            fault: parking_lot::Mutex::default(),
            db,
            disk: OnceLock::new(),
            guard: OnceLock::new(),
            guarded,
            dir,
            reserve_bytes,
            _lock: lock,
        }
    }

    /// Writes what sled did when it opened, which was set aside. After an error some of it is
    /// written, as after a crash while sled opens, and it may be called again.
    pub(super) fn release(&self, folder: &Path) -> sled::Result<()> {
        self.db.release()?;
        let disk = Disk { file: File::open(folder.join(DB))?, syncs: AtomicU64::new(0) };
        // It is released once.
        let _ = self.disk.set(disk);
        Ok(())
    }

    /// Makes sure that what sled did when it opened is on the disk, the names of its files too.
    pub(super) fn settle(&self, folder: &Path) -> Result<(), Cause> {
        self.sync()?;
        let settings = File::open(folder.join("conf")).and_then(|file| file.sync_all());
        settings.and_then(|()| files::make_folder(folder)).map_err(shared)
    }

    /// Gives each new end to `guard` from now on.
    pub(super) fn set_guard(&self, guard: GuardKeeper) {
        // It is opened once.
        let _ = self.guard.set(guard);
    }

    /// Makes a write fail, after that many that succeed.
    #[cfg(test)]
    pub(crate) fn fail_after(&self, writes: u32, fault: crate::memory::Fault) {
        *self.fault.lock() = Some((writes, fault));
    }

    /// How often the disk was told to keep what it was given.
    #[cfg(all(test, not(feature = "flush-only")))]
    pub(super) fn syncs(&self) -> u64 {
        self.disk.get().map_or(0, |disk| disk.syncs.load(Ordering::Acquire))
    }

    /// Lets sled evict the page of a frame if its cache is too large, see [`LOOKS`].
    fn evict(&self, frame: Seq) -> Result<(), Cause> {
        let key = frame_key(frame);
        (0..LOOKS).try_for_each(|_| self.db.contains_key(key).map(|_| ())).map_err(shared)
    }

    fn sync(&self) -> Result<(), Cause> {
        self.db.flush().map_err(shared)?;
        match self.disk.get() {
            Some(disk) => disk.sync().map_err(shared),
            // What is set aside is on no disk.
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Our own handle to sled's file.
///
/// On Linux sled's `flush` ends in `sync_file_range`, which writes no metadata and empties no
/// cache of the disk: in simulated power cuts it lost acknowledged records every time, with
/// `sync_data` after it never. A `kill -9` does not show this.
struct Disk {
    file: File,
    syncs: AtomicU64,
}

impl Disk {
    fn sync(&self) -> io::Result<()> {
        if cfg!(not(feature = "flush-only")) {
            self.file.sync_data()?;
            self.syncs.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }
}

impl Store for SledStore {
    fn space(&self) -> Option<Space> {
        let stat = rustix::fs::statvfs(&self.dir).ok()?;
        let available = stat.f_bavail.saturating_mul(stat.f_frsize);
        Some(Space { available, reserve: self.reserve_bytes })
    }

    /// One batch is all or nothing, also for a crash: sled reserves a place for a batch's manifest
    /// before its first write (`Tree::apply_batch`, `pin_log`), fills in where the batch ends after
    /// its last, and on recovery stops in front of a manifest whose end it did not find
    /// (`LogIter::next`, `BatchManifest`). The buffer that holds the manifest cannot reach the disk
    /// before it is filled in. An *error* halfway does leave a part of the batch in sled's memory;
    /// the engine reads nothing behind the durable length and is broken from then on.
    ///
    /// While a batch is applied, sled keeps readers out (`concurrency_control`): that is time in
    /// memory. The waiting for the disk comes after it, and there nobody is kept out.
    fn write(&self, changes: Vec<Change>) -> Result<(), Cause> {
        let mut batch = Batch::default();
        let mut frames = Vec::new();
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    frames.extend(<[u8; 8]>::try_from(key.as_slice()).map(u64::from_be_bytes));
                    batch.insert(key, value);
                }
                Change::Remove(key) => batch.remove(key),
            }
        }
        #[cfg(test)]
        let fault = crate::memory::next_fault(&mut self.fault.lock());
        #[cfg(test)]
        if fault == Some(crate::memory::Fault::Lose) {
            return Err(shared(io::Error::other("the storage fails on purpose")));
        }
        self.db.apply_batch(batch).map_err(shared)?;
        self.sync()?;
        frames.into_iter().try_for_each(|frame| self.evict(Seq(frame)))?;
        #[cfg(test)]
        if fault.is_some() {
            return Err(shared(io::Error::other("the storage fails on purpose")));
        }
        Ok(())
    }

    fn seal(&self, seal: Bytes) {
        if let Some(guard) = self.guard.get() {
            guard.seal(seal);
        }
    }

    fn guarded(&self) -> Guarded {
        self.guarded.clone()
    }

    fn grown(&self, end: End) {
        if let Some(guard) = self.guard.get() {
            guard.record_end(end);
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Cause> {
        Ok(self.db.get(key).map_err(shared)?.map(Bytes::from_owner))
    }

    fn floor(&self, at: Seq) -> Result<Option<(Seq, Bytes)>, Cause> {
        let last = self.db.range(..=frame_key(at)).next_back().transpose().map_err(shared)?;
        last.map(frame_of).transpose()
    }

    fn visit_frames(&self, from: Seq, visitor: FrameVisitor<'_>) -> Result<(), Cause> {
        let mut passed = None;
        for pair in self.db.range(frame_key(from).as_slice()..EXTRAS.as_slice()) {
            let (filed, bytes) = frame_of(pair.map_err(shared)?)?;
            if let Some(passed) = passed.replace(filed) {
                self.evict(passed)?;
            }
            if !visitor(filed, bytes) {
                break;
            }
        }
        Ok(())
    }

    fn visit_extras(&self, visitor: &mut dyn FnMut(usize)) -> Result<(), Cause> {
        for pair in self.db.range(EXTRAS.as_slice()..) {
            let (_, value) = pair.map_err(shared)?;
            visitor(value.len());
        }
        Ok(())
    }

    fn close(&self, end: End) -> Result<(), Cause> {
        self.sync()?;
        match self.guard.get() {
            Some(guard) => guard.close(end).map_err(shared),
            None => Ok(()),
        }
    }
}

fn frame_of((key, value): (IVec, IVec)) -> Result<(Seq, Bytes), Cause> {
    Ok((frame_place(&key)?, Bytes::from_owner(value)))
}

fn shared(error: impl std::error::Error + Send + Sync + 'static) -> Cause {
    Arc::new(error)
}
