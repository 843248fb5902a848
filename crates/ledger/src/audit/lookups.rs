//! What the writer looked up of other keys before it decided, kept from the records alone.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::{HashMap, HashSet};
use keys::{
    Account, Dialect, Digest, KeyId, KeyName, Kind, NewKey, Prefix, Project, Reuse, Rule, Status,
    Subject, Timestamp, Update,
};

use super::tracked_key::{Keys, TrackedKey};

/// The keys that a judgement looks at beside the one it is about.
#[derive(Default)]
pub(super) struct Lookups {
    accounts: HashMap<Account, Counts>,
    /// Digests in half the memory: their hashes under secrets of this run. Not a half of each: whoever
    /// imports digests can choose two that have it in common.
    digests: HashSet<(u64, u64)>,
    secrets: [RandomState; 2],
    /// Of keys of dialects, whose prefix can be a handle.
    prefixes: HashSet<Prefix>,
    /// Alive keys of dialects, by whose they are.
    alive: HashMap<Holder, Vec<KeyId>>,
    /// Public keys of dialects, by what they are for, in the order they were made.
    public: HashMap<Purpose, Vec<KeyId>>,
    purposes: HashMap<KeyId, Purpose>,
}

/// How many keys an account has.
#[derive(Default)]
struct Counts {
    /// The number of its last key.
    last_number: u64,
    alive: u64,
}

/// Whose keys a cap counts.
type Holder = (Account, Subject, Dialect);

/// What a public key is found by. Of a forgotten owner's key nobody knows the name any more: it is found
/// by nobody.
type Purpose = (Account, Dialect, Option<Project>, Option<KeyName>);

impl Lookups {
    /// Makes room for the digests of so many more keys.
    pub(super) fn reserve(&mut self, more: usize) {
        self.digests.reserve(more);
    }

    pub(super) fn knows_digest(&self, digest: &Digest) -> bool {
        self.digests.contains(&self.short(digest))
    }

    pub(super) fn knows_prefix(&self, prefix: &Prefix) -> bool {
        self.prefixes.contains(prefix)
    }

    /// The number of the account's last key.
    pub(super) fn last_number(&self, account: &Account) -> Option<u64> {
        self.accounts.get(account).map(|counts| counts.last_number)
    }

    /// How many keys of the account are enabled or disabled as recorded.
    pub(super) fn account_alive(&self, account: &Account) -> u64 {
        self.accounts.get(account).map_or(0, |counts| counts.alive)
    }

    /// Active keys of `owner` in an account and dialect.
    pub(super) fn owner_active(
        &self,
        keys: &Keys,
        (account, owner, dialect): (&Account, &Subject, Dialect),
        now: Timestamp,
    ) -> u32 {
        let holder = (account.clone(), owner.clone(), dialect);
        let alive = self.alive.get(&holder).map(Vec::as_slice).unwrap_or_default();
        let is_active = |id: &&KeyId| keys.get(*id).is_some_and(|key| key.state.is_active(now));
        u32::try_from(alive.iter().filter(is_active).count()).unwrap_or(u32::MAX)
    }

