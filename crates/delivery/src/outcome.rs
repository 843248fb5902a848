//! How an attempt to deliver ended.

use serde::{Deserialize, Serialize};

/// How an attempt to deliver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In which way.
    pub kind: OutcomeKind,
    /// The status of the answer, if there was a whole head of one.
    pub status: Option<u16>,
}

/// In which way an attempt ended. The words are stored and shown; more may come at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The receiver answered with 2xx.
    Delivered,
    /// It answered with another status. Redirects are not followed.
    Rejected,
    /// It answered with 410: it wants nothing more.
    Gone,
    /// It did not answer in time.
    TimedOut,
    /// Its name has no address.
    Unresolved,
    /// None of its addresses may be connected to.
    NotAllowed,
    /// There is no connection to it.
    Unreachable,
    /// It does not prove who it is (TLS).
    Untrusted,
    /// The connection ended before the whole answer was there.
    CutOff,
    /// Of a file: it cannot be written.
    Unwritable,
}

impl OutcomeKind {
    /// Every kind.
    pub const ALL: &[OutcomeKind] = &[
        OutcomeKind::Delivered,
        OutcomeKind::Rejected,
        OutcomeKind::Gone,
        OutcomeKind::TimedOut,
        OutcomeKind::Unresolved,
        OutcomeKind::NotAllowed,
        OutcomeKind::Unreachable,
        OutcomeKind::Untrusted,
        OutcomeKind::CutOff,
        OutcomeKind::Unwritable,
    ];

    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OutcomeKind::Delivered => "delivered",
            OutcomeKind::Rejected => "rejected",
            OutcomeKind::Gone => "gone",
            OutcomeKind::TimedOut => "timed_out",
            OutcomeKind::Unresolved => "unresolved",
            OutcomeKind::NotAllowed => "not_allowed",
            OutcomeKind::Unreachable => "unreachable",
            OutcomeKind::Untrusted => "untrusted",
            OutcomeKind::CutOff => "cut_off",
            OutcomeKind::Unwritable => "unwritable",
        }
    }
}

impl From<OutcomeKind> for Outcome {
    fn from(kind: OutcomeKind) -> Outcome {
        Outcome { kind, status: None }
    }
}

impl Outcome {
    /// That of a whole answer with this status.
    pub(crate) fn of_status(status: u16) -> Outcome {
        let kind = match status {
            200..=299 => OutcomeKind::Delivered,
            410 => OutcomeKind::Gone,
            _ => OutcomeKind::Rejected,
        };
        Outcome { kind, status: Some(status) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_stored_as_it_is_shown() {
        for kind in OutcomeKind::ALL {
            let stored = serde_json::to_string(kind).unwrap();
            assert_eq!(stored, format!("\"{}\"", kind.as_str()));
        }
    }

    #[test]
    fn only_2xx_is_delivered() {
        for (status, kind) in [
            (200, OutcomeKind::Delivered),
            (204, OutcomeKind::Delivered),
            (301, OutcomeKind::Rejected),
            (307, OutcomeKind::Rejected),
            (404, OutcomeKind::Rejected),
            (410, OutcomeKind::Gone),
            (500, OutcomeKind::Rejected),
        ] {
            assert_eq!(Outcome::of_status(status), Outcome { kind, status: Some(status) });
        }
    }
}
