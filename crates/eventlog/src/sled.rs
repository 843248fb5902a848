//! The log on disk, over sled 0.34.7: the default engine.
//!
//! A data directory holds `FORMAT`, `log/` (sled's own), `guard` and `ballast`; the layout is in
//! `schemas/frames.md`. Everything here beyond plain reading and writing is a guard against
//! something that sled does; each says in its place what that is.

mod ballast;
mod folder;
mod guard;
mod open;
mod refusal;
mod store;
mod survey;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use tokio::sync::watch;

pub use self::refusal::OpenError;
pub(crate) use self::store::SledStore;
use crate::{
    AppendError, Broken, CloseError, Extra, Guarded, Log, ReadError, Record, Seq, Space,
    engine::Engine,
};

/// Where a log is, and how it is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made on the first start.
    pub dir: PathBuf,
    /// The guard file; `None` is `guard` in the data directory. On another volume it notices that
    /// the whole data directory was put back to an earlier state.
    pub guard: Option<PathBuf>,
    /// Opens a log that is shorter than its guard, or another one, and lets the guard follow it.
    /// Only for an operator who says so.
    pub accept_rollback: bool,
    /// The bytes that must be free on the disk for an append, beside those it needs.
    pub reserve_bytes: u64,
    /// The longest that an append may take: after that the log is broken, and nobody waits for it.
    pub append_deadline: Duration,
}

impl Options {
    /// The log of that data directory, with defaults for the rest.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options {
            dir: dir.into(),
            guard: None,
            accept_rollback: false,
            reserve_bytes: 16 << 20,
            append_deadline: Duration::from_secs(10),
        }
    }
}

/// A log on disk.
///
/// Dropping it without [`Log::close`] is a crash that loses nothing.
#[derive(Debug)]
pub struct SledLog {
    engine: Engine<SledStore>,
}

impl SledLog {
    /// Opens the log of a data directory, or makes one in an empty or missing directory.
    ///
    /// # Errors
    ///
    /// Each of [`OpenError`] says what to do. A directory that is refused is left as it was.
    pub fn open(options: &Options) -> Result<SledLog, OpenError> {
        Ok(SledLog { engine: open::open(options)? })
    }

    /// Opens the log of a data directory to be read; it is closed to appends from the start.
    ///
    /// Nothing in the directory is changed or made, whatever is found; it may be one that cannot be
    /// written to. As long as it is open, nobody else can open it.
    ///
    /// # Errors
    ///
    /// As [`SledLog::open`], and if there is no log.
    pub fn look(options: &Options) -> Result<SledLog, OpenError> {
        Ok(SledLog { engine: open::look(options)? })
    }

    pub(crate) fn engine(&self) -> &Engine<SledStore> {
        &self.engine
    }
}

impl Log for SledLog {
    fn append(
        &self,
        expected: Seq,
        records: &[Vec<u8>],
        extras: &[Extra],
    ) -> Result<Seq, AppendError> {
        self.engine.append(expected, records, extras)
    }

    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, ReadError> {
        self.engine.read(from, limit)
    }

    fn extra(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.engine.extra(key)
    }

    fn seal(&self, seal: Bytes) {
        self.engine.seal(seal);
    }

    fn guarded(&self) -> Guarded {
        self.engine.guarded()
    }

    fn length(&self) -> watch::Receiver<Seq> {
        self.engine.length()
    }

    fn health(&self) -> Result<(), Broken> {
        self.engine.health()
    }

    fn stalled(&self) -> watch::Receiver<bool> {
        self.engine.stalled()
    }

    fn space(&self) -> Option<Space> {
        self.engine.store().space()
    }

    fn close(&self) -> Result<(), CloseError> {
        self.engine.close()
    }
}
