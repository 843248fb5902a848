//! Questions over many keys: what falls due, who held what, the table as one number.

use std::collections::BinaryHeap;
use std::sync::Arc;

use eventlog::Seq;
use keys::{Account, Standing, Status, Timestamp};

use crate::api::{Due, Error, Held, KeyView, Page};
use crate::as_of::Moment;
use crate::caller::{AUDIT, Caller, READ, Scope};
use crate::command::view;
use crate::ledger::Ledger;
use crate::query::Kept;
use crate::state::State;
use crate::table::Key;

/// Keys copied out under one hold of a lock.
const SLICE: usize = 256;

impl Ledger {
    /// Keys whose time runs out within `within_s` seconds, soonest first, at most `limit`, that
    /// come after `after`. Memory only; a caller of one account costs a look at each of its keys.
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
        caller.require(READ)?;
        let now = self.now();
        let until = now.plus_secs(within_s);
        let table = &self.state().table;
        // One more than asked for, to know whether it is the last page.
        let mut due = match caller.identity.scope {
            Scope::All => table.due_after(after, until, limit + 1),
            Scope::Account(_) => soonest(&self.kept(caller, None), after, until, limit + 1),
        };
        let more = due.len() > limit;
        due.truncate(limit);
        let next = due.last().copied().filter(|_| more);
        let keys = due.iter().filter_map(|due| table.get(due.key));
        let items = keys.map(|key| view(&key, key.state().standing, now)).collect();
        Ok(Page { items, next })
    }

    /// Who held which usable key between two moments, by key id, as far as it was on record at
    /// `moment`. Reads the log, but not for keys that one record says all about.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], or a fault of the storage.
    pub fn held(
        &self,
        caller: &Caller,
        account: Option<&Account>,
        (from, to): (Timestamp, Timestamp),
        moment: &Moment,
    ) -> Result<Vec<Held>, Error> {
        caller.require(READ)?;
        let kept = self.kept(caller, account);
        let (mut held, mut place) = (Vec::new(), 0);
        loop {
            let slice = kept.slice(place, SLICE);
            place += slice.len();
            // In the order they were made: where one is too late, so are all that follow.
            let late = |key: &Key| key.created_at >= to || moment.precedes(key);
            let over = slice.last().is_none_or(|key| late(key));
            for key in slice.iter().take_while(|key| !late(key)) {
                self.spans(key, (from, to), moment.length(), &mut held)?;
            }
            if over {
                break;
            }
        }
        held.sort_by_key(|held| (held.key.id, held.from));
        Ok(held)
    }

    /// The times between `from` and `to` in which `key` was enabled and not due.
    fn spans(
        &self,
        key: &Key,
        (from, to): (Timestamp, Timestamp),
        length: Seq,
        held: &mut Vec<Held>,
    ) -> Result<(), Error> {
        let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
        let (mut end, mut last) = (to, None);
        for standing in self.states(key, length) {
            let standing = standing?;
            if standing.updated_at >= to {
                continue;
            }
            last = last.or(Some(standing.status_at(to)));
            let start = standing.updated_at.max(from);
            let until = standing.expires_at.map_or(end, |due| due.min(end));
            if standing.status == Status::Enabled && start < until {
                match spans.last_mut() {
                    Some((later, _)) if *later == until => *later = start,
                    Some(_) | None => spans.push((start, until)),
                }
            }
            end = standing.updated_at;
            if end <= from {
                break;
            }
        }
        let Some(status) = last else { return Ok(()) };
        held.extend(spans.into_iter().map(|(from, until)| Held {
            key: Arc::clone(&key.made),
            from,
            until,
            status,
        }));
        Ok(())
    }

    /// SHA-256 over the key table as of a length of the log (now, if `None`), and that length.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts; [`Error::BeyondTheLog`].
    pub fn table_digest(
        &self,
        caller: &Caller,
        length: Option<Seq>,
    ) -> Result<(Seq, [u8; 32]), Error> {
        caller.require_all(AUDIT)?;
        let size = self.state().size();
        let length = length.unwrap_or(size);
        if length > size {
            return Err(Error::BeyondTheLog { length: size });
        }
        // Replayed, not read off the live table: that one moves while it is walked.
        let (log, clock) = (Arc::clone(&self.state().log), Arc::clone(&self.state().clock));
        let state = State::new(log, clock, None);
        state.catch_up(length).map_err(Error::fault)?;
        Ok((length, state.table.digest()))
    }
}

/// Those of `kept` that fall due until `until`, soonest first, at most `limit` after `after`.
fn soonest(kept: &Kept<'_>, after: Option<Due>, until: Timestamp, limit: usize) -> Vec<Due> {
    let (mut soonest, mut place) = (BinaryHeap::new(), 0);
    loop {
        let slice = kept.slice(place, SLICE);
        if slice.is_empty() {
            return soonest.into_sorted_vec();
        }
        place += slice.len();
        for key in slice {
            let Standing { status, expires_at, .. } = key.state().standing;
            let at = expires_at.filter(|at| status.is_alive() && *at <= until);
            let due = at.map(|at| Due { at, key: key.made.id });
            soonest.extend(due.filter(|due| after.is_none_or(|after| *due > after)));
            if soonest.len() > limit {
                soonest.pop();
            }
        }
    }
}
