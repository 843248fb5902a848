//! The facts that a decision depends on: what the projections hold, and what the batch has decided
//! so far.

use keys::{Account, Command, Facts, KeyId, KeyState, Kind, Limits, NewKey, Status, Timestamp};

use super::Batch;
use crate::write::request::{RequestContext, Rules};

impl Batch<'_> {
    /// The number of the account's next key.
    pub(super) fn next_number(&self, account: &Account) -> u64 {
        let next = self.numbers.get(account).copied();
        next.unwrap_or_else(|| {
            self.state.table.account(account.as_str()).map_or(0, |keys| keys.len() as u64) + 1
        })
    }

    /// The facts about a key that is to be made, as the one with this number of its account.
    pub(super) fn facts_of_new(&self, key: &NewKey, number: u64, rules: &Rules) -> Facts {
        let prefix_taken = rules.unique_prefix
            && (self.created.iter().any(|other| other.prefix == key.prefix)
                || self.state.table.by_prefix(key.prefix.as_str(), |_| true).is_some());
        Facts {
            now: self.now,
            status: None,
            due: None,
            revision: 0,
            wanted_revision: None,
            replaced_by: None,
            active: if rules.most_active.is_some() { self.active_beside(key) } else { 0 },
            keys: number - 1,
            prefix_taken,
            found: rules
                .reuse_if_ttl_ms
                .and_then(|ttl_ms| self.find_public(key, ttl_ms, rules.reuse_own)),
        }
    }

    /// The facts about a key in `state`, for a command that changes its status.
    pub(super) fn facts_of(
        &self,
        state: &KeyState,
        command: &Command,
        context: &RequestContext,
    ) -> Facts {
        // A due key's `Expired` goes before any other change; `ExpireDue` is that `Expired`.
        let status = match command {
            Command::ExpireDue => state.status,
            Command::Create(..)
            | Command::Enable
            | Command::Disable
            | Command::Expire
            | Command::Revoke(_)
            | Command::RevokeOwn(_)
            | Command::Rotate(..) => state.status_at(self.now),
        };
        Facts {
            now: self.now,
            status: Some(status),
            due: state.expires_at,
            revision: state.revision,
            wanted_revision: context.if_revision,
            replaced_by: state.replaced_by,
            active: 0,
            keys: 0,
            prefix_taken: false,
            found: None,
        }
    }

    pub(super) fn limits(&self, rules: &Rules) -> Limits {
        let keys = self.state.most_keys;
        Limits { active: rules.most_active, keys, unique_prefix: rules.unique_prefix }
    }

    /// The key with its due time, where that depends on the moment it is made.
    pub(super) fn dated(&self, key: &NewKey, rules: &Rules) -> NewKey {
        let due = rules.ttl_s.map(|seconds| self.now.plus_secs(seconds));
        NewKey { expires_at: due.or(key.expires_at), ..key.clone() }
    }

    /// Active keys of the account, owner and dialect of `key`.
    fn active_beside(&self, key: &NewKey) -> u32 {
        let alive = self.state.table.alive(key.account.as_str(), &key.owner, key.dialect);
        let recorded = alive.iter().filter(|k| self.chained_state(k).state.is_active(self.now));
        let pending = self.created.iter().filter(|other| {
            other.account == key.account && other.owner == key.owner && other.dialect == key.dialect
        });
        // A cap is a `u32`: more active keys than that exceed it all the same.
        u32::try_from(recorded.count() + pending.count()).unwrap_or(u32::MAX)
    }

    /// The oldest public key that does for `wanted` and lives `ttl_ms` milliseconds more; of the same
    /// owner, if `own`.
    fn find_public(&self, wanted: &NewKey, ttl_ms: u64, own: bool) -> Option<KeyId> {
        // Longer than time is: only a key without end will do.
        let micros = i64::try_from(ttl_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let until = Timestamp::from_micros(self.now.micros().saturating_add(micros));
        let does = |key: &NewKey, state: &KeyState| {
            key.kind == Kind::Public
                && (!own || key.owner == wanted.owner)
                && (key.dialect, &key.account, &key.project, &key.name)
                    == (wanted.dialect, &wanted.account, &wanted.project, &wanted.name)
                && state.status_at(self.now) == Status::Enabled
                && state.expires_at.is_none_or(|due| due >= until)
        };
        let account = self.state.table.account(wanted.account.as_str());
        let alive = account.iter().flat_map(|keys| keys.public(wanted));
        let recorded =
            alive.filter(|k| does(&k.made, &self.chained_state(k).state)).map(|k| k.made.id);
        let pending = self.created.iter().filter(|k| does(k, &KeyState::created(k, self.now)));
        recorded.chain(pending.map(|key| key.id)).next()
    }
}
