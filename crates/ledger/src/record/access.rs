//! What the access journal stores: who read which part of the trail.

use eventlog::Seq;
use keys::{Account, KeyId, Timestamp};

use crate::caller::Origin;
use crate::record::Actor;

/// A way to read the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// One event.
    Event,
    /// A list of events, or an export of them.
    Events,
    /// Events as they happen.
    Stream,
    /// A key's history.
    History,
    /// The access report.
    Report,
    /// Entries of the log as they are stored.
    Entries,
    /// A proof of a key's state or history.
    Proof,
    /// A bundle for an auditor.
    Bundle,
}

impl Reading {
    /// Every kind.
    pub const ALL: &[Reading] = &[
        Reading::Event,
        Reading::Events,
        Reading::Stream,
        Reading::History,
        Reading::Report,
        Reading::Entries,
        Reading::Proof,
        Reading::Bundle,
    ];

    /// The word used in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reading::Event => "event",
            Reading::Events => "events",
            Reading::Stream => "stream",
            Reading::History => "history",
            Reading::Report => "report",
            Reading::Entries => "entries",
            Reading::Proof => "proof",
            Reading::Bundle => "bundle",
        }
    }
}

/// What part of the trail is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first place.
    pub from: Seq,
    /// The place after the last one; `None` is open: what comes is read too.
    pub until: Option<Seq>,
    /// The account whose part was read.
    pub account: Option<Account>,
    /// The key whose part was read.
    pub key: Option<KeyId>,
}

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// When it was first read.
    pub at: Timestamp,
    /// When it was last read.
    pub last_at: Timestamp,
    /// How often it was read.
    pub count: u64,
    /// By whom.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// In which way.
    pub reading: Reading,
    /// Nothing before this place was read.
    pub from: Seq,
    /// Nothing from this place on; `None` is open.
    pub until: Option<Seq>,
    /// The account whose part was read; `None` also for several.
    pub account: Option<Account>,
    /// The key whose part was read; `None` also for several.
    pub key: Option<KeyId>,
    /// 16 random bytes, so that a guessed entry cannot be confirmed from its public hash.
    pub salt: [u8; 16],
}
