//! The log on disk, over sled 0.34.7: the default engine.
//!
//! A data directory holds `FORMAT`, `log/` (sled's own), `guard` and `ballast`; the layout is in
//! `schemas/frames.md`. Everything here beyond plain reading and writing is a guard against
//! something that sled does; each says in its place what that is.

mod ballast;
mod folder;
mod guard;
mod layout;
mod open;
mod refusal;
mod store;
mod survey;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

pub use self::refusal::OpenError;
pub(crate) use self::store::SledStore;
use crate::{CheckError, Checked, Log, Seq, Wrapper, check, engine::Engine};

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
///
/// ```
/// use eventlog::{Extra, Log, Seq, sled::{Options, SledLog}};
///
/// # let parent = tempfile::tempdir()?;
/// # let dir = parent.path().join("data");
/// let options = Options::new(dir);
/// let log = SledLog::open(&options)?;
/// // When `append` returns, the record and the extra are on stable storage.
/// let tile = Extra { key: b"tile/0".to_vec(), value: vec![7; 32] };
/// log.append(Seq(0), &[b"one".to_vec()], &[tile])?;
/// drop(log);
///
/// let log = SledLog::open(&options)?;
/// assert_eq!(log.read(Seq(0), 10)?[0].bytes, "one");
/// assert_eq!(log.extra(b"tile/0")?.as_deref(), Some(&[7; 32][..]));
/// assert_eq!(log.check(&mut |_| ())?.records, Seq(1));
/// log.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    pub fn open_read_only(options: &Options) -> Result<SledLog, OpenError> {
        Ok(SledLog { engine: open::open_read_only(options)? })
    }

    /// Checks every frame and every extra, up to the length at the start of the check.
    ///
    /// `progress` is called after each frame with the number of records found in order.
    ///
    /// # Errors
    ///
    /// The first damage, or the storage failed. The log is as it was.
    pub fn check(&self, progress: &mut dyn FnMut(Seq)) -> Result<Checked, CheckError> {
        check::engine(&self.engine, progress)
    }

    #[cfg(test)]
    pub(crate) fn engine(&self) -> &Engine<SledStore> {
        &self.engine
    }
}

impl Wrapper for SledLog {
    type Inner = dyn Log;

    fn inner(&self) -> &dyn Log {
        &self.engine
    }
}
