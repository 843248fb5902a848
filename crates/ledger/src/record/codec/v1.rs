//! Version 1 of the record. Frozen: no field moves, no variant changes its place.

use std::net::IpAddr;
use std::sync::Arc;

use keys::{Account, Edit, Event, KeyId, Reason, ReasonCode, Revocation, Rule, Timestamp, Update};
use serde::{Deserialize, Serialize};

use super::edit::EditV1;
use super::error::DecodeError;
use super::interner::Interner;
use super::key::NewKeyV1;
use super::links::{LinkV1, LinksV1};
use super::rules::RuleV1;
use super::twin::twin;
use super::values::{DialectV1, Texts, moment};
use crate::caller::{Origin, Roles, Via};
use crate::record::{Actor, Idempotency, Link, Links, Record};

#[derive(Serialize, Deserialize)]
pub(super) struct RecordV1<'a> {
    at: i64,
    #[serde(borrow)]
    node: &'a str,
    subject: &'a str,
    account: Option<&'a str>,
    roles: u8,
    via: ViaV1<'a>,
    ip: Option<IpV1>,
    request_id: Option<&'a str>,
    dialect: DialectV1,
    reason: Option<&'a str>,
    /// In the order that `keys::decide` gives them.
    rules: Vec<RuleV1<'a>>,
    event: EventV1<'a>,
    /// Of the keys that had a record before. The first link of a `Created` says nothing that the key
    /// does not.
    links: LinksV1,
    salt: [u8; 16],
    idempotency: Option<IdempotencyV1>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum ViaV1<'a> {
    Token { issuer: &'a str, jti: Option<&'a str> },
    Key([u8; 16]),
    Worker,
}

#[derive(Serialize, Deserialize)]
pub(super) enum IpV1 {
    V4([u8; 4]),
    V6([u8; 16]),
}

#[expect(clippy::large_enum_variant, reason = "lives for one encoding, on the stack")]
#[derive(Serialize, Deserialize)]
enum EventV1<'a> {
    #[serde(borrow)]
    Created(NewKeyV1<'a>),
    Enabled,
    Disabled,
    Expired {
        due: Option<i64>,
    },
    Revoked {
        code: Option<ReasonCodeV1>,
        compromised_since: Option<i64>,
    },
    Updated(Vec<EditV1<'a>>),
}

#[derive(Serialize, Deserialize)]
struct IdempotencyV1 {
    key: [u8; 32],
    request: [u8; 32],
}

twin!(ReasonCodeV1 = ReasonCode { Compromised, Superseded, Unused, OwnerLeft, Policy, Other });

impl<'a> RecordV1<'a> {
    pub(super) fn new(record: &'a Record, texts: &'a Texts) -> RecordV1<'a> {
        RecordV1 {
            at: record.at.micros(),
            node: record.node.as_str(),
            subject: record.actor.subject.as_str(),
            account: record.actor.account.as_ref().map(Account::as_str),
            roles: record.actor.roles.bits(),
            via: (&record.actor.via).into(),
            ip: record.origin.ip.map(Into::into),
            request_id: record.origin.request_id.as_deref(),
            dialect: record.dialect.into(),
            reason: record.reason.as_ref().map(Reason::as_str),
            rules: record.rules.iter().map(RuleV1::new).collect(),
            event: match &record.event {
                Event::Created(key) => EventV1::Created(NewKeyV1::new(key, texts)),
                Event::Updated(update) => {
                    EventV1::Updated(update.iter().map(|edit| EditV1::new(edit, texts)).collect())
                }
                Event::Enabled => EventV1::Enabled,
                Event::Disabled => EventV1::Disabled,
                Event::Expired { due } => EventV1::Expired { due: due.map(Timestamp::micros) },
                Event::Revoked(revocation) => EventV1::Revoked {
                    code: revocation.code.map(Into::into),
                    compromised_since: revocation.compromised_since.map(Timestamp::micros),
                },
            },
            links: links(record).map(LinkV1::new).collect(),
            salt: record.salt,
            idempotency: record
                .idempotency
                .map(|Idempotency { key, request }| IdempotencyV1 { key, request }),
        }
    }

    pub(super) fn into_record(self, interner: &mut Interner) -> Result<Record, DecodeError> {
        let event = self.event.into_event(interner)?;
        let mut links = self.links.into_iter().map(LinkV1::into_link);
        let own = match &event {
            Event::Created(key) => Link::first(key.id),
            Event::Enabled
            | Event::Disabled
            | Event::Expired { .. }
            | Event::Revoked(_)
            | Event::Updated(_) => links.next().ok_or(DecodeError::NotCanonical)?,
        };
        let links = Links { own, others: links.collect() };
        let rules = self.rules.into_iter().map(|rule| rule.into_rule(interner));
        let rules = rules.collect::<Result<Vec<Rule>, _>>()?;
        Ok(Record {
            at: moment(self.at)?,
            node: interner.pool.node(self.node)?,
            actor: Actor {
                subject: interner.pool.subject(self.subject)?,
                account: self.account.map(|name| interner.pool.account(name)).transpose()?,
                roles: Roles::from_bits(self.roles).ok_or(DecodeError::NotCanonical)?,
                via: self.via.into_via(interner),
            },
            origin: Origin {
                ip: self.ip.map(Into::into),
                request_id: self.request_id.map(Into::into),
            },
            dialect: self.dialect.into(),
            reason: self.reason.map(Reason::stored).transpose()?,
            rules,
            event,
            links,
            salt: self.salt,
            idempotency: self
                .idempotency
                .map(|IdempotencyV1 { key, request }| Idempotency { key, request }),
        })
    }
}

/// The links that are stored.
fn links(record: &Record) -> impl Iterator<Item = &Link> {
    let derived = matches!(record.event, Event::Created(_));
    record.links.iter().skip(usize::from(derived))
}

impl EventV1<'_> {
    fn into_event(self, interner: &mut Interner) -> Result<Event, DecodeError> {
        Ok(match self {
            EventV1::Created(key) => Event::Created(Arc::new(key.into_key(interner)?)),
            EventV1::Enabled => Event::Enabled,
            EventV1::Disabled => Event::Disabled,
            EventV1::Expired { due } => Event::Expired { due: due.map(moment).transpose()? },
            EventV1::Revoked { code, compromised_since } => Event::Revoked(Revocation {
                code: code.map(Into::into),
                compromised_since: compromised_since.map(moment).transpose()?,
            }),
            EventV1::Updated(edits) => {
                let edits = edits.into_iter().map(|edit| edit.into_edit(interner));
                let edits = edits.collect::<Result<Vec<Edit>, _>>()?;
                Event::Updated(Arc::new(Update::stored(edits).ok_or(DecodeError::NotCanonical)?))
            }
        })
    }
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
    pub(super) fn into_via(self, interner: &mut Interner) -> Via {
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

impl From<IpAddr> for IpV1 {
    fn from(ip: IpAddr) -> IpV1 {
        match ip {
            IpAddr::V4(ip) => IpV1::V4(ip.octets()),
            IpAddr::V6(ip) => IpV1::V6(ip.octets()),
        }
    }
}

impl From<IpV1> for IpAddr {
    fn from(ip: IpV1) -> IpAddr {
        match ip {
            IpV1::V4(octets) => octets.into(),
            IpV1::V6(octets) => octets.into(),
        }
    }
}
