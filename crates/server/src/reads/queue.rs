//! The fair queue of the read pool: a queue for each share, served round robin. It knows no threads
//! and no clock.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// The limits of the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Queued jobs of one share.
    pub(super) waiting_per_share: usize,
    /// Queued jobs of all shares.
    pub(super) waiting: usize,
    /// Running jobs of one share.
    pub(super) busy_per_share: usize,
}

/// A job's number. Numbers increase, so a job is found in its queue by binary search.
pub(super) type Ticket = u64;

/// Queued jobs, by share.
///
/// The next job is taken from the share whose turn it is, and that share then goes to the end of
/// the order: however long its queue, it delays another share's job by one job for each worker.
pub(super) struct FairQueue<S, J> {
    bounds: Bounds,
    lines: HashMap<S, Line<J>>,
    /// The shares with queued jobs, the next one first.
    turns: VecDeque<S>,
    waiting: usize,
    busy: usize,
    next: Ticket,
}

/// The outcome of queueing a job.
#[derive(Debug)]
pub(super) struct Pushed<J> {
    /// Its number; `None` if it was refused.
    pub(super) ticket: Option<Ticket>,
    /// The job that was refused, this one or another.
    pub(super) refused: Option<J>,
}

struct Line<J> {
    jobs: VecDeque<(Ticket, J)>,
    /// Running jobs of this share.
    busy: usize,
}

impl<S: Clone + Eq + Hash, J> FairQueue<S, J> {
    pub(super) fn new(bounds: Bounds) -> FairQueue<S, J> {
        FairQueue {
            bounds,
            lines: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            busy: 0,
            next: 0,
        }
    }

    /// Appends a job to its share's queue. It is refused when that queue is full. When all queues
    /// together are full, the last job of the longest queue is refused instead.
    pub(super) fn push(&mut self, share: &S, job: J) -> Pushed<J> {
        let own = self.lines.get(share).map_or(0, |line| line.jobs.len());
        let mut refused = None;
        if own < self.bounds.waiting_per_share && self.waiting >= self.bounds.waiting {
            refused = self.shorten(own + 1);
        }
        if own >= self.bounds.waiting_per_share || self.waiting >= self.bounds.waiting {
            return Pushed { ticket: None, refused: Some(job) };
        }
        let ticket = self.next;
        self.next += 1;
        let line = self.lines.entry(share.clone());
        let line = line.or_insert_with(|| Line { jobs: VecDeque::new(), busy: 0 });
        if line.jobs.is_empty() {
            self.turns.push_back(share.clone());
        }
        line.jobs.push_back((ticket, job));
        self.waiting += 1;
        Pushed { ticket: Some(ticket), refused }
    }

    /// Removes the last job of the longest queue, if that has more than `than`.
    fn shorten(&mut self, than: usize) -> Option<J> {
        let lines = self.lines.iter().map(|(share, line)| (line.jobs.len(), share));
        let (length, longest) = lines.max_by_key(|(length, _)| *length)?;
        if length <= than {
            return None;
        }
        let longest = longest.clone();
        let (_, job) = self.lines.get_mut(&longest)?.jobs.pop_back()?;
        self.waiting -= 1;
        Some(job)
    }

    /// The next job that may run now. The caller reports its end by [`FairQueue::done`].
    pub(super) fn pop(&mut self) -> Option<(S, J)> {
        for _ in 0..self.turns.len() {
            let share = self.turns.pop_front()?;
            let Some(line) = self.lines.get_mut(&share) else { continue };
            if line.busy >= self.bounds.busy_per_share {
                self.turns.push_back(share);
                continue;
            }
            let Some((_, job)) = line.jobs.pop_front() else { continue };
            line.busy += 1;
            (self.waiting, self.busy) = (self.waiting - 1, self.busy + 1);
            if !line.jobs.is_empty() {
                self.turns.push_back(share.clone());
            }
            return Some((share, job));
        }
        None
    }

    /// A job of `share` that was taken has ended.
    pub(super) fn done(&mut self, share: &S) {
        self.busy -= 1;
        if let Some(line) = self.lines.get_mut(share) {
            line.busy -= 1;
            self.forget_if_empty(share);
        }
    }

    /// Removes a job if it is still queued.
    pub(super) fn remove(&mut self, share: &S, ticket: Ticket) -> Option<J> {
        let line = self.lines.get_mut(share)?;
        let at = line.jobs.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?;
        let (_, job) = line.jobs.remove(at)?;
        self.waiting -= 1;
        if line.jobs.is_empty() {
            self.turns.retain(|other| other != share);
            self.forget_if_empty(share);
        }
        Some(job)
    }

