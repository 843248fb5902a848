//! The decider: the only opinion in the house.

use std::sync::Arc;

use crate::bounds;
use crate::event::{Event, Revocation};
use crate::facts::Facts;
use crate::invalid::Invalid;
use crate::key::NewKey;
use crate::policy::{Policy, Rule};
use crate::refusal::Refusal;
use crate::state::Status;
use crate::time::Timestamp;
use crate::update::Update;

/// What somebody wants to happen to a key. Imperative: it may be refused.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make a key.
    Create(Arc<NewKey>, Policy),
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
    /// Change some of its attributes.
    Update(Arc<Update>, Policy),
    /// Put a new key in its place.
    Rotate(Arc<NewKey>, Rotation, Policy),
}

/// The answer to a command that was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What happens.
    pub event: Event,
    /// The rules that it was judged by, in the order of [`Rule`]'s variants, but for the moves that
    /// are always the same.
    pub rules: Vec<Rule>,
}

impl From<Event> for Decision {
    fn from(event: Event) -> Decision {
        Decision { event, rules: Vec::new() }
    }
}

/// How a key gives way to the one that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    overlap_s: u32,
}

impl Rotation {
    /// The longest overlap: 7 days.
    pub const MAX_OVERLAP_S: u32 = bounds::OVERLAP_S;

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
///     created_at: Some(Timestamp::from_secs(1_767_000_000)),
///     revision: 1,
///     wanted_revision: None,
///     replaced_by: None,
///     owner_active: 1,
///     account_alive: 1,
///     keys: 1,
///     prefix_taken: false,
///     digest_taken: false,
///     found: None,
///     owner_erased: false,
/// };
/// assert_eq!(decide(&facts, Command::Disable), Ok(Event::Disabled.into()));
/// assert_eq!(decide(&facts, Command::Enable), Err(Refusal::Already(Status::Enabled)));
/// ```
///
/// # Errors
///
/// A [`Refusal`]; nothing has happened and the caller may try something else.
pub fn decide(facts: &Facts, command: Command) -> Result<Decision, Refusal> {
    let mut decision = decide_at_any_revision(facts, command)?;
    if let (Some(_), Some(wanted)) = (facts.status, facts.wanted_revision) {
        decision.rules.insert(0, Rule::Revision(wanted));
    }
    Ok(decision)
}

fn decide_at_any_revision(facts: &Facts, command: Command) -> Result<Decision, Refusal> {
    use Status::{Disabled, Enabled, Expired, Revoked};

    if let (Some(_), Some(wanted)) = (facts.status, facts.wanted_revision)
        && wanted != facts.revision
    {
        return Err(Refusal::RevisionMismatch(facts.revision));
    }
    match (facts.status, command) {
        (None, Command::Create(key, policy)) => create(facts, key, &policy, true),
        (Some(Enabled), Command::Rotate(key, rotation, policy)) => {
            rotate(facts, key, rotation, &policy)
        }
        (Some(Enabled | Disabled), Command::Update(update, policy)) => edit(facts, update, &policy),
        (Some(Disabled), Command::Enable) => Ok(Event::Enabled.into()),
        (Some(Enabled), Command::Disable) => Ok(Event::Disabled.into()),
        (Some(Enabled | Disabled), Command::Expire) => Ok(Event::Expired { due: None }.into()),
        (Some(Enabled | Disabled), Command::ExpireDue) => match facts.due {
            Some(due) if due <= facts.now => Ok(Event::Expired { due: Some(due) }.into()),
            Some(_) | None => Err(Refusal::NotDue),
        },
        (Some(Enabled | Disabled | Expired), Command::Revoke(revocation))
        | (Some(Enabled | Disabled), Command::RevokeOwn(revocation)) => {
            Ok(Event::Revoked(revocation).into())
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

fn create(
    facts: &Facts,
    key: Arc<NewKey>,
    policy: &Policy,
    counts: bool,
) -> Result<Decision, Refusal> {
    if let Some(found) = facts.found {
        return Err(Refusal::Found(found));
    }
    if facts.digest_taken {
        return Err(Refusal::DigestTaken);
    }
    if key.expires_at.is_some_and(|due| due <= facts.now) {
        return Err(Refusal::ExpiresInThePast);
    }
    let rules = policy.allows_new(facts, &key, counts)?;
    Ok(Decision { event: Event::Created(key), rules })
}

fn rotate(
    facts: &Facts,
    mut key: Arc<NewKey>,
    rotation: Rotation,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    if facts.replaced_by.is_some() {
        return Err(Refusal::AlreadyReplaced);
    }
    // The new key would be another one of nobody.
    if facts.owner_erased {
        return Err(Refusal::OwnerErased);
    }
    let overlap_end = facts.now.plus_secs(u64::from(rotation.overlap_s));
    let valid_until = facts.due.map_or(overlap_end, |due| due.min(overlap_end));
    if let Some(replaces) = &mut Arc::make_mut(&mut key).replaces {
        replaces.valid_until = valid_until;
    }
    // Without an overlap the old key is due at once, and makes room for the new one.
    create(facts, key, policy, rotation.overlap_s > 0)
}

fn edit(facts: &Facts, update: Arc<Update>, policy: &Policy) -> Result<Decision, Refusal> {
    if update.is_empty() {
        return Err(Refusal::Unchanged);
    }
    if facts.owner_erased && update.speaks_of_owner() && update.owner().is_none() {
        return Err(Refusal::OwnerErased);
    }
    if let Some(expires_at) = update.expires_at() {
        if expires_at.is_some_and(|due| due <= facts.now) {
            return Err(Refusal::ExpiresInThePast);
        }
        // No end is the latest one.
        let end = |due: Option<Timestamp>| due.unwrap_or(Timestamp::MAX);
        if facts.replaced_by.is_some() && end(expires_at) > end(facts.due) {
            return Err(Refusal::EndsWithOverlap);
        }
    }
    let rules = policy.allows_update(facts, &update)?;
    Ok(Decision { event: Event::Updated(update), rules })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
