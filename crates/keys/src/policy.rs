//! What a change must keep to beside the moves that are lawful, and the rules it was judged by.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::facts::Facts;
use crate::key::NewKey;
use crate::permission::{Permission, covers};
use crate::refusal::Refusal;
use crate::secret::Prefix;
use crate::text::KeyRole;
use crate::time::Timestamp;
use crate::update::{Attribute, Update};

/// What a key must keep to when it is made, rotated or edited. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The most active keys of the account, owner and dialect, counted in [`Facts::owner_active`],
    /// the key itself included.
    pub owner_active: Option<u32>,
    /// The most alive keys of the account, counted in [`Facts::account_alive`], the key included.
    pub account_alive: Option<u64>,
    /// The most keys of the account, counted in [`Facts::keys`], the key itself included.
    pub account_keys: Option<u64>,
    /// Whether no other key may have the same prefix.
    pub unique_prefix: bool,
    /// A public key that is found, and not made again.
    pub reuse: Option<Reuse>,
    /// The longest time from a key's creation to its end, in seconds. A key without an end is too
    /// long.
    pub longest_life_s: Option<u64>,
    /// The permissions of which each of the key's must be covered.
    pub permissions: Option<Arc<[Permission]>>,
    /// How the text of a secret that is made here must begin.
    pub secret_prefix: Option<Prefix>,
    /// The roles of which a key may have one. Not on record: what a role gives is, as permissions.
    pub roles: Option<Arc<Roles>>,
}

/// Roles, each with the permissions that it gives.
pub type Roles = BTreeMap<KeyRole, Arc<[Permission]>>;

/// Find before making: a public key for the same use that lives long enough is answered instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// How many milliseconds more it must live.
    pub least_ttl_ms: u64,
    /// Whether it must be of the same owner.
    pub own: bool,
}

/// A rule that an event was judged by, with what it was held against. Records hold these, so that
/// nobody needs to know the settings of that day to judge them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The caller insisted on this revision of the key, which it had.
    Revision(u32),
    /// No public key for the same use lived long enough.
    Reuse(Reuse),
    /// The account had `counted` keys, of which it may have `most`.
    AccountKeys {
        /// The most, this one included.
        most: u64,
        /// How many there were.
        counted: u64,
    },
    /// The account had `counted` keys enabled or disabled, of which it may have `most`.
    AccountAlive {
        /// The most, this one included.
        most: u64,
        /// How many there were.
        counted: u64,
    },
    /// The owner had `counted` active keys of the dialect, of which it may have `most`.
    OwnerActive {
        /// The most, this one included.
        most: u32,
        /// How many there were.
        counted: u32,
    },
    /// The key ends within so many seconds of its creation.
    LongestLife(u64),
    /// Each of its permissions is covered by one of these.
    Permissions(Arc<[Permission]>),
    /// The text of its secret begins so.
    SecretPrefix(Prefix),
    /// No other key had its prefix.
    UniquePrefix,
}

impl Policy {
    /// A longest life that any end keeps to: from 1970 to the end of the year 9999, in seconds.
    pub const ANY_LIFE_S: u64 = 253_402_300_800;

    /// The policy that rules were recorded of.
    #[must_use]
    pub fn of(rules: &[Rule]) -> Policy {
        let mut policy = Policy::default();
        for rule in rules {
            match rule {
                Rule::Revision(_) => {}
                Rule::Reuse(reuse) => policy.reuse = Some(*reuse),
                Rule::AccountKeys { most, .. } => policy.account_keys = Some(*most),
                Rule::AccountAlive { most, .. } => policy.account_alive = Some(*most),
                Rule::OwnerActive { most, .. } => policy.owner_active = Some(*most),
                Rule::LongestLife(seconds) => policy.longest_life_s = Some(*seconds),
                Rule::Permissions(all) => policy.permissions = Some(Arc::clone(all)),
                Rule::SecretPrefix(prefix) => policy.secret_prefix = Some(prefix.clone()),
                Rule::UniquePrefix => policy.unique_prefix = true,
            }
        }
        policy
    }

