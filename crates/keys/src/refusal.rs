//! Why a change is refused.

use crate::id::KeyId;
use crate::state::Status;

/// Why a change was refused. Nothing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such key, as far as the caller may know.
    #[error("no such key")]
    UnknownKey,
    /// The key is there already.
    #[error("the key exists already")]
    KeyExists,
    /// A key with that digest is there already: one that was brought in with its own secret.
    #[error("a key with the same secret exists")]
    DigestTaken,
    /// The key has that status already.
    #[error("the key is already {0}")]
    Already(Status),
    /// The key cannot be changed so while it has that status.
    #[error("not while the key is {0}")]
    NotWhile(Status),
    /// The key changed since the caller saw it; it has this revision now.
    #[error("the key is at revision {0}")]
    RevisionMismatch(u32),
    /// Another key took its place already.
    #[error("the key was replaced already")]
    AlreadyReplaced,
    /// There are as many active keys as there may be.
    #[error("at most {0} active keys are allowed")]
    ActiveKeyLimit(u32),
    /// The account has as many keys as it may have, whatever their status.
    #[error("the account has {0} keys, as many as it may have")]
    KeyLimit(u64),
    /// The account has as many keys enabled or disabled as it may have.
    #[error("the account has {0} keys enabled or disabled, as many as it may have")]
    AccountLimit(u64),
    /// The key would have no end, which keys of the account must have.
    #[error("a key of this account must have an end")]
    ExpiryRequired,
    /// The key would live longer than keys of the account may, in seconds from its creation.
    #[error("a key of this account must end within {0} seconds of its creation")]
    LifeTooLong(u64),
    /// The key would have a permission that keys of the account may not have.
    #[error("keys of this account may not have all of these permissions")]
    PermissionNotAllowed,
    /// The key would have a role that is none of the account's.
    #[error("keys of this account may not have this role")]
    RoleNotAllowed,
    /// The request names other permissions than those that the account gives to the key's role.
    #[error("the permissions follow from the role")]
    PermissionsOfRole,
    /// The text of the secret does not begin as those of the account must.
    #[error("the prefix is not that of this account's keys")]
    OtherPrefix,
    /// Another key has that prefix; another secret has to be made.
    #[error("another key has the same prefix")]
    PrefixTaken,
    /// This public key does as well as a new one.
    #[error("a public key for this use exists")]
    Found(KeyId),
    /// The key's time has not come.
    #[error("the key is not due")]
    NotDue,
    /// The key would be expired from the start.
    #[error("expires_at must lie in the future")]
    ExpiresInThePast,
    /// The key is as it is wanted already.
    #[error("the key is as wanted already")]
    Unchanged,
    /// Another key took its place; it cannot end later than the rotation left it.
    #[error("the key was replaced and can only end sooner")]
    EndsWithOverlap,
    /// The owner of the key was erased, and nothing is said of it any more; the key goes on as it is.
    #[error("the owner of the key was erased; give it to another one first, or revoke it")]
    OwnerErased,
}
