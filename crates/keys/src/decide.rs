//! The decider: the only opinion in the house.

use std::sync::Arc;

use crate::event::{Event, Revocation};
use crate::id::KeyId;
use crate::invalid::Invalid;
use crate::key::NewKey;
use crate::state::Status;
use crate::time::Timestamp;

/// All that an answer depends on, gathered by the writer.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The moment the decision is made at, and recorded with.
    pub now: Timestamp,
    /// The key's status, `None` if it was never created. A due key is expired here, because its
    /// `Expired` goes before.
    pub status: Option<Status>,
    /// The key's due time.
    pub due: Option<Timestamp>,
    /// The key's revision, 0 if it was never created.
    pub revision: u32,
    /// The revision that the caller insists on.
    pub wanted_revision: Option<u32>,
    /// The key that already took this one's place.
    pub replaced_by: Option<KeyId>,
    /// Active keys among those that a cap counts.
    pub active: u32,
    /// Keys of the account, whatever their status.
    pub keys: u64,
    /// Whether another key has the wanted prefix.
    pub prefix_taken: bool,
    /// The public key that would do as well as a new one.
    pub found: Option<KeyId>,
}

/// What somebody wants to happen to a key. Imperative: it may be refused.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make a key.
    Create(Arc<NewKey>, Limits),
    /// Switch it back on.
    Enable,
    /// Switch it off.
    Disable,
    /// End it now, before its time.
    Expire,
    /// Record that its time has run out.
    ExpireDue,
    /// Withdraw it for good.
    Revoke(Revocation),
    /// Withdraw it for good, as the key itself wants it, which must still be able to prove what it
    /// is.
    RevokeOwn(Revocation),
    /// Put a new key in its place.
    Rotate(Arc<NewKey>, Rotation, Limits),
}

/// What a new key must keep to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// The most active keys among those counted in [`Facts::active`], the new one included.
    pub active: Option<u32>,
    /// The most keys of the account, counted in [`Facts::keys`], the new one included.
    pub keys: Option<u64>,
    /// Whether no other key may have the same prefix.
    pub unique_prefix: bool,
}

/// How a key gives way to the one that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    overlap_s: u32,
}

impl Rotation {
    /// The longest overlap: 7 days.
    pub const MAX_OVERLAP_S: u32 = 7 * 86_400;

    /// A rotation after which the old key stays valid for `overlap_s` seconds.
    ///
    /// # Errors
    ///
    /// [`Invalid`] past [`Rotation::MAX_OVERLAP_S`].
    pub fn new(overlap_s: u64) -> Result<Rotation, Invalid> {
        u32::try_from(overlap_s)
            .ok()
            .filter(|overlap_s| *overlap_s <= Rotation::MAX_OVERLAP_S)
            .map(|overlap_s| Rotation { overlap_s })
            .ok_or_else(|| Invalid::OutOfRange {
                least: 0,
                most: Rotation::MAX_OVERLAP_S.into(),
                unit: " seconds",
            })
    }
}

/// Why a change was refused. Nothing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such key, as far as the caller may know.
    #[error("no such key")]
    UnknownKey,
    /// The key is there already.
    #[error("the key exists already")]
    KeyExists,
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
    /// Another key has that prefix; another secret has to be made.
    #[error("another key has the same prefix")]
    PrefixTaken,
    /// This public key does as well as a new one.
    #[error("a public key for this use exists")]
    Found(KeyId),
    /// The key's time has not come.
    #[error("the key is not due")]
    NotDue,
    /// The new key would be expired from the start.
    #[error("expires_at must lie in the future")]
    ExpiresInThePast,
}

