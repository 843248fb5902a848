//! What the log stores: an event and its circumstances.

pub(crate) mod access;
pub(crate) mod codec;
pub(crate) mod pool;
pub(crate) mod replay;
pub(crate) mod token;

use eventlog::Seq;
use keys::{
    Account, Dialect, Event, KeyId, NodeName, Pseudonym, Reason, Rule, Status, Subject, Timestamp,
};
use signedlog::Leaf;

use crate::caller::{Caller, Identity, Origin, Roles, Via};

/// Who did it, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The subject.
    pub subject: Subject,
    /// The account it acted for; `None` is all.
    pub account: Option<Account>,
    /// What it might do.
    pub roles: Roles,
    /// How it proved who it is.
    pub via: Via,
}

impl Actor {
    /// Who `caller` is.
    pub(crate) fn of(caller: &Caller) -> Actor {
        let Identity { subject, scope, roles, via } = &*caller.identity;
        Actor {
            subject: subject.clone(),
            account: scope.account().cloned(),
            roles: *roles,
            via: via.clone(),
        }
    }
}

/// A key that a record touches, chained to that key's previous record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The key.
    pub key: KeyId,
    /// Its revision after the record: 1 for its creation.
    pub revision: u32,
    /// Its status before; `None` if it did not exist.
    pub before: Option<Status>,
    /// Its status after.
    pub after: Status,
    /// Place and leaf of the key's previous record; `None` for its first.
    pub previous: Option<(Seq, Leaf)>,
}

impl Link {
    /// The link of a key's `Created`.
    pub(crate) fn first(key: KeyId) -> Link {
        Link { key, revision: 1, before: None, after: Status::Enabled, previous: None }
    }
}

/// The keys that a record touches: the one it happened to, and those that it changes beside it. The
/// creation of a key that takes the place of another one touches that one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// The key it happened to.
    pub own: Link,
    /// The keys that it changes beside that one, each another key.
    pub others: Vec<Link>,
}

impl Links {
    /// All of them, that of the key it happened to first.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        std::iter::once(&self.own).chain(&self.others)
    }

    /// The link of `key`, if the record touches it.
    #[must_use]
    pub fn of(&self, key: KeyId) -> Option<&Link> {
        self.iter().find(|link| link.key == key)
    }
}

impl From<Link> for Links {
    fn from(own: Link) -> Links {
        Links { own, others: Vec::new() }
    }
}

/// Marks a record as the outcome of a request with an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// SHA-256 of account, subject, route and idempotency key.
    pub key: [u8; 32],
    /// SHA-256 of the request.
    pub request: [u8; 32],
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When: never earlier than the record before it.
    pub at: Timestamp,
    /// The node that wrote it.
    pub node: NodeName,
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// Through which face.
    pub dialect: Dialect,
    /// Why, in the caller's words.
    pub reason: Option<Reason>,
    /// What it was judged by beside the moves that are always the same.
    pub rules: Vec<Rule>,
    /// What happened.
    pub event: Event,
    /// The keys it touches.
    pub links: Links,
    /// Random bytes, so that a guessed record cannot be confirmed from its public hash.
    pub salt: Salt,
    /// The request that it is the outcome of, if that had an idempotency key.
    pub idempotency: Option<Idempotency>,
    /// For whom what says who somebody is was sealed.
    pub persons: Persons,
}

/// The salt of a record, which is also the nonce of what it holds sealed.
pub type Salt = [u8; 12];

/// The persons that a record speaks of, as far as it holds something sealed for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Persons {
    /// Who acted; `None` is the ledger's own worker.
    pub actor: Option<Pseudonym>,
    /// The owner of the key, after the event.
    pub owner: Option<Pseudonym>,
    /// The owner before, if that was another one.
    pub former: Option<Pseudonym>,
    /// The one of these, beside who acted, whom the reason is sealed for: of a key that changes hands the
    /// owner before.
    pub meant: Option<Pseudonym>,
}

impl Persons {
    /// Their pseudonyms.
    pub fn iter(&self) -> impl Iterator<Item = Pseudonym> + use<> {
        [self.actor, self.owner, self.former].into_iter().flatten()
    }
}

/// An event as the log holds it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place.
    pub seq: Seq,
    /// The record.
    pub record: Record,
    /// The account of the key it touches.
    pub account: Account,
    /// The owner of that key; `None` where that is not looked up, as in bundles.
    pub owner: Option<Subject>,
}
