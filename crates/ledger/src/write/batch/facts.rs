//! The facts that a decision depends on: what the projections hold, and what the batch has decided
//! so far.

use keys::{
    Account, Command, Facts, KeyId, KeyState, Kind, NewKey, Policy, Refusal, Reuse, Status,
    Subject, Timestamp,
};

use super::Batch;
use crate::projection::table::Key;
use crate::write::request::{RequestContext, WantedKey};

impl Batch<'_> {
    /// The number of the account's next key.
    pub(super) fn next_number(&self, account: &Account) -> u64 {
        let next = self.numbers.get(account).copied();
        next.unwrap_or_else(|| {
            self.state.table.account(account.as_str()).map_or(0, |keys| keys.len() as u64) + 1
        })
    }

    /// The facts about a key that is to be made, as the one with this number of its account.
    pub(super) fn facts_of_new(&mut self, key: &NewKey, policy: &Policy, number: u64) -> Facts {
        let account_alive = self.account_alive(policy, &key.account);
        let table = &self.state.table;
        let prefix_taken = policy.unique_prefix
            && (self.created.iter().any(|other| other.prefix == key.prefix)
                || table.by_prefix(key.prefix.as_str(), |_| true).is_some());
        // Two secrets that were made here are never alike; and nobody can import one that this batch
        // makes, because nobody has it yet.
        let digest_taken = key.imported.is_some()
            && (self.imports.has_digest(&key.digest) || table.by_digest(&key.digest).is_some());
        Facts {
            now: self.now,
            status: None,
            due: None,
            created_at: None,
            revision: 0,
            wanted_revision: None,
            replaced_by: None,
            owner_active: self.owner_active(policy, key, &key.owner),
            account_alive,
            keys: number - 1,
            prefix_taken,
            digest_taken,
            found: policy.reuse.and_then(|reuse| self.find_public(key, reuse)),
            owner_erased: false,
        }
    }

    /// The facts about `key` in `state`, for a command that changes it.
    pub(super) fn facts_of(
        &self,
        key: &Key,
        state: &KeyState,
        command: &Command,
        context: &RequestContext,
    ) -> Facts {
        let owner_active = match command {
            Command::Update(update, policy) => {
                update.owner().map_or(0, |owner| self.owner_active(policy, &key.made, owner))
            }
            Command::Create(..)
            | Command::Enable
            | Command::Disable
            | Command::Expire
            | Command::ExpireDue
            | Command::Revoke(_)
            | Command::RevokeOwn(_)
            | Command::Rotate(..) => 0,
        };
        // A due key's `Expired` goes before any other change; `ExpireDue` is that `Expired`.
        let status = match command {
            Command::ExpireDue => state.status,
            Command::Create(..)
            | Command::Enable
            | Command::Disable
            | Command::Expire
            | Command::Revoke(_)
            | Command::RevokeOwn(_)
            | Command::Update(..)
            | Command::Rotate(..) => state.status_at(self.now),
        };
        Facts {
            now: self.now,
            status: Some(status),
            due: state.expires_at,
            created_at: Some(key.created_at),
            revision: state.revision,
            wanted_revision: context.if_revision,
            replaced_by: state.replaced_by,
            owner_active,
            account_alive: 0,
            keys: 0,
            prefix_taken: false,
            digest_taken: false,
            found: None,
            owner_erased: self.is_of_erased(key),
        }
    }

    /// The key with what depends on the moment it is made: its due time, and the rules of its
    /// account. With it what it is held against.
    pub(super) fn bound(&self, wanted: &WantedKey) -> Result<(NewKey, Policy), Refusal> {
        let due = wanted.ttl_s.map(|seconds| self.now.plus_secs(seconds));
        let mut key = NewKey { expires_at: due.or(wanted.key.expires_at), ..wanted.key.clone() };
        let mut policy = wanted.policy.clone();
        if let Some(rules) = self.account_rules.of(&key.account) {
            rules.bind_new(&mut key, wanted.permissions_named, &mut policy)?;
        }
        Ok((key, policy))
    }

    /// Whether whose `key` is was erased, as far as the batch has decided.
    fn is_of_erased(&self, key: &Key) -> bool {
        match self.edited.get(&key.made.id) {
            Some(edited) => edited.owner.is_erased(),
            None => key.attributes().owner.is_erased(),
        }
    }

    /// Active keys of `owner` in the account and dialect of `key`, if that matters.
    fn owner_active(&self, policy: &Policy, key: &NewKey, owner: &Subject) -> u32 {
        if policy.owner_active.is_none() {
            return 0;
        }
        let alike = |other: &NewKey| {
            (&other.account, &other.owner, other.dialect) == (&key.account, owner, key.dialect)
        };
        let of_owner = self.state.table.alive(key.account.as_str(), owner, key.dialect);
        let recorded = of_owner.iter().filter(|k| {
            alike(&self.attributes(k)) && self.chained_state(k).state.is_active(self.now)
        });
        let pending = self.created.iter().filter(|other| {
            let edited = self.edited.get(&other.id).unwrap_or(other);
            alike(edited)
        });
        // Given to the owner by an edit of this batch.
        let given = self.edited.values().filter(|edited| {
            alike(edited)
                && !of_owner.iter().any(|k| k.made.id == edited.id)
                && !self.created.iter().any(|other| other.id == edited.id)
        });
        // A cap is a `u32`: more active keys than that exceed it all the same.
        let active = recorded.count() + pending.count() + given.count();
        u32::try_from(active).unwrap_or(u32::MAX)
    }

    /// The oldest public key that does for `wanted` and lives long enough.
    fn find_public(&self, wanted: &NewKey, reuse: Reuse) -> Option<KeyId> {
        // Longer than time is: only a key without end will do.
        let micros = i64::try_from(reuse.least_ttl_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let until = Timestamp::from_micros(self.now.micros().saturating_add(micros));
        let does = |key: &NewKey, state: &KeyState| {
            // One of who was erased has no name, whatever it shows.
            key.kind == Kind::Public
                && !key.owner.is_erased()
                && (!reuse.own || key.owner == wanted.owner)
                && (key.dialect, &key.account, &key.project, &key.name)
                    == (wanted.dialect, &wanted.account, &wanted.project, &wanted.name)
                && state.status_at(self.now) == Status::Enabled
                && state.expires_at.is_none_or(|due| due >= until)
        };
        let account = self.state.table.account(wanted.account.as_str());
        let alive = account.iter().flat_map(|keys| keys.public(wanted));
        let recorded = alive
            .filter(|k| does(&self.attributes(k), &self.chained_state(k).state))
            .map(|k| k.made.id);
        let pending = self.created.iter().filter(|k| does(k, &KeyState::created(k, self.now)));
        recorded.chain(pending.map(|key| key.id)).next()
    }
}
