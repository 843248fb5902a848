//! The entries of the access journal.

use ledger::{Access, AccessEvent, Erasure, Hold, Readings, Seq};
use serde::Serialize;
use utoipa::ToSchema;

use super::event::Actor;
use super::text::{Text, Time};
use super::token::{Token, TokenRange, reason};
use super::words;

/// An entry of the access journal.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum AccessEntry<'a> {
    /// Somebody read a part of the trail.
    Read(ReadEntry<'a>),
    /// A token was made, used or ended.
    Token(TokenEntry<'a>),
    /// Tokens were ended together.
    Tokens(TokensEntry<'a>),
    /// A person was held, released or erased.
    Subject(SubjectEntry<'a>),
}

/// Somebody read a part of the trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReadEntry<'a> {
    /// Its place in the journal.
    seq: u64,
    /// What happened.
    #[schema(value_type = words::ReadAccess)]
    r#type: &'static str,
    /// When it was asked for, the first time.
    #[schema(value_type = String, format = DateTime)]
    first_at: Time,
    /// When it was asked for the last time.
    #[schema(value_type = String, format = DateTime)]
    last_at: Time,
    /// How often: equal readings within a minute are one entry.
    count: u64,
    /// Who read it.
    actor: Actor<'a>,
    /// From where.
    origin: AccessOrigin<'a>,
    /// What was read.
    #[schema(value_type = words::Reading)]
    reading: &'static str,
    /// Nothing before this place of the log was read.
    from: u64,
    /// Nothing from this place on; null where what came was read too.
    #[schema(required)]
    until: Option<u64>,
    /// The account that was asked for; null also for several.
    #[schema(required)]
    of_account: Option<&'a str>,
    /// The key that was asked for; null also for several.
    #[schema(value_type = Option<String>, format = "uuid", required)]
    of_key: Option<Text<keys::KeyId>>,
}

/// A token of the service's own was made, used or ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenEntry<'a> {
    /// Its place in the journal.
    seq: u64,
    /// What happened. That a token was used is recorded the first time, and then at most once a day.
    #[schema(value_type = words::TokenAccess)]
    r#type: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who did it.
    actor: Actor<'a>,
    /// From where.
    origin: AccessOrigin<'a>,
    /// The token.
    token: Token<'a>,
    /// Why it was ended, in words.
    #[schema(required)]
    reason: Option<&'a str>,
}

/// Tokens of the service's own were ended together.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokensEntry<'a> {
    /// Its place in the journal.
    seq: u64,
    /// What happened.
    #[schema(value_type = words::TokensAccess)]
    r#type: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who did it.
    actor: Actor<'a>,
    /// From where.
    origin: AccessOrigin<'a>,
    /// Which tokens.
    #[serde(flatten)]
    range: TokenRange<'a>,
    /// Why, in words.
    #[schema(required)]
    reason: Option<&'a str>,
}

/// A person may not be forgotten, may be, or was.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubjectEntry<'a> {
    /// Its place in the journal.
    seq: u64,
    /// What happened.
    #[schema(value_type = words::SubjectAccess)]
    r#type: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who did it.
    actor: Actor<'a>,
    /// From where.
    origin: AccessOrigin<'a>,
    /// Who; null of an erasure.
    #[schema(required)]
    subject: Option<&'a str>,
    /// What the person is called in records.
    #[schema(value_type = Vec<String>)]
    pseudonyms: Vec<Text<keys::Pseudonym>>,
    /// The hold; null of an erasure.
    #[schema(value_type = Option<String>, required)]
    hold: Option<Text<ledger::HoldId>>,
    /// Why, in words.
    #[schema(required)]
    reason: Option<&'a str>,
    /// By which right it was erased, in words.
    #[schema(required)]
    legal_basis: Option<&'a str>,
}

/// From where something was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessOrigin<'a> {
    /// The client's address.
    #[schema(value_type = Option<String>, required)]
    ip: Option<Text<std::net::IpAddr>>,
    /// The request's id; null where readings were counted, and where a token was used.
    #[schema(required)]
    request_id: Option<&'a str>,
}

impl<'a> AccessOrigin<'a> {
    fn new(origin: &'a ledger::Origin) -> AccessOrigin<'a> {
        AccessOrigin { ip: origin.ip.map(Text), request_id: origin.request_id.as_deref() }
    }
}

impl<'a> AccessEntry<'a> {
    pub(crate) fn new((seq, access): &'a (Seq, Access)) -> AccessEntry<'a> {
        let (seq, r#type, at) = (seq.0, access.event.as_str(), Time(access.at));
        let actor = Actor::new(&access.actor);
        let origin = AccessOrigin::new(&access.origin);
        let (token, why) = match &access.event {
            AccessEvent::Read(readings) => {
                let Readings { last_at, count, reading, from, until, account, key } = readings;
                return AccessEntry::Read(ReadEntry {
                    seq,
                    r#type,
                    first_at: at,
                    last_at: Time(*last_at),
                    count: *count,
                    actor,
                    origin,
                    reading: reading.as_str(),
                    from: from.0,
                    until: until.map(|until| until.0),
                    of_account: account.as_ref().map(keys::Account::as_str),
                    of_key: key.map(Text),
                });
            }
            AccessEvent::TokensEnded { range, reason: why } => {
                let (range, reason) = (TokenRange::new(range), reason(why.as_ref()));
                return AccessEntry::Tokens(TokensEntry {
                    seq,
                    r#type,
                    at,
                    actor,
                    origin,
                    range,
                    reason,
                });
            }
            AccessEvent::SubjectHeld(Hold { id, subject, persons, reason: why })
            | AccessEvent::SubjectReleased(Hold { id, subject, persons, reason: why }) => {
                return AccessEntry::Subject(SubjectEntry {
                    seq,
                    r#type,
                    at,
                    actor,
                    origin,
                    subject: Some(subject.as_str()),
                    pseudonyms: persons.iter().copied().map(Text).collect(),
                    hold: Some(Text(*id)),
                    reason: reason(why.as_ref()),
                    legal_basis: None,
                });
            }
            AccessEvent::SubjectErased(Erasure { persons, reason: why, legal_basis }) => {
                return AccessEntry::Subject(SubjectEntry {
                    seq,
                    r#type,
                    at,
                    actor,
                    origin,
                    subject: None,
                    pseudonyms: persons.iter().copied().map(Text).collect(),
                    hold: None,
                    reason: reason(why.as_ref()),
                    legal_basis: reason(legal_basis.as_ref()),
                });
            }
            AccessEvent::TokenMade { token, .. } | AccessEvent::TokenSeen(token) => (token, None),
            AccessEvent::TokenEnded { token, reason } => (token, reason.as_ref()),
        };
        let (token, reason) = (Token::new(token), reason(why));
        AccessEntry::Token(TokenEntry { seq, r#type, at, actor, origin, token, reason })
    }
}
