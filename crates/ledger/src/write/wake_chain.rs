//! Speed: the writer wakes one of those who wait for a batch, and that one wakes the others.
//!
//! To wake a task from a thread outside of its runtime takes a lock that all threads of the runtime
//! take, and often a system call. From inside it takes neither. `benches/wake_chain.rs` measures
//! what this saves; [`wake_each`] is the plain way.

use tokio::sync::oneshot;

use crate::error::Error;

/// One who waits, and the reply that is ready for it.
pub(crate) trait Waiting: Send {
    /// Sends the reply. Whoever gets it wakes `others`.
    fn wake(self: Box<Self>, others: Others);
}

/// A reply, and the others of its batch, who are still to be woken.
pub(crate) struct SharedReply<R> {
    reply: Result<R, Error>,
    others: Others,
}

/// Those who are still to be woken. They are when this is dropped: nobody waits in vain if the one
/// who was woken has gone away.
#[derive(Default)]
pub(crate) struct Others(Vec<Box<dyn Waiting>>);

impl Drop for Others {
    fn drop(&mut self) {
        wake_each(self.0.drain(..));
    }
}

impl<R> SharedReply<R> {
    /// Takes the reply, and wakes the others.
    pub(crate) fn take(self) -> Result<R, Error> {
        drop(self.others);
        self.reply
    }
}

/// Sends `reply` to the one who waits at `to`, who wakes `others`.
pub(crate) fn send<R>(
    to: oneshot::Sender<SharedReply<R>>,
    reply: Result<R, Error>,
    others: Others,
) {
    // A client that went away does not take back what is recorded. `others` come back with the
    // value that was not taken, and are woken as it is dropped.
    drop(to.send(SharedReply { reply, others }));
}

/// Wakes all of them, through one of them.
pub(crate) fn wake_chain(mut waiting: Vec<Box<dyn Waiting>>) {
    if let Some(first) = waiting.pop() {
        first.wake(Others(waiting));
    }
}

/// Wakes all of them, each by itself.
pub(crate) fn wake_each(waiting: impl Iterator<Item = Box<dyn Waiting>>) {
    for one in waiting {
        one.wake(Others::default());
    }
}
