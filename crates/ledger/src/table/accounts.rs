//! The keys of each account, in the order they were made.

use std::sync::Arc;

use hashbrown::HashMap;
use keys::{Account, Dialect, Kind, Subject};
use parking_lot::{Mutex, RwLock};

use super::Key;

#[derive(Default)]
pub(super) struct Accounts(RwLock<HashMap<Account, Arc<AccountKeys>>>);

/// Whose keys a cap counts, within one account.
type Holder = (Dialect, Subject);

/// One account's keys.
#[derive(Default)]
pub(crate) struct AccountKeys {
    keys: RwLock<Vec<Arc<Key>>>,
    /// Alive keys of dialects that cap them or find them again. Native keys need neither.
    alive: Mutex<HashMap<Holder, Vec<Arc<Key>>>>,
}

impl Accounts {
    pub(super) fn get(&self, account: &str) -> Option<Arc<AccountKeys>> {
        self.0.read().get(account).cloned()
    }

    pub(super) fn insert(&self, key: &Arc<Key>) {
        let account = self.get(key.made.account.as_str()).unwrap_or_else(|| {
            Arc::clone(self.0.write().entry(key.made.account.clone()).or_default())
        });
        account.keys.write().push(Arc::clone(key));
        if key.made.dialect != Dialect::Native {
            let holder = (key.made.dialect, key.made.owner.clone());
            account.alive.lock().entry(holder).or_default().push(Arc::clone(key));
        }
    }

    pub(super) fn ended(&self, key: &Key) {
        if key.made.dialect == Dialect::Native {
            return;
        }
        if let Some(account) = self.get(key.made.account.as_str()) {
            let mut alive = account.alive.lock();
            let holder = (key.made.dialect, key.made.owner.clone());
            if let Some(keys) = alive.get_mut(&holder) {
                keys.retain(|other| other.made.id != key.made.id);
                if keys.is_empty() {
                    alive.remove(&holder);
                }
            }
        }
    }
}

impl AccountKeys {
    /// Up to `limit` keys from position `after` on.
    pub(crate) fn slice(&self, after: usize, limit: usize) -> Vec<Arc<Key>> {
        self.keys.read().iter().skip(after).take(limit).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.read().len()
    }

    /// The key with this number.
    pub(crate) fn numbered(&self, number: u64) -> Option<Arc<Key>> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.keys.read().get(place).cloned()
    }

    pub(super) fn alive(&self, owner: &Subject, dialect: Dialect) -> Vec<Arc<Key>> {
        self.alive.lock().get(&(dialect, owner.clone())).cloned().unwrap_or_default()
    }

    /// Alive public keys of `dialect`, whoever owns them.
    pub(crate) fn public(&self, dialect: Dialect) -> Vec<Arc<Key>> {
        let alive = self.alive.lock();
        let of_dialect = alive.iter().filter(|((made_by, _), _)| *made_by == dialect);
        of_dialect
            .flat_map(|(_, keys)| keys)
            .filter(|key| key.made.kind == Kind::Public)
            .cloned()
            .collect()
    }
}
