//! What a command is given: the key that is wanted, the change, and how it is to be done.

use std::collections::BTreeMap;
use std::sync::Arc;

use keys::{
    Account, AllowedIps, Command, Description, Dialect, Digest, Edits, Environment, Imported,
    KeyName, KeyRole, Kind, Metadata, NewKey, Permission, Policy, Prefix, Project, Quota,
    RateLimit, Reason, Revocation, Subject, Tags, Timestamp,
};

use crate::caller::Caller;
use crate::record::Idempotency;

/// A key that is wanted. What is missing is made by the ledger.
#[derive(Clone, Debug)]
pub struct NewKeyRequest {
    /// The tenant; the caller's own if missing.
    pub account: Option<Account>,
    /// The subject it belongs to; the caller if missing.
    pub owner: Option<Subject>,
    /// Its display name. `None`: the ledger names it `API key <prefix>`.
    pub name: Option<KeyName>,
    /// What it is for.
    pub description: Option<Description>,
    /// Secret or public.
    pub kind: Kind,
    /// Live or sandbox.
    pub environment: Environment,
    /// A role that the services behind the gateway understand.
    pub role: Option<KeyRole>,
    /// What it may do.
    pub permissions: Box<[Permission]>,
    /// The only project it works on.
    pub project: Option<Project>,
    /// From where it may be used.
    pub allowed_ips: AllowedIps,
    /// When it ends.
    pub expires: Option<Expiry>,
    /// How often in how long it may be used.
    pub rate_limit: Option<RateLimit>,
    /// How often it may be used in a day, in a month, or at all.
    pub quota: Option<Quota>,
    /// The caller's own pairs.
    pub metadata: Metadata,
    /// Words by which it is found.
    pub tags: Tags,
    /// The secret that it has already; `None`: one is made.
    pub import: Option<Box<Import>>,
    /// What the new key must keep to; its account's own limits are added.
    pub policy: Policy,
}

/// The secret of a key that was made elsewhere, as far as the ledger ever knows it.
#[derive(Clone, Debug)]
pub struct Import {
    /// SHA-256 of its whole text.
    pub digest: Digest,
    /// What may be shown of it. `None`: nothing.
    pub prefix: Option<Prefix>,
    /// Where it was made.
    pub imported: Imported,
    /// What of a request that may be repeated is the same each time, and of no other request.
    pub repeat: Option<[u8; 10]>,
}

impl Default for NewKeyRequest {
    /// A secret key for live use, with nothing else given.
    fn default() -> NewKeyRequest {
        NewKeyRequest {
            account: None,
            owner: None,
            name: None,
            description: None,
            kind: Kind::Secret,
            environment: Environment::Live,
            role: None,
            permissions: Box::default(),
            project: None,
            allowed_ips: AllowedIps::default(),
            expires: None,
            rate_limit: None,
            quota: None,
            metadata: Metadata::default(),
            tags: Tags::default(),
            import: None,
            policy: Policy::default(),
        }
    }
}

impl NewKeyRequest {
    /// How many seconds it lives, if that counts from the moment it is recorded as made.
    pub(crate) fn ttl_s(&self) -> Option<u64> {
        match self.expires {
            Some(Expiry::After(seconds)) => Some(seconds),
            Some(Expiry::At(_)) | None => None,
        }
    }
}

/// A new key as the writer is asked for it.
#[derive(Clone)]
pub(crate) struct WantedKey {
    pub(crate) key: NewKey,
    /// How many seconds it lives, counted from the moment of its record; else the key says.
    pub(crate) ttl_s: Option<u64>,
    /// What it must keep to.
    pub(crate) policy: Policy,
    /// Whether its permissions were named, and do not only follow from its role.
    pub(crate) permissions_named: bool,
    /// The key that it was copied from, as that was then.
    pub(crate) model: Option<Arc<NewKey>>,
}

/// When a key ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At that moment.
    At(Timestamp),
    /// So many seconds after it is made.
    After(u64),
}

/// What a rotation changes; the rest is copied from the old key.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each means what it means in `NewKeyRequest`; `None` copies")]
pub struct Changes {
    pub name: Option<KeyName>,
    pub description: Option<Description>,
    pub role: Option<KeyRole>,
    pub permissions: Option<Box<[Permission]>>,
    pub project: Option<Project>,
    pub allowed_ips: Option<AllowedIps>,
    pub expires: Option<Expiry>,
    pub rate_limit: Option<RateLimit>,
    pub quota: Option<Quota>,
    pub metadata: Option<Metadata>,
    pub tags: Option<Tags>,
    /// The most active keys of this account, owner and dialect, the new one included.
    pub most_active: Option<u32>,
}

/// An edit of a key: what of it is wanted to be different.
#[derive(Clone, Debug, Default)]
pub struct KeyEdits {
    /// The new values.
    pub edits: Edits,
    /// How many seconds the key lives on, counted from the moment of the record.
    pub ttl_s: Option<u64>,
    /// Pairs to set and, where there is no value, to take out; the others stay.
    pub metadata: Option<BTreeMap<String, Option<String>>>,
    /// Take the quota away if it is one of a day.
    pub no_daily_quota: bool,
    /// What the edited key must keep to.
    pub policy: Policy,
}

/// A change of a key's status.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Switch it back on.
    Enable,
    /// Switch it off.
    Disable,
    /// End it before its time.
    Expire,
    /// Withdraw it for good.
    Revoke(Revocation),
}

impl From<Change> for Command {
    fn from(change: Change) -> Command {
        match change {
            Change::Enable => Command::Enable,
            Change::Disable => Command::Disable,
            Change::Expire => Command::Expire,
            Change::Revoke(revocation) => Command::Revoke(revocation),
        }
    }
}

/// The options of a request that changes something.
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    /// Why.
    pub reason: Option<Reason>,
    /// The revision the key must be at.
    pub if_revision: Option<u32>,
    /// Digests of the idempotency key, with what scopes it, and of the request.
    pub idempotency: Option<Idempotency>,
    /// Decide and answer, but record nothing.
    pub dry_run: bool,
    /// The dialect whose keys alone may be touched; others are unknown.
    pub only: Option<Dialect>,
}

/// A request, as far as its command and its records depend on it.
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub(crate) caller: Caller,
    pub(crate) reason: Option<Reason>,
    pub(crate) idempotency: Option<Idempotency>,
    /// The revision the key must be at.
    pub(crate) if_revision: Option<u32>,
    /// Decide and reply, but record nothing.
    pub(crate) dry_run: bool,
}

impl RequestContext {
    /// The context of a request of `caller`.
    pub(crate) fn new(caller: &Caller, options: &RequestOptions) -> RequestContext {
        RequestContext {
            caller: caller.clone(),
            reason: options.reason.clone(),
            idempotency: options.idempotency,
            if_revision: options.if_revision,
            dry_run: options.dry_run,
        }
    }

    /// The context of a request of `caller` without options.
    pub(crate) fn plain(caller: Caller) -> RequestContext {
        RequestContext {
            caller,
            reason: None,
            idempotency: None,
            if_revision: None,
            dry_run: false,
        }
    }
}
