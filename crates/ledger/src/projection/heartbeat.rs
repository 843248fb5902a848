//! The last heartbeat of the log, which is good for a while.

use std::time::Duration;

use parking_lot::Mutex;
use signedlog::SignedRoot;

/// The longest time between two that are signed, if anybody wants one.
const INTERVAL: Duration = Duration::from_secs(60);
/// The least time between two, however fast the log grows.
const LEAST: Duration = Duration::from_secs(1);

/// The last one that was signed.
#[derive(Default)]
pub(crate) struct LastHeartbeat(Mutex<Option<Beat>>);

struct Beat {
    signed: SignedRoot,
    /// When, on the monotonic clock.
    at: Duration,
}

impl LastHeartbeat {
    /// The last one if it is good still, for who needs one of the tree with `size` records.
    pub(crate) fn good(&self, size: u64, now: Duration) -> Option<SignedRoot> {
        let last = self.0.lock();
        let Beat { signed, at } = last.as_ref()?;
        let age = now.saturating_sub(*at);
        let is_good = age < LEAST || (signed.size == size && age < INTERVAL);
        is_good.then(|| signed.clone())
    }

    /// Takes another one, that was signed at this time.
    pub(crate) fn set(&self, signed: SignedRoot, at: Duration) {
        *self.0.lock() = Some(Beat { signed, at });
    }
}
