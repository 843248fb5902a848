//! The log itself, over any store of pairs in order: frames, chaining, conflicts, breaking.
//!
//! It knows no disk. A [`Store`] holds pairs and makes them durable; what is the same in every
//! engine is here, once.

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
    AppendError, Broken, CloseError, Damage, DamageKind, Extra, Guarded, MAX_EXTRA, MAX_EXTRA_KEY,
    MAX_RECORD, MAX_SEAL, ReadError, Record, Seq, Space,
    frame::{self, Frame, FrameHash},
    log::Log,
    store::{Change, End, Store, extra_key, frame_key},
    watchdog::{Health, Watchdog},
};

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
            // A crash between two batches of one append left them. They were not acknowledged, and they must not follow what is appended next.
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

    /// The durable end, while appends are accepted.
    pub(crate) fn end(&self) -> Result<End, Broken> {
        match &*self.tail.lock() {
            Tail::At(end) => Ok(*end),
            Tail::Broken(broken) => Err(broken.clone()),
        }
    }

    /// The durable length.
    pub(crate) fn durable(&self) -> Seq {
        Seq(self.durable.load(Ordering::Acquire))
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

    /// A store may take a full disk for a broken one, halfway through a write. So this looks first,
    /// and a full disk is only a refusal.
    fn refuse_full(&self, batches: &[Vec<Change>]) -> Result<(), AppendError> {
        const { assert!(usize::BITS <= u64::BITS) }
        let bytes = batches.iter().flatten().map(Change::size).sum::<usize>() as u64;
        match self.store.space() {
            Some(space) if !space.has_room(bytes) => {
                let needed = space.reserve.saturating_add(bytes);
                Err(AppendError::Full { available: space.available, needed })
            }
            Some(_) | None => Ok(()),
        }
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

impl<S: Store> Log for Engine<S> {
    fn append(
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
        self.refuse_full(&batches)?;
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
        // A crash from here on is clean: the records are stored, though not acknowledged.
        let end = End { length: end.length.plus(records.len()), hash };
        *tail = Tail::At(end);
        self.durable.store(end.length.0, Ordering::Release);
        self.store.grown(end);
        if !records.is_empty() {
            self.length.send_replace(end.length);
        }
        Ok(expected)
    }

    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, ReadError> {
        let end = self.durable();
        if from >= end || limit == 0 {
            return Ok(Vec::new());
        }
        let Some((start, _)) = self.store.floor(from).map_err(ReadError::Storage)? else {
            return Err(Damage { at: from, kind: DamageKind::Gap }.into());
        };
        let left = usize::try_from(end.0 - from.0).unwrap_or(usize::MAX);
        let mut reading =
            Reading { next: start, from, end, left: limit.min(left), read: Ok(Vec::new()) };
        self.store
            .visit_frames(start, &mut |filed, bytes| reading.take(filed, &bytes))
            .map_err(ReadError::Storage)?;
        let Reading { next, left, read, .. } = reading;
        let records = read?;
        if left > 0 {
            return Err(Damage { at: next, kind: DamageKind::Gap }.into());
        }
        Ok(records)
    }

    fn extra(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.store.get(&extra_key(key)).map_err(ReadError::Storage)
    }

    fn seal(&self, seal: Bytes) {
        if seal.len() <= MAX_SEAL {
            self.store.seal(seal);
        }
    }

    fn guarded(&self) -> Guarded {
        self.store.guarded()
    }

    fn length(&self) -> watch::Receiver<Seq> {
        self.length.subscribe()
    }

    fn health(&self) -> Result<(), Broken> {
        self.health.get()
    }

    fn space(&self) -> Option<Space> {
        self.store.space()
    }

    fn stalled(&self) -> watch::Receiver<bool> {
        self.health.stalled()
    }

    fn close(&self) -> Result<(), CloseError> {
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
    fn take(&mut self, filed: Seq, bytes: &Bytes) -> bool {
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
        return Err(Damage { at: next, kind: DamageKind::Gap });
    }
    let frame = Frame::decode(bytes).map_err(|kind| Damage { at: next, kind })?;
    if frame.first != filed {
        return Err(Damage { at: next, kind: DamageKind::Place });
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
        Some(at) => Err(Damage { at: *at, kind: DamageKind::Append }.into()),
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
