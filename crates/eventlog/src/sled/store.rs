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

/// The capacity of sled's cache; its default is 1 GiB on every machine. The log is read sequentially
/// at the start and for an audit: a large cache would not help.
const CACHE_BYTES: u64 = 16 << 20;

/// The number of additional look-ups of a frame after it was written or scanned.
///
/// sled checks the size of its cache after 64 accesses to pages of one of its 256 shards (`lru.rs`,
/// `AccessQueue`). A page holds 8 to 16 frames and is accessed once by a scan and once for each frame
/// written to it: without these look-ups hundreds of megabytes stay in memory.
const EVICTION_ACCESSES: usize = 4;

/// A sled database that was opened by [`open_db`].
pub(crate) struct SledStore {
    // Fields are dropped in this order: sled's files are released before our lock.
    db: Db,
    /// Set when sled's writes are no longer held back.
    disk: OnceLock<Disk>,
    /// Set when the log has passed its checks.
    guard: OnceLock<GuardKeeper>,
    /// The content of the guard when the log was opened.
    guarded: Guarded,
    dir: PathBuf,
    reserve_bytes: u64,
    #[cfg(test)]
    fault: parking_lot::Mutex<Option<(u32, crate::memory::Fault)>>,
    _lock: Lock,
}

/// Opens sled's folder. Its writes are held back.
pub(super) fn open_db(folder: &Path, writes: Writes) -> sled::Result<Db> {
    sled::Config::new()
        .path(folder)
        .writes(writes)
        .cache_capacity(CACHE_BYTES)
        // sled's own flusher logs errors and continues. Here every flush is explicit, and an error
        // breaks the log.
        .flush_every_ms(None)
        // Every write is synced explicitly before it is acknowledged; a failure on drop is harmless.
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

    /// Executes the writes that were held back while sled opened. After an error some are executed,
    /// as after a crash while sled opens, and it may be called again.
    pub(super) fn release(&self, folder: &Path) -> sled::Result<()> {
        self.db.release()?;
        let disk = Disk { file: File::open(folder.join(DB))?, syncs: AtomicU64::new(0) };
        // Called once.
        let _ = self.disk.set(disk);
        Ok(())
    }

    /// Syncs what sled wrote when it opened, including the directory entries.
    pub(super) fn settle(&self, folder: &Path) -> Result<(), Cause> {
        self.sync()?;
        let settings = File::open(folder.join("conf")).and_then(|file| file.sync_all());
        settings.and_then(|()| files::make_folder(folder)).map_err(shared)
    }

    /// Gives each new end to `guard` from now on.
    pub(super) fn set_guard(&self, guard: GuardKeeper) {
        // Called once.
        let _ = self.guard.set(guard);
    }

    /// Makes a write fail, after that many that succeed.
    #[cfg(test)]
    pub(crate) fn fail_after(&self, writes: u32, fault: crate::memory::Fault) {
        *self.fault.lock() = Some((writes, fault));
    }

    /// The number of syncs.
    #[cfg(all(test, not(feature = "flush-only")))]
    pub(super) fn syncs(&self) -> u64 {
        self.disk.get().map_or(0, |disk| disk.syncs.load(Ordering::Acquire))
    }

    /// Lets sled evict the page of a frame if its cache is too large, see [`EVICTION_ACCESSES`].
    fn evict(&self, frame: Seq) -> Result<(), Cause> {
        let key = frame_key(frame);
        (0..EVICTION_ACCESSES)
            .try_for_each(|_| self.db.contains_key(key).map(|_| ()))
            .map_err(shared)
    }

    fn sync(&self) -> Result<(), Cause> {
        self.db.flush().map_err(shared)?;
        match self.disk.get() {
            Some(disk) => disk.sync().map_err(shared),
            // Writes that are held back are not on the disk.
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A second handle to sled's file, for `sync_data`.
///
/// On Linux sled's `flush` ends in `sync_file_range`, which writes no metadata and does not
/// flush the cache of the disk: in simulated power cuts it lost acknowledged records every time, with
/// `sync_data` after it never. A `kill -9` does not reveal this.
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

    /// A batch is atomic, also in a crash: sled reserves space for the batch's manifest before its
    /// first write (`Tree::apply_batch`, `pin_log`), fills in the end of the batch after its last
    /// write, and on recovery stops before a manifest without an end (`LogIter::next`,
    /// `BatchManifest`). The buffer with the manifest cannot reach the disk before it is filled in. An
    /// *error* in the middle leaves a part of the batch in sled's memory; the engine reads nothing
    /// after the durable length and is broken from then on.
    ///
    /// While a batch is applied, sled blocks readers (`concurrency_control`), but only for work in
    /// memory: the disk is synced afterwards, and blocks no reader.
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
