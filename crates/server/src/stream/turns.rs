//! Who is next: a queue for each, and each its turn.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// What waits, of many, so that nobody's many things make another's wait longer than one turn of
/// all.
pub(super) struct Turns<K, T> {
    queues: HashMap<K, VecDeque<T>>,
    /// Those with something in their queue, the next one first.
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, T> Turns<K, T> {
    pub(super) fn new() -> Turns<K, T> {
        Turns { queues: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn push(&mut self, whose: &K, one: T) {
        if let Some(queue) = self.queues.get_mut(whose) {
            queue.push_back(one);
        } else {
            self.queues.insert(whose.clone(), VecDeque::from([one]));
            self.order.push_back(whose.clone());
        }
    }

    /// The next one, of whom it is the turn.
    pub(super) fn pop(&mut self) -> Option<T> {
        let whose = self.order.pop_front()?;
        let queue = self.queues.get_mut(&whose)?;
        let one = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&whose);
        } else {
            self.order.push_back(whose);
        }
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_with_many_waits_behind_nobody_with_few() {
        let mut turns = Turns::new();
        for number in 0..4 {
            turns.push(&"many", ("many", number));
        }
        turns.push(&"few", ("few", 0));
        assert_eq!(turns.pop(), Some(("many", 0)));
        assert_eq!(turns.pop(), Some(("few", 0)));
        turns.push(&"few", ("few", 1));
        let rest: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(rest, [("many", 1), ("few", 1), ("many", 2), ("many", 3)]);
        assert!(turns.is_empty() && turns.queues.is_empty());
    }
}
