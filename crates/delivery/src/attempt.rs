//! What is stored of deliveries: how far they are, and how each attempt ended.

use serde::{Deserialize, Serialize};

use crate::idempotency::Idempotency;
use crate::outcome::{Outcome, OutcomeKind};

/// How far a receiver is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The place in the log of the next event.
    pub next: u64,
    /// How far each row of reminders is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reminders: Vec<Mark>,
}

/// How far a row of reminders is: all up to this one were sent, in the order of moment and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Which row: so many days before.
    pub days: u16,
    /// The moment that was reminded of, in microseconds since 1970.
    pub at: i64,
    /// The key that falls due then.
    pub key: String,
}

/// An attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// When it began, in microseconds since 1970.
    pub at: i64,
    /// The `webhook-id`.
    pub message: String,
    /// What the message is about, in one word.
    pub kind: String,
    /// The event's place in the log; `None` for a reminder.
    pub seq: Option<u64>,
    /// Which attempt it was, from 1, since the receiver last took a message.
    pub number: u32,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// A receiver takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trouble {
    /// Since when, in microseconds since 1970.
    pub(crate) since: i64,
    /// How many attempts failed since.
    pub(crate) failures: u32,
    /// When the next attempt is due; `None`: there is none, it was given up.
    pub(crate) retry_at: Option<i64>,
}

impl Trouble {
    /// What a receiver is in after `outcome`, an attempt that ended at `now`, with the next one
    /// after `pause_us`. `None` after a success. Without `give_up_us` it is never given up.
    pub(crate) fn after(
        before: Option<Trouble>,
        outcome: Outcome,
        now: i64,
        pause_us: impl FnOnce(u32) -> i64,
        give_up_us: Option<i64>,
    ) -> Option<Trouble> {
        if outcome.kind == OutcomeKind::Delivered {
            return None;
        }
        let since = before.map_or(now, |before| before.since);
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        let over = give_up_us.is_some_and(|give_up_us| {
            outcome.kind == OutcomeKind::Gone || now.saturating_sub(since) >= give_up_us
        });
        let retry_at = (!over).then(|| now.saturating_add(pause_us(failures)));
        Some(Trouble { since, failures, retry_at })
    }
}

/// A line of the file of attempts: what holds from here on, and the attempt that led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) trouble: Option<Trouble>,
    /// `None` where there was nothing to deliver, and for a replay.
    pub(crate) attempt: Option<Attempt>,
    /// The last replay that had an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<Replay>,
}

impl Entry {
    /// The receiver is at `position`, and nothing is known of it beyond that.
    pub(crate) fn at(position: Position) -> Entry {
        Entry { position, trouble: None, attempt: None, replay: None }
    }
}

/// A replay, and the request for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    pub(crate) request: Idempotency,
    /// When, in microseconds since 1970.
    pub(crate) at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_given_up_when_it_is_gone_or_after_that_long() {
        let after = |before, status, now| {
            Trouble::after(before, Outcome::of_status(status), now, i64::from, Some(100))
        };
        let first = after(None, 500, 10);
        assert_eq!(first, Some(Trouble { since: 10, failures: 1, retry_at: Some(11) }));
        let second = after(first, 302, 109);
        assert_eq!(second, Some(Trouble { since: 10, failures: 2, retry_at: Some(111) }));
        let over = Some(Trouble { since: 10, failures: 3, retry_at: None });
        assert_eq!(after(second, 500, 110), over);
        assert_eq!(after(second, 200, 110), None);
        let endless = Trouble::after(first, Outcome::of_status(410), 999, i64::from, None);
        assert_eq!(endless, Some(Trouble { since: 10, failures: 2, retry_at: Some(1001) }));
        let gone = Some(Trouble { since: 7, failures: 1, retry_at: None });
        assert_eq!(after(None, 410, 7), gone);
    }
}
