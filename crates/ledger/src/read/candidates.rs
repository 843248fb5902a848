//! The keys of a list that a filter may take: all, or those that the lists of a large account name.

use std::sync::Arc;

use crate::ledger::Ledger;
use crate::page::Direction;
use crate::projection::table::{AccountKeys, Key, Listed, Lists, Sought, Term};
use crate::read::as_of::Moment;
use crate::read::key_filter::KeyFilter;
use crate::read::key_list::KeyList;

/// Who has at most so many keys has them looked at.
const FEW: usize = if cfg!(test) { 8 } else { 4_096 };
/// Keys copied out under one hold of a lock.
const SLICE: usize = if cfg!(test) { 16 } else { 256 };

/// The keys of a list, but for those that a filter cannot take. Places are those of the list.
pub(crate) struct Candidates<'l, 't> {
    list: &'l KeyList<'t>,
    /// What the lists of the account name; `None` is everything.
    listed: Option<(&'l Arc<AccountKeys>, Listed)>,
}

impl Ledger {
    /// The keys of `list` that `filter` may take at `moment`. What the lists of the account need for
    /// that and do not have yet is added, but for more than some milliseconds of it.
    pub(crate) fn candidates<'l, 't>(
        &self,
        list: &'l KeyList<'t>,
        filter: &KeyFilter,
        moment: &Moment,
    ) -> Candidates<'l, 't> {
        let found = || {
            let (keys, lists, sought) = self.lists_for(list, filter, moment)?;
            lists.step(&sought, &|place, limit| keys.slice(place, limit));
            let mut listed = lists.find(&sought)?;
            if let KeyList::Owned(_, owner) = list {
                listed.places &= keys.places_owned(owner);
            }
            Some((keys, listed))
        };
        Candidates { list, listed: found() }
    }

    /// Takes one step, of some milliseconds, towards lists of all keys; whether no more is needed.
    pub(crate) fn prepare_lists(
        &self,
        list: &KeyList<'_>,
        filter: &KeyFilter,
        moment: &Moment,
    ) -> bool {
        self.lists_for(list, filter, moment).is_none_or(|(keys, lists, sought)| {
            lists.step(&sought, &|place, limit| keys.slice(place, limit))
        })
    }

    /// The lists that tell apart what `filter` takes; `None` if there are none, or few keys.
    fn lists_for<'l>(
        &self,
        list: &'l KeyList<'_>,
        filter: &KeyFilter,
        moment: &Moment,
    ) -> Option<(&'l Arc<AccountKeys>, Arc<Lists>, Sought)> {
        let keys = list.account_keys().filter(|_| list.len() > FEW)?;
        let sought = Some(sought(filter, moment)).filter(|sought| !sought.is_empty())?;
        let state = self.state();
        let lists = state.table.lists(keys, state.clock.monotonic())?;
        Some((keys, lists, sought))
    }
}

/// What lists can tell apart of what `filter` takes at `moment`.
fn sought(filter: &KeyFilter, moment: &Moment) -> Sought {
    let is_past = !moment.is_present();
    let mut attributes: Vec<_> = [
        filter.environment.map(Term::of_environment),
        filter.kind.map(Term::of_kind),
        filter.dialect.map(Term::of_dialect),
        filter.project.as_ref().map(Term::of_project),
        filter.role.as_ref().map(Term::of_role),
        filter.prefix.as_deref().and_then(Term::of_prefix),
    ]
    .into_iter()
    .flatten()
    .collect();
    attributes.extend(filter.tags.iter().map(Term::of_tag));
    attributes.extend(filter.metadata.iter().map(|(name, value)| Term::of_pair(name, value)));
    let mut texts = Vec::new();
    if let Some(q) = &filter.q {
        Term::of_text(q, &mut |term| texts.push(term));
    }
    Sought {
        attributes,
        texts,
        // Of then nobody has lists.
        status: filter.status.filter(|_| !is_past).map(|status| (status, moment.at)),
        expires_before: filter.expires_before.filter(|_| !is_past),
        is_past,
    }
}

impl Candidates<'_, '_> {
    /// Up to `limit` keys that follow `place`, each with the place that others follow.
    pub(crate) fn following(
        &self,
        place: usize,
        direction: Direction,
        limit: usize,
    ) -> Vec<(usize, Arc<Key>)> {
        let Some((keys, Listed { places, until })) = &self.listed else {
            return self.list.following(place, direction, limit);
        };
        let listed = |places: Vec<u32>, behind: usize| {
            let found = keys.at(places.iter().map(|place| *place as usize));
            places.into_iter().map(move |place| place as usize + behind).zip(found)
        };
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        match direction {
            Direction::Ascending => {
                let end = number(*until);
                let range = places.range(number(place).min(end)..end);
                let mut found: Vec<_> = listed(range.take(limit).collect(), 1).collect();
                let (from, left) = (place.max(*until), limit - found.len());
                if left > 0 {
                    found.extend(self.list.following(from, direction, left));
                }
                found
            }
            Direction::Descending => {
                let unlisted = if place > *until {
                    self.list.following(place, direction, limit)
                } else {
                    Vec::new()
                };
                let mut found: Vec<_> =
                    unlisted.into_iter().take_while(|(place, _)| place >= until).collect();
                let range = places.range(..number(place.min(*until)));
                let left = limit - found.len();
                found.extend(listed(range.rev().take(left).collect(), 0));
                found
            }
        }
    }

    /// All keys, if lists name them and they are at most `most`.
    pub(crate) fn few(&self, most: usize) -> Option<Vec<Arc<Key>>> {
        self.listed.as_ref().filter(|(_, listed)| listed.places.len() <= most as u64)?;
        let (mut found, mut place) = (Vec::new(), 0);
        while found.len() <= most {
            let slice = self.following(place, Direction::Ascending, SLICE);
            let Some((last, _)) = slice.last() else { return Some(found) };
            place = *last;
            found.extend(slice.into_iter().map(|(_, key)| key));
        }
        None
    }

    /// The first key of the list, whether it is among them or not.
    pub(crate) fn first(&self) -> Option<Arc<Key>> {
        self.list.slice(0, 1).pop()
    }

    /// Whether a key of the list is among them.
    pub(crate) fn may_have(&self, key: &Key) -> bool {
        let Some((_, Listed { places, until })) = &self.listed else { return true };
        // Numbers begin at 1, and places at 0.
        let place = key.made.number.saturating_sub(1);
        place >= *until as u64 || u32::try_from(place).is_ok_and(|place| places.contains(place))
    }
}
