//! A token of the service's own, as far as it is remembered and recorded: never its text.

use std::sync::Arc;

use keys::{Account, Subject, Timestamp};

use crate::caller::Roles;
use crate::keyring::{Keyring, Mac};

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnToken {
    /// Its id (RFC 7519 §4.1.7), 1 to 200 bytes; `erased`, if its bearer was.
    pub jti: Arc<str>,
    /// Whom it names.
    pub subject: Subject,
    /// The account that it is bound to; `None` is all.
    pub account: Option<Account>,
    /// What it gives.
    pub roles: Roles,
    /// When it was made (`iat`).
    pub made_at: Timestamp,
    /// When it ends (`exp`), in whole seconds.
    pub ends_at: Timestamp,
}

/// What a subject is found by when it was erased.
pub(crate) fn subject_mac(subject: &Subject, keyring: &Keyring) -> Mac {
    keyring.mac("subject", subject.as_str())
}

impl OwnToken {
    /// The issuer of the service's own tokens, in their `iss` claim and in what is recorded of them.
    pub const ISSUER: &str = "keyledger";

    /// What is left of a token whose bearer was erased: all but whose it is, and its id.
    pub(crate) const ERASED_JTI: &str = "erased";

    /// Whether its bearer was erased, and its id with that.
    pub(crate) fn is_erased(&self) -> bool {
        self.subject.is_erased()
    }

    /// What a token is found by when its bearer was erased.
    pub(crate) fn mac(&self, keyring: &Keyring) -> Mac {
        keyring.mac("jti", &self.jti)
    }

    /// Whether `other` is the same token. Roles do not matter: a later program may know more of
    /// those that it names.
    pub(crate) fn is(&self, other: &OwnToken) -> bool {
        let of = |token: &OwnToken| (token.made_at, token.ends_at);
        of(self) == of(other)
            && self.jti == other.jti
            && self.subject == other.subject
            && self.account == other.account
    }
}

/// Which tokens are ended together: those that everything here holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRange {
    /// Bound to this account; `None` is every token, those of all accounts too.
    pub account: Option<Account>,
    /// Of this subject; `None` is every one.
    pub subject: Option<Subject>,
    /// Made before.
    pub issued_before: Timestamp,
    /// Giving no role beyond these: whoever ends tokens does not end those of higher ones.
    pub roles: Roles,
}

impl TokenRange {
    /// What its subject is found by when that was erased.
    pub(crate) fn mac(&self, keyring: &Keyring) -> Option<Mac> {
        self.subject.as_ref().map(|subject| subject_mac(subject, keyring))
    }

    /// Whether `token` is in it.
    pub(crate) fn covers(&self, token: &OwnToken) -> bool {
        token.made_at < self.issued_before
            && self.account.as_ref().is_none_or(|account| token.account.as_ref() == Some(account))
            && self.subject.as_ref().is_none_or(|subject| *subject == token.subject)
            && self.roles.includes(token.roles)
    }
}
