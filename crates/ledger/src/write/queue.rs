//! The queue in front of a writer: first come, first served within an account, and accounts in
//! turns.
//!
//! Bounded in all. While it is full, whoever has less than its share in it takes the place of the
//! newest entry of the account that has most: one that fills the queue delays and refuses only
//! itself, and one that is alone may fill all of it.
//!
//! What is taken out together is one commit, which all of it waits for. A heavy entry, of many records,
//! goes last into it, and one alone: beside an account that sends many of them, others wait for one of
//! them at a time.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use keys::Account;
use parking_lot::{Condvar, Mutex};

/// What waits in a queue.
pub(crate) trait Queued {
    /// The account whose turn it is taken in; `None` for what is of no single account.
    fn account(&self) -> Option<&Account>;

    /// How many records it may come to; more than one is heavy.
    fn weight(&self) -> usize {
        1
    }
}

/// Why something may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full, and its account has its share of it.
    Full,
    /// The queue is closed.
    Closed,
}

/// Many put in, one takes out.
pub(crate) struct Queue<J> {
    waiting: Mutex<Waiting<J>>,
    filled: Condvar,
    capacity: usize,
}

struct Waiting<J> {
    /// A place in here is a slot. The first is that of no account.
    lanes: Vec<Lane<J>>,
    /// The slot of each account that has something waiting.
    slots: HashMap<Account, usize>,
    /// Slots with something waiting, the next one first.
    turns: VecDeque<usize>,
    /// Slots that may be used again.
    free: Vec<usize>,
    count: usize,
    /// How many of them are heavy.
    heavy: usize,
    closed: bool,
}

struct Lane<J> {
    account: Option<Account>,
    jobs: VecDeque<J>,
}

impl<J> Default for Lane<J> {
    fn default() -> Lane<J> {
        Lane { account: None, jobs: VecDeque::new() }
    }
}

/// The slot of what is of no single account.
const SHARED: usize = 0;
/// Lanes that nobody uses keep the memory of their last burst, as long as they are so few.
const WARM: usize = 4;

impl<J: Queued> Queue<J> {
    /// A queue for at most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Queue<J> {
        let waiting = Waiting {
            lanes: vec![Lane::default()],
            slots: HashMap::new(),
            turns: VecDeque::new(),
            free: Vec::new(),
            count: 0,
            heavy: 0,
            closed: false,
        };
        Queue { waiting: Mutex::new(waiting), filled: Condvar::new(), capacity: capacity.max(1) }
    }

    /// Puts `job` behind the others of its account. What had to make room for it is handed back.
    pub(crate) fn push(&self, job: J) -> Result<Option<J>, Refused> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        let pushed_out = if waiting.count < self.capacity {
            None
        } else {
            Some(waiting.make_room(self.capacity, job.account()).ok_or(Refused::Full)?)
        };
        waiting.push(job);
        drop(waiting);
        self.filled.notify_one();
        Ok(pushed_out)
    }

    /// Takes up to `most` light entries and one heavy one into the empty `jobs`; waits for the first,
    /// but no longer than `patience`. `false` if the queue is closed and empty: there will be no more.
    pub(crate) fn take(
        &self,
        jobs: &mut VecDeque<J>,
        most: impl FnOnce() -> usize,
        patience: Option<Duration>,
    ) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.count == 0 {
            if waiting.closed {
                return false;
            }
            match patience {
                None => self.filled.wait(&mut waiting),
                Some(patience) => {
                    if self.filled.wait_for(&mut waiting, patience).timed_out() {
                        break;
                    }
                }
            }
        }
        waiting.take(jobs, most());
        true
    }

    /// Takes nothing more in. What waits is still handed out.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_all();
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().count
    }

    /// How many entries may wait.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Closes the queue and drops what waits, when the one who takes from it is gone.
    pub(crate) fn taker(&self) -> Taker<'_, J> {
        Taker(self)
    }
}

/// See [`Queue::taker`].
pub(crate) struct Taker<'q, J: Queued>(&'q Queue<J>);

impl<J: Queued> Drop for Taker<'_, J> {
    fn drop(&mut self) {
        self.0.close();
        let mut left = VecDeque::new();
        while self.0.take(&mut left, || usize::MAX, None) {
            left.clear();
        }
    }
}

