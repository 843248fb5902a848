//! Which tokens a caller may see, make and end: those that have nothing that it has not itself.

use keys::{Account, Subject};

use crate::caller::{Caller, Grant, MANAGE, Role, Roles, Via};
use crate::error::Error;
use crate::record::token::{OwnToken, TokenRange};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// The account; `None` is all.
    account: Option<Account>,
    /// The subject; `None` is every one.
    subject: Option<Subject>,
    roles: Roles,
}

impl Reach {
    /// That of `caller`.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for who manages nothing.
    pub(crate) fn of(caller: &Caller) -> Result<Reach, Error> {
        let grant = caller.require(MANAGE)?;
        let held = caller.identity.roles;
        let roles: &[Role] = match grant {
            // A key that leaked must not live on as a token.
            _ if matches!(caller.identity.via, Via::Key(_)) => return Err(Error::Forbidden),
            Grant::Key(..) => return Err(Error::Forbidden),
            Grant::Owner(..) => &[Role::User],
            Grant::All | Grant::Account(_) if held.any(&[Role::Admin]) => Role::OF_TOKENS,
            // What `MaxRole::Owner` lets an issuer outside give.
            Grant::All | Grant::Account(_) => {
                &[Role::Owner, Role::Verifier, Role::Auditor, Role::User]
            }
        };
        Ok(Reach {
            account: grant.account().cloned(),
            subject: grant.owner().cloned(),
            roles: roles.iter().copied().collect(),
        })
    }

    /// Whether it has everything that `token` has.
    pub(crate) fn covers(&self, token: &OwnToken) -> bool {
        self.exceeds(token).is_none()
    }

    /// What `token` has that it has not.
    pub(crate) fn exceeds(&self, token: &OwnToken) -> Option<&'static str> {
        if self.account.as_ref().is_some_and(|own| token.account.as_ref() != Some(own)) {
            Some("another account")
        } else if self.subject.as_ref().is_some_and(|own| *own != token.subject) {
            Some("another subject")
        } else if self.roles.includes(token.roles) {
            None
        } else {
            Some("a role above its own")
        }
    }

    /// What of it `range` leaves: no more than both.
    ///
    /// # Errors
    ///
    /// [`Error::MoreThanOwn`] for an account or a subject of others.
    pub(crate) fn narrow(&self, range: TokenRange) -> Result<TokenRange, Error> {
        let account = both(self.account.as_ref(), range.account, "another account")?;
        let subject = both(self.subject.as_ref(), range.subject, "another subject")?;
        Ok(TokenRange { account, subject, roles: self.roles, ..range })
    }

    /// Its account, if it is one.
    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Whether it makes tokens. A user does not: its own would outlive the one it has.
    pub(crate) fn makes(&self) -> bool {
        self.subject.is_none()
    }
}

/// What is both `own` and `wanted`, where none means any; refused if nothing is.
fn both<T: Clone + PartialEq>(
    own: Option<&T>,
    wanted: Option<T>,
    otherwise: &'static str,
) -> Result<Option<T>, Error> {
    match (own, wanted) {
        (Some(own), Some(wanted)) if *own != wanted => Err(Error::MoreThanOwn(otherwise)),
        (own, wanted) => Ok(wanted.or_else(|| own.cloned())),
    }
}
