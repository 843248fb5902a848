//! Checkpoints with a time that somebody else vouches for: a time-stamping authority (RFC 3161) is sent the
//! hash of the newest one, once a day and on demand.
//!
//! Nothing here is on the way of a change: a task takes the checkpoint that was published last, and an
//! authority that fails or is slow keeps nobody waiting. What it answered is stored beside the log,
//! one file for each time-stamp, and goes into every bundle.

mod authority;
mod keeping;
mod stored;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keys::Timestamp;
use ledger::Ledger;
use parking_lot::Mutex;
use tokio::sync::Mutex as Turn;

pub use self::authority::{Authority, StampError};
pub use self::keeping::keep_stamping;
pub(crate) use self::keeping::warn;
use self::stored::Store;
pub use self::stored::StoredError;
pub(crate) use self::stored::StoredStamp;

/// The shortest time between two time-stamps that callers request.
const ON_DEMAND: Duration = Duration::from_secs(60);

/// The time-stamps of a log, and who makes new ones. A clone is the same one.
#[derive(Clone, Default)]
pub struct Stamps(Arc<Inner>);

#[derive(Default)]
struct Inner {
    store: Store,
    /// The authority, and how often it is asked.
    authority: Option<(Authority, Duration)>,
    failures: AtomicU64,
    /// When a caller requested one last.
    requested: Mutex<Option<Instant>>,
    /// One at a time.
    turn: Turn<()>,
}

/// Why there is no time-stamp for who requested one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OnDemand {
    #[error("the service has no time-stamping authority; it is started with --tsa")]
    NoAuthority,
    #[error("a time-stamp was requested less than a minute ago")]
    TooSoon(u64),
    #[error(transparent)]
    Failed(#[from] StampError),
}

/// Numbers of time-stamps.
#[derive(Clone, Copy, Default)]
pub(crate) struct StampStats {
    pub(crate) stored: usize,
    /// When the last one was made, in seconds since 1970; 0 without one.
    pub(crate) last_s: u64,
    pub(crate) failures: u64,
}

impl Stamps {
    /// Those in `folder`, which may not exist yet.
    ///
    /// # Errors
    ///
    /// A file there cannot be read or is damaged.
    pub fn open(folder: std::path::PathBuf) -> Result<Stamps, StoredError> {
        let store = Store::open(folder)?;
        Ok(Stamps(Arc::new(Inner { store, ..Inner::default() })))
    }

    /// The same, and new ones from `authority` after each `every`.
    ///
    /// # Errors
    ///
    /// As [`Stamps::open`].
    pub fn from_authority(
        folder: std::path::PathBuf,
        authority: Authority,
        every: Duration,
    ) -> Result<Stamps, StoredError> {
        let store = Store::open(folder)?;
        Ok(Stamps(Arc::new(Inner {
            store,
            authority: Some((authority, every)),
            ..Inner::default()
        })))
    }

    /// The number of those of `origin` that are of no more than `size` records, oldest first: their places
    /// in the store.
    pub(crate) fn of(&self, origin: &str, size: u64) -> Vec<u64> {
        self.0.store.select(|listed| listed.origin == origin && listed.size <= size)
    }

    /// At most `most` from that place on, and where to go on.
    pub(crate) fn page(
        &self,
        from: u64,
        most: usize,
    ) -> Result<(Vec<StoredStamp>, Option<u64>), StoredError> {
        let mut places = self.0.store.select(|listed| listed.place >= from);
        let next = places.get(most).copied();
        places.truncate(most);
        let items = places.into_iter().map(|place| self.read(place)).collect::<Result<_, _>>()?;
        Ok((items, next))
    }

    /// The one at that place.
    pub(crate) fn read(&self, place: u64) -> Result<StoredStamp, StoredError> {
        self.0.store.read(place)
    }

    /// Has the authority stamp the newest checkpoint, for a caller.
    pub(crate) async fn on_demand(&self, ledger: &Ledger) -> Result<StoredStamp, OnDemand> {
        if self.0.authority.is_none() {
            return Err(OnDemand::NoAuthority);
        }
        {
            let mut requested = self.0.requested.lock();
            let since = requested.map_or(ON_DEMAND, |requested| requested.elapsed());
            if let Some(left) = ON_DEMAND.checked_sub(since).filter(|left| !left.is_zero()) {
                return Err(OnDemand::TooSoon(left.as_secs() + 1));
            }
            *requested = Some(Instant::now());
        }
        Ok(self.stamp(ledger).await?)
    }

    /// Has the authority stamp the newest checkpoint, and stores what it answers.
    ///
    /// # Errors
    ///
    /// [`StampError`]; nothing was stored.
    async fn stamp(&self, ledger: &Ledger) -> Result<StoredStamp, StampError> {
        let turn = self.0.turn.lock().await;
        let stamped = self.attempt(ledger).await;
        drop(turn);
        if stamped.is_err() {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
        }
        stamped
    }

    async fn attempt(&self, ledger: &Ledger) -> Result<StoredStamp, StampError> {
        let (authority, _) = self.0.authority.as_ref().ok_or(StampError::NoAuthority)?;
        let checkpoint = ledger.checkpoint()?.note.to_string();
        let stamped = authority.stamp(checkpoint, ledger).await?;
        if self.last_at().is_some_and(|last| stamped.at < last) {
            return Err(StampError::Backwards);
        }
        let (stamps, storing) = (self.clone(), stamped.clone());
        let stored = tokio::task::spawn_blocking(move || stamps.0.store.append(&storing)).await;
        stored.map_err(std::io::Error::other).flatten().map_err(StampError::Unwritable)?;
        Ok(stamped)
    }

    /// When the last one was made.
    fn last_at(&self) -> Option<Timestamp> {
        self.0.store.last().map(|listed| listed.at)
    }

    pub(crate) fn stats(&self) -> StampStats {
        let last = self.last_at().map_or(0, Timestamp::seconds);
        StampStats {
            stored: self.0.store.count(),
            last_s: u64::try_from(last).unwrap_or(0),
            failures: self.0.failures.load(Ordering::Relaxed),
        }
    }
}

impl std::fmt::Debug for Stamps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stamps").field("stored", &self.0.store.count()).finish_non_exhaustive()
    }
}
