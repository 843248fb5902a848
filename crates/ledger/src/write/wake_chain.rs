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

#[cfg(test)]
mod tests {
    use super::*;

    type Receiver = oneshot::Receiver<SharedReply<usize>>;

    struct One(usize, oneshot::Sender<SharedReply<usize>>);

    impl Waiting for One {
        fn wake(self: Box<Self>, others: Others) {
            let One(place, to) = *self;
            send(to, Ok(place), others);
        }
    }

    fn three() -> (Vec<Box<dyn Waiting>>, Vec<Option<Receiver>>) {
        let made = (0..3).map(|place| {
            let (to, receiver) = oneshot::channel();
            (Box::new(One(place, to)) as Box<dyn Waiting>, Some(receiver))
        });
        made.unzip()
    }

    /// What each of those who are still there receives.
    fn received(receivers: Vec<Option<Receiver>>) -> Vec<usize> {
        // The one that was woken, as far as it is still there, comes last here.
        let there = receivers.into_iter().rev().flatten();
        there.map(|mut to| to.try_recv().expect("it waits in vain").take().unwrap()).collect()
    }

    /// The chain answers as the plain way does, whoever has gone away.
    #[test]
    fn everybody_gets_their_own_reply_whoever_has_gone_away() {
        for gone in 0..8_u32 {
            let there = |place: usize| gone >> place & 1 == 0;
            let expected: Vec<_> = (0..3).rev().filter(|place| there(*place)).collect();
            let plain: fn(Vec<Box<dyn Waiting>>) = |waiting| wake_each(waiting.into_iter());
            for wake in [wake_chain, plain] {
                let (waiting, mut receivers) = three();
                for place in (0..3).filter(|place| !there(*place)) {
                    receivers[place] = None;
                }
                wake(waiting);
                assert_eq!(received(receivers), expected, "{gone:03b}");
            }
        }
    }

    #[test]
    fn one_who_goes_away_with_a_reply_wakes_the_others() {
        let (waiting, mut receivers) = three();
        wake_chain(waiting);
        drop(receivers.pop());
        assert_eq!(received(receivers), [1, 0]);
    }
}
