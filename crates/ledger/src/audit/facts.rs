//! What the writer looked up before it decided, reconstructed from records; and their links.

use std::sync::Arc;

use keys::{
    Command, Decision, Facts, KeyId, KeyState, NewKey, Policy, Replaces, Rotation, Rule, Timestamp,
    decide,
};

use super::{Made, TrackedKey, Violation};
use crate::record::{Link, Record};

pub(super) fn no_facts(record: &Record) -> Facts {
    let wanted_revision = record
        .rules
        .iter()
        .find_map(|rule| if let Rule::Revision(revision) = rule { Some(*revision) } else { None });
    Facts {
        now: record.at,
        status: None,
        due: None,
        created_at: None,
        revision: 0,
        wanted_revision,
        replaced_by: None,
        owner_active: 0,
        account_alive: 0,
        keys: 0,
        prefix_taken: false,
        digest_taken: false,
        found: None,
        // When it was erased is on no record: what was lawful before would be refused.
        owner_erased: false,
    }
}

pub(super) fn facts(key: &TrackedKey, record: &Record) -> Facts {
    let state = &key.state;
    Facts {
        status: Some(state.status),
        due: state.expires_at,
        created_at: key.made.as_ref().map(|made| made.created_at),
        revision: state.revision,
        replaced_by: state.replaced_by,
        ..no_facts(record)
    }
}

/// Whether a decision is the one on record.
pub(super) fn is_recorded(decision: &Decision, record: &Record) -> Result<(), Violation> {
    if decision.event != record.event {
        return Err(Violation::OtherEvent);
    }
    if decision.rules != record.rules {
        return Err(Violation::OtherRules);
    }
    Ok(())
}

/// Checks a rotation, and gives what the old key is after it.
pub(super) fn rotated(
    record: &Record,
    made: &Arc<NewKey>,
    old: &TrackedKey,
    replaces: &Replaces,
    of_new: Facts,
) -> Result<KeyState, Violation> {
    let (now, state, until) = (record.at, &old.state, replaces.valid_until);
    not_due(replaces.key, state, now)?;
    let copied = |of: &Made| {
        (&of.owner, of.kind, of.environment, of.dialect)
            == (&made.owner, made.kind, made.environment, made.dialect)
    };
    if old.account != made.account || !old.made.as_ref().is_none_or(copied) {
        return Err(Violation::Key("and the key that it replaces do not belong together"));
    }
    // The overlap is on record only by what it came to: the least that comes to it is as good.
    let overlap_s = until.micros_since(now).div_ceil(1_000_000);
    let rotation = Rotation::new(overlap_s).map_err(|_| Violation::Overlap)?;
    // The due time of a key whose creation is not known can be no later than what was recorded.
    let due = state.expires_at.or(old.made.is_none().then_some(until));
    let Facts { owner_active, account_alive, keys, prefix_taken, found, .. } = of_new;
    let of_old = facts(old, record);
    let facts = Facts { due, owner_active, account_alive, keys, prefix_taken, found, ..of_old };
    let policy = Policy::of(&record.rules);
    let decision = decide(&facts, Command::Rotate(Arc::clone(made), rotation, policy))?;
    is_recorded(&decision, record)?;
    Ok(state.replaced(made.id, until, now))
}

pub(super) fn not_due(key: KeyId, state: &KeyState, now: Timestamp) -> Result<(), Violation> {
    match state.expires_at {
        Some(due) if state.is_due(now) => Err(Violation::Due { key, due }),
        Some(_) | None => Ok(()),
    }
}

/// Whether a link is the one that leads from `tracked` to `after`.
pub(super) fn check_link(
    tracked: &TrackedKey,
    link: &Link,
    after: &KeyState,
) -> Result<(), Violation> {
    let checks: [(&'static str, bool); 4] = [
        ("revision", link.revision == after.revision),
        ("status before", link.before == Some(tracked.state.status)),
        ("status after", link.after == after.status),
        ("previous record", link.previous == Some(tracked.head)),
    ];
    match checks.into_iter().find(|(_, good)| !good) {
        Some((field, _)) => Err(Violation::Link { key: link.key, field }),
        None => Ok(()),
    }
}
