//! Version 1 of an entry of the access journal. Frozen: no field moves, no variant changes its
//! place. What else is to be recorded is a variant at the end of [`EventV1`].

use eventlog::Seq;
use keys::{Account, Invalid, KeyId, Reason, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::twin::twin;
use super::values::{IpV1, moment};
use crate::caller::{Origin, Role, Roles, Via};
use crate::record::Actor;
use crate::record::access::{Access, AccessEvent, Reading, Readings};
use crate::record::token::{OwnToken, TokenRange};

#[derive(Serialize, Deserialize)]
pub(super) struct EntryV1<'a> {
    at: i64,
    #[serde(borrow)]
    subject: &'a str,
    account: Option<&'a str>,
    roles: u8,
    via: ViaV1<'a>,
    ip: Option<IpV1>,
    request_id: Option<&'a str>,
    salt: [u8; 16],
    event: EventV1<'a>,
}

/// What happened.
#[derive(Serialize, Deserialize)]
enum EventV1<'a> {
    /// A part of the trail was read: equal readings in one entry, with their number.
    Read {
        last_at: i64,
        count: u64,
        reading: ReadingV1,
        from: u64,
        until: Option<u64>,
        #[serde(borrow)]
        of_account: Option<&'a str>,
        of_key: Option<[u8; 16]>,
    },
    /// The service made a token.
    TokenMade {
        #[serde(borrow)]
        token: TokenV1<'a>,
        request: Option<[u8; 32]>,
    },
    /// A token was used.
    TokenSeen {
        #[serde(borrow)]
        token: TokenV1<'a>,
    },
    /// A token was ended.
    TokenEnded {
        #[serde(borrow)]
        token: TokenV1<'a>,
        reason: Option<&'a str>,
    },
    /// Tokens were ended.
    TokensEnded {
        #[serde(borrow)]
        of_account: Option<&'a str>,
        of_subject: Option<&'a str>,
        issued_before: i64,
        roles: u8,
        reason: Option<&'a str>,
    },
}

twin!(ReadingV1 = Reading { Event, Events, Stream, History, Report, Entries, Proof, Bundle });

impl<'a> EntryV1<'a> {
    pub(super) fn new(access: &'a Access) -> EntryV1<'a> {
        EntryV1 {
            at: access.at.micros(),
            subject: access.actor.subject.as_str(),
            account: access.actor.account.as_ref().map(Account::as_str),
            roles: access.actor.roles.bits(),
            via: (&access.actor.via).into(),
            ip: access.origin.ip.map(Into::into),
            request_id: access.origin.request_id.as_deref(),
            salt: access.salt,
            event: (&access.event).into(),
        }
    }

    /// Whether it is of readings alone, of which nothing is kept in memory.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.event, EventV1::Read { .. })
    }

    pub(super) fn into_access(self, interner: &mut Interner) -> Result<Access, DecodeError> {
        let at = moment(self.at)?;
        Ok(Access {
            at,
            actor: Actor {
                subject: Subject::stored(self.subject)?,
                account: self.account.map(Account::stored).transpose()?,
                roles: Roles::from_bits(self.roles).ok_or(DecodeError::NotCanonical)?,
                via: self.via.into_via(interner),
            },
            origin: Origin {
                ip: self.ip.map(Into::into),
                request_id: self.request_id.map(Into::into),
            },
            event: self.event.into_event(at)?,
            salt: self.salt,
        })
    }
}

impl<'a> From<&'a AccessEvent> for EventV1<'a> {
    fn from(event: &'a AccessEvent) -> EventV1<'a> {
        match event {
            AccessEvent::Read(readings) => EventV1::Read {
                last_at: readings.last_at.micros(),
                count: readings.count,
                reading: readings.reading.into(),
                from: readings.from.0,
                until: readings.until.map(|until| until.0),
                of_account: readings.account.as_ref().map(Account::as_str),
                of_key: readings.key.map(KeyId::to_bytes),
            },
            AccessEvent::TokenMade { token, request } => {
                EventV1::TokenMade { token: token.into(), request: *request }
            }
            AccessEvent::TokenSeen(token) => EventV1::TokenSeen { token: token.into() },
            AccessEvent::TokenEnded { token, reason } => EventV1::TokenEnded {
                token: token.into(),
                reason: reason.as_ref().map(Reason::as_str),
            },
            AccessEvent::TokensEnded { range, reason } => EventV1::TokensEnded {
                of_account: range.account.as_ref().map(Account::as_str),
                of_subject: range.subject.as_ref().map(Subject::as_str),
                issued_before: range.issued_before.micros(),
                roles: range.roles.bits(),
                reason: reason.as_ref().map(Reason::as_str),
            },
        }
    }
}

