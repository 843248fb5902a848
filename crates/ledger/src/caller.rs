//! Who makes a request. Every method of the ledger takes a [`Caller`]: there is no unaudited way in.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use keys::{Account, Dialect, Invalid, KeyId, NewKey, Subject};

use crate::error::Error;

/// The accounts that an identity is bound to. What of their keys it sees depends on its roles, see
/// `Grant`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of every account.
    All,
    /// Those of one.
    Account(Account),
}

impl Scope {
    /// Whether `account` lies in it.
    #[must_use]
    pub fn covers(&self, account: &Account) -> bool {
        match self {
            Scope::All => true,
            Scope::Account(own) => own == account,
        }
    }

    /// The one account, if it is one.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        match self {
            Scope::All => None,
            Scope::Account(account) => Some(account),
        }
    }
}

/// What a caller may do within its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything a client does with its own account's keys and events.
    Owner,
    /// Verify keys, nothing else.
    Verifier,
    /// Read everything, change nothing.
    Auditor,
    /// Record that keys are due, nothing else.
    Worker,
    /// Everything.
    Admin,
    /// Everything that an owner may, with the keys that belong to the subject itself.
    User,
    /// Of a key that calls with its own text: look at itself and end itself. No token gives it.
    Key,
}

impl Role {
    /// Every role. Records hold their places in this list.
    pub const ALL: &[Role] = &[
        Role::Owner,
        Role::Verifier,
        Role::Auditor,
        Role::Worker,
        Role::Admin,
        Role::User,
        Role::Key,
    ];
    /// Those that a token can give.
    pub const OF_TOKENS: &[Role] =
        &[Role::Owner, Role::Verifier, Role::Auditor, Role::Worker, Role::Admin, Role::User];

    /// The role of a token that gives it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Verifier => "verifier",
            Role::Auditor => "auditor",
            Role::Worker => "worker",
            Role::Admin => "admin",
            Role::User => "user",
            Role::Key => "key",
        }
    }

    /// How much a caller sees in it, compared with other roles.
    fn width(self) -> u8 {
        match self {
            Role::Key => 0,
            Role::User => 1,
            Role::Owner | Role::Verifier | Role::Auditor | Role::Worker | Role::Admin => 2,
        }
    }
}

impl FromStr for Role {
    type Err = Invalid;

    /// A role that a token can give, by its name.
    fn from_str(name: &str) -> Result<Role, Invalid> {
        const NAMES: &[&str] = &["owner", "verifier", "auditor", "worker", "admin", "user"];
        let role = Role::OF_TOKENS.iter().copied().find(|role| role.as_str() == name);
        role.ok_or(Invalid::UnknownWord(NAMES))
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// The set with `role` in it too.
    #[must_use]
    pub fn with(self, role: Role) -> Roles {
        Roles(self.0 | 1 << role as u8)
    }

    /// Whether any of `roles` is in the set.
    #[must_use]
    pub fn any(self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.0 & (1 << *role as u8) != 0)
    }

    /// The set as records hold it: one bit for each role, by its place in [`Role::ALL`].
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// The set of those bits, if each is a role's.
    pub(crate) fn from_bits(bits: u8) -> Option<Roles> {
        (usize::from(bits) < 1 << Role::ALL.len()).then_some(Roles(bits))
    }

    /// Whether all of `other` are in the set.
    #[must_use]
    pub fn includes(self, other: Roles) -> bool {
        other.0 & !self.0 == 0
    }

    /// The roles in it, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.iter().copied().filter(move |role| self.any(&[*role]))
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        roles.into_iter().fold(Roles::default(), Roles::with)
    }
}

/// How a caller proved who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// By a token of this issuer, with this `jti` (RFC 7519 §4.1.7).
    Token {
        /// The `iss` claim, or the ledger's own name for its own tokens.
        issuer: Arc<str>,
        /// The `jti` claim.
        jti: Option<Arc<str>>,
    },
    /// By an API key.
    Key(KeyId),
    /// It is the ledger's own expiry worker.
    Worker,
}

/// Who a caller is: the same for all requests of one token.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The subject.
    pub subject: Subject,
    /// The accounts that it is bound to.
    pub scope: Scope,
    /// What it may do there.
    pub roles: Roles,
    /// How it proved that.
    pub via: Via,
}

/// From where a request came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The request's id, at most 64 characters.
    pub request_id: Option<Box<str>>,
}

/// Who makes a request, and by which way it came.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub identity: Arc<Identity>,
    /// Through which face.
    pub dialect: Dialect,
    /// From where.
    pub origin: Origin,
}

