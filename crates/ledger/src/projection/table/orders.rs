//! Speed: orders of many keys, made when somebody sorts by them and kept up while somebody does, so
//! that a page of a million sorted keys looks at those on it. The plain way, to sort all keys for
//! each page, takes a second of a processor (`benches/lists.rs`). Nobody who does not sort pays for
//! it, and of a few keys no order is kept.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use keys::{Account, Subject};
use parking_lot::RwLock;

use super::Key;
use super::sorted::{KeySort, Placed, Sorted};
use crate::page::Direction;

/// The most orders.
const MOST_ORDERS: usize = 32;
/// The most keys in all orders together; one alone may have more. A key takes an
/// estimated 50 to 100 bytes in one.
const MOST_KEYS: usize = 4_000_000;
/// An order that nobody asked for this long is dropped.
const IDLE: Duration = Duration::from_secs(600);
/// Keys that are put in order under one hold of the lock, which takes a fraction of a millisecond.
const PUT_AT_ONCE: usize = 64;

/// Of which keys an order is, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderOf {
    /// `None`: those of every account.
    pub(crate) account: Option<Account>,
    pub(crate) owner: Option<Subject>,
    pub(crate) sort: KeySort,
}

/// One order of keys. It is made slice by slice, by all who wait for it, while changes go on: who
/// changes a key puts it in its new place afterwards, and who makes the order reads the key while
/// it holds the order, so that the last one to put a key has seen its last change.
pub(crate) struct Order {
    of: OrderOf,
    sorted: RwLock<Sorted>,
    /// The keys that were there before it; others are put by who makes them.
    until: usize,
    /// The first key that nobody has begun to put.
    claimed: AtomicUsize,
    /// How many of those keys are put.
    put: AtomicUsize,
    /// How many keys it will have, as far as was known when it was made.
    expected: usize,
    /// When it was asked for, in milliseconds of the monotonic clock.
    last_sorted_at: AtomicU64,
}

impl Order {
    /// An empty one, to have `expected` of the first `until` keys of a list.
    pub(crate) fn new(of: OrderOf, expected: usize, until: usize) -> Order {
        Order {
            sorted: RwLock::new(Sorted::new(of.sort)),
            of,
            until,
            expected,
            claimed: AtomicUsize::new(0),
            put: AtomicUsize::new(0),
            last_sorted_at: AtomicU64::new(0),
        }
    }

    /// The place from which the caller is to put the next `count` keys; `None` if all are taken.
    pub(crate) fn claim(&self, count: usize) -> Option<usize> {
        let place = self.claimed.fetch_add(count, Relaxed);
        (place < self.until).then_some(place)
    }

    /// Puts the keys that were claimed.
    pub(crate) fn put_claimed(&self, keys: &[Arc<Key>], claimed: usize) {
        self.put_all(keys);
        self.put.fetch_add(claimed, Release);
    }

    /// Whether all keys are put.
    pub(crate) fn is_whole(&self) -> bool {
        self.put.load(Acquire) >= self.until
    }

    /// Puts keys, those of them that belong to the order.
    pub(crate) fn put_all(&self, keys: &[Arc<Key>]) {
        for keys in keys.chunks(PUT_AT_ONCE) {
            let mut sorted = self.sorted.write();
            for key in keys {
                self.put_one(&mut sorted, key);
            }
        }
    }

    fn put_one(&self, sorted: &mut Sorted, key: &Arc<Key>) {
        if self.of.owner.as_ref().is_none_or(|owner| *owner == key.attributes().owner) {
            sorted.put(key);
        } else {
            sorted.remove(key);
        }
    }

    /// How many keys it has, or will have once it is whole.
    fn len(&self) -> usize {
        self.sorted.read().len().max(self.expected)
    }

    /// Puts a key that changed.
    fn changed(&self, key: &Arc<Key>) {
        if self.is_of(key) {
            self.put_one(&mut self.sorted.write(), key);
        }
    }

    /// Whether it is of the account of `key`.
    fn is_of(&self, key: &Key) -> bool {
        self.of.account.as_ref().is_none_or(|account| *account == key.made.account)
    }

    /// Up to `limit` keys behind the place of `after`, each with its value.
    pub(crate) fn slice(
        &self,
        after: Option<&Placed>,
        direction: Direction,
        limit: usize,
    ) -> Vec<Placed> {
        self.sorted.read().slice(after, direction, limit)
    }
}

/// The orders that are kept.
#[derive(Default)]
pub(crate) struct Orders(RwLock<Vec<Arc<Order>>>);

