//! Reminders of keys that fall due: 30, 7 and 1 days before, once each.
//!
//! The keys are found in the index of due keys, which the log makes. How far a row of reminders is,
//! is a place in that index, stored with the receiver: so none is sent twice and none is left out
//! while the service is down. A key that lives shorter than a row's time before its end gets no
//! reminder of that row.

use bytes::Bytes;
use delivery::{Mark, Message, Position, SinkFormat};
use keys::{KeyId, Timestamp};
use ledger::{Caller, Due, Ledger};

use crate::webhooks::event_kinds::EXPIRING;
use crate::webhooks::message_id;
use crate::wire;
use crate::wire::reminder::{Expiring, Reminder};

/// How many days before.
pub(crate) const ROWS: [u16; 3] = [30, 7, 1];
const DAY_S: u64 = 86_400;
const DAY_US: i64 = 86_400_000_000;
/// The reminders that are made at once.
const BATCH: usize = 16;
/// How often the index is looked at, at least: a key that was made meanwhile is reminded of at most
/// so late.
const LOOK_EVERY_S: u64 = 60;

/// What a look at the index found.
pub(super) struct Sweep {
    pub(super) messages: Vec<Message>,
    /// Nothing more up to here.
    pub(super) reached: Position,
    /// When to look again, if there was nothing.
    pub(super) look_at: Option<Timestamp>,
}

/// How far the reminders of a receiver are that is new `now`: only what comes from now on is reminded
/// of.
#[must_use]
pub fn first_marks(now: Timestamp) -> Vec<Mark> {
    ROWS.iter().map(|days| mark(*days, end_of(*days, now))).collect()
}

/// Looks for keys that have come to a row's time before their end.
pub(super) fn sweep(
    ledger: &Ledger,
    caller: &Caller,
    format: SinkFormat,
    from: &Position,
    now: Timestamp,
) -> Result<Sweep, ledger::Error> {
    let (mut messages, mut reached) = (Vec::new(), from.clone());
    for days in ROWS {
        let due = due_of(&reached, days).unwrap_or_else(|| end_of(days, now));
        let within_s = u64::from(days) * DAY_S;
        let page = ledger.expiring(caller, within_s, Some(due), BATCH)?;
        for view in &page.items {
            let Some(at) = view.state.expires_at else { continue };
            set(&mut reached, mark(days, Due { at, key: view.key.id }));
            let id = message_id::of_reminder(ledger, view.key.id, at, days)?;
            let reminder = Reminder { id: &id, view, days, ends_at: at, now };
            messages.push(message(&reminder, format, reached.clone()));
        }
        if page.items.is_empty() {
            set(&mut reached, mark(days, page.next.unwrap_or(end_of(days, now)).max(due)));
        }
    }
    let look_at =
        if messages.is_empty() { Some(look_at(ledger, caller, &reached, now)?) } else { None };
    Ok(Sweep { messages, reached, look_at })
}

/// When the next reminder is due, or when to look again.
fn look_at(
    ledger: &Ledger,
    caller: &Caller,
    reached: &Position,
    now: Timestamp,
) -> Result<Timestamp, ledger::Error> {
    let mut soonest = now.plus_secs(LOOK_EVERY_S);
    for days in ROWS {
        let within_s = u64::from(days) * DAY_S + LOOK_EVERY_S;
        let page = ledger.expiring(caller, within_s, due_of(reached, days), 1)?;
        for at in page.items.iter().filter_map(|view| view.state.expires_at) {
            let distance = i64::from(days) * DAY_US;
            soonest = soonest.min(Timestamp::from_micros(at.micros().saturating_sub(distance)));
        }
    }
    Ok(soonest)
}

fn message(reminder: &Reminder<'_>, format: SinkFormat, then: Position) -> Message {
    let mut body = Vec::with_capacity(1024);
    match format {
        SinkFormat::Ndjson => wire::put_json(&mut body, &Expiring::new(reminder)),
        SinkFormat::Ocsf => wire::ocsf_reminder(&mut body, reminder),
        SinkFormat::Cef => wire::cef_reminder(&mut body, reminder),
    }
    Message {
        id: reminder.id.to_owned(),
        kind: EXPIRING,
        seq: None,
        body: Bytes::from(body),
        time: reminder.now.to_string(),
        then,
    }
}

/// The last of what comes within `days` days.
fn end_of(days: u16, now: Timestamp) -> Due {
    let at = now.plus_secs(u64::from(days) * DAY_S);
    Due { at, key: KeyId::from_bytes([0xFF; 16]) }
}

fn mark(days: u16, due: Due) -> Mark {
    Mark { days, at: due.at.micros(), key: due.key.to_string() }
}

fn due_of(position: &Position, days: u16) -> Option<Due> {
    let mark = position.reminders.iter().find(|mark| mark.days == days)?;
    Some(Due { at: Timestamp::from_micros(mark.at), key: mark.key.parse().ok()? })
}

fn set(position: &mut Position, mark: Mark) {
    position.reminders.retain(|other| other.days != mark.days);
    position.reminders.push(mark);
}
