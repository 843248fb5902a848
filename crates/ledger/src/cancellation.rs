//! Ending work that nobody waits for any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells work under way that its result is not wanted any more. A clone is the same one.
///
/// Whoever waits for the work holds one side; the work looks at the other between its steps, through
/// the [`Ledger`](crate::Ledger) handle it was given by [`Ledger::until`](crate::Ledger::until).
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// One that is not cancelled.
    #[must_use]
    pub fn new() -> Cancellation {
        Cancellation::default()
    }

    /// Ends the work at its next step. It cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether `other` is a clone of it.
    #[must_use]
    pub fn is_same(&self, other: &Cancellation) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
