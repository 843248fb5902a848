//! The expiry worker: sleeps until the next key is due, and records that it is.

use std::sync::atomic::Ordering;

use keys::Timestamp;

use crate::caller::worker;
use crate::clock::StepGuard;
use crate::error::Error;
use crate::ledger::Ledger;

/// Keys recorded in one go: other commands get in between.
const CHUNK: usize = 256;

impl Ledger {
    /// Records keys as expired when they are due, until the ledger is closed.
    ///
    /// Sleeps until the next due time and wakes for an earlier one. Stops for as long as the
    /// machine's clocks disagree by more than `max_clock_step_s`.
    pub async fn work(&self) {
        let state = self.state();
        let mut guard = StepGuard::new(self.max_clock_step_s());
        loop {
            // Registered before looking, so that no change is missed in between.
            let changed = state.due_changed.notified();
            let agrees = guard.agrees(state.clock.as_ref(), state.last_at());
            if state.stepped.swap(!agrees, Ordering::Relaxed) == agrees {
                tracing::warn!(agrees, "the clocks were compared");
            }
            let now = state.clock.now();
            state.secrets.lock().forget(now);
            let next = state.table.next_due().unwrap_or(Timestamp::MAX);
            if agrees && next <= now {
                match self.expire_due(&worker(), CHUNK, None).await {
                    Ok(_) => continue,
                    Err(Error::Broken | Error::Full) => {}
                    Err(error) => tracing::error!(%error, "keys that are due were not recorded"),
                }
            }
            let wake = if agrees && next > now { next } else { now.plus_secs(1) };
            tokio::select! {
                () = state.clock.wait(wake) => {}
                () = changed => {}
                () = self.closed() => return,
            }
        }
    }
}
