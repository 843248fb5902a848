//! The keys of each account, in the order they were made.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use keys::{Account, Dialect, KeyName, KeyState, Kind, NewKey, Project, Status, Subject};
use parking_lot::{Mutex, RwLock};
use roaring::RoaringBitmap;

use super::Key;
use super::lists::{AccountLists, Lists};
use super::owners::Owners;
use super::segments::Segments;
use super::status_counts::StatusCounts;

#[derive(Default)]
pub(super) struct Accounts {
    by_name: RwLock<HashMap<Account, Arc<AccountKeys>>>,
    /// Those that have lists.
    with_lists: Mutex<Vec<Arc<AccountKeys>>>,
}

/// One account's keys.
#[derive(Default)]
pub(crate) struct AccountKeys {
    keys: RwLock<Segments<Arc<Key>>>,
    pub(crate) statuses: StatusCounts,
    owners: Owners,
    by_dialect: RwLock<DialectKeys>,
    lists: AccountLists,
}

/// Keys by their number, and so in the order they were made.
type Numbered = BTreeMap<u64, Arc<Key>>;

/// Keys that dialects made: their caps count some of them, their lists show some. Native keys need
/// neither, and are not here.
#[derive(Default)]
struct DialectKeys {
    /// All that are not revoked, as they are listed: of the account, or of an owner.
    listed: HashMap<(Dialect, Option<Subject>), Numbered>,
    /// The alive ones of dialects with a cap, of each owner.
    alive: HashMap<(Dialect, Subject), Numbered>,
    /// The alive public ones, of each purpose.
    public: HashMap<Purpose, Numbered>,
}

/// What a public key is found by.
type Purpose = (Dialect, Option<Project>, KeyName);

/// The list that a key is shown in.
fn list(key: &NewKey) -> (Dialect, Option<Subject>) {
    (key.dialect, key.dialect.lists_by_owner().then(|| key.owner.clone()))
}

fn purpose(key: &NewKey) -> Purpose {
    (key.dialect, key.project.clone(), key.name.clone())
}

impl Accounts {
    pub(super) fn get(&self, account: &str) -> Option<Arc<AccountKeys>> {
        self.by_name.read().get(account).cloned()
    }

    pub(super) fn insert(&self, key: &Arc<Key>) {
        let account = self.get(key.made.account.as_str()).unwrap_or_else(|| {
            Arc::clone(self.by_name.write().entry(key.made.account.clone()).or_default())
        });
        let place = {
            let mut keys = account.keys.write();
            keys.push(Arc::clone(key));
            keys.len() - 1
        };
        account.owners.add(&key.made.owner, place);
        account.statuses.made(Status::Enabled);
        if key.made.dialect != Dialect::Native {
            account.by_dialect.write().insert(key, &key.made, Status::Enabled);
        }
    }

    /// Counts the key with its new status, and takes it out of what it does not belong to with that.
    pub(super) fn changed(&self, key: &Key, before: Status, after: Status) {
        let Some(account) = self.get(key.made.account.as_str()) else { return };
        account.statuses.changed(before, after);
        if key.made.dialect != Dialect::Native && !after.is_alive() {
            account.by_dialect.write().ended(&key.attributes(), after);
        }
    }

    /// Brings into the lists what happened to a key, and what it has after an edit.
    pub(super) fn listed(
        &self,
        key: &Key,
        states: (&KeyState, &KeyState),
        edited: Option<&NewKey>,
    ) {
        if let Some(account) = self.get(key.made.account.as_str()) {
            account.lists.changed(key, states, edited);
        }
    }

    /// The lists of an account; `None` if it has few keys.
    pub(super) fn lists(&self, of: &Arc<AccountKeys>, now: Duration) -> Option<Arc<Lists>> {
        let (lists, is_new) = of.lists.get(of.len(), now)?;
        if is_new {
            self.with_lists.lock().push(Arc::clone(of));
        }
        Some(lists)
    }

    /// Drops lists that nobody looked into lately.
    pub(super) fn forget_idle(&self, now: Duration) {
        self.with_lists.lock().retain(|account| !account.lists.forget_idle(now));
    }

    /// Moves a key that was edited to where it belongs now.
    pub(super) fn edited(&self, key: &Arc<Key>, before: &NewKey, after: &NewKey) {
        let Some(account) = self.get(after.account.as_str()) else { return };
        if before.owner != after.owner
            && let Ok(place) = usize::try_from(after.number - 1)
        {
            account.owners.give(&before.owner, &after.owner, place);
        }
        if after.dialect != Dialect::Native {
            let mut keys = account.by_dialect.write();
            keys.ended(before, Status::Revoked);
            keys.insert(key, after, key.state().status);
        }
    }
}

impl AccountKeys {
    /// Whether `owner` has a key, or ever had one.
    pub(crate) fn knows(&self, owner: &Subject) -> bool {
        self.owners.knows(owner)
    }

    /// Has `key` in the place of the one that had its number and, with the texts of an owner who was
    /// erased, was as `before`.
    pub(super) fn erased(&self, key: &Arc<Key>, before: &NewKey) {
        if let Ok(place) = usize::try_from(before.number - 1)
            && let Some(own) = self.keys.write().get_mut(place)
        {
            *own = Arc::clone(key);
        }
        if before.dialect != Dialect::Native {
            let mut keys = self.by_dialect.write();
            keys.ended(before, Status::Revoked);
            keys.insert(key, &key.attributes(), key.state().status);
        }
    }

    /// Has `erased` in the place of `owner`, who was erased.
    pub(super) fn erase_owner(&self, owner: &Subject, erased: &Subject) {
        self.owners.erase(owner, erased);
        self.lists.drop_all();
    }
}

