//! What an API key is, and which changes to it are lawful.
//!
//! Pure: no IO, no clock, no randomness. Time and random bytes come in as arguments, every value
//! that exists has been checked, and [`decide`] alone says yes or no to a change.

mod access;
mod decide;
mod event;
mod format;
mod id;
mod key;
mod leak;
mod metadata;
mod permission;
mod secret;
mod standing;
mod text;
mod time;
mod verdict;

pub use access::{AllowedIps, canonical_network};
pub use decide::{Command, Facts, Limits, Refusal, Rotation, decide};
pub use event::{Event, EventKind, ReasonCode, Revocation};
pub use format::Format;
pub use id::KeyId;
pub use key::{Dialect, Environment, Kind, NewKey, Replaces};
pub use leak::{contains_key, without_keys};
pub use metadata::Metadata;
pub use permission::{Permission, covers};
pub use secret::{Digest, Prefix, Secret, looks_like_key};
pub use standing::{KeyState, Status};
pub use text::{
    Account, Description, KeyName, KeyRole, Project, Reason, Subject, composed, hidden, visible,
};
pub use time::Timestamp;
pub use verdict::{Question, Verdict, judge};

/// Why a value was not accepted: a sentence for the one who sent it, without the value itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    fn new(why: impl Into<String>) -> Invalid {
        Invalid(why.into())
    }
}
