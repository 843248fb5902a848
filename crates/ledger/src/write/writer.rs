//! The one writer: takes everything that waits, decides it, appends it in one go, answers.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use eventlog::{AppendError, Seq};

use crate::error::Error;
use crate::projection::state::State;
use crate::record::replay::ReplayError;
use crate::write::batch::Batch;
use crate::write::batch_size::BatchSize;
use crate::write::job::Job;
use crate::write::queue::{Queue, Queued};
use crate::write::wake_chain::{Waiting, wake_chain};

/// The writer's loop. Ends when the queue is closed and everything that waited is answered.
pub(crate) fn run(state: &State, queue: &Queue<Box<dyn Job>>) {
    let _taker = queue.taker();
    let (mut jobs, mut pace) = (VecDeque::new(), BatchSize::new());
    while queue.take(&mut jobs, || pace.most(state.clock.monotonic()), None) {
        let start = state.clock.monotonic();
        pace.seen(jobs.iter().map(Queued::account), start);
        commit(state, jobs.make_contiguous());
        let records = jobs.iter().map(Queued::weight).sum();
        pace.took(records, state.clock.monotonic().saturating_sub(start));
        for job in &mut jobs {
            job.between(state);
        }
        wake_chain(jobs.drain(..).map(|job| job as Box<dyn Waiting>).collect());
    }
}

/// Decides all of `jobs` and appends what they came to. Their replies are ready afterwards.
fn commit(state: &State, jobs: &mut [Box<dyn Job>]) {
    loop {
        if state.log.is_broken() {
            return refuse(jobs, &Error::Broken);
        }
        let mut batch = Batch::new(state);
        for job in &mut *jobs {
            job.decide(&mut batch);
        }
        if batch.bytes.is_empty() {
            match catch_up(state) {
                Ok(false) => return,
                Ok(true) => continue,
                Err(error) => return fail(state, jobs, &error),
            }
        }
        let leaves = batch.drafted.iter().map(|drafted| drafted.leaf);
        match state.log.append_hashed(batch.start(), &batch.bytes, leaves) {
            Ok(_) => {
                publish(state, batch);
                return;
            }
            // Another process wrote: read it, and decide again on what is true now.
            Err(AppendError::Conflict { .. }) => match catch_up(state) {
                Ok(_) => {}
                Err(error) => return fail(state, jobs, &error),
            },
            Err(AppendError::Full { .. }) => return refuse(jobs, &Error::Full),
            Err(error @ (AppendError::Broken(_) | AppendError::TooLong { .. })) => {
                return fail(state, jobs, &error);
            }
        }
    }
}

/// After a storage error nobody knows what was written: no more writes until a restart.
fn fail(state: &State, jobs: &mut [Box<dyn Job>], error: &(dyn std::error::Error + 'static)) {
    if state.log.fail() {
        tracing::error!(error, "the log is broken; restart to read it again");
    }
    refuse(jobs, &Error::Broken);
}

fn refuse(jobs: &mut [Box<dyn Job>], error: &Error) {
    for job in jobs {
        job.refuse(error.clone());
    }
}

/// Reads what others appended. Whether there was anything.
fn catch_up(state: &State) -> Result<bool, ReplayError> {
    let length = state.log.length();
    if length <= state.size() {
        return Ok(false);
    }
    state.catch_up(length)?;
    state.due_changed.notify_one();
    Ok(true)
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
