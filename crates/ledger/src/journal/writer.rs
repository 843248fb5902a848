//! The writer of the access journal: one thread, which appends everything that waits in one go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{AppendError, Seq};
use keys::Timestamp;
use parking_lot::Mutex;
use signedlog::SignedLog;

use super::{Job, Projections, QUEUE, Readers, Reply};
use crate::clock::{Clock, StepGuard};
use crate::error::Error;
use crate::record::Persons;
use crate::record::access::Access;
use crate::record::codec;
use crate::tokens::Tokens;
use crate::write::queue::{Queue, Refused};

/// How often the writer looks which minutes are over.
const TICK: Duration = Duration::from_secs(1);
/// How often it looks which tokens are used on another day than the recorded one.
const AGAIN: Duration = Duration::from_secs(3600);
/// That a token is used is recorded again after this time, so that it is not lost with a restart.
const SEEN_AGAIN_S: u64 = 86_400;
/// A time of day that jumps by more than this is not believed: by it no token is forgotten.
const MAX_STEP_S: u64 = 60;
/// Counts that wait for room on the disk; more are lost, and logged as such.
const MOST_UNWRITTEN: usize = 65_536;

/// The writer, and what those who record share with it.
pub(super) struct Writer {
    pub(super) log: SignedLog,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) queue: Queue<Job>,
    pub(super) readers: Mutex<Readers>,
    pub(super) projections: Projections,
}

/// What could not be written so far.
#[derive(Default)]
struct Unwritten {
    counts: VecDeque<Access>,
    /// How many readings were shown and not recorded since that was logged last.
    missed: Option<usize>,
}

impl Unwritten {
    /// Logs when readings stop being recorded, and when they are recorded again: once each.
    fn report(&mut self, recorded: &Result<(), Error>, readings: usize) {
        match (recorded, &mut self.missed) {
            (Ok(()), None) => {}
            (Ok(()), Some(missed)) => {
                tracing::warn!(missed, "who reads the trail is recorded again");
                self.missed = None;
            }
            (Err(_), Some(missed)) => *missed += readings,
            (Err(error), None) => {
                tracing::error!(%error, "who reads the trail is not recorded");
                self.missed = Some(readings);
            }
        }
    }
}

/// What is done now and then about tokens.
struct Upkeep {
    looked: Duration,
    forgot: Duration,
    guard: StepGuard,
}

impl Default for Upkeep {
    fn default() -> Upkeep {
        let guard = StepGuard::new(MAX_STEP_S);
        Upkeep { looked: Duration::ZERO, forgot: Duration::ZERO, guard }
    }
}

impl Upkeep {
    fn tend(&mut self, tokens: &Tokens, clock: &dyn Clock) {
        let now = clock.monotonic();
        if now.saturating_sub(self.looked) >= AGAIN {
            self.looked = now;
            tokens.record_again(SEEN_AGAIN_S);
        }
        if now.saturating_sub(self.forgot) >= TICK && self.guard.agrees(clock, Timestamp::MIN) {
            self.forgot = now;
            tokens.forget(clock.now());
        }
    }
}

impl Writer {
    pub(super) fn new(
        log: SignedLog,
        clock: Arc<dyn Clock>,
        queue: Queue<Job>,
        projections: Projections,
    ) -> Writer {
        Writer { log, clock, queue, readers: Mutex::default(), projections }
    }

    /// Puts an entry where it waits for the writer.
    pub(super) fn put(&self, job: Job) -> Result<(), Error> {
        let pushed_out = self.queue.push(job).map_err(|refused| match refused {
            Refused::Full => Error::Overloaded,
            Refused::Closed => Error::Broken,
        })?;
        if let Some(job) = pushed_out {
            self.reply(job, Err(Error::Overloaded));
        }
        Ok(())
    }

    /// Applies what became of an entry, and tells who waits for it.
    fn reply(&self, job: Job, recorded: Result<(), Error>) {
        let Job { access, reply } = job;
        match reply {
            Reply::Reading(outcome) => drop(outcome.send_replace(Some(recorded))),
            Reply::Change(waiting) => {
                let applied = match recorded {
                    Ok(()) => Ok(self.projections.apply(&access)),
                    Err(error) => {
                        self.projections.not_recorded(&access.event, access.request);
                        Err(error)
                    }
                };
                let _ = waiting.send(applied);
            }
        }
    }

