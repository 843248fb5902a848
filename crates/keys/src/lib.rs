//! What an API key is, and which changes to it are lawful.
//!
//! Pure: no IO, no clock, no randomness. Time and random bytes come in as arguments, every value
//! that exists has been checked, and [`decide()`] alone says yes or no to a change.

mod account_rules;
mod allowed_ips;
pub mod bounds;
mod decide;
mod dialect;
mod event;
mod facts;
mod foreign;
mod format;
mod id;
mod invalid;
mod key;
mod kind;
mod leak;
mod limit;
mod metadata;
mod native_shape;
mod permission;
mod policy;
mod pseudonym;
mod refusal;
mod requirement;
mod secret;
mod secret_prefix;
mod state;
mod tags;
#[cfg(test)]
mod testing;
mod text;
mod time;
mod update;
mod verdict;
mod words;

pub use account_rules::{AccountRules, RulesByAccount};
pub use allowed_ips::{AllowedIps, canonical_network};
pub use decide::{Command, Decision, Rotation, decide};
pub use dialect::Dialect;
pub use event::{Event, EventKind, ReasonCode, Revocation};
pub use facts::Facts;
pub use foreign::ForeignSecret;
pub use format::Format;
pub use id::KeyId;
pub use invalid::Invalid;
pub use key::{Imported, NewKey, PublicValue, Replaces};
pub use kind::{Environment, Kind};
pub use leak::{contains_key, without_keys};
pub use limit::{Cost, Quota, QuotaPeriod, RateLimit};
pub use metadata::Metadata;
pub use permission::{Permission, covers};
pub use policy::{Policy, Reuse, Roles, Rule};
pub use pseudonym::Pseudonym;
pub use refusal::Refusal;
pub use requirement::Requirement;
pub use secret::{Digest, Prefix, Secret, looks_like_key};
pub use secret_prefix::SecretPrefix;
pub use state::{KeyState, Status};
pub use tags::Tags;
pub use text::{
    Account, Description, KeyName, KeyRole, NodeName, Project, Reason, Source, Subject, Tag,
    composed, hidden, visible,
};
pub use time::Timestamp;
pub use update::{Attribute, Edit, Edits, Update};
pub use verdict::{Question, Verdict, judge};