impl Orders {
    /// The order of these keys: the one that there is, or a new one that has none of the `until`
    /// keys that are there yet, of which it will have `expected`. `until` is asked for once every
    /// change is told to the order.
    pub(crate) fn get(
        &self,
        of: &OrderOf,
        now: Duration,
        expected: usize,
        until: impl FnOnce() -> usize,
    ) -> Arc<Order> {
        let find = |orders: &[Arc<Order>]| orders.iter().find(|order| order.of == *of).cloned();
        let found = find(&self.0.read());
        let order = found.unwrap_or_else(|| {
            let mut orders = self.0.write();
            if let Some(order) = find(&orders) {
                return order;
            }
            let dropped = make_room(&mut orders, expected);
            // Whoever makes a key tells the orders after it is in the table, and waits here
            // meanwhile: it is among these, or is told.
            let order = Arc::new(Order::new(of.clone(), expected, until()));
            orders.push(Arc::clone(&order));
            drop(orders);
            // A million keys take a while, which nobody is to wait for.
            drop(dropped);
            order
        });
        order.last_sorted_at.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Relaxed);
        order
    }

    /// Puts a key that was made or changed in its place.
    pub(super) fn changed(&self, key: &Arc<Key>) {
        for order in self.0.read().iter() {
            order.changed(key);
        }
    }

    /// Puts a key that was used in its place. It is looked up while the order is held, because who
    /// forgets a person puts other objects in the place of its keys, first in the table and then here.
    pub(crate) fn used(&self, find: impl Fn() -> Option<Arc<Key>>) {
        for order in self.0.read().iter().filter(|order| order.of.sort == KeySort::LastUsedAt) {
            let mut sorted = order.sorted.write();
            if let Some(key) = find().filter(|key| order.is_of(key)) {
                order.put_one(&mut sorted, &key);
            }
        }
    }

    /// Has each second key in the place of the first one, which is in the table no more, and drops
    /// the order of `owner`, who was erased.
    pub(super) fn erase<'k>(
        &self,
        owner: &Subject,
        moved: impl Iterator<Item = (&'k Arc<Key>, &'k Arc<Key>)>,
    ) {
        // Whoever makes one that is not whole may have taken keys for it that are gone since.
        let is_stale =
            |order: &Arc<Order>| order.of.owner.as_ref() == Some(owner) || !order.is_whole();
        let dropped: Vec<_> = self.0.write().extract_if(.., |order| is_stale(order)).collect();
        drop(dropped);
        let orders = self.0.read();
        for (old, new) in moved {
            for order in orders.iter().filter(|order| order.is_of(new)) {
                let mut sorted = order.sorted.write();
                sorted.remove(old);
                order.put_one(&mut sorted, new);
            }
        }
    }

    /// Drops what nobody asked for lately.
    pub(crate) fn forget_idle(&self, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let is_idle = |order: &Arc<Order>| {
            let idle = now.saturating_sub(order.last_sorted_at.load(Relaxed));
            u128::from(idle) >= IDLE.as_millis()
        };
        if self.0.read().iter().any(is_idle) {
            let dropped: Vec<_> = self.0.write().extract_if(.., |order| is_idle(order)).collect();
            drop(dropped);
        }
    }

    /// How many orders there are, and how many keys in all of them.
    pub(crate) fn size(&self) -> (usize, usize) {
        let orders = self.0.read();
        (orders.len(), keys_in(&orders))
    }
}

fn keys_in(orders: &[Arc<Order>]) -> usize {
    orders.iter().map(|order| order.len()).sum()
}

/// Takes out what must go so that there is room for one more of so many keys: of the account that
/// has the most keys in orders, the order that was asked for the longest ago.
fn make_room(orders: &mut Vec<Arc<Order>>, keys: usize) -> Vec<Arc<Order>> {
    let mut dropped = Vec::new();
    while orders.len() >= MOST_ORDERS || keys_in(orders) + keys > MOST_KEYS {
        let rank = |order: &Arc<Order>| {
            let alike = orders.iter().filter(|other| other.of.account == order.of.account);
            let keys: usize = alike.map(|order| order.len()).sum();
            (keys, Reverse(order.last_sorted_at.load(Relaxed)))
        };
        let Some(place) = (0..orders.len()).max_by_key(|at| orders.get(*at).map(rank)) else {
            break;
        };
        dropped.push(orders.swap_remove(place));
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(account: &str, owner: usize) -> OrderOf {
        let account = Some(Account::new(account).unwrap());
        let owner = Some(Subject::new(owner.to_string()).unwrap());
        OrderOf { account, owner, sort: KeySort::Name }
    }

    #[test]
    fn who_sorts_by_much_takes_no_room_from_others() {
        let orders = Orders::default();
        let get = |of: &OrderOf, ms| orders.get(of, Duration::from_millis(ms), 900_000, || 0);
        let modest = get(&of("modest", 0), 0);
        for n in 0..2 * MOST_ORDERS {
            get(&of("greedy", n), 1 + n as u64);
            let (count, keys) = orders.size();
            assert!(count <= MOST_ORDERS && keys <= MOST_KEYS, "{count} {keys}");
        }
        assert!(Arc::ptr_eq(&modest, &get(&of("modest", 0), 99)));
        // The last one is there still; the one that was asked for first has made room.
        assert_eq!(orders.size().0, MOST_KEYS / 900_000);
        let last = get(&of("greedy", 2 * MOST_ORDERS - 1), 100);
        assert!(Arc::ptr_eq(&last, &get(&of("greedy", 2 * MOST_ORDERS - 1), 101)));
        assert_eq!(orders.size().0, MOST_KEYS / 900_000);
        // One that is larger than all may be is made all the same.
        orders.get(&of("huge", 0), Duration::ZERO, 2 * MOST_KEYS, || 0);
        assert_eq!(orders.size().0, 1);
    }
}
