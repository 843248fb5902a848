//! The one writer: takes everything that waits, decides it, appends it in one go, answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use eventlog::{AppendError, Seq};
use keys::{Account, NewKey, Rotation};
use tokio::sync::oneshot;

use crate::answered::{SharedReply, wake_chain};
use crate::api::{Change, Error, Rules};
use crate::batch::{Batch, Decided};
use crate::outcomes::Outcome;
use crate::pace::Pace;
use crate::queue::{Queue, Queued};
use crate::state::State;
use crate::table::Key;
use crate::write::request::RequestContext;

/// A command that waits for the writer.
pub(crate) struct Job {
    pub(crate) context: RequestContext,
    pub(crate) wanted_revision: Option<u32>,
    pub(crate) dry_run: bool,
    pub(crate) work: Work,
    pub(crate) answer: oneshot::Sender<SharedReply>,
}

impl Queued for Job {
    /// That of the key, whoever asks.
    fn account(&self) -> Option<&Account> {
        match &self.work {
            Work::Create(key, _) => Some(&key.account),
            Work::Rotate(key, ..) | Work::Change(key, _) => Some(&key.made.account),
            Work::ExpireDue(_) | Work::CatchUp => None,
        }
    }
}

pub(crate) enum Work {
    Create(Box<NewKey>, Rules),
    Rotate(Arc<Key>, Box<NewKey>, Rotation, Rules),
    Change(Arc<Key>, Change),
    /// Record what is due, at most so many.
    ExpireDue(usize),
    /// Read what another writer appended.
    CatchUp,
}

pub(crate) enum Reply {
    /// Decided, and on stable storage unless it was a dry run: the batch began at this place.
    Done(Seq, Box<Decided>),
    /// Keys recorded as expired.
    Expired(Vec<keys::KeyId>),
    /// The same request was answered before.
    Replay(Outcome),
    /// The ledger has read all of the log.
    CaughtUp,
}

/// The writer's loop. Ends when the queue is closed and everything that waited is answered.
pub(crate) fn run(state: &State, queue: &Queue<Job>) {
    let _taker = queue.taker();
    let (mut jobs, mut pace) = (VecDeque::new(), Pace::new());
    while queue.take(&mut jobs, || pace.most(state.clock.monotonic()), None) {
        let start = state.clock.monotonic();
        pace.seen(jobs.iter().map(Queued::account), start);
        let answers = commit(state, jobs.make_contiguous());
        pace.took(answers.len(), state.clock.monotonic().saturating_sub(start));
        wake_chain(jobs.drain(..).map(|job| job.answer).zip(answers).collect());
    }
}

type Answers = Vec<Result<Reply, Error>>;

fn commit(state: &State, jobs: &[Job]) -> Answers {
    loop {
        if state.broken.load(Ordering::Acquire) {
            return jobs.iter().map(|_| Err(Error::Broken)).collect();
        }
        let mut batch = Batch::new(state);
        let answers: Answers = jobs.iter().map(|job| decide(state, &mut batch, job)).collect();
        if batch.bytes.is_empty() {
            match catch_up(state) {
                Ok(false) => return answers,
                Ok(true) => continue,
                Err(error) => return fail(state, jobs, &error),
            }
        }
        let grown = state.evidence.grow(batch.drafted.iter().map(|drafted| drafted.leaf));
        match state.log.append(batch.start(), &batch.bytes, &grown.extras) {
            Ok(_) => {
                // A crash from here on is clean: the records are there, nobody was told.
                if let Err(error) = state.evidence.publish(state.log.as_ref(), grown) {
                    return fail(state, jobs, &error);
                }
                publish(state, batch);
                return answers;
            }
            // Another process wrote: read it, and decide again on what is true now.
            Err(AppendError::Conflict { .. }) => match catch_up(state) {
                Ok(_) => {}
                Err(error) => return fail(state, jobs, &error),
            },
            Err(AppendError::Full { .. }) => {
                return jobs.iter().map(|_| Err(Error::Full)).collect();
            }
            Err(error @ (AppendError::Broken(_) | AppendError::TooLong { .. })) => {
                return fail(state, jobs, &error);
            }
        }
    }
}

/// After a storage error nobody knows what was written: no more writes until a restart.
fn fail(state: &State, jobs: &[Job], error: &(dyn std::error::Error + 'static)) -> Answers {
    if !state.broken.swap(true, Ordering::AcqRel) {
        tracing::error!(error, "the log is broken; restart to read it again");
    }
    jobs.iter().map(|_| Err(Error::Broken)).collect()
}

/// Reads what others appended. Whether there was anything.
fn catch_up(state: &State) -> Result<bool, crate::state::ReplayError> {
    let length = *state.log.length().borrow();
    if length <= state.size() {
        return Ok(false);
    }
    state.catch_up(length)?;
    state.due_changed.notify_one();
    Ok(true)
}

fn decide(state: &State, batch: &mut Batch<'_>, job: &Job) -> Result<Reply, Error> {
    if let Some(outcome) = batch.replay_of(&job.context)? {
        return Ok(Reply::Replay(outcome));
    }
    let Job { context, dry_run, wanted_revision, .. } = job;
    let decided = match &job.work {
        Work::CatchUp => return Ok(Reply::CaughtUp),
        Work::ExpireDue(limit) => {
            return Ok(Reply::Expired(expire_due(state, batch, context, *limit)?));
        }
        Work::Create(key, rules) => batch.create(context, key, rules, *dry_run)?,
        Work::Change(key, change) => {
            batch.change(context, key, *change, (*wanted_revision, *dry_run))?
        }
        Work::Rotate(old, key, rotation, rules) => {
            batch.rotate(context, old, key, (*rotation, rules, *wanted_revision), *dry_run)?
        }
    };
    Ok(Reply::Done(batch.start(), Box::new(decided)))
}

fn expire_due(
    state: &State,
    batch: &mut Batch<'_>,
    context: &RequestContext,
    limit: usize,
) -> Result<Vec<keys::KeyId>, Error> {
    let mut expired = Vec::new();
    // One that the batch has ended already is still in the queue: pass it over.
    for id in state.table.due(batch.now, limit) {
        let Some(key) = state.table.get(id) else { continue };
        match batch.expire_due(context, &key) {
            Ok(_) => expired.push(id),
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(expired)
}

/// Brings a durable batch into the projections and tells those who follow.
fn publish(state: &State, batch: Batch<'_>) {
    let due_before = state.table.next_due();
    let start = batch.start().0;
    for (seq, drafted) in (start..).zip(&batch.drafted) {
        state.apply(Seq(seq), drafted.leaf, &drafted.record);
    }
    state.batches.fetch_add(1, Ordering::Relaxed);
    let stored = batch.bytes.iter().map(Vec::len).sum();
    let records = batch.drafted.into_iter().map(|drafted| drafted.record);
    state.feed(stored, (start..).map(Seq).zip(records));
    state.publish();
    if state.table.next_due() != due_before {
        state.due_changed.notify_one();
    }
}
