//! What the keys of an account must keep to, as the operator has it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::dialect::Dialect;
use crate::format::Format;
use crate::key::NewKey;
use crate::kind::{Environment, Kind};
use crate::permission::Permission;
use crate::policy::{Policy, Roles};
use crate::refusal::Refusal;
use crate::secret_prefix::SecretPrefix;
use crate::text::{Account, KeyRole};
use crate::update::Edits;

/// What the keys of one account must keep to. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountRules {
    /// The longest time from a key's creation to its end, in seconds. A key without an end is too
    /// long.
    pub max_ttl_s: Option<u64>,
    /// Whether every key must have an end.
    pub require_expiry: bool,
    /// The most keys that are enabled or disabled.
    pub max_active_keys: Option<u64>,
    /// The word that native keys begin with; `kl` if missing.
    pub secret_prefix: Option<SecretPrefix>,
    /// The permissions of which each of a key's must be covered; any if missing.
    pub permissions: Option<Arc<[Permission]>>,
    /// The roles that native keys may have, each with the permissions that it gives; any role, which
    /// gives none, if missing.
    pub roles: Option<Arc<Roles>>,
}

/// The rules of all accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesByAccount {
    /// Those of accounts that have their own: nothing is added to them.
    pub named: HashMap<Account, AccountRules>,
    /// Those of every other account; none if missing.
    pub others: Option<AccountRules>,
}

impl RulesByAccount {
    /// The rules of an account, if it has any.
    #[must_use]
    pub fn of(&self, account: &Account) -> Option<&AccountRules> {
        self.named.get(account).or(self.others.as_ref())
    }
}

impl AccountRules {
    /// How a new key is spelled.
    #[must_use]
    pub fn format(&self, dialect: Dialect, kind: Kind, environment: Environment) -> Format {
        let format = dialect.format(kind, environment);
        self.secret_prefix.map_or(format, |word| format.with_prefix(word))
    }

    /// Adds to `policy` what a new key must keep to, and gives the key the permissions of its role.
    /// `chosen` says whether the request names its permissions.
    ///
    /// # Errors
    ///
    /// [`Refusal::PermissionsOfRole`] if it names others than those of its role.
    pub fn bind_new(
        &self,
        key: &mut NewKey,
        chosen: bool,
        policy: &mut Policy,
    ) -> Result<(), Refusal> {
        self.bind(key.dialect, policy);
        // The text of a key that was brought in is what it is.
        if key.dialect == Dialect::Native && key.imported.is_none() && self.secret_prefix.is_some()
        {
            let format = self.format(key.dialect, key.kind, key.environment);
            policy.secret_prefix = Some(format.beginning());
        }
        let Some(granted) = self.granted(key.dialect, key.role.as_ref()) else { return Ok(()) };
        if chosen && !are_same(&key.permissions, granted) {
            return Err(Refusal::PermissionsOfRole);
        }
        key.permissions = Arc::clone(granted);
        policy.permissions = Some(Arc::clone(granted));
        Ok(())
    }

    /// The same for an edit of `current`: a role that it names, also the one that the key has, gives
    /// the permissions that it has now.
    ///
    /// # Errors
    ///
    /// [`Refusal::PermissionsOfRole`] if it names others than those of the key's role.
    pub fn bind_edits(
        &self,
        current: &NewKey,
        edits: &mut Edits,
        policy: &mut Policy,
    ) -> Result<(), Refusal> {
        self.bind(current.dialect, policy);
        let role = edits.role.as_ref().map_or(current.role.as_ref(), Option::as_ref);
        let Some(granted) = self.granted(current.dialect, role) else { return Ok(()) };
        if edits.permissions.as_ref().is_some_and(|chosen| !are_same(chosen, granted)) {
            return Err(Refusal::PermissionsOfRole);
        }
        if edits.role.is_some() || edits.permissions.is_some() {
            edits.permissions = Some(Arc::clone(granted));
            policy.permissions = Some(Arc::clone(granted));
        }
        Ok(())
    }

    /// Adds what any change is held against.
    fn bind(&self, dialect: Dialect, policy: &mut Policy) {
        let any_end = self.require_expiry.then_some(Policy::ANY_LIFE_S);
        policy.longest_life_s = self.max_ttl_s.or(any_end).or(policy.longest_life_s);
        policy.account_alive = self.max_active_keys.or(policy.account_alive);
        if let Some(permissions) = &self.permissions {
            policy.permissions = Some(Arc::clone(permissions));
        }
        if dialect == Dialect::Native {
            policy.roles.clone_from(&self.roles);
        }
    }

    /// What a role gives. The roles of a dialect are its own.
    fn granted(&self, dialect: Dialect, role: Option<&KeyRole>) -> Option<&Arc<[Permission]>> {
        let roles = self.roles.as_ref().filter(|_| dialect == Dialect::Native)?;
        roles.get(role?)
    }
}

/// Whether two lists hold the same permissions, in whatever order.
fn are_same(one: &[Permission], other: &[Permission]) -> bool {
    let within = |one: &[Permission], other: &[Permission]| one.iter().all(|p| other.contains(p));
    within(one, other) && within(other, one)
}

#[cfg(test)]
#[path = "account_rules_tests.rs"]
mod tests;
