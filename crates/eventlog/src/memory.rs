//! A log in memory: a real engine that forgets when the process ends.
//!
//! The same frames as on disk, so it keeps the same contract, and it can fail on demand like a
//! disk. It is what other crates test with.

use std::{collections::BTreeMap, io, ops::Bound, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};

use crate::{
    Cause, CheckError, Checked, Guarded, Log, ReadError, Seq, Wrapper, check,
    engine::Engine,
    store::{Change, EXTRAS, End, FrameVisitor, Store, frame_key, frame_place},
};

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The records are stored, but the append returns an error.
    Keep,
    /// The records are lost.
    Lose,
    /// The storage does not answer; the records are stored when it does, after [`MemoryLog::answer`].
    Hang,
}

/// A log in memory. A clone is the same log.
///
/// It can fail on demand as a disk does. After a failed append the outcome is unknown; opening the
/// log anew shows what is there.
///
/// ```
/// use eventlog::{AppendError, Log, Seq, memory::{Fault, MemoryLog}};
///
/// let log = MemoryLog::new();
/// log.fail_next(Fault::Keep);
/// let unknown = log.append(Seq(0), &[b"one".to_vec()], &[]);
/// assert!(matches!(unknown, Err(AppendError::Broken(_))));
/// assert!(log.health().is_err());
///
/// let log = log.reopen()?;
/// assert_eq!(log.read(Seq(0), 1)?[0].bytes, "one");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryLog {
    engine: Arc<Engine<MemoryStore>>,
}

#[derive(Clone, Debug, Default)]
struct MemoryStore {
    pairs: Arc<RwLock<BTreeMap<Vec<u8>, Bytes>>>,
    /// How many more writes succeed, and how the next one fails.
    fault: Arc<Mutex<Option<(u32, Fault)>>>,
    /// Whether a write that hangs goes on.
    answers: Arc<(Mutex<bool>, Condvar)>,
    /// What the guard says, and what it said when the store was opened.
    guard: Arc<Mutex<Guarded>>,
    guarded: Guarded,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> MemoryLog {
        MemoryLog::default()
    }

    /// An empty log whose appends must not take longer than that.
    ///
    /// # Errors
    ///
    /// There is no thread to watch it.
    pub fn watched(deadline: Duration) -> io::Result<MemoryLog> {
        let mut engine = Engine::empty(MemoryStore::default());
        engine.watch(deadline)?;
        Ok(MemoryLog { engine: Arc::new(engine) })
    }

    /// Lets a write that hangs go on, see [`Fault::Hang`].
    pub fn answer(&self) {
        let (answers, changed) = &*self.engine.store().answers;
        *answers.lock() = true;
        changed.notify_all();
    }

    /// Makes the next append fail, and with it the log break.
    pub fn fail_next(&self, fault: Fault) {
        self.fail_after(0, fault);
    }

    /// Makes a write fail, after that many that succeed. An append of more than 256 KiB is more
    /// than one write, so this can leave a part of one behind.
    pub fn fail_after(&self, writes: u32, fault: Fault) {
        *self.engine.store().fault.lock() = Some((writes, fault));
    }

    /// Opens the same records anew, as a restart does: what was broken or closed is not any more.
    ///
    /// # Errors
    ///
    /// What is held is damaged; this log is as it was.
    pub fn reopen(&self) -> Result<MemoryLog, ReadError> {
        let store = self.engine.store();
        store.fault.lock().take();
        let guarded = store.guard.lock().clone();
        let store = MemoryStore { guarded, ..store.clone() };
        Ok(MemoryLog { engine: Arc::new(Engine::open(store)?) })
    }

    #[cfg(test)]
    pub(crate) fn engine(&self) -> &Engine<impl Store> {
        &self.engine
    }

    /// Checks every frame and every extra, as [`SledLog::check`](crate::sled::SledLog::check).
    ///
    /// # Errors
    ///
    /// The first damage. The log is as it was.
    pub fn check(&self, progress: &mut dyn FnMut(Seq)) -> Result<Checked, CheckError> {
        check::engine(&self.engine, progress)
    }
}

impl Default for MemoryLog {
    fn default() -> MemoryLog {
        MemoryLog { engine: Arc::new(Engine::empty(MemoryStore::default())) }
    }
}

impl Wrapper for MemoryLog {
    type Inner = dyn Log;

    fn inner(&self) -> &dyn Log {
        &*self.engine
    }
}

impl MemoryStore {
    fn change(&self, changes: Vec<Change>) {
        let mut pairs = self.pairs.write();
        for change in changes {
            match change {
                Change::Put(key, value) => drop(pairs.insert(key, value.into())),
                Change::Remove(key) => drop(pairs.remove(&key)),
            }
        }
    }
}

impl Store for MemoryStore {
    fn write(&self, changes: Vec<Change>) -> Result<(), Cause> {
        let fault = next_fault(&mut self.fault.lock());
        if fault == Some(Fault::Hang) {
            let (goes_on, woken) = &*self.answers;
            woken.wait_while(&mut goes_on.lock(), |goes_on| !*goes_on);
        }
        if fault != Some(Fault::Lose) {
            self.change(changes);
        }
        match fault {
            None | Some(Fault::Hang) => Ok(()),
            Some(Fault::Keep | Fault::Lose) => {
                Err(Arc::new(io::Error::other("the storage fails on purpose")))
            }
        }
    }

    fn seal(&self, seal: Bytes) {
        self.guard.lock().seal = Some(seal);
    }

    fn guarded(&self) -> Guarded {
        self.guarded.clone()
    }

    fn grown(&self, end: End) {
        self.guard.lock().length = end.length;
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Cause> {
        Ok(self.pairs.read().get(key).cloned())
    }

    fn floor(&self, at: Seq) -> Result<Option<(Seq, Bytes)>, Cause> {
        let pairs = self.pairs.read();
        let last = pairs.range(..=frame_key(at).to_vec()).next_back();
        last.map(|(key, value)| Ok((frame_place(key)?, value.clone()))).transpose()
    }

    fn visit_frames(&self, from: Seq, visitor: FrameVisitor<'_>) -> Result<(), Cause> {
        let pairs = self.pairs.read();
        for (key, value) in pairs.range(frame_key(from).to_vec()..EXTRAS.to_vec()) {
            if !visitor(frame_place(key)?, value.clone()) {
                break;
            }
        }
        Ok(())
    }

    fn visit_extras(&self, visitor: &mut dyn FnMut(usize)) -> Result<(), Cause> {
        let pairs = self.pairs.read();
        let extras = (Bound::Included(EXTRAS.to_vec()), Bound::Unbounded);
        for (_, value) in pairs.range::<Vec<u8>, _>(extras) {
            visitor(value.len());
        }
        Ok(())
    }

    fn close(&self, _: End) -> Result<(), Cause> {
        Ok(())
    }
}

/// Whether this write is the one that fails, and how.
pub(crate) fn next_fault(planned: &mut Option<(u32, Fault)>) -> Option<Fault> {
    let (writes, fault) = planned.take()?;
    let Some(left) = writes.checked_sub(1) else { return Some(fault) };
    *planned = Some((left, fault));
    None
}
