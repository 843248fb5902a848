//! Version 1 of the record. Frozen: no field moves, no variant changes its place.

use std::sync::Arc;

use keys::{
    Account, Attribute, Edit, Event, Reason, ReasonCode, Revocation, Rule, Subject, Timestamp,
    Update,
};
use serde::{Deserialize, Serialize};

use super::edit::EditV1;
use super::error::DecodeError;
use super::interner::Interner;
use super::key::NewKeyV1;
use super::links::{LinkV1, LinksV1};
use super::rules::RuleV1;
use super::sealed::record::Personal;
use super::sealed::{PartV1, Sections};
use super::twin::twin;
use super::values::{DialectV1, Texts, moment};
use super::via::ViaV1;
use crate::caller::{Origin, Roles, worker_subject};
use crate::record::{Actor, Idempotency, Link, Links, Record, Salt};

#[derive(Serialize, Deserialize)]
pub(super) struct RecordV1<'a> {
    at: i64,
    #[serde(borrow)]
    node: &'a str,
    account: Option<&'a str>,
    roles: u8,
    via: ViaV1<'a>,
    dialect: DialectV1,
    /// In the order that `keys::decide` gives them.
    rules: Vec<RuleV1<'a>>,
    event: EventV1<'a>,
    /// Of the keys that had a record before. The first link of a `Created` says nothing that the key
    /// does not.
    links: LinksV1,
    pub(super) salt: Salt,
    /// What says who somebody is.
    pub(super) parts: Vec<PartV1<'a>>,
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

twin!(ReasonCodeV1 = ReasonCode { Compromised, Superseded, Unused, OwnerLeft, Policy, Other });

impl<'a> RecordV1<'a> {
    pub(super) fn new(
        record: &'a Record,
        texts: &'a Texts,
        parts: Vec<PartV1<'a>>,
    ) -> RecordV1<'a> {
        RecordV1 {
            at: record.at.micros(),
            node: record.node.as_str(),
            account: record.actor.account.as_ref().map(Account::as_str),
            roles: record.actor.roles.bits(),
            via: (&record.actor.via).into(),
            dialect: record.dialect.into(),
            rules: record.rules.iter().map(RuleV1::new).collect(),
            event: match &record.event {
                Event::Created(key) => {
                    EventV1::Created(NewKeyV1::new(key, record.actor.account.as_ref(), texts))
                }
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
            parts,
        }
    }

    /// The record, with what of it is sealed.
    pub(super) fn into_record(
        self,
        sections: &Sections,
        interner: &mut Interner,
    ) -> Result<Record, DecodeError> {
        let mut personal = sections.of_record(&self.event.edited())?;
        let persons = personal.persons;
        let account = self.account.map(|name| interner.pool.account(name)).transpose()?;
        let event = self.event.into_event(account.as_ref(), &mut personal, sections, interner)?;
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
        let actor = personal.actor;
        let jti = actor.as_ref().and_then(|actor| actor.jti);
        let reason = match personal.reason {
            Some(text) => Some(Reason::stored(text)?),
            None => sections.has_reason().then(Reason::erased),
        };
        Ok(Record {
            at: moment(self.at)?,
            node: interner.pool.node(self.node)?,
            actor: Actor {
                subject: match (&actor, persons.actor) {
                    (Some(actor), _) => interner.pool.subject(actor.subject)?,
                    (None, Some(erased)) => Subject::erased(erased),
                    (None, None) => worker_subject(),
                },
                account,
                roles: Roles::from_bits(self.roles).ok_or(DecodeError::NotCanonical)?,
                via: self.via.into_via(jti, persons.actor.is_some(), interner)?,
            },
            origin: Origin {
                ip: actor.as_ref().and_then(|actor| actor.ip).map(Into::into),
                request_id: actor.as_ref().and_then(|actor| actor.request_id).map(Into::into),
            },
            dialect: self.dialect.into(),
            reason,
            rules,
            event,
            links,
            salt: self.salt,
            idempotency: personal.idempotency.map(|(key, request)| Idempotency { key, request }),
            persons,
        })
    }
}

/// The links that are stored.
fn links(record: &Record) -> impl Iterator<Item = &Link> {
    let derived = matches!(record.event, Event::Created(_));
    record.links.iter().skip(usize::from(derived))
}

impl EventV1<'_> {
    /// What it edits, in order.
    fn edited(&self) -> Vec<Attribute> {
        match self {
            EventV1::Updated(edits) => edits.iter().map(EditV1::attribute).collect(),
            EventV1::Created(_)
            | EventV1::Enabled
            | EventV1::Disabled
            | EventV1::Expired { .. }
            | EventV1::Revoked { .. } => Vec::new(),
        }
    }

    /// The event; `account` is for which the actor acted.
    fn into_event(
        self,
        account: Option<&Account>,
        personal: &mut Personal<'_>,
        sections: &Sections,
        interner: &mut Interner,
    ) -> Result<Event, DecodeError> {
        Ok(match self {
            EventV1::Created(key) => {
                let owner = personal.persons.owner.ok_or(DecodeError::NotCanonical)?;
                let texts = personal.key.take();
                Event::Created(Arc::new(key.into_key(account, texts, owner, interner)?))
            }
            EventV1::Enabled => Event::Enabled,
            EventV1::Disabled => Event::Disabled,
            EventV1::Expired { due } => Event::Expired { due: due.map(moment).transpose()? },
            EventV1::Revoked { code, compromised_since } => Event::Revoked(Revocation {
                code: code.map(Into::into),
                compromised_since: compromised_since.map(moment).transpose()?,
            }),
            EventV1::Updated(edits) => {
                let edited: Vec<Attribute> = edits.iter().map(EditV1::attribute).collect();
                let is_handed_on = edited.contains(&Attribute::Owner);
                if edited.iter().any(|attribute| attribute.is_personal())
                    && !sections.have_values(is_handed_on)
                {
                    return Err(DecodeError::NotCanonical);
                }
                let edits = edits.into_iter().map(|edit| edit.into_edit(personal, interner));
                let edits = edits.collect::<Result<Vec<Edit>, _>>()?;
                let update = Update::stored(edits, sections.are_values_erased());
                Event::Updated(Arc::new(update.ok_or(DecodeError::NotCanonical)?))
            }
        })
    }
}
