//! The watch over appends: storage that does not answer is a fault like one that says no.
//!
//! A disk may hang, and with it the thread that appends, for ever. That wait cannot be ended, but
//! all other callers get an error instead of waiting too.

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::Broken;

/// Whether appends are accepted, and since when one has been under way.
#[derive(Debug)]
pub(crate) struct Health {
    broken: OnceLock<Broken>,
    stalled: watch::Sender<bool>,
    started: Instant,
    /// When the append under way began: milliseconds after `started`, and one. 0 if none is.
    since: AtomicU64,
}

impl Default for Health {
    fn default() -> Health {
        Health {
            broken: OnceLock::new(),
            stalled: watch::Sender::new(false),
            started: Instant::now(),
            since: AtomicU64::new(0),
        }
    }
}

impl Health {
    /// Why no appends are accepted any more.
    pub(crate) fn get(&self) -> Result<(), Broken> {
        self.broken.get().map_or(Ok(()), |broken| Err(broken.clone()))
    }

    /// Remembers why; what it is known to be, which may be something earlier.
    pub(crate) fn broke(&self, broken: Broken) -> Broken {
        self.broken.get_or_init(|| broken).clone()
    }

    /// Becomes true when an append does not return.
    pub(crate) fn stalled(&self) -> watch::Receiver<bool> {
        self.stalled.subscribe()
    }

    /// Does something that the storage must answer in time; an error if it was given up meanwhile.
    pub(crate) fn timed<T>(&self, act: impl FnOnce() -> T) -> Result<T, Broken> {
        self.since.store(self.now() + 1, Ordering::Release);
        let done = act();
        self.since.store(0, Ordering::Release);
        self.get().map(|()| done)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// Gives up an append that has been under way for so long.
    fn check(&self, deadline: Duration) {
        let Some(since) = self.since.load(Ordering::Acquire).checked_sub(1) else { return };
        let waited = Duration::from_millis(self.now().saturating_sub(since));
        if waited >= deadline && !*self.stalled.borrow() {
            self.broke(Broken::Stalled);
            tracing::error!(seconds = waited.as_secs(), "the storage does not answer an append");
            self.stalled.send_replace(true);
        }
    }
}

/// The thread that watches, and its owner.
#[derive(Debug)]
pub(crate) struct Watchdog {
    stopped: Arc<(Mutex<bool>, Condvar)>,
}

impl Watchdog {
    /// Watches that no append takes longer than `deadline`, or a quarter of that more.
    pub(crate) fn start(health: Arc<Health>, deadline: Duration) -> io::Result<Watchdog> {
        let stopped = Arc::new((Mutex::new(false), Condvar::new()));
        let dog = Watchdog { stopped: Arc::clone(&stopped) };
        thread::Builder::new().name("watchdog".into()).spawn(move || {
            let (stopped, changed) = &*stopped;
            let mut stopped = stopped.lock();
            while !*stopped {
                health.check(deadline);
                changed.wait_for(&mut stopped, deadline / 4);
            }
        })?;
        Ok(dog)
    }
}

impl Drop for Watchdog {
    /// It ends by itself, soon; nobody waits for that.
    fn drop(&mut self) {
        *self.stopped.0.lock() = true;
        self.stopped.1.notify_all();
    }
}
