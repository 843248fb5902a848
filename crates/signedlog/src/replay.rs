//! Reading a log from where one is to its end: every record is held against the tiles that were
//! written with it, and the tree against the last checkpoint.
//!
//! Recovery is the live path: a replay pushes the same leaves as an append.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use eventlog::{Extra, Log, ReadError, Record, Seq};
use tlog::{RightEdge, Tile, TileReader as _};

use crate::error::{IntegrityError, ReplayError};
use crate::tiles::{StoredTiles, extras_of};
use crate::tree::{Leaf, TreeHead};

/// Records that are read at once.
const CHUNK: usize = 1024;
/// Chunks that are read ahead, and decoded ahead.
const AHEAD: usize = 4;

/// What is done about a log that is not what was recorded or signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The log is refused.
    Refuse,
    /// The log is taken as it is, and its tiles are made again. Only when an operator accepted
    /// that, and with the key of a new origin: the old one signed something else.
    Accept,
}

/// Consecutive records, read and decoded, each with its leaf hash.
#[derive(Debug)]
pub struct Chunk<T> {
    records: Vec<(Record, T)>,
    leaves: Vec<Leaf>,
}

impl<T> Chunk<T> {
    fn new(records: Vec<(Record, T)>) -> Chunk<T> {
        let leaves = records.iter().map(|(stored, _)| Leaf::of(&stored.bytes)).collect();
        Chunk { records, leaves }
    }

    /// Each record's place, its leaf hash, and what it was decoded to, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, Leaf, &T)> {
        let leaves = self.leaves.iter().copied();
        self.records.iter().zip(leaves).map(|((stored, record), leaf)| (stored.seq, leaf, record))
    }

    /// How many bytes the records have as they are stored.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        self.records.iter().map(|(stored, _)| stored.bytes.len()).sum()
    }

    /// The place after the last record; `None` without records.
    #[must_use]
    pub fn end(&self) -> Option<Seq> {
        self.records.last().map(|(stored, _)| stored.seq.next())
    }

    /// Each record's place, and what it was decoded to, in order.
    pub fn into_records(self) -> impl Iterator<Item = (Seq, T)> {
        self.records.into_iter().map(|(stored, record)| (stored.seq, record))
    }
}

/// Reads the records `from..until` and gives them to `apply` in order.
///
/// Reading and decoding run ahead, each on a thread of its own.
pub(crate) fn read_ahead<T: Send, E: From<ReplayError> + Send>(
    log: &dyn Log,
    from: Seq,
    until: Seq,
    mut decode: impl FnMut(&Record) -> Result<T, E> + Send,
    mut apply: impl FnMut(Chunk<T>) -> Result<(), E>,
) -> Result<(), E> {
    // Nobody receives what comes after an error.
    let (read, stored) = sync_channel::<Result<Vec<Record>, ReplayError>>(AHEAD);
    let (decoded, chunks) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("log-reader".into());
        let spawned = thread.spawn_scoped(scope, move || {
            let mut next = from;
            while next < until {
                let chunk = read_chunk(log, next, until);
                let end = chunk.as_ref().ok().and_then(|chunk| Some(chunk.last()?.seq.next()));
                let (true, Some(end)) = (read.send(chunk).is_ok(), end) else { return };
                next = end;
            }
        });
        spawned.map_err(ReplayError::Thread)?;
        let thread = std::thread::Builder::new().name("log-decoder".into());
        let spawned = thread.spawn_scoped(scope, move || {
            for chunk in stored {
                let chunk = chunk.map_err(E::from).and_then(|read| decode_chunk(read, &mut decode));
                let is_last = chunk.is_err();
                if decoded.send(chunk).is_err() || is_last {
                    return;
                }
            }
        });
        spawned.map_err(ReplayError::Thread)?;
        chunks.into_iter().try_for_each(|chunk| apply(Chunk::new(chunk?)))
    })
}

/// The head of the tree over all records of a log as it is, whatever was signed for it.
///
/// # Errors
///
/// [`ReplayError`]: the records cannot be read.
pub fn head_of(log: &dyn Log) -> Result<TreeHead, ReplayError> {
    let mut tree = tlog::Frontier::new();
    let until = *log.length().borrow();
    read_ahead(
        log,
        Seq(0),
        until,
        |_| Ok(()),
        |chunk| {
            chunk.iter().for_each(|(_, leaf, ())| tree.push(leaf.into()));
            Ok::<(), ReplayError>(())
        },
    )?;
    Ok(TreeHead { size: tree.size(), root: tree.root() })
}