    /// The writer's loop: takes everything that waits and appends it in one go, and now and then
    /// the counts of minutes that are over. At the end all of them.
    pub(super) fn run(&self) {
        let _taker = self.queue.taker();
        let mut jobs = VecDeque::with_capacity(QUEUE);
        let mut unwritten = Unwritten::default();
        let mut swept = Duration::ZERO;
        let mut upkeep = Upkeep::default();
        loop {
            let open = self.queue.take(&mut jobs, || QUEUE, Some(TICK));
            if !jobs.is_empty() {
                let recorded =
                    self.append(jobs.make_contiguous().iter_mut().map(|job| &mut *job.access));
                unwritten.report(&recorded, jobs.len());
                for job in jobs.drain(..) {
                    self.reply(job, recorded.clone());
                }
            }
            let now = self.clock.monotonic();
            {
                let mut readers = self.readers.lock();
                if !open || now.saturating_sub(swept) >= TICK {
                    swept = now;
                    readers.end(open.then(|| self.clock.now()));
                }
                unwritten.counts.extend(readers.over());
            }
            self.append_counts(&mut unwritten);
            upkeep.tend(&self.projections.tokens, &*self.clock);
            self.append_seen(&mut unwritten);
            if !open {
                return;
            }
        }
    }

    /// Appends the counts that wait for it. Where the disk is full they go on waiting.
    fn append_counts(&self, unwritten: &mut Unwritten) {
        while !unwritten.counts.is_empty() {
            let next = unwritten.counts.len().min(QUEUE);
            let counts = unwritten.counts.make_contiguous().iter_mut().take(next);
            let recorded = self.append(counts);
            unwritten.report(&recorded, 0);
            match recorded {
                Err(Error::Full) if unwritten.counts.len() < MOST_UNWRITTEN => return,
                Ok(()) | Err(_) => drop(unwritten.counts.drain(..next)),
            }
        }
    }

    /// Appends which tokens were seen. Where the disk is full that goes on waiting; where the log
    /// is broken, they are seen again after the next start.
    fn append_seen(&self, unwritten: &mut Unwritten) {
        loop {
            let seen = self.projections.tokens.take_unrecorded(QUEUE);
            if seen.is_empty() {
                return;
            }
            let mut entries: Vec<_> = seen.into_iter().map(Access::token_seen).collect();
            let recorded = self.append(entries.iter_mut());
            unwritten.report(&recorded, 0);
            match recorded {
                Ok(()) => {
                    for entry in &entries {
                        self.projections.apply(entry);
                    }
                }
                Err(Error::Full) => {
                    for entry in &entries {
                        self.projections.tokens.not_recorded(&entry.event);
                    }
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Sets what an entry has only once it is written.
    fn complete(&self, access: &mut Access) -> Result<(), Error> {
        getrandom::fill(&mut access.salt).map_err(Error::fault)?;
        let keyring = &self.projections.keyring;
        let person = |subject| keyring.person(subject).map_err(Error::fault);
        let actor = person(&access.actor.subject)?;
        let owner = access.event.subject().map(person).transpose()?;
        let meant = owner.filter(|owner| *owner != actor && access.event.has_reason());
        access.persons = Persons { actor: Some(actor), owner, former: None, meant };
        access.mac = access.event.mac(keyring);
        Ok(())
    }

    fn append<'a>(&self, entries: impl Iterator<Item = &'a mut Access>) -> Result<(), Error> {
        let mut records = Vec::new();
        for access in entries {
            self.complete(access)?;
            let keyring = &self.projections.keyring;
            records.push(codec::encode_access(access, keyring).map_err(Error::fault)?);
        }
        loop {
            let end = Seq(self.log.head().size());
            return match self.log.append(end, &records) {
                Ok(_) => {
                    self.log.publish(Seq(self.log.head().size()));
                    Ok(())
                }
                // Another process wrote: its entries go before these.
                Err(AppendError::Conflict { length }) => {
                    let apply = |chunk| self.projections.apply_chunk(chunk);
                    let caught_up = self.log.catch_up(length, self.projections.decoder(), apply);
                    caught_up.map_err(Error::fault)?;
                    continue;
                }
                Err(AppendError::Full { .. }) => Err(Error::Full),
                Err(AppendError::TooLong { .. }) => Err(Error::TooLong),
                Err(AppendError::Broken(_)) => Err(Error::Broken),
            };
        }
    }
}
