//! Pages of keys in any order.

use std::sync::Arc;

use keys::{KeyId, Refusal};

use crate::caller::{Caller, Grant, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::{Direction, Page};
use crate::projection::key_view::KeyView;
use crate::projection::table::{Key, KeySort, Order, OrderOf, Placed, SortValue};
use crate::read::as_of::Moment;
use crate::read::candidates::Candidates;
use crate::read::key_filter::KeyFilter;
use crate::read::key_list::KeyList;
use crate::read::query::{MOST_LOOKED_AT, SLICE};

/// At most so many keys are put in order for each page anew.
const FEW: usize = if cfg!(test) { 64 } else { 4_096 };
/// Keys of an order that are passed for one page, whether they are looked at or not.
const MOST_PASSED: usize = 4 * MOST_LOOKED_AT;
/// Keys that one step puts in order: some milliseconds of work.
const STEP: usize = if cfg!(test) { 32 } else { 4_096 };

/// Which keys to list, in which order, and from where on.
#[derive(Clone, Debug, Default)]
pub struct KeyQuery {
    /// Which.
    pub filter: KeyFilter,
    /// By what they are sorted. Those without such a value come last, in both directions; those of
    /// one value are in the order they were made, and those of several accounts and one moment in
    /// the order of their accounts.
    pub sort: KeySort,
    /// Which way.
    pub direction: Direction,
    /// Behind which place; `None` is the start.
    pub after: Option<KeyPlace>,
    /// At most so many.
    pub limit: usize,
}

/// Where a page of keys goes on: only in a list with the same filter, sort and direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In the order they were made.
    Made(u64),
    /// In another order: behind where this key was, and what it was sorted by there.
    Sorted {
        /// Its value then.
        value: Option<SortValue>,
        /// Which key.
        key: KeyId,
    },
}

