//! Whether the actor of a record may do what it says: by its roles and its scope, and if it is a key, by
//! what that key was then.

use keys::{Account, Dialect, Event, Status, Subject};

use super::{Auditor, Extent, TrackedKey, Violation};
use crate::caller::{EXPIRE, MANAGE, OWN_KEY, Role, Via};
use crate::record::Record;

/// The key that a record is about.
pub(super) struct About<'r> {
    pub(super) account: &'r Account,
    /// Whose it is; `None` if that is not known.
    pub(super) owner: Option<&'r Subject>,
}

impl Auditor {
    /// Whether the actor may do that to the key.
    pub(super) fn may_act(&self, record: &Record, about: &About<'_>) -> Result<(), Violation> {
        let acting = match &record.actor.via {
            Via::Key(id) => self.keys.get(id),
            Via::Token { .. } | Via::Worker => None,
        };
        check(record, about, acting, matches!(self.extent, Extent::Whole | Extent::Account))
    }
}

/// Checks the actor of a record. `acting` is the key that it is, if it is one that is known; of a whole
/// log every key is, and `is_whole` says so.
fn check(
    record: &Record,
    about: &About<'_>,
    acting: Option<&TrackedKey>,
    is_whole: bool,
) -> Result<(), Violation> {
    let actor = &record.actor;
    let when_due = matches!(record.event, Event::Expired { due: Some(_) });
    if actor.account.as_ref().is_some_and(|own| own != about.account) {
        let account = about.account.clone();
        return if when_due { Ok(()) } else { Err(Violation::Scope(account)) };
    }
    match &actor.via {
        Via::Worker if when_due => Ok(()),
        Via::Worker => Err(Violation::Authority("the worker only records that keys are due")),
        Via::Token { .. } if when_due => has(actor.roles.any(EXPIRE), "its role records no ends"),
        Via::Token { .. } => {
            has(actor.roles.any(MANAGE), "its role changes no keys")?;
            let is_bound = !actor.roles.any(&[Role::Owner, Role::Admin]);
            if is_bound { own_keys_alone(record, about) } else { Ok(()) }
        }
        Via::Key(id) if actor.roles.any(OWN_KEY) => {
            let ends_itself =
                matches!(record.event, Event::Revoked(_)) && record.links.own.key == *id;
            has(ends_itself, "a key that calls as itself only ends itself")
        }
        Via::Key(_) => {
            has(record.dialect != Dialect::Native, "no native key changes keys")?;
            has(actor.account.is_some(), "a key acts for its own account")?;
            match acting {
                Some(key) => acts(record, key),
                None => has(!is_whole, "the key that acts was never created"),
            }
        }
    }
}

fn has(holds: bool, otherwise: &'static str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Authority(otherwise)) }
}

/// Of role `user`: keys of its own, which it does not give away.
fn own_keys_alone(record: &Record, about: &About<'_>) -> Result<(), Violation> {
    let subject = &record.actor.subject;
    has(record.actor.account.is_some(), "a user is one of an account")?;
    let is_another = |owner: &Subject| {
        // Who was erased has another name in each of two records, at most.
        owner != subject && !owner.is_erased() && !subject.is_erased()
    };
    has(!about.owner.is_some_and(is_another), "a user changes its own keys alone")?;
    let update = if let Event::Updated(update) = &record.event { Some(update) } else { None };
    let given = update.and_then(|update| update.owner());
    has(!given.is_some_and(is_another), "a user gives no key away")
}

/// Whether a key may act: of its own account, through the API that made it, and while it is good.
fn acts(record: &Record, key: &TrackedKey) -> Result<(), Violation> {
    has(
        record.actor.account.as_ref() == Some(&key.account),
        "the key that acts is of another account",
    )?;
    let dialect = key.made.as_ref().map(|made| made.dialect);
    has(dialect.is_none_or(|own| own == record.dialect), "the key that acts is of another API")?;
    has(key.state.status_at(record.at) == Status::Enabled, "the key that acts was not good then")
}
