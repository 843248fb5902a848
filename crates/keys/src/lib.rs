//! What an API key is, and which changes to it are lawful.
//!
//! Pure: no IO, no clock, no randomness. Time and random bytes come in as arguments, every value
//! that exists has been checked, and [`decide()`] alone says yes or no to a change.

mod allowed_ips;
mod decide;
mod dialect;
mod event;
mod format;
mod id;
mod invalid;
mod key;
mod kind;
mod leak;
mod metadata;
mod permission;
mod secret;
mod state;
mod text;
mod time;
mod verdict;
mod words;

pub use allowed_ips::{AllowedIps, canonical_network};
pub use decide::{Command, Facts, Limits, Refusal, Rotation, decide};
pub use dialect::Dialect;
pub use event::{Event, EventKind, ReasonCode, Revocation};
pub use format::Format;
pub use id::KeyId;
pub use invalid::Invalid;
pub use key::{NewKey, Replaces};
pub use kind::{Environment, Kind};
pub use leak::{contains_key, without_keys};
pub use metadata::Metadata;
pub use permission::{Permission, covers};
pub use secret::{Digest, Prefix, Secret, looks_like_key};
pub use state::{KeyState, Status};
pub use text::{
    Account, Description, KeyName, KeyRole, Project, Reason, Subject, composed, hidden, visible,
};
pub use time::Timestamp;
pub use verdict::{Question, Verdict, judge};