    fn forget_if_empty(&mut self, share: &S) {
        if self.lines.get(share).is_some_and(|line| line.jobs.is_empty() && line.busy == 0) {
            self.lines.remove(share);
        }
    }

    /// Removes all queued jobs.
    pub(super) fn drain(&mut self) -> Vec<J> {
        self.turns.clear();
        self.waiting = 0;
        let lines = self.lines.values_mut();
        lines.flat_map(|line| std::mem::take(&mut line.jobs)).map(|(_, job)| job).collect()
    }

    /// The number of queued jobs.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The number of running jobs.
    pub(super) fn busy(&self) -> usize {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { waiting_per_share: 1_000, waiting: 1_500, busy_per_share: 2 };

    type Queue = FairQueue<&'static str, u32>;

    /// Queues a job that must not be refused.
    fn push(queue: &mut Queue, share: &'static str, job: u32) -> Ticket {
        let Pushed { ticket, refused } = queue.push(&share, job);
        assert_eq!(refused, None);
        ticket.unwrap()
    }

    #[test]
    fn a_thousand_waiting_jobs_of_one_share_delay_another_by_one_job() {
        let mut queue = Queue::new(BOUNDS);
        for number in 0..1_000 {
            push(&mut queue, "greedy", number);
        }
        assert_eq!(queue.pop(), Some(("greedy", 0)));
        push(&mut queue, "modest", 7);
        // One worker: the job that is its turn already, and then the other share's.
        queue.done(&"greedy");
        assert_eq!(queue.pop(), Some(("greedy", 1)));
        queue.done(&"greedy");
        assert_eq!(queue.pop(), Some(("modest", 7)));
        queue.done(&"modest");
        assert_eq!(queue.pop(), Some(("greedy", 2)));
    }

    #[test]
    fn shares_take_turns_and_each_keeps_its_order() {
        let mut queue = Queue::new(Bounds { busy_per_share: 100, ..BOUNDS });
        for (share, number) in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("c", 1)] {
            push(&mut queue, share, number);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("a", 3)]);
    }

    #[test]
    fn one_share_never_holds_every_worker() {
        let mut queue = Queue::new(BOUNDS);
        for number in 0..5 {
            push(&mut queue, "greedy", number);
        }
        assert!(queue.pop().is_some() && queue.pop().is_some());
        assert_eq!(queue.pop(), None, "two are under way already");
        push(&mut queue, "modest", 9);
        assert_eq!(queue.pop(), Some(("modest", 9)));
        queue.done(&"greedy");
        assert_eq!(queue.pop(), Some(("greedy", 2)));
    }

    #[test]
    fn a_full_line_refuses_its_own_and_no_other_share() {
        let mut queue = Queue::new(Bounds { waiting_per_share: 2, ..BOUNDS });
        push(&mut queue, "a", 1);
        push(&mut queue, "a", 2);
        let third = queue.push(&"a", 3);
        assert_eq!((third.ticket, third.refused), (None, Some(3)));
        push(&mut queue, "b", 1);
        queue.pop().unwrap();
        push(&mut queue, "a", 4);
    }

    #[test]
    fn where_all_is_full_the_longest_line_gives_way() {
        let mut queue = Queue::new(Bounds { waiting_per_share: 4, waiting: 6, ..BOUNDS });
        for number in 0..4 {
            push(&mut queue, "long", number);
        }
        push(&mut queue, "short", 0);
        push(&mut queue, "short", 1);
        let new = queue.push(&"new", 0);
        assert!(new.ticket.is_some());
        assert_eq!(new.refused, Some(3), "the last of the longest line");
        assert_eq!(queue.waiting(), 6);
        // No line would still be the longer one: then it is the newcomer that has to go.
        let short = queue.push(&"short", 2);
        assert_eq!((short.ticket, short.refused), (None, Some(2)));
    }

    #[test]
    fn a_job_that_was_given_up_leaves_its_line() {
        let mut queue = Queue::new(BOUNDS);
        let first = push(&mut queue, "a", 1);
        push(&mut queue, "a", 2);
        let alone = push(&mut queue, "b", 3);
        assert_eq!(queue.remove(&"a", first), Some(1));
        assert_eq!(queue.remove(&"a", first), None);
        assert_eq!(queue.remove(&"b", alone), Some(3));
        assert_eq!((queue.pop(), queue.pop()), (Some(("a", 2)), None));
        queue.done(&"a");
        assert_eq!((queue.waiting(), queue.busy()), (0, 0));
        assert!(queue.lines.is_empty() && queue.turns.is_empty(), "nothing of it is kept");
    }
}
