//! A queue for each key, served round robin.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Queued items by key. However many items one key has, an item of another waits for at most one
/// item of each key.
pub(super) struct RoundRobin<K, T> {
    queues: HashMap<K, VecDeque<T>>,
    /// The keys with a queue that is not empty, the next one first.
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, T> RoundRobin<K, T> {
    pub(super) fn new() -> RoundRobin<K, T> {
        RoundRobin { queues: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn push(&mut self, key: &K, item: T) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.push_back(item);
        } else {
            self.queues.insert(key.clone(), VecDeque::from([item]));
            self.order.push_back(key.clone());
        }
    }

    /// The next item of the key whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let key = self.order.pop_front()?;
        let queue = self.queues.get_mut(&key)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&key);
        } else {
            self.order.push_back(key);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_queue_does_not_delay_a_short_one() {
        let mut queue = RoundRobin::new();
        for number in 0..4 {
            queue.push(&"many", ("many", number));
        }
        queue.push(&"few", ("few", 0));
        assert_eq!(queue.pop(), Some(("many", 0)));
        assert_eq!(queue.pop(), Some(("few", 0)));
        queue.push(&"few", ("few", 1));
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, [("many", 1), ("few", 1), ("many", 2), ("many", 3)]);
        assert!(queue.is_empty() && queue.queues.is_empty());
    }
}