fn read_chunk(log: &dyn Log, from: Seq, until: Seq) -> Result<Vec<Record>, ReplayError> {
    let limit = usize::try_from(until.0 - from.0).map_or(CHUNK, |left| left.min(CHUNK));
    let read = log.read(from, limit).map_err(ReplayError::Read)?;
    if read.is_empty() {
        return Err(ReplayError::Ended { end: from, length: until });
    }
    Ok(read)
}

fn decode_chunk<T, E>(
    read: Vec<Record>,
    decode: &mut impl FnMut(&Record) -> Result<T, E>,
) -> Result<Vec<(Record, T)>, E> {
    // Results are not collected: that would not know how many there will be, and copy them as it goes.
    let mut decoded = Vec::with_capacity(read.len());
    for stored in read {
        let record = decode(&stored)?;
        decoded.push((stored, record));
    }
    Ok(decoded)
}

/// A tree that is made again from the records of a log.
pub(crate) struct Regrowth<'l> {
    edge: RightEdge,
    log: &'l dyn Log,
    mismatch: Mismatch,
    /// A head that was signed: the tree must come by it.
    expected: Option<TreeHead>,
    /// The tiles to be written again.
    mended: Vec<Extra>,
}

/// A tree that was made again.
pub(crate) struct Regrown {
    pub(crate) edge: Arc<RightEdge>,
    /// The tiles to be written again.
    pub(crate) mended: Vec<Extra>,
}

impl<'l> Regrowth<'l> {
    /// Goes on from `edge`. `expected` is the head of a checkpoint that was signed.
    pub(crate) fn new(
        edge: RightEdge,
        log: &'l dyn Log,
        mismatch: Mismatch,
        expected: Option<TreeHead>,
    ) -> Result<Regrowth<'l>, ReplayError> {
        let regrowth = Regrowth { edge, log, mismatch, expected, mended: Vec::new() };
        regrowth.compare_root()?;
        Ok(regrowth)
    }

    /// The tree so far.
    pub(crate) fn edge(&self) -> &RightEdge {
        &self.edge
    }

    /// Adds the leaf of the next record.
    pub(crate) fn push(&mut self, leaf: Leaf) -> Result<(), ReplayError> {
        for tile in self.edge.push(leaf.into()) {
            let found = self.stored(&tile).map_err(ReplayError::Tiles)?;
            if found.as_ref() == Some(&tile) {
                continue;
            }
            match self.mismatch {
                Mismatch::Refuse => return Err(self.wrong_tile(&tile, found.as_ref()).into()),
                Mismatch::Accept => self.mended.extend(extras_of(&tile)),
            }
        }
        Ok(self.compare_root()?)
    }

    fn stored(&self, made: &Tile) -> Result<Option<Tile>, ReadError> {
        StoredTiles(self.log).tile(made.index())
    }

    fn compare_root(&self) -> Result<(), IntegrityError> {
        match self.expected {
            Some(TreeHead { size, root })
                if size == self.edge.size() && root != self.edge.root() =>
            {
                Err(IntegrityError::Root { sealed: size })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn wrong_tile(&self, made: &Tile, found: Option<&Tile>) -> IntegrityError {
        let path = made.index().path();
        let Some(found) = found else {
            let seq = Seq(self.edge.size().saturating_sub(1));
            return IntegrityError::Missing { seq, path };
        };
        let differs = made.hashes().zip(found.hashes()).position(|(made, found)| made != found);
        match differs {
            Some(place) if made.index().level() == 0 => {
                let first = made.index().number() << 8;
                IntegrityError::Record { seq: Seq(first + place as u64), path }
            }
            Some(_) | None => IntegrityError::Tile { path },
        }
    }

    /// The tree of all records that were pushed.
    pub(crate) fn finish(self) -> Result<Regrown, IntegrityError> {
        match self.expected {
            Some(TreeHead { size: sealed, .. }) if sealed > self.edge.size() => {
                Err(IntegrityError::Shorter { length: Seq(self.edge.size()), sealed })
            }
            Some(_) | None => Ok(Regrown { edge: Arc::new(self.edge), mended: self.mended }),
        }
    }
}
