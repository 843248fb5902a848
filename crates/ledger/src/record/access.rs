//! What the access journal stores: who read which part of the trail, what became of the service's own
//! tokens, and who was forgotten.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use eventlog::Seq;
use keys::{Account, Invalid, KeyId, Pseudonym, Reason, Subject, Timestamp};

use crate::caller::{Origin, Via};
use crate::keyring::{Keyring, Mac};
use crate::record::token::{OwnToken, TokenRange};
use crate::record::{Actor, Persons, Salt};

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
    /// Random bytes, so that a guessed entry cannot be confirmed from its public hash.
    pub salt: Salt,
    /// For whom what says who somebody is was sealed: the owner is whose token it is about.
    pub persons: Persons,
    /// What the token that it is about is found by, or the subject of the tokens.
    pub mac: Option<Mac>,
    /// The request, if that had an idempotency key and is not to make a token. Stored where the entry is
    /// about the tokens or holds of one person, with what is sealed for that one.
    pub request: Option<RequestDigests>,
}

/// A request with an idempotency key: halves of the digests, which only the key of who sent it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestDigests {
    /// Of account, subject, route and idempotency key.
    pub key: [u8; 16],
    /// Of the request.
    pub request: [u8; 16],
}

impl RequestDigests {
    /// The first halves of both.
    pub(crate) fn of(key: &[u8; 32], request: &[u8; 32]) -> RequestDigests {
        RequestDigests { key: first_half(key), request: first_half(request) }
    }

    /// As it is stored: one behind the other.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes
            .iter_mut()
            .zip(self.key.iter().chain(&self.request))
            .for_each(|(to, from)| *to = *from);
        bytes
    }

    pub(crate) fn from_bytes(mut bytes: [u8; 32]) -> RequestDigests {
        let key = first_half(&bytes);
        bytes.rotate_left(16);
        RequestDigests { key, request: first_half(&bytes) }
    }
}

fn first_half(bytes: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    half
}

impl Access {
    /// An entry whose salt, persons and MAC are set when it is written.
    pub(crate) fn unwritten(
        at: Timestamp,
        actor: Actor,
        origin: Origin,
        event: AccessEvent,
    ) -> Access {
        Access {
            at,
            actor,
            origin,
            event,
            salt: Salt::default(),
            persons: Persons::default(),
            mac: None,
            request: None,
        }
    }

    /// The entry that says that a token was used at that moment.
    pub(crate) fn token_seen((token, at): (OwnToken, Timestamp)) -> Access {
        let via = Via::Token { issuer: OwnToken::ISSUER.into(), jti: Some(Arc::clone(&token.jti)) };
        let actor = Actor {
            subject: token.subject.clone(),
            account: token.account.clone(),
            roles: token.roles,
            via,
        };
        Access::unwritten(at, actor, Origin::default(), AccessEvent::TokenSeen(token))
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
    /// A person may not be forgotten, until that is released.
    SubjectHeld(Hold),
    /// A hold was released; why, is the reason of that.
    SubjectReleased(Hold),
    /// A person was forgotten: the keys behind these pseudonyms were destroyed right after.
    SubjectErased(Erasure),
}

/// The name of a hold: random, in hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub [u8; 16]);

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for HoldId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<HoldId, Invalid> {
        let digits = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let number = Some(text).filter(|text| text.len() == 32 && digits(text));
        let number = number.and_then(|text| u128::from_str_radix(text, 16).ok());
        let number = number.ok_or(Invalid::Malformed { expected: "32 hexadecimal digits" })?;
        Ok(HoldId(number.to_be_bytes()))
    }
}

/// That a person may not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub id: HoldId,
    /// Who.
    pub subject: Subject,
    /// What the person is called in records.
    pub persons: Vec<Pseudonym>,
    /// Why, in the caller's words.
    pub reason: Option<Reason>,
}

/// That a person was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// What the person is called in records.
    pub persons: Vec<Pseudonym>,
    /// Why, in the caller's words.
    pub reason: Option<Reason>,
    /// By which right, in the caller's words.
    pub legal_basis: Option<Reason>,
}

impl AccessEvent {
    /// What its token is found by, or the subject of its tokens.
    pub(crate) fn mac(&self, keyring: &Keyring) -> Option<Mac> {
        match self {
            AccessEvent::TokenMade { token, .. }
            | AccessEvent::TokenSeen(token)
            | AccessEvent::TokenEnded { token, .. } => Some(token.mac(keyring)),
            AccessEvent::TokensEnded { range, .. } => range.mac(keyring),
            AccessEvent::Read(_)
            | AccessEvent::SubjectHeld(_)
            | AccessEvent::SubjectReleased(_)
            | AccessEvent::SubjectErased(_) => None,
        }
    }

    /// Whether it has a reason.
    pub(crate) fn has_reason(&self) -> bool {
        match self {
            AccessEvent::TokenEnded { reason, .. } | AccessEvent::TokensEnded { reason, .. } => {
                reason.is_some()
            }
            AccessEvent::SubjectHeld(hold) | AccessEvent::SubjectReleased(hold) => {
                hold.reason.is_some()
            }
            AccessEvent::SubjectErased(erasure) => {
                erasure.reason.is_some() || erasure.legal_basis.is_some()
            }
            AccessEvent::Read(_) | AccessEvent::TokenMade { .. } | AccessEvent::TokenSeen(_) => {
                false
            }
        }
    }

    /// Whose token it is about, or whose hold.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            AccessEvent::TokenMade { token, .. }
            | AccessEvent::TokenSeen(token)
            | AccessEvent::TokenEnded { token, .. } => Some(&token.subject),
            AccessEvent::TokensEnded { range, .. } => range.subject.as_ref(),
            AccessEvent::SubjectHeld(hold) | AccessEvent::SubjectReleased(hold) => {
                Some(&hold.subject)
            }
            AccessEvent::Read(_) | AccessEvent::SubjectErased(_) => None,
        }
    }

    /// The word used in answers.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            AccessEvent::Read(_) => "read",
            AccessEvent::TokenMade { .. } => "token_made",
            AccessEvent::TokenSeen(_) => "token_seen",
            AccessEvent::TokenEnded { .. } => "token_ended",
            AccessEvent::TokensEnded { .. } => "tokens_ended",
            AccessEvent::SubjectHeld(_) => "subject_held",
            AccessEvent::SubjectReleased(_) => "subject_released",
            AccessEvent::SubjectErased(_) => "subject_erased",
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