/// Which keys a caller sees in one of the roles that a method takes. Only [`Caller::require`] makes
/// one, and whatever looks a key up takes one: no method can forget to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says which keys the caller sees"]
pub(crate) enum Grant<'c> {
    /// Those of every account.
    All,
    /// Those of one account.
    Account(&'c Account),
    /// Those of one account that belong to the subject.
    Owner(&'c Account, &'c Subject),
    /// The one key that is the caller.
    Key(&'c Account, KeyId),
}

impl<'c> Grant<'c> {
    /// Whether the caller sees `key`.
    pub(crate) fn covers(self, key: &NewKey) -> bool {
        match self {
            Grant::All => true,
            Grant::Account(account) => *account == key.account,
            Grant::Owner(account, owner) => *account == key.account && *owner == key.owner,
            Grant::Key(_, id) => id == key.id,
        }
    }

    /// The one account, if it is one.
    pub(crate) fn account(self) -> Option<&'c Account> {
        match self {
            Grant::All => None,
            Grant::Account(account) | Grant::Owner(account, _) | Grant::Key(account, _) => {
                Some(account)
            }
        }
    }

    /// The one owner, if it is one.
    pub(crate) fn owner(self) -> Option<&'c Subject> {
        match self {
            Grant::Owner(_, owner) => Some(owner),
            Grant::All | Grant::Account(_) | Grant::Key(..) => None,
        }
    }

    /// The one key, if it is one.
    pub(crate) fn key(self) -> Option<KeyId> {
        match self {
            Grant::Key(_, id) => Some(id),
            Grant::All | Grant::Account(_) | Grant::Owner(..) => None,
        }
    }

    /// What of it `account` leaves; all of it if none is named, `None` if nothing.
    pub(crate) fn within<'a>(self, account: Option<&'a Account>) -> Option<Grant<'a>>
    where
        'c: 'a,
    {
        match (self, account) {
            (grant, None) => Some(grant),
            (Grant::All, Some(account)) => Some(Grant::Account(account)),
            (grant, Some(account)) => Some(grant).filter(|_| grant.account() == Some(account)),
        }
    }
}

impl Caller {
    /// What the caller sees in one of `roles`, the widest that it has.
    pub(crate) fn require(&self, roles: &[Role]) -> Result<Grant<'_>, Error> {
        let Identity { subject, scope, roles: held, via } = &*self.identity;
        let role = roles.iter().copied().filter(|role| held.any(&[*role]));
        let role = role.max_by_key(|role| role.width()).ok_or(Error::Forbidden)?;
        match (role, scope, via) {
            (Role::Key, Scope::Account(account), Via::Key(id)) => Ok(Grant::Key(account, *id)),
            (Role::User, Scope::Account(account), _) => Ok(Grant::Owner(account, subject)),
            // A subject of all accounts would be whoever has that name in any of them.
            (Role::Key | Role::User, _, _) => Err(Error::Forbidden),
            (_, Scope::All, _) => Ok(Grant::All),
            (_, Scope::Account(account), _) => Ok(Grant::Account(account)),
        }
    }

    /// As [`Caller::require`], for what tells nothing of any key.
    pub(crate) fn require_role(&self, roles: &[Role]) -> Result<(), Error> {
        self.require(roles).map(drop)
    }

    /// As [`Caller::require`], and for all accounts.
    pub(crate) fn require_all(&self, roles: &[Role]) -> Result<(), Error> {
        match self.require(roles)? {
            Grant::All => Ok(()),
            Grant::Account(_) | Grant::Owner(..) | Grant::Key(..) => Err(Error::Forbidden),
        }
    }

    /// The account that is named, or else the caller's own, of a caller that sees all of it.
    pub(crate) fn whole_account<'a>(
        &'a self,
        named: Option<&'a Account>,
    ) -> Result<&'a Account, Error> {
        match (self.require(READ)?, named) {
            (Grant::All, named) => named.ok_or(Error::AccountRequired),
            (Grant::Account(own), named) if named.is_none_or(|named| named == own) => Ok(own),
            (Grant::Account(_) | Grant::Owner(..) | Grant::Key(..), _) => Err(Error::Forbidden),
        }
    }

    /// Whose requests its own are counted with.
    pub(crate) fn holder(&self) -> Holder {
        (self.identity.scope.account().cloned(), self.identity.subject.clone())
    }
}

/// Whose requests are counted together: account (`None` is all) and subject.
pub(crate) type Holder = (Option<Account>, Subject);

/// Who the ledger's own worker is.
#[expect(clippy::expect_used, reason = "the text is a constant")]
pub(crate) fn worker_subject() -> Subject {
    Subject::new("worker").expect("`worker` is a lawful subject")
}

/// The ledger's own worker, as a caller.
pub(crate) fn worker() -> Caller {
    static WORKER: LazyLock<Arc<Identity>> = LazyLock::new(|| {
        let subject = worker_subject();
        let roles = Roles::default().with(Role::Worker);
        Arc::new(Identity { subject, scope: Scope::All, roles, via: Via::Worker })
    });
    Caller { identity: Arc::clone(&WORKER), dialect: Dialect::Native, origin: Origin::default() }
}

/// Who may change keys.
pub const MANAGE: &[Role] = &[Role::Owner, Role::Admin, Role::User];
/// Who may read keys and events.
pub const READ: &[Role] = &[Role::Owner, Role::Auditor, Role::Admin, Role::User];
/// Who may read what is of all keys of an account.
pub const AUDIT: &[Role] = &[Role::Auditor, Role::Admin];
/// Who may verify.
pub const VERIFY: &[Role] = &[Role::Owner, Role::Verifier, Role::Admin, Role::User];
/// Who may record that keys are due.
pub const EXPIRE: &[Role] = &[Role::Worker, Role::Admin];
/// Who may look at itself, and end itself.
pub(crate) const OWN_KEY: &[Role] = &[Role::Key];
/// Who may have the receipt of what it was shown.
pub(crate) const SHOWN: &[Role] = &[Role::Owner, Role::Auditor, Role::Admin, Role::User, Role::Key];
