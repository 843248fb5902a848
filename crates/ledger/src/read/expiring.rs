//! What falls due, soonest first.

use std::collections::BinaryHeap;
use std::sync::Arc;

use keys::{KeyState, Timestamp};

use crate::caller::{Caller, Grant, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Page;
use crate::projection::key_view::KeyView;
use crate::projection::table::{AccountKeys, Due, Lists};
use crate::read::key_list::KeyList;

/// Keys copied out under one hold of a lock.
const SLICE: usize = 256;
/// Keys looked at for a page of what falls due.
const MOST_LOOKED_AT: usize = if cfg!(test) { 4 } else { 10_000 };

impl Ledger {
    /// Keys whose time runs out within `within_s` seconds, soonest first, at most `limit`, that
    /// come after `after`. Memory only. For an owner with very many keys a page can be short, even
    /// empty, and not the last: a bounded number of keys is looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn expiring(
        &self,
        caller: &Caller,
        within_s: u64,
        after: Option<Due>,
        limit: usize,
    ) -> Result<Page<KeyView, Due>, Error> {
        let grant = caller.require(READ)?;
        let now = self.judged_at();
        let until = now.plus_secs(within_s);
        let table = &self.state().table;
        let list = self.key_list(grant, None, None);
        // One more than `limit`, to know whether it is the last page.
        let (due, next) = if grant == Grant::All {
            page_of(table.due_after(after, until, limit + 1), limit)
        } else if let Some((keys, lists)) = self.due_lists(&list) {
            while !lists.step_due(&|place, limit| keys.slice(place, limit)) {
                self.still_wanted()?;
            }
            self.due_of(&list, (keys, &lists), (after, until), limit)?
        } else {
            page_of(self.soonest(&list, after, until, limit + 1)?, limit)
        };
        let keys = due.iter().filter_map(|due| table.get(due.key));
        let items = keys.map(|key| KeyView::present(&key, now)).collect();
        Ok(Page { items, next })
    }

    /// Those of `list` that fall due until `until`, soonest first, at most `limit` after `after`.
    fn soonest(
        &self,
        list: &KeyList<'_>,
        after: Option<Due>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let (mut soonest, mut place) = (BinaryHeap::new(), 0);
        loop {
            self.still_wanted()?;
            let slice = list.slice(place, SLICE);
            if slice.is_empty() {
                return Ok(soonest.into_sorted_vec());
            }
            for key in slice {
                place = list.behind(place, &key);
                let KeyState { status, expires_at, .. } = key.state();
                let is_due = |at: &Timestamp| status.is_alive() && *at <= until;
                let at = expires_at.filter(|at| is_due(at) && list.is_current(&key));
                let due = at.map(|at| Due { at, key: key.made.id });
                soonest.extend(due.filter(|due| after.is_none_or(|after| *due > after)));
                if soonest.len() > limit {
                    soonest.pop();
                }
            }
        }
    }

    /// Takes one step, of some milliseconds, towards the list of what falls due of an account with very
    /// many keys; whether it is whole. To read a page without these steps makes the rest at once.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn prepare_expiring(&self, caller: &Caller) -> Result<bool, Error> {
        let grant = caller.require(READ)?;
        let list = self.key_list(grant, None, None);
        Ok(self
            .due_lists(&list)
            .is_none_or(|(keys, lists)| lists.step_due(&|place, limit| keys.slice(place, limit))))
    }

    /// The lists of the account that `list` is of; `None` if it has few keys.
    fn due_lists<'l>(&self, list: &'l KeyList<'_>) -> Option<(&'l Arc<AccountKeys>, Arc<Lists>)> {
        let keys = list.account_keys().filter(|_| list.len() > MOST_LOOKED_AT)?;
        let state = self.state();
        Some((keys, state.table.lists(keys, state.clock.monotonic())?))
    }

    /// Those of `list` that fall due, at most `limit`, and where to look on. Of an owner they are looked
    /// for among those of the account.
    fn due_of(
        &self,
        list: &KeyList<'_>,
        (keys, lists): (&AccountKeys, &Lists),
        (mut after, until): (Option<Due>, Timestamp),
        limit: usize,
    ) -> Result<(Vec<Due>, Option<Due>), Error> {
        let (mut found, mut left) = (Vec::new(), MOST_LOOKED_AT);
        while left > 0 {
            self.still_wanted()?;
            let wanted = SLICE.min(left);
            let slice = lists.due_after(after.map(|Due { at, key }| (at, key)), until, wanted);
            let slice: Vec<_> =
                slice.into_iter().map(|((at, key), place)| (Due { at, key }, place)).collect();
            let is_last = slice.len() < wanted;
            left -= slice.len();
            after = slice.last().map(|(due, _)| *due).or(after);
            match list {
                KeyList::Owned(..) => {
                    let of = keys.at(slice.iter().map(|(_, place)| *place));
                    let own = slice.iter().zip(of).filter(|(_, key)| list.is_current(key));
                    found.extend(own.map(|((due, _), _)| *due));
                }
                KeyList::All(_) | KeyList::Of(_) => {
                    found.extend(slice.into_iter().map(|(due, _)| due));
                }
            }
            if found.len() > limit {
                return Ok(page_of(found, limit));
            }
            if is_last {
                return Ok((found, None));
            }
        }
        Ok((found, after))
    }
}

/// The first `limit` of them, and where to go on if there are more.
fn page_of(mut due: Vec<Due>, limit: usize) -> (Vec<Due>, Option<Due>) {
    let more = due.len() > limit;
    due.truncate(limit);
    let next = due.last().copied().filter(|_| more);
    (due, next)
}
