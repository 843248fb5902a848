//! The read pool: what reads the log or walks is done here, away from the threads that answer
//! requests, in turns between accounts.
//!
//! A handler says whose turn it takes and what is to be read:
//!
//! ```text
//! let read = move |ledger: &Ledger, caller: &Caller| ledger.keys(caller, &filter, after, limit);
//! let page = app.read(who.caller, read).await?;
//! ```
//!
//! * A [`Share`] is an account, all callers of all accounts together, or everybody who asks for the
//!   public evidence. Shares are served in turns, a job each: a thousand waiting reads of one delay
//!   another's by about one job for each thread. One share never holds every thread.
//! * What waits is bounded for each share and in all. Past it the answer is `overloaded` at once.
//! * Where the returned future is dropped (a time-out, a client that went away), a job that waits
//!   is not begun, and one under way finds its [`Ledger`] handle cancelled: long walks end at their
//!   next step. So do all when the pool is closed.
//! * A job must be short (some ten milliseconds at most) and must not wait for a client. A long
//!   answer is many jobs, one for each piece (`chunks`).
//!
//! What only looks up a thing in memory needs no pool.

mod queue;

use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use keys::Account;
use ledger::{Caller, Cancellation, Ledger};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use self::queue::{Bounds, FairQueue, Pushed, Ticket};

/// The most threads, and the fewest: more of them would take the processors from the threads that
/// verify and record, fewer would let two slow disk reads stop all others.
const THREADS: std::ops::RangeInclusive<usize> = 3..=8;
/// The most reads of one share that wait.
const WAITING_PER_SHARE: usize = 1_024;
/// The most reads that wait in all.
const WAITING: usize = 8_192;

/// Whose turn a read takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Share {
    /// An account's callers.
    Account(Account),
    /// Callers of all accounts: auditors, operators.
    AllAccounts,
    /// Whoever asks for the public evidence, with a token or without.
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

/// Too many reads wait, or the service stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many reads are waiting")]
pub(crate) struct Overloaded;

impl From<Overloaded> for ledger::Error {
    fn from(_: Overloaded) -> ledger::Error {
        ledger::Error::Overloaded
    }
}

/// How much the pool has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadStats {
    /// Reads that wait.
    pub(crate) waiting: usize,
    /// Reads that are being done.
    pub(crate) busy: usize,
    /// Reads that were refused since the start.
    pub(crate) refused: u64,
}

/// A few threads that read, and what waits for them.
pub(crate) struct Reads(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A job came, or the pool was closed.
    changed: Condvar,
    most_threads: usize,
}

struct State {
    queue: FairQueue<Share, Job>,
    threads: usize,
    idle: usize,
    refused: u64,
    /// Of the jobs under way.
    running: Vec<Cancellation>,
    closed: bool,
}

/// What is to be read. Dropped without being run, it tells whoever waits that it was refused.
struct Job {
    run: Box<dyn FnOnce() + Send>,
    cancellation: Cancellation,
}

impl Reads {
    /// A pool whose threads start when they are needed.
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

    /// Does `work` in the turn of `share`. See [`App::read`](crate::app::App::read).
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        share: Share,
        ledger: &Ledger,
        work: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (answer, done) = oneshot::channel();
        let cancellation = Cancellation::new();
        let ledger = ledger.until(&cancellation);
        let run = Box::new(move || drop(answer.send(work(&ledger))));
        let job = Job { run, cancellation: cancellation.clone() };
        let ticket = self.0.push(&share, job)?;
        let mut waiting = Waiting { shared: &self.0, share, ticket, cancellation, over: false };
        let answer = done.await;
        waiting.over = true;
        // Without an answer it was dropped: it was the last of the longest line, the pool was
        // closed, or it panicked.
        answer.map_err(|_| Overloaded)
    }

    /// Begins nothing any more, and cancels what is under way. Waits for nothing.
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
                // Those that are there have to do; without any, nothing would ever be done.
                Err(error) if state.threads == 0 => {
                    tracing::error!(%error, "no thread to read with");
                    let dropped = state.queue.drain();
                    drop(state);
                    drop(dropped);
                    return Err(Overloaded);
                }
                Err(_) => {}
            }
        }
        drop(state);
        // It is dropped without the lock: whoever waits for it is woken by that.
        drop(refused);
        self.changed.notify_one();
        ticket.ok_or(Overloaded)
    }

    /// A thread's life: one job after the other.
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
                // A job that panics ends itself alone; in a release build the process ends.
                drop(std::panic::catch_unwind(AssertUnwindSafe(run)));
            }
            state = self.state.lock();
            state.running.retain(|other| !other.is_same(&cancellation));
            state.queue.done(&share);
        }
    }
}

/// One that waits for its job. Dropped before it has its answer, it gives the job up.
struct Waiting<'r> {
    shared: &'r Shared,
    share: Share,
    ticket: Ticket,
    cancellation: Cancellation,
    /// Whether the answer is there.
    over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.cancellation.cancel();
            let job = self.shared.state.lock().queue.remove(&self.share, self.ticket);
            drop(job);
        }
    }
}

#[cfg(test)]
mod tests;
