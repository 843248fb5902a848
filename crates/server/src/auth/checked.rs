//! A verified token, and the roles that it may grant.

use std::str::FromStr;
use std::sync::Arc;

use keys::Timestamp;
use ledger::{Identity, Role, TokenRow};

use super::jwk::KeyDigest;

/// The highest role that tokens of an outside issuer grant; roles beyond it are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxRole {
    /// To verify.
    Verifier,
    /// To read.
    Auditor,
    /// To expire what is due.
    Worker,
    /// Everything a client does, with the keys of the token's subject alone.
    User,
    /// Everything a client does, which includes to verify and to read.
    Owner,
    /// Everything.
    Admin,
}

impl MaxRole {
    pub(super) fn allows(self, role: Role) -> bool {
        match self {
            MaxRole::Verifier => role == Role::Verifier,
            MaxRole::Auditor => role == Role::Auditor,
            MaxRole::Worker => role == Role::Worker,
            MaxRole::User => role == Role::User,
            MaxRole::Owner => {
                matches!(role, Role::Owner | Role::Verifier | Role::Auditor | Role::User)
            }
            MaxRole::Admin => role != Role::Key,
        }
    }
}

impl FromStr for MaxRole {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<MaxRole, &'static str> {
        match text {
            "verifier" => Ok(MaxRole::Verifier),
            "auditor" => Ok(MaxRole::Auditor),
            "worker" => Ok(MaxRole::Worker),
            "user" => Ok(MaxRole::User),
            "owner" => Ok(MaxRole::Owner),
            "admin" => Ok(MaxRole::Admin),
            _ => Err("must be one of: verifier auditor worker user owner admin"),
        }
    }
}

/// The plan of the bearer's account; some dialects depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plan {
    /// The lowest; also that of a token without a plan.
    Free,
    /// Above free.
    Pro,
    /// Above pro.
    Team,
    /// The highest.
    Enterprise,
}

impl Plan {
    pub(super) fn of(text: &str) -> Plan {
        match text {
            "pro" => Plan::Pro,
            "team" => Plan::Team,
            "enterprise" => Plan::Enterprise,
            _ => Plan::Free,
        }
    }
}

/// A verified token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) identity: Arc<Identity>,
    pub(crate) plan: Plan,
    /// Until when it is accepted, leeway included.
    pub(crate) expires_at: Timestamp,
    /// The key of the JWKS file that verified it, if one of those did.
    pub(super) key: Option<KeyDigest>,
    /// What became of it, if it is one of the service's own.
    pub(super) row: Option<Arc<TokenRow>>,
    /// The epoch of the keys (`Auth::epoch`) before it was verified; in another epoch it is verified
    /// again.
    pub(super) epoch: u64,
}

impl Token {
    /// Whether it need not be verified again: it has not expired, was not ended, and the keys have
    /// not changed since it was verified. Counts as a use.
    pub(crate) fn is_current(&self, epoch: u64, now: Timestamp) -> bool {
        self.epoch == epoch && now < self.expires_at && self.admit(now)
    }

    /// Counts a use, unless it was ended before its time.
    pub(super) fn admit(&self, now: Timestamp) -> bool {
        self.row.as_ref().is_none_or(|row| row.admit(now))
    }

    /// Whether it was ended before its time.
    pub(super) fn is_ended(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.is_ended())
    }

    /// A copy that shares no reference count, so that the connections of one gateway do not write to
    /// the same place in memory.
    pub(crate) fn unshared(&self) -> Token {
        Token { identity: Arc::new(Identity::clone(&self.identity)), ..self.clone() }
    }
}
