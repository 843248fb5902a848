//! Whether a record is within the bounds of what a ledger writes, as far as reading it has not shown
//! that: texts, counts and ranges (`keys::bounds`, `schemas/limits.json`).

use eventlog::MAX_RECORD;
use keys::{Edit, Event, Kind, NewKey, Permission, Rule, Timestamp, bounds};

use super::Violation;
use crate::caller::Via;
use crate::record::{Persons, Record};

/// Checks a record of so many bytes.
pub(super) fn check(length: usize, record: &Record) -> Result<(), Violation> {
    within(length <= MAX_RECORD, "its size")?;
    if let Via::Token { issuer, jti } = &record.actor.via {
        within(bounds::ISSUER.check(issuer).is_ok(), "its issuer")?;
        let is_short = |jti: &str| bounds::TOKEN_ID.check(jti).is_ok();
        within(jti.as_deref().is_none_or(is_short), "its token_id")?;
    }
    let id = record.origin.request_id.as_deref();
    within(id.is_none_or(|id| bounds::REQUEST_ID.check(id).is_ok()), "its request_id")?;
    for rule in &record.rules {
        if let Rule::Permissions(all) = rule {
            permissions(all)?;
        }
    }
    match &record.event {
        Event::Created(key) => new_key(key, record.at)?,
        Event::Updated(update) => update.iter().try_for_each(edit)?,
        Event::Revoked(revocation) => is_past(revocation.compromised_since, record.at)?,
        Event::Enabled | Event::Disabled | Event::Expired { .. } => {}
    }
    meant(&record.persons)
}

fn within(holds: bool, what: &'static str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Limit(what)) }
}

fn permissions(all: &[Permission]) -> Result<(), Violation> {
    within(all.len() <= bounds::PERMISSIONS, "its number of permissions")
}

fn new_key(key: &NewKey, at: Timestamp) -> Result<(), Violation> {
    permissions(&key.permissions)?;
    let public = key.public_value.as_deref();
    let is_spelled = |text: &str| bounds::PUBLIC_VALUE.check(text).is_ok();
    within(public.is_none_or(is_spelled), "its public_value")?;
    let Some(imported) = key.imported.as_deref() else { return Ok(()) };
    let prefix = key.prefix.as_str();
    within(bounds::IMPORTED_PREFIX.check(prefix).is_ok(), "its imported_prefix")?;
    is_past(imported.created_at, at)?;
    is_past(imported.last_used_at, at)?;
    if let (Some(made), Some(used)) = (imported.created_at, imported.last_used_at) {
        within(made <= used, "its last_used_at, which is before its created_at")?;
    }
    if key.kind == Kind::Public || key.replaces.is_some() {
        return Err(Violation::Key("was made elsewhere, and is public or replaces another"));
    }
    Ok(())
}

fn edit(edit: &Edit) -> Result<(), Violation> {
    let Edit::Permissions { before, after } = edit else { return Ok(()) };
    permissions(before)?;
    permissions(after)
}

/// Whether a moment that is said to be past does not lie after `at`.
fn is_past(moment: Option<Timestamp>, at: Timestamp) -> Result<(), Violation> {
    let last = at.plus_secs(bounds::AHEAD_S);
    within(moment.is_none_or(|moment| moment <= last), "a moment that was not past")
}

/// Whether a reason is for nobody but who gave it and the key's owner, one of two.
fn meant(persons: &Persons) -> Result<(), Violation> {
    let Persons { actor, owner, former, meant } = *persons;
    let Some(meant) = meant else { return Ok(()) };
    let is_other = Some(meant) != actor && [owner, former].contains(&Some(meant));
    if is_other { Ok(()) } else { Err(Violation::Stranger) }
}
