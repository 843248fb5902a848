//! The rules that an event was judged by, in answers.

use keys::{Reuse, Rule};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::key::Permissions;

/// A list of rules.
pub(crate) struct Rules<'a>(pub(crate) &'a [Rule]);

/// One rule, with its name in `rule`.
#[derive(Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
enum Shown<'a> {
    Revision { revision: u32 },
    Reuse { least_ttl_ms: u64, own: bool },
    AccountKeys { most: u64, counted: u64 },
    AccountAlive { most: u64, counted: u64 },
    OwnerActive { most: u32, counted: u32 },
    LongestLife { seconds: u64 },
    Permissions { permissions: Permissions<'a> },
    SecretPrefix { prefix: &'a str },
    UniquePrefix,
}

impl Serialize for Rules<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for rule in self.0 {
            list.serialize_element(&shown(rule))?;
        }
        list.end()
    }
}

fn shown(rule: &Rule) -> Shown<'_> {
    match rule {
        Rule::Revision(revision) => Shown::Revision { revision: *revision },
        Rule::Reuse(Reuse { least_ttl_ms, own }) => {
            Shown::Reuse { least_ttl_ms: *least_ttl_ms, own: *own }
        }
        Rule::AccountKeys { most, counted } => {
            Shown::AccountKeys { most: *most, counted: *counted }
        }
        Rule::AccountAlive { most, counted } => {
            Shown::AccountAlive { most: *most, counted: *counted }
        }
        Rule::OwnerActive { most, counted } => {
            Shown::OwnerActive { most: *most, counted: *counted }
        }
        Rule::LongestLife(seconds) => Shown::LongestLife { seconds: *seconds },
        Rule::Permissions(all) => Shown::Permissions { permissions: Permissions(all) },
        Rule::SecretPrefix(prefix) => Shown::SecretPrefix { prefix: prefix.as_str() },
        Rule::UniquePrefix => Shown::UniquePrefix,
    }
}
