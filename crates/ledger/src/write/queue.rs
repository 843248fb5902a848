//! The queue in front of a writer: first come, first served within an account, and accounts in
//! turns.
//!
//! Bounded in all. While it is full, whoever has less than its share in it takes the place of the
//! newest entry of the account that has most: one that fills the queue delays and refuses only
//! itself, and one that is alone may fill all of it.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use keys::Account;
use parking_lot::{Condvar, Mutex};

/// What waits in a queue.
pub(crate) trait Queued {
    /// The account whose turn it is taken in; `None` for what is of no single account.
    fn account(&self) -> Option<&Account>;
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

    /// Takes up to `most` entries into the empty `jobs`; waits for the first, but no longer than
    /// `patience`. `false` if the queue is closed and empty: there will be no more.
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
        Some(pushed_out)
    }

    fn take(&mut self, jobs: &mut VecDeque<J>, most: usize) {
        // One account alone: all of it at once, however much that is.
        if let (Some(&slot), 1) = (self.turns.front(), self.turns.len())
            && let Some(lane) = self.lanes.get_mut(slot)
            && lane.jobs.len() <= most
            && jobs.is_empty()
        {
            std::mem::swap(jobs, &mut lane.jobs);
            self.turns.clear();
            self.release(slot);
        }
        while jobs.len() < most
            && let Some(slot) = self.turns.pop_front()
        {
            let lane = self.lane_mut(slot);
            jobs.extend(lane.jobs.pop_front());
            if lane.jobs.is_empty() {
                self.release(slot);
            } else {
                self.turns.push_back(slot);
            }
        }
        self.count -= jobs.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Entry(Option<Account>, u32);

    impl Queued for Entry {
        fn account(&self) -> Option<&Account> {
            self.0.as_ref()
        }
    }

    /// `a1` is the first entry of account `a`; `*` is none.
    fn entry(text: &str) -> Entry {
        let (name, number) = text.split_at(1);
        Entry(Account::new(name).ok(), number.parse().unwrap())
    }

    fn text(entry: &Entry) -> String {
        format!("{}{}", entry.0.as_ref().map_or("*", Account::as_str), entry.1)
    }

    fn push(queue: &Queue<Entry>, texts: &str) {
        for one in texts.split(' ') {
            assert_eq!(queue.push(entry(one)), Ok(None), "{one}");
        }
    }

    fn take(queue: &Queue<Entry>, most: usize) -> String {
        let mut jobs = VecDeque::new();
        assert_eq!(queue.take(&mut jobs, || most, None), !jobs.is_empty());
        jobs.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn accounts_take_turns_and_each_is_first_come_first_served() {
        let queue = Queue::new(100);
        push(&queue, "a1 a2 a3 b1 *1 a4 b2 *2");
        assert_eq!(take(&queue, 4), "a1 b1 *1 a2");
        push(&queue, "c1");
        assert_eq!(take(&queue, 100), "b2 *2 a3 c1 a4");
        push(&queue, "a5 a6");
        assert_eq!(take(&queue, 100), "a5 a6");
        queue.close();
        assert_eq!(take(&queue, 100), "");
    }

    #[test]
    fn one_that_is_alone_may_fill_it() {
        let queue = Queue::new(3);
        push(&queue, "a1 a2 a3");
        assert_eq!(queue.push(entry("a4")), Err(Refused::Full));
        assert_eq!(take(&queue, 9), "a1 a2 a3");
    }

    #[test]
    fn one_that_fills_it_makes_room_for_others_up_to_their_share() {
        let queue = Queue::new(4);
        push(&queue, "a1 a2 a3 a4");
        for (new, pushed_out) in [("b1", Ok("a4")), ("b2", Ok("a3")), ("b3", Err(Refused::Full))] {
            let pushed = queue.push(entry(new));
            assert_eq!(pushed, pushed_out.map(|out| Some(entry(out))), "{new}");
        }
        assert_eq!(queue.push(entry("*1")).unwrap().as_ref().map(text).as_deref(), Some("b2"));
        assert_eq!(queue.push(entry("a3")), Err(Refused::Full));
        assert_eq!(queue.len(), 4);
        assert_eq!(take(&queue, 9), "a1 b1 *1 a2");
    }

    #[test]
    fn what_waits_is_handed_out_after_the_close_and_nothing_is_taken_in() {
        let queue = Queue::new(4);
        push(&queue, "a1 b1");
        queue.close();
        assert_eq!(queue.push(entry("a2")), Err(Refused::Closed));
        assert_eq!(take(&queue, 1), "a1");
        drop(queue.taker());
        assert_eq!(queue.len(), 0);
    }

    proptest! {
        /// Whatever is put in is taken out in its account's order, pushed out or refused; the
        /// queue is never longer than it may be, and nobody is refused who has less than a share.
        #[test]
        fn nothing_is_lost_and_nobody_is_shut_out(
            steps in prop::collection::vec((0_u8..5, 0_usize..9), 1..400),
            capacity in 1_usize..20,
        ) {
            let queue = Queue::new(capacity);
            let mut model: HashMap<Option<Account>, VecDeque<u32>> = HashMap::new();
            let mut number = 0;
            for (who, most) in steps {
                let account = Account::new(["a", "b", "c", "*", "*"][usize::from(who)]).ok();
                if who == 4 && queue.len() > 0 {
                    let mut jobs = VecDeque::new();
                    queue.take(&mut jobs, || most.max(1), None);
                    for Entry(account, number) in jobs {
                        let first = model.get_mut(&account).unwrap().pop_front();
                        prop_assert_eq!(first, Some(number));
                    }
                    model.retain(|_, waiting| !waiting.is_empty());
                    continue;
                }
                number += 1;
                match queue.push(Entry(account.clone(), number)) {
                    Ok(pushed_out) => {
                        model.entry(account.clone()).or_default().push_back(number);
                        if let Some(Entry(other, newest)) = pushed_out {
                            prop_assert_ne!(&other, &account);
                            let last = model.get_mut(&other).unwrap().pop_back();
                            prop_assert_eq!(last, Some(newest));
                            prop_assert!(!model[&other].is_empty());
                        }
                    }
                    Err(refused) => {
                        prop_assert_eq!(refused, Refused::Full);
                        let own = model.get(&account).map_or(0, VecDeque::len);
                        let accounts = model.len() + usize::from(own == 0);
                        prop_assert!(own >= capacity / accounts);
                    }
                }
                let waiting: usize = model.values().map(VecDeque::len).sum();
                prop_assert_eq!(queue.len(), waiting);
                prop_assert!(waiting <= capacity);
            }
        }
    }
}
