//! The log itself, over any store of pairs in order: frames, chaining, conflicts, breaking.
//!
//! It knows no disk. A [`Store`] keeps pairs and makes them durable; everything that has to be
//! the same in every engine is here, once.

mod steps;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::{
    AppendError, Broken, Cause, CloseError, Damage, Extra, Flaw, Guarded, MAX_EXTRA, MAX_EXTRA_KEY,
    MAX_RECORD, MAX_SEAL, ReadError, Record, Seq,
    frame::{self, Frame, FrameHash},
    watchdog::{Health, Watchdog},
};

/// The first byte of the key of an extra. No frame's key starts with it: a log would need more
/// than 2^63 records.
const EXTRA_PREFIX: u8 = 0xFF;

/// The end of a log: how long it is, and the hash of its last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct End {
    pub(crate) length: Seq,
    pub(crate) hash: FrameHash,
}

/// One change to a store.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

/// A visitor of frames, with the place they are filed under; `false` ends the visit.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Seq, Bytes) -> bool;

/// Pairs in the order of their keys.
pub(crate) trait Store: Send + Sync + 'static {
    /// Whether that many bytes may be written now.
    fn room(&self, bytes: usize) -> Result<(), AppendError>;

    /// Makes all the changes or none, and returns when they are on stable storage.
    ///
    /// After an error nobody knows whether they are.
    fn write(&self, changes: Vec<Change>) -> Result<(), Cause>;

    /// Remembers a seal, see [`crate::Log::seal`].
    fn seal(&self, seal: Bytes);

    /// What the guard said when the store was opened.
    fn guarded(&self) -> Guarded;

    /// Hears of each new end, after it is on stable storage.
    fn grown(&self, end: End);

    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Cause>;

    /// The last frame filed under `at` or before.
    fn floor(&self, at: Seq) -> Result<Option<(Seq, Bytes)>, Cause>;

    /// Visits the frames filed under `from` and after, in order.
    fn visit(&self, from: Seq, visit: Visit<'_>) -> Result<(), Cause>;

    /// Visits the extras: keys without their prefix, and the lengths of the values.
    fn visit_extras(&self, visit: &mut dyn FnMut(&[u8], usize)) -> Result<(), Cause>;

    /// Leaves everything as after a clean stop.
    fn close(&self, end: End) -> Result<(), Cause>;
}

/// The key of the frame whose first record is at `first`.
pub(crate) fn frame_key(first: Seq) -> [u8; 8] {
    first.0.to_be_bytes()
}

/// The key under which an extra is stored.
pub(crate) fn extra_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + key.len());
    stored.push(EXTRA_PREFIX);
    stored.extend_from_slice(key);
    stored
}

/// Where the extras begin, and the frames end.
pub(crate) const EXTRAS: [u8; 1] = [EXTRA_PREFIX];

/// How long a writer waits for its turn until it looks whether that will come.
const PATIENCE: Duration = Duration::from_millis(200);

/// What the writer knows of the end.
#[derive(Debug)]
enum Tail {
    At(End),
    Broken(Broken),
}

/// A log over a store.
#[derive(Debug)]
pub(crate) struct Engine<S> {
    store: S,
    /// The writer's own; held across the disk, so no reader ever takes it.
    tail: Mutex<Tail>,
    /// How much readers may see. Never ahead of what is on stable storage.
    durable: AtomicU64,
    /// Not sled's `watch_prefix`: its buffer is bounded, and a slow follower blocks the writer.
    length: watch::Sender<Seq>,
    health: Arc<Health>,
    watchdog: Option<Watchdog>,
}

impl<S: Store> Engine<S> {
    /// A log over a store that holds nothing.
    pub(crate) fn empty(store: S) -> Engine<S> {
        Engine::at(store, End::default())
    }

    fn at(store: S, end: End) -> Engine<S> {
        Engine {
            store,
            tail: Mutex::new(Tail::At(end)),
            durable: AtomicU64::new(end.length.0),
            length: watch::Sender::new(end.length),
            health: Arc::default(),
            watchdog: None,
        }
    }

