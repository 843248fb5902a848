//! How many keys a filter takes.

use std::ops::ControlFlow;

use keys::{Status, Timestamp};

use crate::caller::{Caller, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Direction;
use crate::projection::table::Due;
use crate::read::as_of::Moment;
use crate::read::key_filter::KeyFilter;
use crate::read::key_list::KeyList;
use crate::read::query::{MOST_LOOKED_AT, SLICE};

/// How many keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// So many were found.
    pub keys: u64,
    /// Whether these are all. If not, there are more than may be looked at for one answer, and at
    /// least so many that match.
    pub is_exact: bool,
}

impl Ledger {
    /// How many keys `filter` takes. Memory only. All keys that the caller sees, those of an account
    /// or of an owner in it, and those of a status in an account or in all, are counted without
    /// looking at them; what else is counted is exact if the account (or the owner in it) has at
    /// most 10,000 keys.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn count_keys(&self, caller: &Caller, filter: &KeyFilter) -> Result<KeyCount, Error> {
        self.count_keys_as_of(caller, filter, &Moment::present(self.judged_at()))
    }

    /// How many keys `filter` took at `moment`. Reads the log for keys that have changed since; exact
    /// if there were at most 10,000 keys to look at.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotOfThePast`] for a filter of uses, or a fault of the storage.
    pub fn count_keys_as_of(
        &self,
        caller: &Caller,
        filter: &KeyFilter,
        moment: &Moment,
    ) -> Result<KeyCount, Error> {
        let grant = caller.require(READ)?;
        let list = self.key_list(grant, filter.account.as_ref(), filter.owner.as_ref());
        if let Some(keys) = self.counted(&list, filter, moment)? {
            return Ok(KeyCount { keys, is_exact: true });
        }
        let mut keys = 0;
        let way = (Direction::Ascending, None);
        let next = self.walk(grant, &list, filter, moment, way, &mut |_, _, _| {
            keys += 1;
            ControlFlow::Continue(())
        })?;
        Ok(KeyCount { keys, is_exact: next.is_none() })
    }

    /// The number of keys, if it is known without looking at each.
    fn counted(
        &self,
        list: &KeyList<'_>,
        filter: &KeyFilter,
        moment: &Moment,
    ) -> Result<Option<u64>, Error> {
        let is_of_the_list = filter.owner.is_none() || matches!(list, KeyList::Owned(..));
        let rest = KeyFilter { account: None, owner: None, status: None, ..filter.clone() };
        if !moment.is_present() || !is_of_the_list || !rest.is_empty() {
            return Ok(None);
        }
        let Some(status) = filter.status else { return Ok(Some(list.len() as u64)) };
        let (Some(recorded), Some(unrecorded)) =
            (list.recorded(status), self.ended_unrecorded(list, status, moment.at)?)
        else {
            return Ok(None);
        };
        Ok(Some(match status {
            Status::Expired => recorded + unrecorded,
            Status::Enabled | Status::Disabled | Status::Revoked => {
                recorded.saturating_sub(unrecorded)
            }
        }))
    }

    /// How many keys of `list` are due at `now` though that is not recorded yet, and recorded as
    /// `status`, or as anything if that is [`Status::Expired`]. `None` if there are too many.
    fn ended_unrecorded(
        &self,
        list: &KeyList<'_>,
        status: Status,
        now: Timestamp,
    ) -> Result<Option<u64>, Error> {
        let table = &self.state().table;
        let (mut after, mut found): (Option<Due>, _) = (None, 0);
        for _ in 0..MOST_LOOKED_AT.div_ceil(SLICE) {
            self.still_wanted()?;
            let slice = table.due_after(after, now, SLICE);
            if slice.is_empty() {
                return Ok(Some(found));
            }
            after = slice.last().copied();
            for key in slice.iter().filter_map(|due| table.get(due.key)) {
                let state = key.state();
                let is_counted = status == Status::Expired || state.status == status;
                found += u64::from(is_counted && state.is_due(now) && list.holds(&key));
            }
        }
        Ok(None)
    }
}
