//! The read pool: threads for work that reads the log or iterates, apart from those that serve
//! requests, shared fairly between accounts.
//!
//! A handler submits a read for its caller:
//!
//! ```text
//! let read = move |ledger: &Ledger, caller: &Caller| ledger.keys(caller, &filter, after, limit);
//! let page = app.read(who.caller, read).await?;
//! ```
//!
//! * A [`Share`] is an account, all callers of all accounts together, or all readers of the public
//!   evidence. Shares are served round robin, one job each: a thousand queued reads of one share
//!   delay another's by about one job for each thread. One share never occupies every thread.
//! * The queue is bounded for each share and in all. Beyond that the reply is `overloaded` at once.
//! * When the returned future is dropped (a time-out, a disconnected client), a queued job is not
//!   started, and a running one finds its [`Ledger`] handle cancelled: long iterations end at their
//!   next step. Closing the pool has the same effect on all jobs.
//! * A job must be short (about ten milliseconds at most) and must not wait for a client. A long
//!   response is many jobs, one for each piece (`export::long`).
//!
//! A look-up in memory needs no pool.

mod queue;

use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use keys::Account;
use ledger::{Caller, Cancellation, Ledger};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use self::queue::{Bounds, FairQueue, Pushed, Ticket};

/// The minimum and maximum number of threads: more would take processors from the threads that
/// verify and record, and with fewer, two slow disk reads would block all others.
const THREADS: std::ops::RangeInclusive<usize> = 3..=8;
/// The capacity of the queue of one share.
const WAITING_PER_SHARE: usize = 1_024;
/// The capacity of all queues together.
const WAITING: usize = 8_192;

/// The share that a read is charged to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Share {
    /// An account's callers.
    Account(Account),
    /// Callers with scope `*`: auditors, operators.
    AllAccounts,
    /// Readers of the public evidence, with a token or without.
    Public,
}

impl From<&Caller> for Share {
    fn from(caller: &Caller) -> Share {
        match caller.identity.scope.account() {
            Some(account) => Share::Account(account.clone()),
            None => Share::AllAccounts,
        }
    }
}

/// The queue is full, or the service is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many reads are waiting")]
pub(crate) struct Overloaded;

impl From<Overloaded> for ledger::Error {
    fn from(_: Overloaded) -> ledger::Error {
        ledger::Error::Overloaded
    }
}

/// The load of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadStats {
    /// Queued reads.
    pub(crate) waiting: usize,
    /// Running reads.
    pub(crate) busy: usize,
    /// Reads refused since the start.
    pub(crate) refused: u64,
}

/// A pool of reading threads and its queue.
pub(crate) struct Reads(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A job was queued, or the pool was closed.
    changed: Condvar,
    most_threads: usize,
}

struct State {
    queue: FairQueue<Share, Job>,
    threads: usize,
    idle: usize,
    refused: u64,
    /// The running jobs.
    running: Vec<Cancellation>,
    closed: bool,
}

/// A queued read. When it is dropped before it ran, its caller receives [`Overloaded`].
struct Job {
    run: Box<dyn FnOnce() + Send>,
    cancellation: Cancellation,
}

impl Reads {
    /// A pool that starts threads on demand.
    pub(crate) fn new() -> Reads {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Reads::with(cores.clamp(*THREADS.start(), *THREADS.end()), WAITING_PER_SHARE, WAITING)
    }

    fn with(most_threads: usize, waiting_per_share: usize, waiting: usize) -> Reads {
        let busy_per_share = most_threads.saturating_sub(1).max(1);
        let queue = FairQueue::new(Bounds { waiting_per_share, waiting, busy_per_share });
        let state =
            State { queue, threads: 0, idle: 0, refused: 0, running: Vec::new(), closed: false };
        Reads(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), most_threads }))
    }

    /// Runs `work` when it is the turn of `share`. See [`App::read`](crate::app::App::read).
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        share: Share,
        ledger: &Ledger,
        work: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (reply, received) = oneshot::channel();
        let cancellation = Cancellation::new();
        let ledger = ledger.until(&cancellation);
        let run = Box::new(move || drop(reply.send(work(&ledger))));
        let job = Job { run, cancellation: cancellation.clone() };
        let ticket = self.0.push(&share, job)?;
        let mut waiting = Waiting { shared: &self.0, share, ticket, cancellation, done: false };
        let reply = received.await;
        waiting.done = true;
        // Without a reply the job was dropped: it was the last of the longest queue, the pool was
        // closed, or it panicked.
        reply.map_err(|_| Overloaded)
    }

    /// Starts no further job and cancels the running ones, without waiting for them.
    pub(crate) fn close(&self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        state.running.iter().for_each(Cancellation::cancel);
        let waiting = state.queue.drain();
        drop(state);
        self.0.changed.notify_all();
        drop(waiting);
    }

    pub(crate) fn stats(&self) -> ReadStats {
        let state = self.0.state.lock();
        ReadStats {
            waiting: state.queue.waiting(),
            busy: state.queue.busy(),
            refused: state.refused,
        }
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn push(self: &Arc<Self>, share: &Share, job: Job) -> Result<Ticket, Overloaded> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Overloaded);
        }
        let Pushed { ticket, refused } = state.queue.push(share, job);
        state.refused += u64::from(refused.is_some());
        if state.idle == 0 && state.threads < self.most_threads {
            let shared = Arc::clone(self);
            let thread = std::thread::Builder::new().name("reads".into());
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                // With other threads running this is harmless; without any, no job would ever run.
                Err(error) if state.threads == 0 => {
                    tracing::error!(%error, "cannot start a thread of the read pool");
                    let dropped = state.queue.drain();
                    drop(state);
                    drop(dropped);
                    return Err(Overloaded);
                }
                Err(_) => {}
            }
        }
        drop(state);
        // Dropped outside the lock: it wakes the caller that waits for it.
        drop(refused);
        self.changed.notify_one();
        ticket.ok_or(Overloaded)
    }

    /// The loop of one thread.
    fn work(&self) {
        let mut state = self.state.lock();
        while !state.closed {
            let Some((share, Job { run, cancellation })) = state.queue.pop() else {
                state.idle += 1;
                self.changed.wait(&mut state);
                state.idle -= 1;
                continue;
            };
            state.running.push(cancellation.clone());
            drop(state);
            if !cancellation.is_cancelled() {
                // A panic ends only this job; in a release build it aborts the process.
                drop(std::panic::catch_unwind(AssertUnwindSafe(run)));
            }
            state = self.state.lock();
            state.running.retain(|other| !other.is_same(&cancellation));
            state.queue.done(&share);
        }
    }
}

/// A caller that waits for its job. When it is dropped before the reply, the job is cancelled.
struct Waiting<'r> {
    shared: &'r Shared,
    share: Share,
    ticket: Ticket,
    cancellation: Cancellation,
    /// Whether the job has ended.
    done: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.cancellation.cancel();
            let job = self.shared.state.lock().queue.remove(&self.share, self.ticket);
            drop(job);
        }
    }
}

#[cfg(test)]
mod tests;
