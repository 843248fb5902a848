//! The contract that every engine keeps.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::{AppendError, Broken, CloseError, Extra, ReadError, Record, Seq};

/// What a log remembers of its end where the log itself cannot lose it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Guarded {
    /// A length that was durable.
    pub length: Seq,
    /// The last seal; `None` if there never was one.
    pub seal: Option<Bytes>,
}

/// How much room there is on the disk of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The bytes that are free.
    pub available: u64,
    /// The bytes that stay free: what would take of them is refused.
    pub reserve: u64,
}

impl Space {
    /// Whether there is room for `bytes` more.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        self.available >= self.reserve.saturating_add(bytes)
    }
}

/// An append-only log of records that many threads may use at once.
///
/// Nothing may assume that it is the only writer of a log: on a conflict, catch up, decide again
/// and retry.
pub trait Log: Send + Sync + 'static {
    /// Appends `records` in order, all or none, and returns the first one's place.
    ///
    /// On return they are on stable storage, and readable. `expected` is the length the caller
    /// last saw: if the log has grown since, nothing is written. `extras` are written with them,
    /// in the same step; without records, `extras` alone are.
    ///
    /// # Errors
    ///
    /// After [`AppendError::Broken`] it is unknown whether the records survived; the log answers
    /// the same to every later append until it is opened anew. After every other error nothing
    /// was written and the log is as it was.
    fn append(
        &self,
        expected: Seq,
        records: &[Vec<u8>],
        extras: &[Extra],
    ) -> Result<Seq, AppendError>;

    /// Reads at most `limit` records from `from` on, in order; none at the end of the log.
    ///
    /// Only what is durable is read, and no appender is waited for while it writes to disk.
    ///
    /// # Errors
    ///
    /// The storage cannot be read, or what it holds is damaged. Nothing is changed by that: the
    /// records before the damage can still be read with a smaller `limit`.
    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, ReadError>;

    /// The value of the extra of that key; `None` if there never was one.
    ///
    /// # Errors
    ///
    /// The storage cannot be read; nothing is changed by that.
    fn extra(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// Remembers `seal`, in the place of the one before, where the end of the log is guarded.
    ///
    /// For a statement that the layer above makes of what is durable, such as a signed
    /// checkpoint. It reaches the disk off the commit's path, about a second later at most, and
    /// on a clean stop; it is opaque here. One of more than [`MAX_SEAL`](crate::MAX_SEAL) bytes is dropped.
    fn seal(&self, seal: Bytes);

    /// What the guard said when the log was opened.
    fn guarded(&self) -> Guarded;

    /// The length, as it grows. It wakes a follower; the data always come from [`Log::read`].
    fn length(&self) -> watch::Receiver<Seq>;

    /// Whether appends are still accepted.
    ///
    /// # Errors
    ///
    /// Why not: [`Log::append`] would answer the same.
    fn health(&self) -> Result<(), Broken>;

    /// Becomes true when an append has not returned in the time that the storage may take: it may
    /// never, and whoever waits for it need not. The log is broken then, see [`Log::health`].
    fn stalled(&self) -> watch::Receiver<bool>;

    /// The room on its disk; `None` where it is on none, or nobody knows. Asks the system.
    fn space(&self) -> Option<Space> {
        None
    }

    /// Stops accepting appends and leaves the log as after a clean stop. Reading goes on.
    ///
    /// # Errors
    ///
    /// What was acknowledged is safe anyway; the next start has to look harder. The log is closed
    /// all the same.
    fn close(&self) -> Result<(), CloseError>;
}

/// A type that is a log by the log it holds: it needs no more than this to be one itself.
///
/// ```
/// use eventlog::{Log, Seq, Wrapper, memory::MemoryLog};
///
/// struct Named<L> { name: String, log: L }
///
/// impl<L: Log> Wrapper for Named<L> {
///     type Inner = L;
///     fn inner(&self) -> &L { &self.log }
/// }
///
/// let log = Named { name: "audit".to_owned(), log: MemoryLog::new() };
/// log.append(Seq(0), &[b"one".to_vec()], &[])?;
/// assert_eq!(*log.length().borrow(), Seq(1));
/// # Ok::<(), eventlog::AppendError>(())
/// ```
pub trait Wrapper: Send + Sync + 'static {
    /// The log it holds.
    type Inner: Log + ?Sized;

    /// The log it holds.
    fn inner(&self) -> &Self::Inner;
}

impl<L: Log + ?Sized> Wrapper for Arc<L> {
    type Inner = L;

    fn inner(&self) -> &L {
        self
    }
}

impl<W: Wrapper> Log for W {
    fn append(
        &self,
        expected: Seq,
        records: &[Vec<u8>],
        extras: &[Extra],
    ) -> Result<Seq, AppendError> {
        self.inner().append(expected, records, extras)
    }

    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, ReadError> {
        self.inner().read(from, limit)
    }

    fn extra(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.inner().extra(key)
    }

    fn seal(&self, seal: Bytes) {
        self.inner().seal(seal);
    }

    fn guarded(&self) -> Guarded {
        self.inner().guarded()
    }

    fn length(&self) -> watch::Receiver<Seq> {
        self.inner().length()
    }

    fn health(&self) -> Result<(), Broken> {
        self.inner().health()
    }

    fn stalled(&self) -> watch::Receiver<bool> {
        self.inner().stalled()
    }

    fn space(&self) -> Option<Space> {
        self.inner().space()
    }

    fn close(&self) -> Result<(), CloseError> {
        self.inner().close()
    }
}
