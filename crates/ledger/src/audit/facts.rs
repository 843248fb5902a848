//! What the writer looked up before it decided, reconstructed from records; and their links.

use std::sync::Arc;

use keys::{Account, Command, Facts, KeyId, KeyState, Limits, NewKey, Rotation, Timestamp, decide};

use super::{Holder, Known, Made, Violation};
use crate::record::{Link, Record};

pub(super) fn holder(made: &NewKey) -> Holder {
    (made.account.clone(), made.owner.clone(), made.dialect)
}

pub(super) fn no_facts(now: Timestamp) -> Facts {
    Facts {
        now,
        status: None,
        due: None,
        revision: 0,
        wanted_revision: None,
        replaced_by: None,
        active: 0,
        keys: 0,
        prefix_taken: false,
        found: None,
    }
}

pub(super) fn facts(standing: &KeyState, now: Timestamp) -> Facts {
    Facts {
        status: Some(standing.status),
        due: standing.expires_at,
        revision: standing.revision,
        replaced_by: standing.replaced_by,
        ..no_facts(now)
    }
}

/// Checks a rotation, and gives what the old key is after it.
pub(super) fn rotated(
    record: &Record,
    made: &Arc<NewKey>,
    old: &Known,
    (of_new, limits): (&Facts, Limits),
    until: Timestamp,
) -> Result<KeyState, Violation> {
    let (now, standing) = (record.at, &old.standing);
    let key = made.replaces.as_ref().map_or(made.id, |replaces| replaces.key);
    not_due(key, standing, now)?;
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
    let due = standing.expires_at.or(old.made.is_none().then_some(until));
    let facts = Facts {
        active: of_new.active,
        prefix_taken: of_new.prefix_taken,
        due,
        ..facts(standing, now)
    };
    let event = decide(&facts, Command::Rotate(Arc::clone(made), rotation, limits))?;
    if event != record.event {
        return Err(Violation::OtherEvent);
    }
    Ok(standing.replaced(made.id, until, now))
}

pub(super) fn not_due(key: KeyId, standing: &KeyState, now: Timestamp) -> Result<(), Violation> {
    match standing.expires_at {
        Some(due) if standing.is_due(now) => Err(Violation::Due { key, due }),
        Some(_) | None => Ok(()),
    }
}

/// Whether the actor could see the key at all.
pub(super) fn in_scope(record: &Record, account: &Account) -> Result<(), Violation> {
    match &record.actor.account {
        Some(own) if own != account => Err(Violation::Scope(account.clone())),
        Some(_) | None => Ok(()),
    }
}

/// Whether a link is the one that leads from `known` to `after`.
pub(super) fn check_link(known: &Known, link: &Link, after: &KeyState) -> Result<(), Violation> {
    let checks: [(&'static str, bool); 4] = [
        ("revision", link.revision == after.revision),
        ("status before", link.before == Some(known.standing.status)),
        ("status after", link.after == after.status),
        ("previous record", link.previous == Some(known.head)),
    ];
    match checks.into_iter().find(|(_, good)| !good) {
        Some((field, _)) => Err(Violation::Link { key: link.key, field }),
        None => Ok(()),
    }
}
