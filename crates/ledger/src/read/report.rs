//! Questions over many keys: what falls due, who held what, the table as one number.

use std::collections::BinaryHeap;
use std::sync::Arc;

use eventlog::Seq;
use keys::{Account, KeyState, NewKey, Status, Timestamp};

use crate::caller::{AUDIT, Caller, READ, Scope};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::{Page, Walk};
use crate::projection::history::List;
use crate::projection::key_view::KeyView;
use crate::projection::state::State;
use crate::projection::table::Due;
use crate::projection::table::Key;
use crate::read::as_of::{Moment, first, time_of};
use crate::read::chain::States;
use crate::read::query::KeyList;

/// Records that are replayed between two looks whether the digest is still wanted.
const DIGEST_STEP: u64 = 1 << 16;
/// Keys copied out under one hold of a lock.
const SLICE: usize = 256;
/// Keys looked at for a page of what falls due.
const MOST_LOOKED_AT: usize = if cfg!(test) { 4 } else { 10_000 };
/// Records of one key read in one step of a report.
const MOST_RECORDS: usize = if cfg!(test) { 5 } else { 512 };

/// Who held which active key between two moments.
#[derive(Clone, Debug)]
pub struct ActivePeriod {
    /// The key.
    pub key: Arc<NewKey>,
    /// From when it was usable, at the earliest the report's `from`.
    pub from: Timestamp,
    /// Until when, at the latest the report's `to`.
    pub until: Timestamp,
    /// Its status at the report's end.
    pub status: Status,
}

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
        caller.require(READ)?;
        let now = self.judged_at();
        let until = now.plus_secs(within_s);
        let table = &self.state().table;
        let list = self.key_list(caller, None);
        // One more than `limit`, to know whether it is the last page.
        let (due, next) = match &caller.identity.scope {
            Scope::All => page_of(table.due_after(after, until, limit + 1), limit),
            Scope::Account(_) if list.slice(MOST_LOOKED_AT, 1).is_empty() => {
                page_of(self.soonest(&list, after, until, limit + 1)?, limit)
            }
            Scope::Account(account) => self.due_of(account, after, until, limit)?,
        };
        let keys = due.iter().filter_map(|due| table.get(due.key));
        let items = keys.map(|key| KeyView::new(&key, key.state(), now)).collect();
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
            place += slice.len();
            for key in slice {
                let KeyState { status, expires_at, .. } = key.state();
                let at = expires_at.filter(|at| status.is_alive() && *at <= until);
                let due = at.map(|at| Due { at, key: key.made.id });
                soonest.extend(due.filter(|due| after.is_none_or(|after| *due > after)));
                if soonest.len() > limit {
                    soonest.pop();
                }
            }
        }
    }

    /// Those of an account's keys that are found among the next of all that fall due, at most
    /// `limit`, and where to look on.
    fn due_of(
        &self,
        account: &Account,
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
                if table.get(due.key).is_some_and(|key| key.made.account == *account) {
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

    /// Who held which usable key between two moments, by key id, as far as it was on record at
    /// `moment`. What is answered reads the log, but not for keys that one record says all about.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn held(
        &self,
        caller: &Caller,
        account: Option<&Account>,
        (from, to): (Timestamp, Timestamp),
        moment: &Moment,
    ) -> Result<Holdings, Error> {
        caller.require(READ)?;
        let list = self.key_list(caller, account);
        let late = |key: &Arc<Key>| key.created_at >= to || moment.precedes(key);
        let mut keys = Vec::new();
        loop {
            self.still_wanted()?;
            let slice = list.slice(keys.len(), SLICE);
            // In the order they were made: where one is too late, so are all that follow.
            let over = slice.last().is_none_or(late);
            keys.extend(slice.into_iter().take_while(|key| !late(key)));
            if over {
                break;
            }
        }
        keys.sort_unstable_by_key(|key| key.made.id);
        // What a key with many records did before and after is not walked through.
        let (log, size) = (self.state().log.stored(), self.state().size());
        let length = moment.length().min(first(log, size, |at| at >= to)?);
        let start = first(log, length, |at| at > from)?;
        let (ledger, keys) = (self.clone(), keys.into_iter());
        let (part, spans) = (None, Vec::new().into_iter());
        Ok(Holdings { ledger, between: (from, to), places: (start, length), keys, part, spans })
    }

    /// SHA-256 over the key table as of a length of the log (now, if `None`), and that length.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts; [`Error::BeyondTheLog`];
    /// [`Error::Overloaded`] while another one is made.
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
        // A second table takes as much memory as the first one: one at a time.
        let _alone = self.state().rebuilding.try_lock().ok_or(Error::Overloaded)?;
        // Replayed, not read off the live table: that one moves while it is walked.
        let (log, clock) = (self.state().log.share(), Arc::clone(&self.state().clock));
        let state = State::new(log, clock, None);
        while state.size() < length {
            self.still_wanted()?;
            let step = Seq(length.0.min(state.size().0 + DIGEST_STEP));
            state.catch_up(step).map_err(Error::fault)?;
        }
        Ok((length, state.table.digest()))
    }
}

