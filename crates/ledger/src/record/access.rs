//! What the access journal stores: who read which part of the trail, and what became of the
//! service's own tokens.

use std::sync::Arc;

use eventlog::Seq;
use keys::{Account, KeyId, Reason, Timestamp};

use crate::caller::{Origin, Via};
use crate::record::Actor;
use crate::record::token::{OwnToken, TokenRange};

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
    /// When it happened. Of readings: when it was first read.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// What happened.
    pub event: AccessEvent,
    /// 16 random bytes, so that a guessed entry cannot be confirmed from its public hash.
    pub salt: [u8; 16],
}

impl Access {
    /// The entry that says that a token was used at that moment. Its salt is made when it is written.
    pub(crate) fn token_seen((token, at): (OwnToken, Timestamp)) -> Access {
        Access {
            at,
            actor: Actor {
                subject: token.subject.clone(),
                account: token.account.clone(),
                roles: token.roles,
                via: Via::Token {
                    issuer: OwnToken::ISSUER.into(),
                    jti: Some(Arc::clone(&token.jti)),
                },
            },
            origin: Origin::default(),
            event: AccessEvent::TokenSeen(token),
            salt: [0; 16],
        }
    }
}

/// What the journal records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessEvent {
    /// A part of the trail was read.
    Read(Readings),
    /// The service made a token of its own.
    TokenMade {
        /// The token.
        token: OwnToken,
        /// SHA-256 of the request, if that had an idempotency key. The token's id comes from it.
        request: Option<[u8; 32]>,
    },
    /// A token of the service's own was used: the first time, and then at most once a day. The actor
    /// is its bearer.
    TokenSeen(OwnToken),
    /// One token was ended before its time.
    TokenEnded {
        /// The token.
        token: OwnToken,
        /// Why, in the caller's words.
        reason: Option<Reason>,
    },
    /// All tokens of a range were ended, those that were never seen too.
    TokensEnded {
        /// Which.
        range: TokenRange,
        /// Why, in the caller's words.
        reason: Option<Reason>,
    },
}

impl AccessEvent {
    /// The word used in answers.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            AccessEvent::Read(_) => "read",
            AccessEvent::TokenMade { .. } => "token_made",
            AccessEvent::TokenSeen(_) => "token_seen",
            AccessEvent::TokenEnded { .. } => "token_ended",
            AccessEvent::TokensEnded { .. } => "tokens_ended",
        }
    }
}

/// Equal readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readings {
    /// When it was last read.
    pub last_at: Timestamp,
    /// How often it was read.
    pub count: u64,
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
}
