//! Who makes a request. Every method of the ledger takes a [`Caller`]: there is no unaudited way in.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use keys::{Account, Dialect, KeyId, Subject};

use crate::error::Error;

/// Whose keys a caller may see.
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

    /// What of it `account` leaves; all of it if none is named, `None` if nothing.
    pub(crate) fn narrowed(&self, account: Option<&Account>) -> Option<Scope> {
        match account {
            None => Some(self.clone()),
            Some(account) => self.covers(account).then(|| Scope::Account(account.clone())),
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
}

impl Role {
    /// The role of a token that gives it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Verifier => "verifier",
            Role::Auditor => "auditor",
            Role::Worker => "worker",
            Role::Admin => "admin",
        }
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// Whose keys it may see.
    pub scope: Scope,
    /// What it may do with them.
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

impl Caller {
    pub(crate) fn require(&self, roles: &[Role]) -> Result<(), Error> {
        if self.identity.roles.any(roles) { Ok(()) } else { Err(Error::Forbidden) }
    }

    /// As [`Caller::require`], and for all accounts.
    pub(crate) fn require_all(&self, roles: &[Role]) -> Result<(), Error> {
        match self.identity.scope {
            Scope::All => self.require(roles),
            Scope::Account(_) => Err(Error::Forbidden),
        }
    }

    /// Whose requests its own are counted with.
    pub(crate) fn holder(&self) -> Holder {
        (self.identity.scope.account().cloned(), self.identity.subject.clone())
    }

    pub(crate) fn sees(&self, account: &Account) -> bool {
        self.identity.scope.covers(account)
    }
}

/// Whose requests are counted together: account (`None` is all) and subject.
pub(crate) type Holder = (Option<Account>, Subject);

/// The ledger's own worker, as a caller.
pub(crate) fn worker() -> Caller {
    static WORKER: LazyLock<Arc<Identity>> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "the text is a constant")]
        let subject = Subject::new("worker").expect("`worker` is a lawful subject");
        let roles = Roles::default().with(Role::Worker);
        Arc::new(Identity { subject, scope: Scope::All, roles, via: Via::Worker })
    });
    Caller { identity: Arc::clone(&WORKER), dialect: Dialect::Native, origin: Origin::default() }
}

/// Who may change keys.
pub(crate) const MANAGE: &[Role] = &[Role::Owner, Role::Admin];
/// Who may read keys and events.
pub(crate) const READ: &[Role] = &[Role::Owner, Role::Auditor, Role::Admin];
/// Who may read what is of all accounts.
pub(crate) const AUDIT: &[Role] = &[Role::Auditor, Role::Admin];
/// Who may verify.
pub(crate) const VERIFY: &[Role] = &[Role::Owner, Role::Verifier, Role::Admin];
/// Who may record that keys are due.
pub(crate) const EXPIRE: &[Role] = &[Role::Worker, Role::Admin];