/// Turns a command into the event that records it.
///
/// `facts` is all that the answer depends on. Lawful moves come first; what is not listed is
/// refused.
///
/// ```
/// use keys::{Command, Event, Facts, Refusal, Status, Timestamp, decide};
///
/// let facts = Facts {
///     now: Timestamp::from_secs(1_767_323_045),
///     status: Some(Status::Enabled),
///     due: None,
///     revision: 1,
///     wanted_revision: None,
///     replaced_by: None,
///     active: 1,
///     keys: 1,
///     prefix_taken: false,
///     found: None,
/// };
/// assert_eq!(decide(&facts, Command::Disable), Ok(Event::Disabled));
/// assert_eq!(decide(&facts, Command::Enable), Err(Refusal::Already(Status::Enabled)));
/// ```
///
/// # Errors
///
/// A [`Refusal`]; nothing has happened and the caller may try something else.
pub fn decide(facts: &Facts, command: Command) -> Result<Event, Refusal> {
    use Status::{Disabled, Enabled, Expired, Revoked};

    if let (Some(_), Some(wanted)) = (facts.status, facts.wanted_revision)
        && wanted != facts.revision
    {
        return Err(Refusal::RevisionMismatch(facts.revision));
    }
    match (facts.status, command) {
        (None, Command::Create(key, limits)) => create(facts, key, limits, true),
        (Some(Enabled), Command::Rotate(key, rotation, limits)) => {
            rotate(facts, key, rotation, limits)
        }
        (Some(Disabled), Command::Enable) => Ok(Event::Enabled),
        (Some(Enabled), Command::Disable) => Ok(Event::Disabled),
        (Some(Enabled | Disabled), Command::Expire) => Ok(Event::Expired { due: None }),
        (Some(Enabled | Disabled), Command::ExpireDue) => match facts.due {
            Some(due) if due <= facts.now => Ok(Event::Expired { due: Some(due) }),
            Some(_) | None => Err(Refusal::NotDue),
        },
        (Some(Enabled | Disabled | Expired), Command::Revoke(revocation))
        | (Some(Enabled | Disabled), Command::RevokeOwn(revocation)) => {
            Ok(Event::Revoked(revocation))
        }

        (None, _) => Err(Refusal::UnknownKey),
        (Some(_), Command::Create(..)) => Err(Refusal::KeyExists),
        (Some(Enabled), Command::Enable) => Err(Refusal::Already(Enabled)),
        (Some(Disabled), Command::Disable) => Err(Refusal::Already(Disabled)),
        (Some(Expired), Command::Expire | Command::ExpireDue) => Err(Refusal::Already(Expired)),
        (Some(Revoked), Command::Revoke(_) | Command::RevokeOwn(_)) => {
            Err(Refusal::Already(Revoked))
        }
        (Some(now), _) => Err(Refusal::NotWhile(now)),
    }
}

fn create(facts: &Facts, key: Arc<NewKey>, limits: Limits, counts: bool) -> Result<Event, Refusal> {
    if let Some(found) = facts.found {
        return Err(Refusal::Found(found));
    }
    if key.expires_at.is_some_and(|due| due <= facts.now) {
        return Err(Refusal::ExpiresInThePast);
    }
    if let Some(most) = limits.keys
        && facts.keys >= most
    {
        return Err(Refusal::KeyLimit(most));
    }
    if let Some(most) = limits.active
        && counts
        && facts.active >= most
    {
        return Err(Refusal::ActiveKeyLimit(most));
    }
    if limits.unique_prefix && facts.prefix_taken {
        return Err(Refusal::PrefixTaken);
    }
    Ok(Event::Created(key))
}

fn rotate(
    facts: &Facts,
    mut key: Arc<NewKey>,
    rotation: Rotation,
    limits: Limits,
) -> Result<Event, Refusal> {
    if facts.replaced_by.is_some() {
        return Err(Refusal::AlreadyReplaced);
    }
    let overlap_end = facts.now.plus_secs(u64::from(rotation.overlap_s));
    let valid_until = facts.due.map_or(overlap_end, |due| due.min(overlap_end));
    if let Some(replaces) = &mut Arc::make_mut(&mut key).replaces {
        replaces.valid_until = valid_until;
    }
    // Without an overlap the old key is due at once, and makes room for the new one.
    create(facts, key, limits, rotation.overlap_s > 0)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
