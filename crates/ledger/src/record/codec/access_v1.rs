//! Version 1 of an entry of the access journal. Frozen: no field moves, no variant changes its
//! place. What else is to be recorded is a variant at the end of [`EventV1`].

use eventlog::Seq;
use keys::{Account, Invalid, KeyId, Pseudonym, Reason, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::sealed::access::{Personal, TokenTextsV1};
use super::sealed::{PartV1, Sections};
use super::twin::twin;
use super::values::moment;
use super::via::ViaV1;
use crate::caller::{Origin, Role, Roles};
use crate::keyring::Mac;
use crate::record::access::{
    Access, AccessEvent, Erasure, Hold, HoldId, Reading, Readings, RequestDigests,
};
use crate::record::token::{OwnToken, TokenRange};
use crate::record::{Actor, Salt};

#[derive(Serialize, Deserialize)]
pub(super) struct EntryV1<'a> {
    at: i64,
    #[serde(borrow)]
    account: Option<&'a str>,
    roles: u8,
    via: ViaV1<'a>,
    pub(super) salt: Salt,
    event: EventV1<'a>,
    /// What says who somebody is.
    pub(super) parts: Vec<PartV1<'a>>,
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
    },
    /// Tokens were ended.
    TokensEnded {
        #[serde(borrow)]
        of_account: Option<&'a str>,
        of_subject: Option<[u8; 16]>,
        issued_before: i64,
        roles: u8,
    },
    /// A person may not be forgotten.
    SubjectHeld { hold: [u8; 16], persons: Vec<[u8; 16]> },
    /// A person may be forgotten as far as this hold goes.
    SubjectReleased { hold: [u8; 16], persons: Vec<[u8; 16]> },
    /// A person was forgotten.
    SubjectErased { persons: Vec<[u8; 16]> },
}

twin!(ReadingV1 = Reading { Event, Events, Stream, History, Report, Entries, Proof, Bundle });

impl<'a> EntryV1<'a> {
    pub(super) fn new(access: &'a Access, parts: Vec<PartV1<'a>>) -> EntryV1<'a> {
        EntryV1 {
            at: access.at.micros(),
            account: access.actor.account.as_ref().map(Account::as_str),
            roles: access.actor.roles.bits(),
            via: (&access.actor.via).into(),
            salt: access.salt,
            event: EventV1::new(&access.event, access.mac),
            parts,
        }
    }

    pub(super) fn into_access(
        self,
        sections: &Sections,
        interner: &mut Interner,
    ) -> Result<Access, DecodeError> {
        let personal = sections.of_access()?;
        let actor = personal.actor.as_ref();
        let erased = || personal.persons.actor.map(Subject::erased);
        let subject = actor.map(|actor| Subject::stored(actor.subject)).transpose()?;
        let jti = actor.and_then(|actor| actor.jti);
        let at = moment(self.at)?;
        let mac = self.event.mac();
        let request = personal.token.as_ref().and_then(|texts| texts.request);
        let request = request.filter(|_| !matches!(self.event, EventV1::TokenMade { .. }));
        Ok(Access {
            at,
            actor: Actor {
                subject: subject.or_else(erased).ok_or(DecodeError::NotCanonical)?,
                account: self.account.map(Account::stored).transpose()?,
                roles: Roles::from_bits(self.roles).ok_or(DecodeError::NotCanonical)?,
                via: self.via.into_via(jti, true, interner)?,
            },
            origin: Origin {
                ip: actor.and_then(|actor| actor.ip).map(Into::into),
                request_id: actor.and_then(|actor| actor.request_id).map(Into::into),
            },
            event: self.event.into_event(at, &personal)?,
            salt: self.salt,
            persons: personal.persons,
            mac,
            request: request.map(RequestDigests::from_bytes),
        })
    }
}

fn bytes(persons: &[Pseudonym]) -> Vec<[u8; 16]> {
    persons.iter().map(|person| person.0).collect()
}

fn pseudonyms(persons: Vec<[u8; 16]>) -> Vec<Pseudonym> {
    persons.into_iter().map(Pseudonym).collect()
}

impl<'a> EventV1<'a> {
    fn new(event: &'a AccessEvent, mac: Option<Mac>) -> EventV1<'a> {
        let token = |token| TokenV1::new(token, mac);
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
            AccessEvent::TokenMade { token: made, .. } => EventV1::TokenMade { token: token(made) },
            AccessEvent::TokenSeen(seen) => EventV1::TokenSeen { token: token(seen) },
            AccessEvent::TokenEnded { token: ended, .. } => {
                EventV1::TokenEnded { token: token(ended) }
            }
            AccessEvent::TokensEnded { range, .. } => EventV1::TokensEnded {
                of_account: range.account.as_ref().map(Account::as_str),
                of_subject: mac.map(|mac| mac.0),
                issued_before: range.issued_before.micros(),
                roles: range.roles.bits(),
            },
            AccessEvent::SubjectHeld(hold) => {
                EventV1::SubjectHeld { hold: hold.id.0, persons: bytes(&hold.persons) }
            }
            AccessEvent::SubjectReleased(hold) => {
                EventV1::SubjectReleased { hold: hold.id.0, persons: bytes(&hold.persons) }
            }
            AccessEvent::SubjectErased(erasure) => {
                EventV1::SubjectErased { persons: bytes(&erasure.persons) }
            }
        }
    }