impl DialectKeys {
    /// Puts a key that has these attributes and this status where it belongs.
    fn insert(&mut self, key: &Arc<Key>, has: &NewKey, status: Status) {
        if status != Status::Revoked {
            self.listed.entry(list(has)).or_default().insert(has.number, Arc::clone(key));
        }
        if !status.is_alive() {
            return;
        }
        if has.dialect.most_active().is_some() {
            let holder = (has.dialect, has.owner.clone());
            self.alive.entry(holder).or_default().insert(has.number, Arc::clone(key));
        }
        if has.kind == Kind::Public {
            let alike = self.public.entry(purpose(has)).or_default();
            alike.insert(has.number, Arc::clone(key));
        }
    }

    /// Takes a key out of what it does not belong to with a status in which it has ended.
    fn ended(&mut self, key: &NewKey, status: Status) {
        remove(&mut self.alive, &(key.dialect, key.owner.clone()), key.number);
        if key.kind == Kind::Public {
            remove(&mut self.public, &purpose(key), key.number);
        }
        if status == Status::Revoked {
            remove(&mut self.listed, &list(key), key.number);
        }
    }
}

/// Takes out one key, and the whole entry with the last one.
fn remove<K: Eq + std::hash::Hash>(from: &mut HashMap<K, Numbered>, of: &K, number: u64) {
    if let Some(keys) = from.get_mut(of) {
        keys.remove(&number);
        if keys.is_empty() {
            from.remove(of);
        }
    }
}

impl AccountKeys {
    /// Up to `limit` keys from position `after` on.
    pub(crate) fn slice(&self, after: usize, limit: usize) -> Vec<Arc<Key>> {
        self.keys.read().from(after).take(limit).cloned().collect()
    }

    /// The keys at these places.
    pub(crate) fn at(&self, places: impl Iterator<Item = usize>) -> Vec<Arc<Key>> {
        let places: Vec<_> = places.collect();
        let keys = self.keys.read();
        places.into_iter().filter_map(|place| keys.get(place).cloned()).collect()
    }

    /// The places of all keys that `owner` has or ever had.
    pub(crate) fn places_owned(&self, owner: &Subject) -> RoaringBitmap {
        self.owners.all(owner)
    }

    /// Up to `limit` keys of `owner`, from position `after` among all keys on.
    pub(crate) fn owned(&self, owner: &Subject, after: usize, limit: usize) -> Vec<Arc<Key>> {
        let places = self.owners.from(owner, after, limit);
        let keys = self.keys.read();
        places.into_iter().filter_map(|place| keys.get(place).cloned()).collect()
    }

    /// Up to `limit` keys before position `end`, the last one first.
    pub(crate) fn slice_before(&self, end: usize, limit: usize) -> Vec<Arc<Key>> {
        self.keys.read().before(end).take(limit).cloned().collect()
    }

    /// The same among the keys of one owner.
    pub(crate) fn owned_before(&self, owner: &Subject, end: usize, limit: usize) -> Vec<Arc<Key>> {
        let places = self.owners.before(owner, end, limit);
        let keys = self.keys.read();
        places.into_iter().filter_map(|place| keys.get(place).cloned()).collect()
    }

    /// Up to `limit` keys of one owner behind the one with the number `after`.
    pub(crate) fn owned_behind(&self, owner: &Subject, after: u64, limit: usize) -> Vec<Arc<Key>> {
        // Numbers begin at 1, and places at 0.
        self.owned(owner, usize::try_from(after).unwrap_or(usize::MAX), limit)
    }

    /// How many keys `owner` has.
    pub(crate) fn len_owned(&self, owner: &Subject) -> usize {
        self.owners.len(owner)
    }

    /// Whether `key` is one of them.
    pub(crate) fn holds(&self, key: &Key) -> bool {
        self.numbered(key.made.number).is_some_and(|own| own.made.id == key.made.id)
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.read().len()
    }

    /// How many are enabled or disabled, as recorded.
    pub(crate) fn alive_keys(&self) -> u64 {
        self.statuses.of(Status::Enabled) + self.statuses.of(Status::Disabled)
    }

    /// The key with this number.
    pub(crate) fn numbered(&self, number: u64) -> Option<Arc<Key>> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.keys.read().get(place).cloned()
    }

    pub(super) fn alive(&self, owner: &Subject, dialect: Dialect) -> Vec<Arc<Key>> {
        let keys = self.by_dialect.read();
        let alive = keys.alive.get(&(dialect, owner.clone()));
        alive.map(|keys| keys.values().cloned().collect()).unwrap_or_default()
    }

    /// Alive public keys that are for the same as `wanted`, whoever owns them, the oldest first.
    pub(crate) fn public(&self, wanted: &NewKey) -> Vec<Arc<Key>> {
        let keys = self.by_dialect.read();
        let alive = keys.public.get(&purpose(wanted));
        alive.map(|keys| keys.values().cloned().collect()).unwrap_or_default()
    }

    /// Up to `limit` keys of `dialect` that are not revoked, in the order they were made, behind
    /// the one with the number `after`: those of `owner` if the dialect lists by owner, else all.
    pub(crate) fn of_dialect(
        &self,
        dialect: Dialect,
        owner: &Subject,
        after: u64,
        limit: usize,
    ) -> Vec<Arc<Key>> {
        let keys = self.by_dialect.read();
        let owner = dialect.lists_by_owner().then(|| owner.clone());
        let keys = keys.listed.get(&(dialect, owner));
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let keys = keys.map(|keys| keys.range(behind).map(|(_, key)| key));
        keys.into_iter().flatten().take(limit).cloned().collect()
    }
}