impl<J: Queued> Waiting<J> {
    #[expect(clippy::indexing_slicing, reason = "a slot is a place in `lanes`, which only grows")]
    fn lane(&self, slot: usize) -> &Lane<J> {
        &self.lanes[slot]
    }

    #[expect(clippy::indexing_slicing, reason = "a slot is a place in `lanes`, which only grows")]
    fn lane_mut(&mut self, slot: usize) -> &mut Lane<J> {
        &mut self.lanes[slot]
    }

    fn slot(&self, account: Option<&Account>) -> Option<usize> {
        account.map_or(Some(SHARED), |account| self.slots.get(account).copied())
    }

    fn push(&mut self, job: J) {
        let slot = self.slot(job.account()).unwrap_or_else(|| self.open(job.account()));
        self.heavy += usize::from(is_heavy(&job));
        let lane = self.lane_mut(slot);
        let was_empty = lane.jobs.is_empty();
        lane.jobs.push_back(job);
        self.count += 1;
        if was_empty {
            self.turns.push_back(slot);
        }
    }

    /// A lane for an account that has none.
    fn open(&mut self, account: Option<&Account>) -> usize {
        let Some(account) = account else { return SHARED };
        let slot = self.free.pop().unwrap_or(self.lanes.len());
        match self.lanes.get_mut(slot) {
            Some(lane) => lane.account = Some(account.clone()),
            None => {
                self.lanes.push(Lane { account: Some(account.clone()), jobs: VecDeque::new() });
            }
        }
        self.slots.insert(account.clone(), slot);
        slot
    }

    /// Gives back a lane that is empty.
    fn release(&mut self, slot: usize) {
        let cold = self.free.len() >= WARM;
        let lane = self.lane_mut(slot);
        // The shared lane is of no account, and stays.
        let Some(account) = lane.account.take() else { return };
        if cold {
            lane.jobs = VecDeque::new();
        }
        self.slots.remove(&account);
        self.free.push(slot);
    }

    /// Takes the newest entry of the account that has most of a full queue; `None` if `account`
    /// has its own share already.
    fn make_room(&mut self, capacity: usize, account: Option<&Account>) -> Option<J> {
        // Without a lane the account has nothing waiting.
        let own = self.slot(account).map_or(0, |slot| self.lane(slot).jobs.len());
        let accounts = self.turns.len() + usize::from(own == 0);
        if own >= capacity / accounts {
            return None;
        }
        // The others share what is left, so that one of them has more than this, and more than one.
        let length = |slot: &usize| self.lane(*slot).jobs.len();
        let longest = self.turns.iter().copied().max_by_key(length)?;
        let pushed_out = self.lane_mut(longest).jobs.pop_back()?;
        self.count -= 1;
        self.heavy -= usize::from(is_heavy(&pushed_out));
        Some(pushed_out)
    }

    fn take(&mut self, jobs: &mut VecDeque<J>, most: usize) {
        // One account alone: all of it at once, however much that is.
        if let (Some(&slot), 1, 0) = (self.turns.front(), self.turns.len(), self.heavy)
            && let Some(lane) = self.lanes.get_mut(slot)
            && lane.jobs.len() <= most
            && jobs.is_empty()
        {
            std::mem::swap(jobs, &mut lane.jobs);
            self.turns.clear();
            self.release(slot);
        }
        // The accounts whose next entry is heavy.
        let mut put_off = VecDeque::new();
        while jobs.len() < most
            && let Some(slot) = self.turns.pop_front()
        {
            if self.lane(slot).jobs.front().is_some_and(is_heavy) {
                put_off.push_back(slot);
            } else {
                self.take_one(slot, jobs);
            }
        }
        if let Some(slot) = put_off.pop_front() {
            self.heavy -= 1;
            self.take_one(slot, jobs);
        }
        // Theirs is the next turn.
        put_off.into_iter().rev().for_each(|slot| self.turns.push_front(slot));
        self.count -= jobs.len();
    }

    /// Takes the next entry of a lane, which is the last in the turns from now on.
    fn take_one(&mut self, slot: usize, jobs: &mut VecDeque<J>) {
        let lane = self.lane_mut(slot);
        jobs.extend(lane.jobs.pop_front());
        if lane.jobs.is_empty() {
            self.release(slot);
        } else {
            self.turns.push_back(slot);
        }
    }
}

fn is_heavy<J: Queued>(job: &J) -> bool {
    job.weight() > 1
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
