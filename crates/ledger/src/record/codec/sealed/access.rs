//! The sections of an entry of the access journal.

use keys::{Pseudonym, Reason};
use serde::{Deserialize, Serialize};

use super::super::bytes::write;
use super::super::error::DecodeError;
use super::{ActorV1, Sealed, Sections, take};
use crate::record::Persons;
use crate::record::access::{Access, AccessEvent, RequestDigests};

const ACTOR: u8 = 1;
const TOKEN: u8 = 2;
const REASON: u8 = 16;

/// Whose tokens it is about, and which.
#[derive(Default, Serialize, Deserialize)]
pub(in super::super) struct TokenTextsV1<'a> {
    /// `None` is who acted, if it was sealed for that one.
    #[serde(borrow)]
    pub(in super::super) subject: Option<&'a str>,
    /// The id of one token; `None` of many.
    pub(in super::super) jti: Option<&'a str>,
    /// SHA-256 of the request that made it; of others [`RequestDigests`].
    pub(in super::super) request: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
pub(in super::super) struct ReasonV1<'a> {
    #[serde(borrow)]
    pub(in super::super) reason: Option<&'a str>,
    pub(in super::super) legal_basis: Option<&'a str>,
}

impl AccessEvent {
    fn reason(&self) -> Option<ReasonV1<'_>> {
        let (reason, legal_basis) = match self {
            AccessEvent::TokenEnded { reason, .. } | AccessEvent::TokensEnded { reason, .. } => {
                (reason, &None)
            }
            AccessEvent::SubjectHeld(hold) | AccessEvent::SubjectReleased(hold) => {
                (&hold.reason, &None)
            }
            AccessEvent::SubjectErased(erasure) => (&erasure.reason, &erasure.legal_basis),
            AccessEvent::Read(_) | AccessEvent::TokenMade { .. } | AccessEvent::TokenSeen(_) => {
                return None;
            }
        };
        if reason.is_none() && legal_basis.is_none() {
            return None;
        }
        let [reason, legal_basis] =
            [reason, legal_basis].map(|text| text.as_ref().map(Reason::as_str));
        Some(ReasonV1 { reason, legal_basis })
    }
}

impl Sealed for Access {
    fn persons(&self, section: u8) -> Option<(Pseudonym, Option<Pseudonym>)> {
        let Persons { actor, owner, meant, .. } = self.persons;
        match section {
            ACTOR => actor.map(|actor| (actor, None)),
            TOKEN if self.event.subject().is_some() => owner.map(|owner| (owner, None)),
            REASON => {
                self.event.reason()?;
                actor.map(|actor| (actor, meant))
            }
            _ => None,
        }
    }

    fn write_section(&self, section: u8, bytes: &mut Vec<u8>) {
        match section {
            ACTOR => {
                write(ActorV1::new(&self.actor, &self.origin), bytes);
            }
            TOKEN => {
                let is_own = self.persons.owner == self.persons.actor;
                let subject = self.event.subject().filter(|_| !is_own);
                let stored = || self.request.map(RequestDigests::to_bytes);
                let (jti, request) = match &self.event {
                    AccessEvent::TokenMade { token, request } => (Some(&*token.jti), *request),
                    AccessEvent::TokenSeen(token) | AccessEvent::TokenEnded { token, .. } => {
                        (Some(&*token.jti), stored())
                    }
                    AccessEvent::Read(_)
                    | AccessEvent::TokensEnded { .. }
                    | AccessEvent::SubjectHeld(_)
                    | AccessEvent::SubjectReleased(_)
                    | AccessEvent::SubjectErased(_) => (None, stored()),
                };
                write(
                    TokenTextsV1 { subject: subject.map(keys::Subject::as_str), jti, request },
                    bytes,
                );
            }
            REASON => {
                if let Some(reason) = self.event.reason() {
                    write(reason, bytes);
                }
            }
            _ => {}
        }
    }
}

/// What could be opened of an entry, and for whom it was sealed.
pub(in super::super) struct Personal<'b> {
    pub(in super::super) actor: Option<ActorV1<'b>>,
    pub(in super::super) token: Option<TokenTextsV1<'b>>,
    pub(in super::super) reason: Option<ReasonV1<'b>>,
    pub(in super::super) persons: Persons,
    /// Whether there is a reason that cannot be read any more.
    pub(in super::super) is_reason_erased: bool,
}

impl Sections {
    /// Reads the sections of an entry.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for bytes that no ledger sealed.
    pub(in super::super) fn of_access(&self) -> Result<Personal<'_>, DecodeError> {
        let meant = self.find(REASON).and_then(|(plan, _)| plan.second);
        let (actor, owner) = (self.person(ACTOR), self.person(TOKEN));
        let persons = Persons { actor, owner, former: None, meant };
        let mut personal = Personal {
            actor: None,
            token: None,
            reason: None,
            persons,
            is_reason_erased: self.is_erased(REASON),
        };
        self.read(|section, rest| {
            match section {
                ACTOR => personal.actor = Some(take(rest)?),
                TOKEN => personal.token = Some(take(rest)?),
                REASON => personal.reason = Some(take(rest)?),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(token) = &mut personal.token {
            let actor = personal.actor.as_ref().map(|actor| actor.subject);
            token.subject = Some(token.subject.or(actor).ok_or(DecodeError::NotCanonical)?);
        }
        Ok(personal)
    }
}
