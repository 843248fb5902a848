//! The writer of the access journal: one thread, which appends everything that waits in one go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{AppendError, Log, Seq};
use parking_lot::Mutex;
use tlog::Hash;

use super::{Access, Job, QUEUE, Readers};
use crate::api::Error;
use crate::clock::Clock;
use crate::codec;
use crate::evidence::Evidence;
use crate::queue::{Queue, Refused};
use crate::record::Leaf;
use crate::state::ReplayError;
use crate::tree::Wrong;

/// Entries read at once.
const CHUNK: usize = 2048;
/// How often it is looked which minutes are over.
const TICK: Duration = Duration::from_secs(1);
/// Counts that wait for room on the disk; more are lost, and said to be.
const MOST_UNWRITTEN: usize = 65_536;

/// What the writer and the readers share.
pub(super) struct Kept {
    pub(super) log: Arc<dyn Log>,
    pub(super) evidence: Evidence,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) queue: Queue<Job>,
    pub(super) readers: Mutex<Readers>,
}

/// What could not be written so far.
#[derive(Default)]
struct Unwritten {
    counts: VecDeque<Access>,
    /// How many readings were shown and not recorded since it was said that none are.
    missed: Option<usize>,
}

impl Unwritten {
    /// Tells the operator when readings stop being recorded, and when they are again: once each.
    fn tell(&mut self, recorded: &Result<(), Error>, readings: usize) {
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

impl Kept {
    pub(super) fn recover(&self, accept_rollback: bool) -> Result<(), ReplayError> {
        if accept_rollback {
            self.catch_up(Wrong::Mend, None)
        } else {
            self.catch_up(Wrong::Refuse, self.evidence.sealed(self.log.as_ref())?)
        }
    }

    /// Grows the tree with what the log holds beyond it.
    fn catch_up(&self, wrong: Wrong, expected: Option<(u64, Hash)>) -> Result<(), ReplayError> {
        let log = self.log.as_ref();
        let mut next = Seq(self.evidence.head().size());
        let mut tree = self.evidence.regrow(log, wrong, expected)?;
        loop {
            let read = log.read(next, CHUNK)?;
            let Some(last) = read.last() else { break };
            next = last.seq.next();
            for record in &read {
                let leaf = Leaf::of(&record.bytes);
                tree.as_mut().map_or(Ok(()), |tree| tree.push(leaf))?;
            }
        }
        tree.map_or(Ok(()), |tree| self.evidence.settle(log, next, tree))
    }

    /// Puts a reading where it waits for the writer.
    pub(super) fn put(&self, job: Job) -> Result<(), Error> {
        let pushed_out = self.queue.push(job).map_err(|refused| match refused {
            Refused::Full => Error::Overloaded,
            Refused::Closed => Error::Broken,
        })?;
        if let Some(job) = pushed_out {
            job.told.send_replace(Some(Err(Error::Overloaded)));
        }
        Ok(())
    }

    /// The writer's loop: takes everything that waits and appends it in one go, and now and then
    /// the counts of minutes that are over. At the end all of them.
    pub(super) fn run(&self) {
        let _taker = self.queue.taker();
        let mut jobs = VecDeque::with_capacity(QUEUE);
        let mut unwritten = Unwritten::default();
        let mut swept = Duration::ZERO;
        loop {
            let open = self.queue.take(&mut jobs, || QUEUE, Some(TICK));
            if !jobs.is_empty() {
                let recorded =
                    self.append(jobs.make_contiguous().iter_mut().map(|job| &mut *job.access));
                unwritten.tell(&recorded, jobs.len());
                for job in jobs.drain(..) {
                    job.told.send_replace(Some(recorded.clone()));
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
            unwritten.tell(&recorded, 0);
            match recorded {
                Err(Error::Full) if unwritten.counts.len() < MOST_UNWRITTEN => return,
                Ok(()) | Err(_) => drop(unwritten.counts.drain(..next)),
            }
        }
    }

    fn append<'a>(&self, entries: impl Iterator<Item = &'a mut Access>) -> Result<(), Error> {
        let mut records = Vec::new();
        for access in entries {
            getrandom::fill(&mut access.salt).map_err(Error::fault)?;
            records.push(codec::encode_access(access));
        }
        loop {
            let grown = self.evidence.grow(records.iter().map(|record| Leaf::of(record)));
            let end = Seq(self.evidence.head().size());
            return match self.log.append(end, &records, &grown.extras) {
                Ok(_) => {
                    let published = self.evidence.publish(self.log.as_ref(), grown);
                    published.map_err(Error::fault)
                }
                Err(AppendError::Conflict { .. }) => {
                    self.catch_up(Wrong::Refuse, None).map_err(Error::fault)?;
                    continue;
                }
                Err(AppendError::Full { .. }) => Err(Error::Full),
                Err(AppendError::TooLong { .. }) => Err(Error::TooLong),
                Err(AppendError::Broken(_)) => Err(Error::Broken),
            };
        }
    }
}