/// The first `limit` of them, and where to go on if there are more.
fn page_of(mut due: Vec<Due>, limit: usize) -> (Vec<Due>, Option<Due>) {
    let more = due.len() > limit;
    due.truncate(limit);
    let next = due.last().copied().filter(|_| more);
    (due, next)
}

/// A report of who held what, made key by key, and of a key with many records part by part.
pub struct Holdings {
    ledger: Ledger,
    between: (Timestamp, Timestamp),
    /// The first record after the earlier moment, and the first that does not count any more.
    places: (Seq, Seq),
    keys: std::vec::IntoIter<Arc<Key>>,
    part: Option<Part>,
    spans: std::vec::IntoIter<ActivePeriod>,
}

/// What is left of one key's spans.
struct Part {
    key: Arc<Key>,
    /// Everything before this place and this moment is done.
    start: (Seq, Timestamp),
    /// The last span so far: the next part may begin where it ends.
    open: Option<ActivePeriod>,
    /// The key's status at the report's end, if this is not all of the key.
    status: Option<Status>,
}

impl Holdings {
    /// The next key's spans, or the next part of them; `None` when all keys are done.
    fn step(&mut self) -> Result<Option<Vec<ActivePeriod>>, Error> {
        let part = match self.part.take() {
            Some(part) => part,
            None => match self.keys.next() {
                Some(key) => {
                    let start = (self.places.0, self.between.0);
                    Part { key, start, open: None, status: None }
                }
                None => return Ok(None),
            },
        };
        let Part { key, start: (start, from), open, mut status } = part;
        let (_, length) = self.places;
        let state = self.ledger.state();
        let listed = [List::Key(key.made.id)];
        let found = state.history.common(&listed, Walk::Up(start), MOST_RECORDS + 1);
        // Where the next part begins: at the record that ends the last state of this one.
        let next = found.places.get(MOST_RECORDS).copied().filter(|next| *next < length);
        let (end, to) = match next {
            Some(next) => (next, time_of(state.log.stored(), next)?),
            None => (length, self.between.1),
        };
        if next.is_some() && status.is_none() {
            let last = self.ledger.states(&key, length).next().transpose()?;
            status = last.map(|state| state.status_at(self.between.1));
        }
        let mut spans = spans(self.ledger.states(&key, end), &key, (from, to), status)?;
        if let Some(open) = open {
            match spans.first_mut() {
                Some(first) if first.from == open.until => first.from = open.from,
                Some(_) | None => spans.insert(0, open),
            }
        }
        if next.is_some() {
            let open = spans.pop();
            self.part = Some(Part { key, start: (end, to), open, status });
        }
        Ok(Some(spans))
    }
}

impl Iterator for Holdings {
    type Item = Result<ActivePeriod, Error>;

    fn next(&mut self) -> Option<Result<ActivePeriod, Error>> {
        loop {
            if let Some(held) = self.spans.next() {
                return Some(Ok(held));
            }
            match self.step() {
                Ok(Some(spans)) => self.spans = spans.into_iter(),
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The times between `from` and `to` in which a key of these states was enabled and not due.
/// `at_end` is the status at the report's end; by default the last one here.
fn spans(
    states: States<'_>,
    key: &Key,
    (from, to): (Timestamp, Timestamp),
    mut at_end: Option<Status>,
) -> Result<Vec<ActivePeriod>, Error> {
    let mut spans: Vec<ActivePeriod> = Vec::new();
    let mut end = to;
    for state in states {
        let state = state?;
        let last = *at_end.get_or_insert_with(|| state.status_at(to));
        let start = state.updated_at.max(from);
        let until = state.expires_at.map_or(end, |due| due.min(end));
        if state.status == Status::Enabled && start < until {
            match spans.last_mut() {
                Some(later) if later.from == until => later.from = start,
                Some(_) | None => {
                    let key = Arc::clone(&key.made);
                    spans.push(ActivePeriod { key, from: start, until, status: last });
                }
            }
        }
        end = state.updated_at;
        if end <= from {
            break;
        }
    }
    spans.reverse();
    Ok(spans)
}
