//! The keys that a list goes through.

use std::sync::Arc;

use keys::{Account, Status, Subject};

use crate::caller::Grant;
use crate::ledger::Ledger;
use crate::page::Direction;
use crate::projection::table::{AccountKeys, Key, KeyTable};
use crate::read::as_of::Moment;

impl Ledger {
    /// The keys of `account`, or of all that the caller sees; where one account is looked at, those
    /// of `owner` alone, if one is named.
    pub(crate) fn key_list(
        &self,
        grant: Grant<'_>,
        account: Option<&Account>,
        owner: Option<&Subject>,
    ) -> KeyList<'_> {
        let table = &self.state().table;
        let (account, owner) = match grant.within(account) {
            Some(Grant::All) => return KeyList::All(table),
            Some(Grant::Account(account)) => (account, owner),
            Some(Grant::Owner(account, own)) if owner.is_none_or(|owner| owner == own) => {
                (account, Some(own))
            }
            Some(Grant::Owner(..) | Grant::Key(..)) | None => return KeyList::Of(None),
        };
        match (table.account(account.as_str()), owner) {
            (Some(keys), Some(owner)) => KeyList::Owned(keys, owner.clone()),
            (keys, _) => KeyList::Of(keys),
        }
    }
}

/// The keys that a list goes through, in the order they were made. Each has a place in it: among all
/// keys, or among those of its account.
pub(crate) enum KeyList<'t> {
    All(&'t KeyTable),
    /// Those of one account, if it has any.
    Of(Option<Arc<AccountKeys>>),
    /// Those of one owner in one account.
    Owned(Arc<AccountKeys>, Subject),
}

impl KeyList<'_> {
    /// Up to `limit` keys from `place` on.
    pub(crate) fn slice(&self, place: usize, limit: usize) -> Vec<Arc<Key>> {
        match self {
            KeyList::All(table) => table.slice(place, limit),
            KeyList::Owned(keys, owner) => keys.owned(owner, place, limit),
            KeyList::Of(keys) => keys.as_ref().map(|k| k.slice(place, limit)).unwrap_or_default(),
        }
    }

    /// The place behind that of `key`, which was found from `place` on, the last one before it.
    pub(crate) fn behind(&self, place: usize, key: &Key) -> usize {
        match self {
            KeyList::All(_) => place + 1,
            // Numbers begin at 1, and places at 0.
            KeyList::Of(_) | KeyList::Owned(..) => {
                usize::try_from(key.made.number).unwrap_or(usize::MAX)
            }
        }
    }

    /// Up to `limit` keys before `place`, the last one first.
    fn slice_before(&self, place: usize, limit: usize) -> Vec<Arc<Key>> {
        match self {
            KeyList::All(table) => table.slice_before(place, limit),
            KeyList::Owned(keys, owner) => keys.owned_before(owner, place, limit),
            KeyList::Of(keys) => {
                keys.as_ref().map(|k| k.slice_before(place, limit)).unwrap_or_default()
            }
        }
    }

    /// Up to `limit` keys that follow `place`, each with the place that others follow.
    pub(crate) fn following(
        &self,
        place: usize,
        direction: Direction,
        limit: usize,
    ) -> Vec<(usize, Arc<Key>)> {
        let (mut place, keys) = match direction {
            Direction::Ascending => (place, self.slice(place, limit)),
            Direction::Descending => {
                let place = place.min(self.places());
                (place, self.slice_before(place, limit))
            }
        };
        let with_place = |key: Arc<Key>| {
            place = match (direction, self) {
                (Direction::Ascending, _) => self.behind(place, &key),
                (Direction::Descending, KeyList::All(_)) => place.saturating_sub(1),
                (Direction::Descending, _) => self.behind(place, &key).saturating_sub(1),
            };
            (place, key)
        };
        keys.into_iter().map(with_place).collect()
    }

    /// The place behind all keys that were not made after `moment`.
    pub(crate) fn end(&self, moment: &Moment) -> usize {
        let (mut low, mut high) = (0, self.places());
        while low < high && !moment.is_present() {
            let middle = usize::midpoint(low, high);
            if self.slice(middle, 1).first().is_some_and(|key| !moment.precedes(key)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        high
    }

    /// How many places there are.
    fn places(&self) -> usize {
        match self {
            KeyList::All(table) => table.len(),
            KeyList::Of(keys) => keys.as_ref().map_or(0, |keys| keys.len()),
            KeyList::Owned(keys, _) => keys.len(),
        }
    }

    /// The keys of the one account that it is of.
    pub(crate) fn account_keys(&self) -> Option<&Arc<AccountKeys>> {
        match self {
            KeyList::All(_) => None,
            KeyList::Of(keys) => keys.as_ref(),
            KeyList::Owned(keys, _) => Some(keys),
        }
    }

    /// The account and the owner whose keys alone are in it.
    pub(crate) fn of(&self) -> (Option<Account>, Option<Subject>) {
        let account =
            |keys: &AccountKeys| keys.slice(0, 1).first().map(|key| key.made.account.clone());
        match self {
            KeyList::All(_) => (None, None),
            KeyList::Of(keys) => (keys.as_deref().and_then(account), None),
            KeyList::Owned(keys, owner) => (account(keys), Some(owner.clone())),
        }
    }

    /// The same with the keys of all owners.
    pub(crate) fn of_all_owners(self) -> Self {
        match self {
            KeyList::Owned(keys, _) => KeyList::Of(Some(keys)),
            list @ (KeyList::All(_) | KeyList::Of(_)) => list,
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            KeyList::All(table) => table.len(),
            KeyList::Owned(keys, owner) => keys.len_owned(owner),
            KeyList::Of(keys) => keys.as_ref().map_or(0, |keys| keys.len()),
        }
    }

    /// How many keys are recorded as having `status`, if that is counted.
    pub(crate) fn recorded(&self, status: Status) -> Option<u64> {
        match self {
            KeyList::All(table) => Some(table.statuses.of(status)),
            KeyList::Of(Some(keys)) => Some(keys.statuses.of(status)),
            KeyList::Of(None) | KeyList::Owned(..) => None,
        }
    }

    /// Whether `key` is in it.
    pub(crate) fn holds(&self, key: &Key) -> bool {
        match self {
            KeyList::All(_) => true,
            KeyList::Of(keys) => keys.as_ref().is_some_and(|keys| keys.holds(key)),
            KeyList::Owned(keys, _) => keys.holds(key) && self.is_current(key),
        }
    }

    /// Whether `key`, which was met in it, is none that its owner gave away.
    pub(crate) fn is_current(&self, key: &Key) -> bool {
        match self {
            KeyList::All(_) | KeyList::Of(_) => true,
            KeyList::Owned(_, owner) => *owner == key.attributes().owner,
        }
    }
}