    fn mac(&self) -> Option<Mac> {
        match self {
            EventV1::TokenMade { token }
            | EventV1::TokenSeen { token }
            | EventV1::TokenEnded { token } => Some(Mac(token.mac)),
            EventV1::TokensEnded { of_subject, .. } => of_subject.map(Mac),
            EventV1::Read { .. }
            | EventV1::SubjectHeld { .. }
            | EventV1::SubjectReleased { .. }
            | EventV1::SubjectErased { .. } => None,
        }
    }

    /// The event that was recorded `at`.
    fn into_event(
        self,
        at: Timestamp,
        personal: &Personal<'_>,
    ) -> Result<AccessEvent, DecodeError> {
        let texts = personal.token.as_ref();
        let erased = personal.persons.owner;
        let reason = || personal.reason();
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
            EventV1::TokenMade { token } => AccessEvent::TokenMade {
                token: token.into_token(texts, erased)?,
                request: texts.and_then(|texts| texts.request),
            },
            EventV1::TokenSeen { token } => {
                AccessEvent::TokenSeen(token.into_token(texts, erased)?)
            }
            EventV1::TokenEnded { token } => AccessEvent::TokenEnded {
                token: token.into_token(texts, erased)?,
                reason: reason()?,
            },
            EventV1::TokensEnded { of_account, of_subject, issued_before, roles } => {
                if of_subject.is_some() != erased.is_some() {
                    return Err(DecodeError::NotCanonical);
                }
                let subject = texts.and_then(|texts| texts.subject).map(Subject::stored);
                let range = TokenRange {
                    account: of_account.map(Account::stored).transpose()?,
                    subject: subject.transpose()?.or(erased.map(Subject::erased)),
                    issued_before: moment(issued_before)?,
                    roles: read_roles(roles)?,
                };
                AccessEvent::TokensEnded { range, reason: reason()? }
            }
            EventV1::SubjectHeld { hold, persons } => {
                AccessEvent::SubjectHeld(read_hold(hold, persons, personal)?)
            }
            EventV1::SubjectReleased { hold, persons } => {
                AccessEvent::SubjectReleased(read_hold(hold, persons, personal)?)
            }
            EventV1::SubjectErased { persons } => AccessEvent::SubjectErased(Erasure {
                persons: pseudonyms(persons),
                reason: reason()?,
                legal_basis: personal.legal_basis()?,
            }),
        })
    }
}

/// A hold; without its texts that of one who was erased.
fn read_hold(
    id: [u8; 16],
    persons: Vec<[u8; 16]>,
    personal: &Personal<'_>,
) -> Result<Hold, DecodeError> {
    let erased = personal.persons.owner.ok_or(DecodeError::NotCanonical)?;
    let subject = match personal.token.as_ref().and_then(|texts| texts.subject) {
        Some(subject) => Subject::stored(subject)?,
        None => Subject::erased(erased),
    };
    Ok(Hold { id: HoldId(id), subject, persons: pseudonyms(persons), reason: personal.reason()? })
}

/// A token: whose it is and its id are sealed.
#[derive(Serialize, Deserialize)]
struct TokenV1<'a> {
    mac: [u8; 16],
    account: Option<&'a str>,
    roles: u8,
    made_at: i64,
    ends_at: i64,
}

impl<'a> TokenV1<'a> {
    fn new(token: &'a OwnToken, mac: Option<Mac>) -> TokenV1<'a> {
        TokenV1 {
            mac: mac.map_or([0; 16], |mac| mac.0),
            account: token.account.as_ref().map(Account::as_str),
            roles: token.roles.bits(),
            made_at: token.made_at.micros(),
            ends_at: token.ends_at.micros(),
        }
    }

    /// The token; without its texts that of one who was erased.
    fn into_token(
        self,
        texts: Option<&TokenTextsV1<'_>>,
        erased: Option<Pseudonym>,
    ) -> Result<OwnToken, DecodeError> {
        let (jti, subject) = match (texts, erased) {
            (Some(TokenTextsV1 { subject: Some(subject), jti: Some(jti), .. }), _) => {
                (*jti, Subject::stored(subject)?)
            }
            (None, Some(erased)) => (OwnToken::ERASED_JTI, Subject::erased(erased)),
            (Some(_) | None, _) => return Err(DecodeError::NotCanonical),
        };
        Ok(OwnToken {
            jti: jti.into(),
            subject,
            account: self.account.map(Account::stored).transpose()?,
            roles: read_roles(self.roles)?,
            made_at: moment(self.made_at)?,
            ends_at: moment(self.ends_at)?,
        })
    }
}

impl Personal<'_> {
    fn reason(&self) -> Result<Option<Reason>, DecodeError> {
        if self.is_reason_erased {
            return Ok(Some(Reason::erased()));
        }
        let text = self.reason.as_ref().and_then(|reason| reason.reason);
        Ok(text.map(Reason::stored).transpose()?)
    }

    fn legal_basis(&self) -> Result<Option<Reason>, DecodeError> {
        let text = self.reason.as_ref().and_then(|reason| reason.legal_basis);
        Ok(text.map(Reason::stored).transpose()?)
    }
}

/// Roles that a token can give.
fn read_roles(bits: u8) -> Result<Roles, DecodeError> {
    let roles = Roles::from_bits(bits).filter(|roles| !roles.any(&[Role::Key]));
    roles.ok_or_else(|| Invalid::Malformed { expected: "roles of tokens" }.into())
}