impl EventV1<'_> {
    /// The event that was recorded `at`.
    fn into_event(self, at: Timestamp) -> Result<AccessEvent, DecodeError> {
        Ok(match self {
            EventV1::Read { last_at, count, reading, from, until, of_account, of_key } => {
                let last_at = moment(last_at)?;
                if count == 0 || last_at < at {
                    let expected = "a reading that ended after it began";
                    return Err(Invalid::Malformed { expected }.into());
                }
                AccessEvent::Read(Readings {
                    last_at,
                    count,
                    reading: reading.into(),
                    from: Seq(from),
                    until: until.map(Seq),
                    account: of_account.map(Account::stored).transpose()?,
                    key: of_key.map(KeyId::from_bytes),
                })
            }
            EventV1::TokenMade { token, request } => {
                AccessEvent::TokenMade { token: token.into_token()?, request }
            }
            EventV1::TokenSeen { token } => AccessEvent::TokenSeen(token.into_token()?),
            EventV1::TokenEnded { token, reason } => AccessEvent::TokenEnded {
                token: token.into_token()?,
                reason: self::reason(reason)?,
            },
            EventV1::TokensEnded { of_account, of_subject, issued_before, roles, reason } => {
                let range = TokenRange {
                    account: of_account.map(Account::stored).transpose()?,
                    subject: of_subject.map(Subject::stored).transpose()?,
                    issued_before: moment(issued_before)?,
                    roles: read_roles(roles)?,
                };
                AccessEvent::TokensEnded { range, reason: self::reason(reason)? }
            }
        })
    }
}

/// A token.
#[derive(Serialize, Deserialize)]
struct TokenV1<'a> {
    jti: &'a str,
    subject: &'a str,
    account: Option<&'a str>,
    roles: u8,
    made_at: i64,
    ends_at: i64,
}

impl<'a> From<&'a OwnToken> for TokenV1<'a> {
    fn from(token: &'a OwnToken) -> TokenV1<'a> {
        TokenV1 {
            jti: &token.jti,
            subject: token.subject.as_str(),
            account: token.account.as_ref().map(Account::as_str),
            roles: token.roles.bits(),
            made_at: token.made_at.micros(),
            ends_at: token.ends_at.micros(),
        }
    }
}

impl TokenV1<'_> {
    fn into_token(self) -> Result<OwnToken, DecodeError> {
        Ok(OwnToken {
            jti: self.jti.into(),
            subject: Subject::stored(self.subject)?,
            account: self.account.map(Account::stored).transpose()?,
            roles: read_roles(self.roles)?,
            made_at: moment(self.made_at)?,
            ends_at: moment(self.ends_at)?,
        })
    }
}

fn reason(text: Option<&str>) -> Result<Option<Reason>, DecodeError> {
    Ok(text.map(Reason::stored).transpose()?)
}

/// Roles that a token can give.
fn read_roles(bits: u8) -> Result<Roles, DecodeError> {
    let roles = Roles::from_bits(bits).filter(|roles| !roles.any(&[Role::Key]));
    roles.ok_or_else(|| Invalid::Malformed { expected: "roles of tokens" }.into())
}

#[derive(Serialize, Deserialize)]
enum ViaV1<'a> {
    Token { issuer: &'a str, jti: Option<&'a str> },
    Key([u8; 16]),
    Worker,
}

impl<'a> From<&'a Via> for ViaV1<'a> {
    fn from(via: &'a Via) -> ViaV1<'a> {
        match via {
            Via::Token { issuer, jti } => ViaV1::Token { issuer, jti: jti.as_deref() },
            Via::Key(id) => ViaV1::Key(id.to_bytes()),
            Via::Worker => ViaV1::Worker,
        }
    }
}

impl ViaV1<'_> {
    fn into_via(self, interner: &mut Interner) -> Via {
        match self {
            ViaV1::Token { issuer, jti } => Via::Token {
                issuer: interner.share(issuer),
                jti: jti.map(|jti| interner.share(jti)),
            },
            ViaV1::Key(id) => Via::Key(KeyId::from_bytes(id)),
            ViaV1::Worker => Via::Worker,
        }
    }
}
