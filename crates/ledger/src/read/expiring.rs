//! What falls due, soonest first.

use std::collections::BinaryHeap;

use keys::{KeyState, Timestamp};

use crate::caller::{Caller, Grant, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Page;
use crate::projection::key_view::KeyView;
use crate::projection::table::Due;
use crate::read::key_list::KeyList;

/// Keys copied out under one hold of a lock.
const SLICE: usize = 256;
/// Keys looked at for a page of what falls due.
const MOST_LOOKED_AT: usize = if cfg!(test) { 4 } else { 10_000 };

impl Ledger {
    /// Keys whose time runs out within `within_s` seconds, soonest first, at most `limit`, that
    /// come after `after`. Memory only. For a caller of one account with very many keys a page can
    /// be short, even empty, and not the last: a bounded number of keys is looked at.
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
        } else if list.len() <= MOST_LOOKED_AT {
            page_of(self.soonest(&list, after, until, limit + 1)?, limit)
        } else {
            self.due_of(grant, after, until, limit)?
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

    /// Those of the keys of `grant` that are found among the next of all that fall due, at most
    /// `limit`, and where to look on.
    fn due_of(
        &self,
        grant: Grant<'_>,
        mut after: Option<Due>,
        until: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Due>, Option<Due>), Error> {
        let table = &self.state().table;
        let (mut found, mut left) = (Vec::new(), MOST_LOOKED_AT);
        while left > 0 {
            self.still_wanted()?;
            let wanted = SLICE.min(left);
            let slice = table.due_after(after, until, wanted);
            let last = slice.len() < wanted;
            left -= slice.len();
            for due in slice {
                after = Some(due);
                if table.get(due.key).is_some_and(|key| grant.covers(&key.attributes())) {
                    found.push(due);
                }
                if found.len() == limit {
                    return Ok((found, after));
                }
            }
            if last {
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
