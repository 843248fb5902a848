//! Following what is committed: live from the ring of the newest entries; one who fell
//! behind learns from where on to read the log.

use std::sync::Arc;

use eventlog::Seq;
use tokio::sync::watch;

use crate::ledger::Ledger;
use crate::record::Entry;

/// What comes next to one who follows.
#[derive(Clone, Debug)]
pub enum Followed {
    /// Entries that were committed together, without a gap after what came before; the first ones
    /// may lie before the follower's place.
    Entries(Arc<[Entry]>),
    /// The follower was too slow, or another writer wrote: what lies before this place has to be
    /// read from the log.
    Missed(Seq),
}

/// One who follows what is committed, of all accounts. Dropped, it is counted no more.
pub struct Following {
    ledger: Ledger,
    length: watch::Receiver<Seq>,
    next: Seq,
}

impl Ledger {
    /// Follows what is committed from now on: see [`Following::next`] for the place.
    ///
    /// What is given out is not limited to what a caller may see; that is up to who hands it on.
    #[must_use]
    pub fn follow(&self) -> Following {
        let state = self.state();
        state.feed.add_follower();
        let length = state.log.published();
        let next = state.size();
        Following { ledger: self.clone(), length, next }
    }
}

impl Following {
    /// The place up to which everything was taken.
    #[must_use]
    pub fn next(&self) -> Seq {
        self.next
    }

    /// Waits until there is something to take. Cancel safe.
    pub async fn changed(&mut self) {
        let next = self.next;
        if self.length.wait_for(|length| *length > next).await.is_err() {
            // The ledger is held here, and its sender with it.
            std::future::pending::<()>().await;
        }
    }

    /// Takes what comes next, if it is there.
    pub fn take(&mut self) -> Option<Followed> {
        let length = *self.length.borrow_and_update();
        if length <= self.next {
            return None;
        }
        let followed = match self.ledger.state().feed.after(self.next) {
            Some(batch) if batch.first().is_some_and(|first| first.seq <= self.next) => {
                self.next = batch.last().map_or(self.next, |last| last.seq.next());
                Followed::Entries(batch)
            }
            Some(batch) => {
                self.next = batch.first().map_or(self.next, |first| first.seq);
                Followed::Missed(self.next)
            }
            None => {
                self.next = length;
                Followed::Missed(length)
            }
        };
        Some(followed)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.ledger.state().feed.remove_follower();
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
