//! Who had which usable key between two moments: the access report.

use std::sync::Arc;

use eventlog::Seq;
use keys::{Account, NewKey, Status, Timestamp};

use crate::caller::{Caller, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Walk;
use crate::projection::history::List;
use crate::projection::table::Key;
use crate::read::as_of::{Moment, first, time_of};
use crate::read::chain::States;

/// Keys copied out under one hold of a lock.
const SLICE: usize = 256;
/// Records of one key read in one step of a report.
const MOST_RECORDS: usize = if cfg!(test) { 5 } else { 512 };

/// A time in which a key was usable, within a report.
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
    /// The times in which keys were usable between two moments, by key id, as far as it was on record at
    /// `moment`. What is answered reads the log, but not for keys that one record says all about.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn active_periods(
        &self,
        caller: &Caller,
        account: Option<&Account>,
        (from, to): (Timestamp, Timestamp),
        moment: &Moment,
    ) -> Result<ActivePeriods, Error> {
        let list = self.key_list(caller.require(READ)?, account, None);
        let late = |key: &Arc<Key>| key.created_at >= to || moment.precedes(key);
        let (mut keys, mut place) = (Vec::new(), 0);
        loop {
            self.still_wanted()?;
            let slice = list.slice(place, SLICE);
            place = slice.iter().fold(place, |place, key| list.behind(place, key));
            // In the order they were made: where one is too late, so are all that follow.
            let over = slice.last().is_none_or(late);
            let in_time = slice.into_iter().take_while(|key| !late(key));
            keys.extend(in_time.filter(|key| list.is_current(key)));
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
        Ok(ActivePeriods {
            ledger,
            between: (from, to),
            places: (start, length),
            keys,
            part,
            spans,
        })
    }
}

/// The periods of a report, made key by key, and of a key with many records part by part.
pub struct ActivePeriods {
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

impl ActivePeriods {
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

impl Iterator for ActivePeriods {
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