    /// Opens the log that the store holds; an unfinished append at its end is fenced off.
    pub(crate) fn open(store: S) -> Result<Engine<S>, ReadError> {
        let (end, unfinished) = recover(&store)?;
        if !unfinished.is_empty() {
            // A crash between two batches of one append left them. Nobody was told that they
            // are there, and they must not follow what is appended next.
            tracing::warn!(length = %end.length, "an unfinished append was fenced off");
            let changes = unfinished.iter().map(|first| Change::Remove(frame_key(*first).into()));
            store.write(changes.collect()).map_err(ReadError::Storage)?;
        }
        Ok(Engine::at(store, end))
    }

    /// Breaks the log if an append takes longer than that.
    pub(crate) fn watch(&mut self, deadline: Duration) -> io::Result<()> {
        self.watchdog = Some(Watchdog::start(Arc::clone(&self.health), deadline)?);
        Ok(())
    }

    pub(crate) fn store(&self) -> &S {
        &self.store
    }

    /// The durable end, if appends are accepted; else only what is known of it.
    pub(crate) fn end(&self) -> End {
        match &*self.tail.lock() {
            Tail::At(end) => *end,
            Tail::Broken(_) => End::default(),
        }
    }

    /// The durable length.
    pub(crate) fn durable(&self) -> Seq {
        Seq(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn append(
        &self,
        expected: Seq,
        records: &[Vec<u8>],
        extras: &[Extra],
    ) -> Result<Seq, AppendError> {
        refuse_long(records, extras)?;
        let mut tail = self.lock_tail()?;
        let end = match &*tail {
            Tail::At(end) if end.length == expected => *end,
            Tail::At(end) => return Err(AppendError::Conflict { length: end.length }),
            Tail::Broken(broken) => return Err(broken.clone().into()),
        };
        let (frames, hash) = frame::pack(end.length, end.hash, records);
        let batches = steps::batches(frames, extras);
        self.store.room(batches.iter().flatten().map(Change::size).sum())?;
        // Set before the write: if it fails halfway we must not guess.
        *tail = Tail::Broken(Broken::Halfway);
        for batch in batches {
            let written = self.health.timed(|| self.store.write(batch));
            let written = written.and_then(|written| written.map_err(Broken::Fault));
            if let Err(broken) = written {
                *tail = Tail::Broken(broken.clone());
                return Err(self.health.broke(broken).into());
            }
        }
        // A crash from here on is clean: the records are there, nobody was told.
        let end = End { length: end.length.plus(records.len()), hash };
        *tail = Tail::At(end);
        self.durable.store(end.length.0, Ordering::Release);
        self.store.grown(end);
        if !records.is_empty() {
            self.length.send_replace(end.length);
        }
        Ok(expected)
    }

    pub(crate) fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, ReadError> {
        let end = self.durable();
        if from >= end || limit == 0 {
            return Ok(Vec::new());
        }
        let Some((start, _)) = self.store.floor(from).map_err(ReadError::Storage)? else {
            return Err(Damage { at: from, flaw: Flaw::Gap }.into());
        };
        let left = usize::try_from(end.0 - from.0).unwrap_or(usize::MAX);
        let mut reading =
            Reading { next: start, from, end, left: limit.min(left), read: Ok(Vec::new()) };
        self.store
            .visit(start, &mut |filed, bytes| reading.visit(filed, &bytes))
            .map_err(ReadError::Storage)?;
        let Reading { next, left, read, .. } = reading;
        let records = read?;
        if left > 0 {
            return Err(Damage { at: next, flaw: Flaw::Gap }.into());
        }
        Ok(records)
    }

    pub(crate) fn extra(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.store.get(&extra_key(key)).map_err(ReadError::Storage)
    }

    pub(crate) fn seal(&self, seal: Bytes) {
        if seal.len() <= MAX_SEAL {
            self.store.seal(seal);
        }
    }

    pub(crate) fn guarded(&self) -> Guarded {
        self.store.guarded()
    }

    pub(crate) fn length(&self) -> watch::Receiver<Seq> {
        self.length.subscribe()
    }

    pub(crate) fn health(&self) -> Result<(), Broken> {
        self.health.get()
    }

    pub(crate) fn stalled(&self) -> watch::Receiver<bool> {
        self.health.stalled()
    }

    /// The writer's turn. Nobody waits for one that has been given up.
    fn lock_tail(&self) -> Result<MutexGuard<'_, Tail>, Broken> {
        loop {
            if let Some(tail) = self.tail.try_lock_for(PATIENCE) {
                return Ok(tail);
            }
            self.health.get()?;
        }
    }

    pub(crate) fn close(&self) -> Result<(), CloseError> {
        let mut tail = self.lock_tail()?;
        let end = match &*tail {
            Tail::At(end) => *end,
            Tail::Broken(Broken::Closed) => return Ok(()),
            Tail::Broken(broken) => return Err(broken.clone().into()),
        };
        *tail = Tail::Broken(Broken::Closed);
        let closed = self.health.timed(|| self.store.close(end))?;
        self.health.broke(Broken::Closed);
        closed.map_err(CloseError::Storage)
    }

    /// Accepts no appends: it was opened to be read.
    pub(crate) fn refuse_appends(&self) {
        *self.tail.lock() = Tail::Broken(self.health.broke(Broken::Closed));
    }

    /// Does something while the log is as a writer has it who waits for the disk.
    #[cfg(test)]
    pub(crate) fn while_writing(&self, act: &mut dyn FnMut()) {
        let _tail = self.tail.lock();
        act();
    }
}

impl Change {
    fn size(&self) -> usize {
        match self {
            Change::Put(key, value) => key.len() + value.len(),
            Change::Remove(key) => key.len(),
        }
    }
}

/// A read as it goes from frame to frame.
struct Reading {
    next: Seq,
    from: Seq,
    end: Seq,
    left: usize,
    read: Result<Vec<Record>, Damage>,
}

impl Reading {
    fn visit(&mut self, filed: Seq, bytes: &Bytes) -> bool {
        let Ok(records) = &mut self.read else { return false };
        match follow(self.next, filed, bytes) {
            Ok(frame) => {
                let places = (frame.first.0..self.end.0).map(Seq);
                let found = places
                    .zip(frame.records.iter())
                    .filter(|(seq, _)| *seq >= self.from)
                    .take(self.left);
                let before = records.len();
                records.extend(found.map(|(seq, bytes)| Record { seq, bytes: bytes.clone() }));
                self.left -= records.len() - before;
                self.next = frame.end();
                self.left > 0
            }
            Err(damage) => {
                self.read = Err(damage);
                false
            }
        }
    }
}

/// The frame that is filed where the log goes on, taken apart.
pub(crate) fn follow(next: Seq, filed: Seq, bytes: &Bytes) -> Result<Frame, Damage> {
    if filed != next {
        return Err(Damage { at: next, flaw: Flaw::Gap });
    }
    let frame = Frame::decode(bytes).map_err(|flaw| Damage { at: next, flaw })?;
    if frame.first != filed {
        return Err(Damage { at: next, flaw: Flaw::Place });
    }
    Ok(frame)
}

/// Where the log ends, and the frames of an unfinished append after that.
fn recover(store: &impl Store) -> Result<(End, Vec<Seq>), ReadError> {
    let mut unfinished = Vec::new();
    let mut before = Seq(u64::MAX >> 1);
    while let Some((filed, bytes)) = store.floor(before).map_err(ReadError::Storage)? {
        let frame = follow(filed, filed, &bytes)?;
        if unfinished.is_empty() && frame.is_last() {
            return Ok((End { length: frame.end(), hash: FrameHash::of(&bytes) }, unfinished));
        }
        unfinished.push(filed);
        if frame.place == 0 {
            let hash = frame.before;
            return Ok((End { length: filed, hash }, unfinished));
        }
        let Some(earlier) = filed.0.checked_sub(1) else { break };
        before = Seq(earlier);
    }
    match unfinished.last() {
        None => Ok((End::default(), unfinished)),
        Some(at) => Err(Damage { at: *at, flaw: Flaw::Append }.into()),
    }
}

fn refuse_long(records: &[Vec<u8>], extras: &[Extra]) -> Result<(), AppendError> {
    let records = records.iter().map(|record| (record.len(), MAX_RECORD));
    let extras = extras.iter().map(|extra| {
        if extra.key.len() > MAX_EXTRA_KEY {
            (extra.key.len(), MAX_EXTRA_KEY)
        } else {
            (extra.value.len(), MAX_EXTRA)
        }
    });
    match records.chain(extras).enumerate().find(|(_, (length, limit))| length > limit) {
        None => Ok(()),
        Some((index, (length, limit))) => Err(AppendError::TooLong { index, length, limit }),
    }
}
