//! The stored form of the rules that an event was judged by.

use keys::{Prefix, Reuse, Rule};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::key::permissions;

#[derive(Serialize, Deserialize)]
pub(super) enum RuleV1<'a> {
    Revision(u32),
    Reuse {
        least_ttl_ms: u64,
        own: bool,
    },
    AccountKeys {
        most: u64,
        counted: u64,
    },
    AccountAlive {
        most: u64,
        counted: u64,
    },
    OwnerActive {
        most: u32,
        counted: u32,
    },
    LongestLife(u64),
    #[serde(borrow)]
    Permissions(Vec<&'a str>),
    SecretPrefix(&'a str),
    UniquePrefix,
}

impl<'a> RuleV1<'a> {
    pub(super) fn new(rule: &'a Rule) -> RuleV1<'a> {
        match rule {
            Rule::Revision(revision) => RuleV1::Revision(*revision),
            Rule::Reuse(Reuse { least_ttl_ms, own }) => {
                RuleV1::Reuse { least_ttl_ms: *least_ttl_ms, own: *own }
            }
            Rule::AccountKeys { most, counted } => {
                RuleV1::AccountKeys { most: *most, counted: *counted }
            }
            Rule::AccountAlive { most, counted } => {
                RuleV1::AccountAlive { most: *most, counted: *counted }
            }
            Rule::OwnerActive { most, counted } => {
                RuleV1::OwnerActive { most: *most, counted: *counted }
            }
            Rule::LongestLife(seconds) => RuleV1::LongestLife(*seconds),
            Rule::Permissions(all) => RuleV1::Permissions(permissions(all)),
            Rule::SecretPrefix(prefix) => RuleV1::SecretPrefix(prefix.as_str()),
            Rule::UniquePrefix => RuleV1::UniquePrefix,
        }
    }

    pub(super) fn into_rule(self, interner: &mut Interner) -> Result<Rule, DecodeError> {
        Ok(match self {
            RuleV1::Revision(revision) => Rule::Revision(revision),
            RuleV1::Reuse { least_ttl_ms, own } => Rule::Reuse(Reuse { least_ttl_ms, own }),
            RuleV1::AccountKeys { most, counted } => Rule::AccountKeys { most, counted },
            RuleV1::AccountAlive { most, counted } => Rule::AccountAlive { most, counted },
            RuleV1::OwnerActive { most, counted } => Rule::OwnerActive { most, counted },
            RuleV1::LongestLife(seconds) => Rule::LongestLife(seconds),
            RuleV1::Permissions(texts) => Rule::Permissions(interner.pool.permissions_of(&texts)?),
            RuleV1::SecretPrefix(text) => Rule::SecretPrefix(Prefix::new(text)?),
            RuleV1::UniquePrefix => Rule::UniquePrefix,
        })
    }
}
