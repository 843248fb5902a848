//! One key, and lists of keys, as they are and as they were. Nothing here writes, and nothing waits
//! for the writer.

use std::ops::ControlFlow;
use std::sync::Arc;

use keys::{KeyId, KeyState, Refusal};

use crate::caller::{Caller, Grant, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::{Direction, Page};
use crate::projection::key_view::KeyView;
use crate::projection::table::{Attributes, Key};
use crate::read::as_of::Moment;
use crate::read::key_filter::KeyFilter;
use crate::read::key_list::KeyList;
use crate::write::request::RequestOptions;

/// Keys looked at for one page: bounds the work of one call.
pub(crate) const MOST_LOOKED_AT: usize = if cfg!(test) { 128 } else { 10_000 };
/// Records read for one page. Each takes about ten times as long as to look at a key.
const MOST_READ: usize = if cfg!(test) { 128 } else { 1_000 };
/// Keys copied out under one hold of a lock.
pub(crate) const SLICE: usize = if cfg!(test) { 16 } else { 256 };

/// What is done with a key that was found, with how it stands and what it has at that moment.
pub(crate) type Each<'e> = dyn FnMut(&Arc<Key>, KeyState, Attributes<'_>) -> ControlFlow<()> + 'e;

impl Ledger {
    /// One key.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`] also for a key of an account that the caller does not see.
    pub fn key(&self, caller: &Caller, id: KeyId) -> Result<KeyView, Error> {
        let key = self.find(caller.require(READ)?, id, &RequestOptions::default())?;
        Ok(KeyView::present(&key, self.judged_at()))
    }

    /// One key as it was at `moment`. Reads the log if the key has changed since.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`] also for a key that was made later or of an account that the caller
    /// does not see; a fault of the storage.
    pub fn key_as_of(&self, caller: &Caller, id: KeyId, moment: &Moment) -> Result<KeyView, Error> {
        let key = self.find(caller.require(READ)?, id, &RequestOptions::default())?;
        let (found, _) = self.key_at(&key, moment)?;
        let (state, attributes) = found.ok_or(Error::Refused(Refusal::UnknownKey))?;
        Ok(view_at(&key, state, attributes, moment))
    }

    /// A page of keys in the order they were made, from the place `after` on (0 is the start). Memory
    /// only.
    ///
    /// A page can be short, even empty, and not the last: `next` says.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn keys(
        &self,
        caller: &Caller,
        filter: &KeyFilter,
        after: u64,
        limit: usize,
    ) -> Result<Page<KeyView, u64>, Error> {
        self.keys_as_of(caller, filter, after, limit, &Moment::present(self.judged_at()))
    }

    /// A page of keys as they were at `moment`; a place is the same at every moment. Reads the log
    /// for keys that have changed since.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotOfThePast`] for a filter of uses, or a fault of the storage.
    pub fn keys_as_of(
        &self,
        caller: &Caller,
        filter: &KeyFilter,
        after: u64,
        limit: usize,
        moment: &Moment,
    ) -> Result<Page<KeyView, u64>, Error> {
        let way = (Direction::Ascending, Some(after));
        self.keys_in_order(caller, filter, way, limit, moment)
    }

    /// A page of keys in the order they were made, either way, from a place on (`None` is the start).
    pub(crate) fn keys_in_order(
        &self,
        caller: &Caller,
        filter: &KeyFilter,
        way: (Direction, Option<u64>),
        limit: usize,
        moment: &Moment,
    ) -> Result<Page<KeyView, u64>, Error> {
        let grant = caller.require(READ)?;
        let list = self.key_list(grant, filter.account.as_ref(), filter.owner.as_ref());
        let mut items = Vec::new();
        let next =
            self.walk(grant, &list, filter, moment, way, &mut |key, state, attributes| {
                items.push(view_at(key, state, attributes, moment));
                if items.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        Ok(Page { items, next })
    }

    /// Hands the keys of `list` that `filter` takes and `grant` covers to `each`, one way from a place on, until that has
    /// enough or enough was looked at. Where to go on, if there is more.
    pub(crate) fn walk(
        &self,
        grant: Grant<'_>,
        list: &KeyList<'_>,
        filter: &KeyFilter,
        moment: &Moment,
        (direction, after): (Direction, Option<u64>),
        each: &mut Each<'_>,
    ) -> Result<Option<u64>, Error> {
        filter.check(moment)?;
        let candidates = self.candidates(list, filter, moment);
        let mut place = match (after, direction) {
            (Some(after), _) => usize::try_from(after).unwrap_or(usize::MAX),
            (None, Direction::Ascending) => 0,
            (None, Direction::Descending) => list.end(moment),
        };
        let (mut looked_at, mut read) = (0, 0);
        'pages: while looked_at < MOST_LOOKED_AT && read < MOST_READ {
            self.still_wanted()?;
            let slice = candidates.following(place, direction, SLICE);
            if slice.is_empty() {
                return Ok(None);
            }
            for (behind, key) in slice {
                place = behind;
                looked_at += 1;
                if !filter.takes(&key) || !could_take(grant, filter, &key, moment) {
                    continue;
                }
                let (found, cost) = self.key_at(&key, moment)?;
                read += cost;
                let Some((state, attributes)) = found else {
                    match direction {
                        // All that follow were made later, too.
                        Direction::Ascending => return Ok(None),
                        Direction::Descending => continue,
                    }
                };
                let is_enough = filter.takes_attributes(&attributes)
                    && filter.takes_state(&state, moment)
                    && grant.covers(&key.attributes())
                    && each(&key, state, attributes).is_break();
                if is_enough || read >= MOST_READ {
                    break 'pages;
                }
            }
        }
        let next = candidates.following(place, direction, 1);
        let is_there = |key: &Key| direction == Direction::Descending || !moment.precedes(key);
        let more = next.first().is_some_and(|(_, key)| is_there(key));
        Ok(more.then_some(place as u64))
    }
}

/// Whether a key may have what `filter` takes at `moment`, and `grant` cover it, as far as is known
/// without reading: one that was not edited since has it now. One that was made later may.
fn could_take(grant: Grant<'_>, filter: &KeyFilter, key: &Key, moment: &Moment) -> bool {
    if moment.is_present() || moment.precedes(key) {
        return true;
    }
    let (present, edits) = key.edits_from(moment.length());
    grant.covers(&present) && (!edits.is_empty() || filter.takes_attributes(&present))
}

fn view_at(key: &Key, state: KeyState, attributes: Attributes<'_>, moment: &Moment) -> KeyView {
    let view = KeyView::new(key, (state, attributes.shared()), moment.at);
    // The log does not know of uses.
    let last_used_at = view.last_used_at.filter(|_| moment.is_present());
    KeyView { last_used_at, ..view }
}