    /// The oldest public key for what `wanted` is for that lives long enough.
    pub(super) fn reusable(
        &self,
        keys: &Keys,
        wanted: &NewKey,
        reuse: Reuse,
        now: Timestamp,
    ) -> Option<KeyId> {
        let micros = i64::try_from(reuse.least_ttl_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let until = Timestamp::from_micros(now.micros().saturating_add(micros));
        if wanted.owner.is_erased() {
            return None;
        }
        let alike = self.public.get(&purpose(wanted))?;
        let does = |id: &&KeyId| {
            keys.get(*id).is_some_and(|TrackedKey { made, state, .. }| {
                made.as_ref().is_some_and(|made| !reuse.own || made.owner == wanted.owner)
                    && state.status_at(now) == Status::Enabled
                    && state.expires_at.is_none_or(|due| due >= until)
            })
        };
        alike.iter().find(does).copied()
    }

    /// Takes in a new key.
    pub(super) fn made(&mut self, key: &NewKey) {
        let counts = self.accounts.entry(key.account.clone()).or_default();
        counts.last_number = key.number;
        counts.alive += 1;
        self.digests.insert(self.short(&key.digest));
        if key.dialect == Dialect::Native {
            return;
        }
        self.prefixes.insert(key.prefix.clone());
        let holder = (key.account.clone(), key.owner.clone(), key.dialect);
        self.alive.entry(holder).or_default().push(key.id);
        if key.kind == Kind::Public {
            self.public.entry(purpose(key)).or_default().push(key.id);
            self.purposes.insert(key.id, purpose(key));
        }
    }

    /// Takes in that a key has a status in which it has ended.
    pub(super) fn ended(&mut self, id: KeyId, key: &TrackedKey) {
        if !key.state.status.is_alive() {
            return;
        }
        if let Some(counts) = self.accounts.get_mut(&key.account) {
            counts.alive = counts.alive.saturating_sub(1);
        }
        self.leave_owner(id, key);
        if let Some(purpose) = self.purposes.remove(&id) {
            take_out(&mut self.public, &purpose, id);
        }
    }

    /// Takes in an edit of a key, which has not been brought in yet.
    pub(super) fn edited(&mut self, id: KeyId, key: &TrackedKey, update: &Update) {
        let Some(made) = &key.made else { return };
        if let (Some(owner), true) = (update.owner(), made.dialect != Dialect::Native) {
            self.leave_owner(id, key);
            let holder = (key.account.clone(), owner.clone(), made.dialect);
            self.alive.entry(holder).or_default().push(id);
        }
        let Some(old) = self.purposes.get(&id).cloned() else { return };
        let mut new = old.clone();
        new.2 = update.project().cloned().unwrap_or(new.2);
        let owner = update.owner().unwrap_or(&made.owner);
        new.3 = update.name().cloned().or(new.3).filter(|_| !owner.is_erased());
        if new != old {
            take_out(&mut self.public, &old, id);
            self.public.entry(new.clone()).or_default().push(id);
            self.purposes.insert(id, new);
        }
    }

    fn short(&self, digest: &Digest) -> (u64, u64) {
        let [first, second] = &self.secrets;
        (first.hash_one(digest), second.hash_one(digest))
    }

    fn leave_owner(&mut self, id: KeyId, key: &TrackedKey) {
        let Some(made) = key.made.as_ref().filter(|made| made.dialect != Dialect::Native) else {
            return;
        };
        let holder = (key.account.clone(), made.owner.clone(), made.dialect);
        take_out(&mut self.alive, &holder, id);
    }
}

fn purpose(key: &NewKey) -> Purpose {
    let name = (!key.owner.is_erased()).then(|| key.name.clone());
    (key.account.clone(), key.dialect, key.project.clone(), name)
}

fn take_out<K: Eq + std::hash::Hash>(lists: &mut HashMap<K, Vec<KeyId>>, of: &K, id: KeyId) {
    if let Some(list) = lists.get_mut(of) {
        list.retain(|other| *other != id);
        if list.is_empty() {
            lists.remove(of);
        }
    }
}

/// The counts that rules on record claim: owner's active keys, and the account's alive ones.
pub(super) fn claimed(rules: &[Rule]) -> (u32, u64) {
    let mut claimed = (0, 0);
    for rule in rules {
        match rule {
            Rule::OwnerActive { counted, .. } => claimed.0 = *counted,
            Rule::AccountAlive { counted, .. } => claimed.1 = *counted,
            Rule::Revision(_)
            | Rule::Reuse(_)
            | Rule::AccountKeys { .. }
            | Rule::LongestLife(_)
            | Rule::Permissions(_)
            | Rule::SecretPrefix(_)
            | Rule::UniquePrefix => {}
        }
    }
    claimed
}