impl Ledger {
    /// Takes one step, of some milliseconds, towards a page of `query`; whether it can be read
    /// without further ones. Of a large account, lists are made of what somebody looks for, and an
    /// order when somebody sorts by it, and kept up as long as somebody does. To read a page without
    /// these steps makes the rest of an order at once; what lists do not have yet is looked at plainly.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn prepare_keys(&self, caller: &Caller, query: &KeyQuery) -> Result<bool, Error> {
        let grant = caller.require(READ)?;
        let KeyFilter { account, owner, .. } = &query.filter;
        let list = self.key_list(grant, account.as_ref(), owner.as_ref());
        let moment = Moment::present(self.judged_at());
        if !self.prepare_lists(&list, &query.filter, &moment) {
            return Ok(false);
        }
        if query.sort == KeySort::CreatedAt
            || self.candidates(&list, &query.filter, &moment).few(FEW).is_some()
        {
            return Ok(true);
        }
        match self.order_of(caller, query)? {
            Some((order, keys)) => self.put_some(&order, &keys),
            None => Ok(true),
        }
    }

    /// A page of keys in any order. Memory only. A page can be short, even empty, and not the last:
    /// `next` says. The order by last uses is as old as the last [`Ledger::save_usage`] if there are
    /// more than some thousand keys.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Refusal::UnknownKey`] if `after` is no place of this list.
    pub fn find_keys(
        &self,
        caller: &Caller,
        query: &KeyQuery,
    ) -> Result<Page<KeyView, KeyPlace>, Error> {
        if query.sort == KeySort::CreatedAt {
            return self.find_keys_as_of(caller, query, &Moment::present(self.judged_at()));
        }
        let KeyFilter { account, owner, .. } = &query.filter;
        let list = self.key_list(caller.require(READ)?, account.as_ref(), owner.as_ref());
        let candidates = self.candidates(&list, &query.filter, &Moment::present(self.judged_at()));
        let order = match candidates.few(FEW) {
            Some(keys) => {
                let order =
                    Order::new(OrderOf { account: None, owner: None, sort: query.sort }, 0, 0);
                order.put_all(&keys);
                Arc::new(order)
            }
            None => match self.order_of(caller, query)? {
                Some((order, keys)) => {
                    while !self.put_some(&order, &keys)? {
                        std::thread::yield_now();
                    }
                    order
                }
                None => Arc::new(self.few_in_order(caller, query)?),
            },
        };
        self.page_of(caller, query, &order, &candidates)
    }

    /// A page of keys as they were at `moment`, in the order they were made, either way. Reads the
    /// log for keys that have changed since.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::NotOfThePast`] for another order or a filter of uses;
    /// [`Refusal::UnknownKey`] if `after` is no place of this list; a fault of the storage.
    pub fn find_keys_as_of(
        &self,
        caller: &Caller,
        query: &KeyQuery,
        moment: &Moment,
    ) -> Result<Page<KeyView, KeyPlace>, Error> {
        if query.sort != KeySort::CreatedAt {
            return Err(Error::NotOfThePast("sort"));
        }
        let after = match query.after {
            None => None,
            Some(KeyPlace::Made(place)) => Some(place),
            Some(KeyPlace::Sorted { .. }) => return Err(Error::Refused(Refusal::UnknownKey)),
        };
        let way = (query.direction, after);
        let Page { items, next } =
            self.keys_in_order(caller, &query.filter, way, query.limit, moment)?;
        Ok(Page { items, next: next.map(KeyPlace::Made) })
    }

    /// The order that is kept of the keys of `query`, and the list that it is made from; `None` if
    /// there are few.
    fn order_of(
        &self,
        caller: &Caller,
        query: &KeyQuery,
    ) -> Result<Option<(Arc<Order>, KeyList<'_>)>, Error> {
        let grant = caller.require(READ)?;
        let KeyFilter { account, owner, .. } = &query.filter;
        let list = self.key_list(grant, account.as_ref(), owner.as_ref());
        let many = list.len();
        if many <= FEW {
            return Ok(None);
        }
        let (account, owner) = list.of();
        let of = OrderOf { account, owner, sort: query.sort };
        // An owner's list may lose keys while it is gone through; that of all never does.
        let whole = list.of_all_owners();
        let state = self.state();
        let order = state.table.orders.get(&of, state.clock.monotonic(), many, || whole.len());
        Ok(Some((order, whole)))
    }

    /// Puts some keys in order; whether all are.
    fn put_some(&self, order: &Order, keys: &KeyList<'_>) -> Result<bool, Error> {
        for _ in 0..STEP.div_ceil(SLICE) {
            self.still_wanted()?;
            let Some(place) = order.claim(SLICE) else { break };
            order.put_claimed(&keys.slice(place, SLICE), SLICE);
        }
        Ok(order.is_whole())
    }

    /// An order of few keys, for one page.
    fn few_in_order(&self, caller: &Caller, query: &KeyQuery) -> Result<Order, Error> {
        let KeyFilter { account, owner, .. } = &query.filter;
        let list = self.key_list(caller.require(READ)?, account.as_ref(), owner.as_ref());
        let order = Order::new(OrderOf { account: None, owner: None, sort: query.sort }, 0, 0);
        let mut place = 0;
        loop {
            self.still_wanted()?;
            let slice = list.slice(place, SLICE);
            if slice.is_empty() {
                return Ok(order);
            }
            place = slice.iter().fold(place, |place, key| list.behind(place, key));
            order.put_all(&slice);
        }
    }

    /// A page of an order that is whole.
    fn page_of(
        &self,
        caller: &Caller,
        query: &KeyQuery,
        order: &Order,
        candidates: &Candidates<'_, '_>,
    ) -> Result<Page<KeyView, KeyPlace>, Error> {
        let KeyQuery { filter, direction, limit, .. } = query;
        let (grant, now) = (caller.require(READ)?, Moment::present(self.judged_at()));
        // Sorted by due times, none of those that are due before a moment comes behind it.
        let end = filter.expires_before.filter(|_| query.sort == KeySort::ExpiresAt);
        let is_beyond = |value: &Option<SortValue>| match (end, value) {
            (None, _) => false,
            (Some(end), Some(SortValue::Time(due))) => *due >= end,
            (Some(_), Some(SortValue::Name(_)) | None) => true,
        };
        let mut after = self.place_in_order(caller, query)?;
        if let (Direction::Descending, Some(end)) = (direction, end)
            && after.as_ref().is_none_or(|(value, _)| value.is_some() && is_beyond(value))
        {
            let first = candidates.first();
            after = first.map(|first| (Some(SortValue::Time(end)), first));
        }
        let (mut items, mut looked_at, mut passed) = (Vec::new(), 0, 0);
        while looked_at < MOST_LOOKED_AT && passed < MOST_PASSED && items.len() < *limit {
            self.still_wanted()?;
            let slice = order.slice(after.as_ref(), *direction, SLICE);
            if slice.is_empty() {
                return Ok(Page { items, next: None });
            }
            for (value, key) in slice {
                if is_beyond(&value) && (value.is_none() || *direction == Direction::Ascending) {
                    return Ok(Page { items, next: None });
                }
                passed += 1;
                if candidates.may_have(&key) {
                    looked_at += 1;
                    items.extend(view_of(&key, filter, grant, &now));
                }
                after = Some((value, key));
                if items.len() == *limit {
                    break;
                }
            }
        }
        let more = !order.slice(after.as_ref(), *direction, 1).is_empty();
        let next = after.filter(|_| more);
        let next = next.map(|(value, key)| KeyPlace::Sorted { value, key: key.made.id });
        Ok(Page { items, next })
    }

    /// The key, and its value, that a page begins behind.
    fn place_in_order(&self, caller: &Caller, query: &KeyQuery) -> Result<Option<Placed>, Error> {
        let no_place = Error::Refused(Refusal::UnknownKey);
        match &query.after {
            None => Ok(None),
            Some(KeyPlace::Made(_)) => Err(no_place),
            Some(KeyPlace::Sorted { value, key }) => {
                // It may have another owner by now.
                let account = caller.require(READ)?.account();
                let key = self
                    .state()
                    .table
                    .get(*key)
                    .filter(|key| account.is_none_or(|account| *account == key.made.account));
                key.map(|key| Some((value.clone(), key))).ok_or(no_place)
            }
        }
    }
}

/// The key as it is, if `grant` covers it and `filter` takes it.
fn view_of(key: &Key, filter: &KeyFilter, grant: Grant<'_>, now: &Moment) -> Option<KeyView> {
    let (state, attributes) = key.present();
    let is_found = filter.takes(key)
        && filter.takes_attributes(&attributes)
        && filter.takes_state(&state, now)
        && grant.covers(&attributes);
    is_found.then(|| KeyView::new(key, (state, attributes.shared()), now.at))
}