    /// Holds a new key against it; `counts` unless the key that it replaces makes room at once.
    pub(crate) fn allows_new(
        &self,
        facts: &Facts,
        key: &NewKey,
        counts: bool,
    ) -> Result<Vec<Rule>, Refusal> {
        let mut rules = Vec::new();
        rules.extend(self.reuse.map(Rule::Reuse));
        if let Some(most) = self.account_keys {
            rules.push(Rule::AccountKeys { most, counted: facts.keys });
            within(facts.keys < most, Refusal::KeyLimit(most))?;
        }
        if counts && let Some(most) = self.account_alive {
            rules.push(Rule::AccountAlive { most, counted: facts.account_alive });
            within(facts.account_alive < most, Refusal::AccountLimit(most))?;
        }
        if counts {
            self.owner_has_room(facts, &mut rules)?;
        }
        self.ends_in_time(facts.now, key.expires_at, &mut rules)?;
        self.permits_role(key.role.as_ref())?;
        self.permits(&key.permissions, &mut rules)?;
        // A key that was made elsewhere begins as it does.
        if let Some(prefix) = self.secret_prefix.as_ref().filter(|_| key.imported.is_none()) {
            rules.push(Rule::SecretPrefix(prefix.clone()));
            within(key.prefix.as_str().starts_with(prefix.as_str()), Refusal::OtherPrefix)?;
        }
        if self.unique_prefix {
            rules.push(Rule::UniquePrefix);
            within(!facts.prefix_taken, Refusal::PrefixTaken)?;
        }
        Ok(rules)
    }

    /// Holds an edit against it: what it does not change is not judged again.
    pub(crate) fn allows_update(
        &self,
        facts: &Facts,
        update: &Update,
    ) -> Result<Vec<Rule>, Refusal> {
        let mut rules = Vec::new();
        if update.changes(Attribute::Owner) {
            self.owner_has_room(facts, &mut rules)?;
        }
        if let Some(expires_at) = update.expires_at() {
            self.ends_in_time(facts.created_at.unwrap_or(facts.now), expires_at, &mut rules)?;
        }
        if let Some(role) = update.role() {
            self.permits_role(role)?;
        }
        if let Some(permissions) = update.permissions() {
            self.permits(permissions, &mut rules)?;
        }
        Ok(rules)
    }

    fn owner_has_room(&self, facts: &Facts, rules: &mut Vec<Rule>) -> Result<(), Refusal> {
        let Some(most) = self.owner_active else { return Ok(()) };
        rules.push(Rule::OwnerActive { most, counted: facts.owner_active });
        within(facts.owner_active < most, Refusal::ActiveKeyLimit(most))
    }

    fn ends_in_time(
        &self,
        from: Timestamp,
        expires_at: Option<Timestamp>,
        rules: &mut Vec<Rule>,
    ) -> Result<(), Refusal> {
        let Some(seconds) = self.longest_life_s else { return Ok(()) };
        rules.push(Rule::LongestLife(seconds));
        let due = expires_at.ok_or(Refusal::ExpiryRequired)?;
        within(due <= from.plus_secs(seconds), Refusal::LifeTooLong(seconds))
    }

    fn permits_role(&self, role: Option<&KeyRole>) -> Result<(), Refusal> {
        let (Some(roles), Some(role)) = (&self.roles, role) else { return Ok(()) };
        within(roles.contains_key(role), Refusal::RoleNotAllowed)
    }

    fn permits(&self, wanted: &[Permission], rules: &mut Vec<Rule>) -> Result<(), Refusal> {
        let Some(allowed) = &self.permissions else { return Ok(()) };
        rules.push(Rule::Permissions(Arc::clone(allowed)));
        within(wanted.iter().all(|one| covers(allowed, one)), Refusal::PermissionNotAllowed)
    }
}

fn within(holds: bool, refusal: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal) }
}
