//! Handing out the answers of a batch: the writer wakes one of those who wait, and that one wakes
//! the others.
//!
//! To wake a task from a thread outside of its runtime takes a lock that all threads of the runtime
//! take, and often a call of the system. From inside it takes neither.

use tokio::sync::oneshot;

use crate::error::Error;
use crate::writer::Reply;

/// What the writer says to one who waits.
pub(crate) struct SharedReply {
    answer: Result<Reply, Error>,
    others: Others,
}

/// Who waits, and for what.
pub(crate) type Waiting = (oneshot::Sender<SharedReply>, Result<Reply, Error>);

/// Answers that are not handed out yet. They are when this is dropped, so nobody waits in vain if
/// the one who was woken has gone away.
struct Others(Vec<Waiting>);

impl Drop for Others {
    fn drop(&mut self) {
        for (caller, answer) in self.0.drain(..) {
            // A client that went away does not take back what is recorded.
            let _ = caller.send(SharedReply { answer, others: Others(Vec::new()) });
        }
    }
}

impl SharedReply {
    /// The answer. The others get theirs.
    pub(crate) fn take(self) -> Result<Reply, Error> {
        drop(self.others);
        self.answer
    }
}

/// Answers all of them.
pub(crate) fn wake_chain(mut waiting: Vec<Waiting>) {
    if let Some((caller, answer)) = waiting.pop() {
        let _ = caller.send(SharedReply { answer, others: Others(waiting) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_answered_whoever_has_gone_away() {
        for gone in 0..8_u32 {
            let (callers, waits): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
            let mut waits: Vec<_> = waits.into_iter().map(Some).collect();
            for (place, wait) in waits.iter_mut().enumerate() {
                if gone >> place & 1 == 1 {
                    *wait = None;
                }
            }
            wake_chain(callers.into_iter().map(|caller| (caller, Ok(Reply::CaughtUp))).collect());
            // The one that was woken, as far as it is still there, comes last here.
            for mut wait in waits.into_iter().rev().flatten() {
                let answered = wait.try_recv().expect("it waits in vain");
                assert!(matches!(answered.take(), Ok(Reply::CaughtUp)));
            }
        }
    }

    #[test]
    fn one_who_goes_away_with_the_answers_hands_them_out() {
        let (callers, mut waits): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        wake_chain(callers.into_iter().map(|caller| (caller, Ok(Reply::CaughtUp))).collect());
        drop(waits.pop());
        for mut wait in waits {
            assert!(wait.try_recv().is_ok());
        }
    }
}
