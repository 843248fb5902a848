//! The ledger: what the rest of the program talks to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use eventlog::{Log, Seq};
use keys::{NodeName, RulesByAccount, Timestamp};
use signedlog::{Mismatch, SignedLog, Signing};
use tokio::sync::{oneshot, watch};

use crate::caller::{AUDIT, Caller};
use crate::cancellation::Cancellation;
use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::keyring::Keyring;
use crate::monotone_clock::MonotoneClock;
use crate::outcome_memory::OutcomeBounds;
use crate::projection::outcomes::Outcomes;
use crate::projection::state::State;
use crate::quota::{Quotas, Rates};
use crate::record::replay::ReplayError;
use crate::usage::{Usage, UsageError, UsageOptions, UsageStats};
use crate::write::job::{Job, WriteCommand, job};
use crate::write::queue::{Queue, Refused};
use crate::write::request::RequestContext;
use crate::write::wake_chain::wake_chain;
use crate::write::writer;

/// How a ledger is to run.
pub struct Options {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// How many commands may wait; one more is [`Error::Overloaded`]: that of the account that has
    /// more of them waiting than its share.
    pub queue: usize,
    /// By how many seconds the time of day may run away before keys stop expiring.
    pub max_clock_step_s: u64,
    /// How many outcomes of requests with an idempotency key are remembered.
    pub outcomes: OutcomeBounds,
    /// What one account may have and do.
    pub quotas: Quotas,
    /// The counts of use.
    pub usage: UsageOptions,
    /// The name of this node, in every record that it writes.
    pub node: NodeName,
    /// The keys of the persons that records speak of; without a file they live as long as the process.
    pub keyring: Arc<Keyring>,
    /// What signs the log. `None`: no tree is kept, and nothing is signed or checked; for looking
    /// at a log, and for measuring what the evidence costs. The service always has one.
    pub signing: Option<Arc<Signing>>,
    /// Takes the log as it is, whatever its tiles and its last checkpoint say, and makes the
    /// tiles again. Only when an operator accepted that, and with the key of a new origin.
    pub accept_rollback: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: Arc::new(SystemClock::default()),
            queue: 4096,
            max_clock_step_s: 60,
            outcomes: OutcomeBounds::default(),
            quotas: Quotas::default(),
            usage: UsageOptions::default(),
            node: NodeName::default(),
            keyring: Arc::default(),
            signing: None,
            accept_rollback: false,
        }
    }
}

/// Why a ledger did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// Numbers for the operator.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "each says what it counts")]
pub struct Stats {
    pub keys: u64,
    pub log_size: u64,
    pub batches: u64,
    pub bulk_changed: u64,
    pub imported: u64,
    pub queue_depth: usize,
    pub queue_capacity: usize,
    pub usage: UsageStats,
    /// Orders of many keys that are kept because somebody sorts by them.
    pub orders: usize,
    /// The keys in them, a key in two orders twice.
    pub keys_in_orders: usize,
}

/// Commands in, events down, answers out. A clone is another handle on the same ledger.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>, Option<Cancellation>);

/// Without a handle nobody can put anything in: the writer ends.
impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

struct Inner {
    state: Arc<State>,
    queue: Arc<Queue<Box<dyn Job>>>,
    rates: Rates,
    closed: watch::Sender<bool>,
    stopped: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
    usage: Usage,
    max_clock_step_s: u64,
}

impl Ledger {
    /// Replays `log` and starts the writer's thread. `progress` hears how far the replay is.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or a record in it is damaged; nothing was written.
    pub fn open(
        log: Arc<dyn Log>,
        options: Options,
        progress: &mut dyn FnMut(Seq),
    ) -> Result<Ledger, OpenError> {
        let mut state = State::new(log, options.clock, options.signing);
        state.most_keys = options.quotas.keys;
        state.node = options.node;
        state.keyring = options.keyring;
        state.monotone = MonotoneClock::new(options.max_clock_step_s);
        let state = Arc::new(state);
        *state.outcomes.lock() = Outcomes::within(options.outcomes);

        let mismatch = if options.accept_rollback { Mismatch::Accept } else { Mismatch::Refuse };
        state.recover(mismatch, progress)?;
        let usage = Usage::open(options.usage, &state.table);
        let queue = Arc::new(Queue::new(options.queue));
        let (stopped, wait_stopped) = oneshot::channel();
        let (of_writer, waiting) = (Arc::clone(&state), Arc::clone(&queue));
        std::thread::Builder::new()
            .name("ledger-writer".into())
            .spawn(move || {
                writer::run(&of_writer, &waiting);
                let _ = stopped.send(());
            })
            .map_err(ReplayError::Thread)?;
        let inner = Inner {
            state,
            queue,
            rates: Rates::new(&options.quotas),
            closed: watch::Sender::new(false),
            stopped: tokio::sync::Mutex::new(Some(wait_stopped)),
            usage,
            max_clock_step_s: options.max_clock_step_s,
        };
        let ledger = Ledger(Arc::new(inner), None);
        ledger.prepare_table().map_err(ReplayError::Thread)?;
        Ok(ledger)
    }

    /// A handle whose reads end when it is cancelled.
    pub(crate) fn with_cancellation(&self, cancellation: Cancellation) -> Ledger {
        Ledger(Arc::clone(&self.0), Some(cancellation))
    }

    pub(crate) fn cancellation(&self) -> Option<&Cancellation> {
        self.1.as_ref()
    }

