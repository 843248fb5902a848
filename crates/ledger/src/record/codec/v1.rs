//! Version 1 of the record. Frozen: no field moves, no variant changes its place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use keys::{
    Account, AllowedIps, Description, Dialect, Digest, Environment, Event, KeyId, KeyName, KeyRole,
    Kind, Metadata, NewKey, Permission, Prefix, Project, Reason, ReasonCode, Replaces, Revocation,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::links::{LinkV1, LinksV1};
use super::twin::twin;
use crate::caller::{Origin, Via};
use crate::record::{Actor, Idempotency, Link, Links, Record};

#[derive(Serialize, Deserialize)]
pub(super) struct RecordV1<'a> {
    at: i64,
    #[serde(borrow)]
    subject: &'a str,
    account: Option<&'a str>,
    via: ViaV1<'a>,
    ip: Option<IpV1>,
    request_id: Option<&'a str>,
    dialect: DialectV1,
    reason: Option<&'a str>,
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
}

#[derive(Serialize, Deserialize)]
struct NewKeyV1<'a> {
    id: [u8; 16],
    number: u64,
    account: &'a str,
    owner: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    kind: KindV1,
    environment: EnvironmentV1,
    role: Option<&'a str>,
    #[serde(borrow)]
    permissions: Vec<&'a str>,
    project: Option<&'a str>,
    allowed_ips: Vec<&'a str>,
    expires_at: Option<i64>,
    daily_limit: Option<u32>,
    metadata: Vec<(&'a str, &'a str)>,
    prefix: &'a str,
    digest: [u8; 32],
    replaces: Option<ReplacesV1>,
    dialect: DialectV1,
    public_value: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct ReplacesV1 {
    key: [u8; 16],
    valid_until: i64,
}

#[derive(Serialize, Deserialize)]
struct IdempotencyV1 {
    key: [u8; 32],
    request: [u8; 32],
}

twin!(KindV1 = Kind { Secret, Public });
twin!(EnvironmentV1 = Environment { Live, Sandbox });
twin!(DialectV1 = Dialect { Native, Covosign, Callcov, Cloudsigma, Capgo, Composable });
twin!(ReasonCodeV1 = ReasonCode { Compromised, Superseded, Unused, OwnerLeft, Policy, Other });

/// Texts of a record that a key does not hold as text, made so that the stored type can borrow them.
pub(super) struct Texts {
    allowed_ips: Vec<String>,
}

impl Texts {
    pub(super) fn of(record: &Record) -> Texts {
        let allowed_ips = match &record.event {
            Event::Created(key) => key.allowed_ips.recorded().collect(),
            Event::Enabled | Event::Disabled | Event::Expired { .. } | Event::Revoked(_) => {
                Vec::new()
            }
        };
        Texts { allowed_ips }
    }
}

impl<'a> RecordV1<'a> {
    pub(super) fn new(record: &'a Record, texts: &'a Texts) -> RecordV1<'a> {
        RecordV1 {
            at: record.at.micros(),
            subject: record.actor.subject.as_str(),
            account: record.actor.account.as_ref().map(Account::as_str),
            via: (&record.actor.via).into(),
            ip: record.origin.ip.map(Into::into),
            request_id: record.origin.request_id.as_deref(),
            dialect: record.dialect.into(),
            reason: record.reason.as_ref().map(Reason::as_str),
            event: match &record.event {
                Event::Created(key) => EventV1::Created(NewKeyV1::new(key, texts)),
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
            Event::Enabled | Event::Disabled | Event::Expired { .. } | Event::Revoked(_) => {
                links.next().ok_or(DecodeError::NotCanonical)?
            }
        };
        let links = Links { own, others: links.collect() };
        Ok(Record {
            at: moment(self.at)?,
            actor: Actor {
                subject: interner.pool.subject(self.subject)?,
                account: self.account.map(|name| interner.pool.account(name)).transpose()?,
                via: self.via.into_via(interner),
            },
            origin: Origin {
                ip: self.ip.map(Into::into),
                request_id: self.request_id.map(Into::into),
            },
            dialect: self.dialect.into(),
            reason: self.reason.map(Reason::stored).transpose()?,
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

pub(super) fn moment(micros: i64) -> Result<Timestamp, DecodeError> {
    let moment = Timestamp::from_micros(micros);
    if moment.micros() == micros { Ok(moment) } else { Err(DecodeError::NotCanonical) }
}

impl<'a> NewKeyV1<'a> {
    fn new(key: &'a NewKey, texts: &'a Texts) -> NewKeyV1<'a> {
        NewKeyV1 {
            id: key.id.to_bytes(),
            number: key.number,
            account: key.account.as_str(),
            owner: key.owner.as_str(),
            name: key.name.as_str(),
            description: key.description.as_ref().map(Description::as_str),
            kind: key.kind.into(),
            environment: key.environment.into(),
            role: key.role.as_ref().map(KeyRole::as_str),
            permissions: key.permissions.iter().map(Permission::as_str).collect(),
            project: key.project.as_ref().map(Project::as_str),
            allowed_ips: texts.allowed_ips.iter().map(String::as_str).collect(),
            expires_at: key.expires_at.map(Timestamp::micros),
            daily_limit: key.daily_limit,
            metadata: key.metadata.iter().collect(),
            prefix: key.prefix.as_str(),
            digest: key.digest.0,
            replaces: key.replaces.as_ref().map(|replaces| ReplacesV1 {
                key: replaces.key.to_bytes(),
                valid_until: replaces.valid_until.micros(),
            }),
            dialect: key.dialect.into(),
            public_value: key.public_value.as_deref(),
        }
    }

    fn into_key(self, interner: &mut Interner) -> Result<NewKey, DecodeError> {
        let metadata: BTreeMap<String, String> =
            self.metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Ok(NewKey {
            id: KeyId::from_bytes(self.id),
            number: self.number,
            account: interner.pool.account(self.account)?,
            owner: interner.pool.subject(self.owner)?,
            name: KeyName::stored(self.name)?,
            description: self.description.map(Description::stored).transpose()?,
            kind: self.kind.into(),
            environment: self.environment.into(),
            role: self.role.map(|name| interner.pool.role(name)).transpose()?,
            permissions: interner.pool.permissions_of(&self.permissions)?,
            project: self.project.map(|name| interner.pool.project(name)).transpose()?,
            allowed_ips: AllowedIps::parse(&self.allowed_ips)?,
            expires_at: self.expires_at.map(moment).transpose()?,
            daily_limit: self.daily_limit,
            metadata: Metadata::stored(metadata)?,
            prefix: Prefix::new(self.prefix)?,
            digest: Digest(self.digest),
            replaces: self
                .replaces
                .map(|ReplacesV1 { key, valid_until }| {
                    let valid_until = moment(valid_until)?;
                    Ok::<_, DecodeError>(Box::new(Replaces {
                        key: KeyId::from_bytes(key),
                        valid_until,
                    }))
                })
                .transpose()?,
            dialect: self.dialect.into(),
            public_value: self.public_value.map(Into::into),
        })
    }
}
