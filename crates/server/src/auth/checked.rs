//! A checked token, and what it may give its bearer.

use std::str::FromStr;
use std::sync::Arc;

use keys::Timestamp;
use ledger::{Identity, Role};

use super::jwk::KeyDigest;

/// The most that an outside issuer's tokens give; roles beyond it are not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxRole {
    /// To verify.
    Verifier,
    /// To read.
    Auditor,
    /// To expire what is due.
    Worker,
    /// All that a client does: to verify and to read are parts of it.
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
            MaxRole::Owner => matches!(role, Role::Owner | Role::Verifier | Role::Auditor),
            MaxRole::Admin => true,
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
            "owner" => Ok(MaxRole::Owner),
            "admin" => Ok(MaxRole::Admin),
            _ => Err("must be one of: verifier auditor worker owner admin"),
        }
    }
}

/// What the bearer's account pays for; some dialects ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plan {
    /// The least, and what a token without a plan has.
    Free,
    /// More.
    Pro,
    /// More again.
    Team,
    /// The most.
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

/// A checked token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) identity: Arc<Identity>,
    pub(crate) plan: Plan,
    /// Until when it is accepted, leeway included.
    pub(crate) expires_at: Timestamp,
    /// The key of the issuer's file that it was checked with, if it was one of those.
    pub(super) key: Option<KeyDigest>,
    /// The epoch of the keys (`Auth::epoch`) before it was checked: of another epoch it is checked again.
    pub(super) epoch: u64,
}