    pub(crate) fn log(&self) -> &SignedLog {
        &self.state().log
    }

    pub(crate) fn state(&self) -> &State {
        &self.0.state
    }

    pub(crate) fn max_clock_step_s(&self) -> u64 {
        self.0.max_clock_step_s
    }

    pub(crate) async fn closed(&self) {
        let _ = self.0.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// The moment that the ledger's clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state().monotone.now(self.state().clock.as_ref())
    }

    /// The time by which keys are judged: never before the last record either.
    pub(crate) fn judged_at(&self) -> Timestamp {
        self.now().max(self.state().last_at())
    }

    /// The length up to which everything is durable and visible; it wakes a follower.
    #[must_use]
    pub fn length(&self) -> watch::Receiver<Seq> {
        self.log().published()
    }

    /// Numbers for the operator.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (orders, keys_in_orders) = self.state().table.orders.size();
        Stats {
            keys: self.state().table.len() as u64,
            log_size: self.state().size().0,
            batches: self.state().batches.load(Ordering::Relaxed),
            bulk_changed: self.state().bulk_changed.load(Ordering::Relaxed),
            imported: self.state().imported.load(Ordering::Relaxed),
            queue_depth: self.0.queue.len(),
            queue_capacity: self.0.queue.capacity(),
            usage: self.usage().stats(),
            orders,
            keys_in_orders,
        }
    }

    /// Takes no more changes, answers those that wait, writes the counts of use and closes the
    /// log.
    ///
    /// # Errors
    ///
    /// The last writes failed; every acknowledged event is safe all the same.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.closed.send_replace(true);
        self.usage().close();
        self.0.queue.close();
        if let Some(stopped) = self.0.stopped.lock().await.take() {
            tokio::select! {
                _ = stopped => {}
                () = self.log().stalled() => {}
            }
        }
        if let Err(error) = self.save_usage() {
            tracing::warn!(%error, "the last counts of use were not written");
        }
        Ok(self.log().close().await?)
    }

    /// Writes aside what was counted since the last time. Not while the disk has less free than is
    /// kept in reserve.
    ///
    /// # Errors
    ///
    /// Nothing was written; the counts stay in memory, up to a bound.
    pub fn save_usage(&self) -> Result<(), UsageError> {
        let has_room = self.space().is_none_or(|space| space.has_room(0));
        self.usage().save(&self.state().table, self.judged_at(), has_room)
    }

    /// Merges the files of the counts of use where that is due, and removes those that are too
    /// old. Reads and writes files, beside everything else; ends early once the ledger is closed.
    ///
    /// # Errors
    ///
    /// Every count is still there.
    pub fn compact_usage(&self) -> Result<(), UsageError> {
        if self.space().is_some_and(|space| !space.has_room(0)) {
            return Ok(());
        }
        let forget = !self.state().stepped.load(Ordering::Relaxed);
        self.usage().compact(self.judged_at(), forget)
    }

    pub(crate) fn usage(&self) -> &Usage {
        &self.0.usage
    }

    /// Counts a request that reads keys or the trail: lists, history, events, looks back, evidence.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`]; nothing is to be read.
    pub fn count_read(&self, caller: &Caller) -> Result<(), Error> {
        self.0.rates.read(caller)
    }

    /// Counts a change that is recorded elsewhere than in the log of keys.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`]
    pub fn count_change(&self, caller: &Caller) -> Result<(), Error> {
        self.0.rates.change(caller, 1)
    }

    /// Forgets what is only remembered of accounts that were busy lately, and orders and lists of
    /// keys that nobody sorts by or looks into any more. To be called now and then.
    pub fn forget_idle(&self) {
        self.0.rates.forget();
        let (table, now) = (&self.state().table, self.state().clock.monotonic());
        table.orders.forget_idle(now);
        table.forget_idle_lists(now);
    }

    /// Replaces what the keys of each account must keep to. It holds for whatever is decided from now
    /// on; keys that are there are held against it when they are edited or rotated.
    pub fn set_account_rules(&self, rules: RulesByAccount) {
        self.state().set_account_rules(rules);
    }

    /// The keys of the persons that records speak of: whoever has them can read who those are.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins.
    pub fn keyring(&self, caller: &Caller) -> Result<Arc<Keyring>, Error> {
        caller.require_role(AUDIT)?;
        Ok(Arc::clone(&self.state().keyring))
    }

    /// The most keys that one account may change in a second.
    pub(crate) fn most_changes(&self) -> usize {
        self.0.rates.most_changes()
    }

    /// Has the writer decide `command`, and waits for its reply.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub(crate) async fn submit<C: WriteCommand>(
        &self,
        context: RequestContext,
        command: C,
    ) -> Result<C::Reply, Error> {
        // Of a log that was given up nobody takes a job any more.
        if self.log().stored().health().is_err() {
            return Err(Error::Broken);
        }
        self.0.rates.change(&context.caller, command.weight())?;
        let (job, reply) = job(context, command);
        let pushed_out = self.0.queue.push(job).map_err(|refused| match refused {
            Refused::Full => Error::Overloaded,
            Refused::Closed => Error::Broken,
        })?;
        if let Some(mut job) = pushed_out {
            job.refuse(Error::Overloaded);
            wake_chain(vec![job]);
        }
        tokio::select! {
            biased;
            reply = reply => reply.map_err(|_| Error::Broken)?.take(),
            () = self.log().stalled() => Err(Error::Broken),
        }
    }
}
