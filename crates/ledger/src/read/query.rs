//! One key, and lists of keys, as they are and as they were. Nothing here writes, and nothing waits
//! for the writer.

use std::sync::Arc;

use keys::{
    Account, Dialect, Environment, KeyId, KeyRole, KeyState, Kind, NewKey, Project, Refusal,
    Status, Subject, Timestamp,
};

use crate::caller::{Caller, Grant, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Page;
use crate::projection::key_view::KeyView;
use crate::projection::table::{AccountKeys, Attributes, Key, KeyTable};
use crate::read::as_of::Moment;
use crate::write::request::RequestOptions;

/// Keys looked at, or records read, for one page: bounds the work of one call.
const MOST_LOOKED_AT: usize = 10_000;
/// Keys copied out under one hold of a lock.
const SLICE: usize = 256;

/// Which keys to list. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each is the attribute of the same name, which must be equal")]
pub struct KeyFilter {
    pub account: Option<Account>,
    pub status: Option<Status>,
    pub environment: Option<Environment>,
    pub kind: Option<Kind>,
    pub owner: Option<Subject>,
    pub project: Option<Project>,
    pub role: Option<KeyRole>,
    pub dialect: Option<Dialect>,
    /// The shown prefix begins with this.
    pub prefix: Option<Box<str>>,
    /// Name or description contain this, whatever the case.
    pub q: Option<Box<str>>,
    /// The due time lies before this.
    pub expires_before: Option<Timestamp>,
}

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

    /// A page of keys in the order they were made, from position `after` on (0 is the start).
    /// Memory only.
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

    /// A page of keys as they were at `moment`; a position is the same at every moment. Reads the
    /// log for keys that have changed since.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], or a fault of the storage.
    pub fn keys_as_of(
        &self,
        caller: &Caller,
        filter: &KeyFilter,
        after: u64,
        limit: usize,
        moment: &Moment,
    ) -> Result<Page<KeyView, u64>, Error> {
        let grant = caller.require(READ)?;
        let visible = self.key_list(grant, filter.account.as_ref(), filter.owner.as_ref());
        let mut place = usize::try_from(after).unwrap_or(usize::MAX);
        let last = place.saturating_add(MOST_LOOKED_AT);
        let (mut items, mut read) = (Vec::new(), 0);
        while items.len() < limit && place < last && read < MOST_LOOKED_AT {
            let slice = visible.slice(place, SLICE);
            if slice.is_empty() {
                return Ok(Page { items, next: None });
            }
            self.still_wanted()?;
            for key in slice {
                if items.len() == limit || read >= MOST_LOOKED_AT {
                    break;
                }
                place += 1;
                if !is_of_kind(filter, &key.made) {
                    continue;
                }
                let (found, cost) = self.key_at(&key, moment)?;
                read += cost;
                // Keys are in the order they were made: all that follow were made later, too.
                let Some((state, attributes)) = found else {
                    return Ok(Page { items, next: None });
                };
                if grant.covers(&key.attributes())
                    && is_of(filter, &attributes)
                    && is_in_state(filter, &state, moment)
                {
                    items.push(view_at(&key, state, attributes, moment));
                }
            }
        }
        let more = visible.slice(place, 1).first().is_some_and(|key| !moment.precedes(key));
        Ok(Page { items, next: more.then_some(place as u64) })
    }

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

/// The keys that a list goes through, in the order they were made.
pub(crate) enum KeyList<'t> {
    All(&'t KeyTable),
    /// Those of one account, if it has any.
    Of(Option<Arc<AccountKeys>>),
    /// Those of one owner in one account.
    Owned(Arc<AccountKeys>, Subject),
}

impl KeyList<'_> {
    /// Up to `limit` keys from position `after` on.
    pub(crate) fn slice(&self, after: usize, limit: usize) -> Vec<Arc<Key>> {
        match self {
            KeyList::All(table) => table.slice(after, limit),
            KeyList::Owned(keys, owner) => keys.owned(owner, after, limit),
            KeyList::Of(keys) => keys.as_ref().map(|k| k.slice(after, limit)).unwrap_or_default(),
        }
    }
}

fn view_at(key: &Key, state: KeyState, attributes: Attributes<'_>, moment: &Moment) -> KeyView {
    let view = KeyView::new(key, (state, attributes.shared()), moment.at);
    // The log does not know of uses.
    let last_used_at = view.last_used_at.filter(|_| moment.is_present());
    KeyView { last_used_at, ..view }
}

/// Whether what never changes about a key is as the filter wants it.
fn is_of_kind(filter: &KeyFilter, key: &NewKey) -> bool {
    filter.environment.is_none_or(|wanted| wanted == key.environment)
        && filter.kind.is_none_or(|wanted| wanted == key.kind)
        && filter.dialect.is_none_or(|wanted| wanted == key.dialect)
        && filter.prefix.as_ref().is_none_or(|wanted| key.prefix.as_str().starts_with(&**wanted))
}

/// Whether what an edit may change about a key is as the filter wants it.
fn is_of(filter: &KeyFilter, key: &NewKey) -> bool {
    filter.owner.as_ref().is_none_or(|wanted| *wanted == key.owner)
        && filter.project.as_ref().is_none_or(|wanted| Some(wanted) == key.project.as_ref())
        && filter.role.as_ref().is_none_or(|wanted| Some(wanted) == key.role.as_ref())
        && filter.q.as_ref().is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            key.name.as_str().to_lowercase().contains(&wanted)
                || key
                    .description
                    .as_ref()
                    .is_some_and(|text| text.as_str().to_lowercase().contains(&wanted))
        })
}

/// Whether a key stands as the filter wants it.
fn is_in_state(filter: &KeyFilter, state: &KeyState, moment: &Moment) -> bool {
    let KeyFilter { status, expires_before, .. } = filter;
    status.is_none_or(|wanted: Status| wanted == state.status_at(moment.at))
        && expires_before.is_none_or(|end| state.expires_at.is_some_and(|due| due < end))
}
