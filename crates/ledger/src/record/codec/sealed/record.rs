//! The sections of a record.

use keys::{Attribute, Description, Edit, Event, Pseudonym, Reason, Update};
use serde::{Deserialize, Serialize};

use super::super::bytes::write;
use super::super::error::DecodeError;
use super::{ActorV1, Sealed, Sections, take};
use crate::record::{Idempotency, Persons, Record};

const ACTOR: u8 = 1;
const KEY: u8 = 2;
const BEFORE: u8 = 4;
const AFTER: u8 = 8;
const REASON: u8 = 16;

#[derive(Serialize, Deserialize)]
pub(in super::super) struct KeyTextsV1<'a> {
    /// `None` is who acted; once it is read it is never that.
    pub(in super::super) owner: Option<&'a str>,
    pub(in super::super) name: &'a str,
    pub(in super::super) description: Option<&'a str>,
    #[serde(borrow)]
    pub(in super::super) metadata: Vec<(&'a str, &'a str)>,
}

impl Sealed for Record {
    fn persons(&self, section: u8) -> Option<(Pseudonym, Option<Pseudonym>)> {
        let Persons { actor, owner, former, meant } = self.persons;
        let is_sealed_update = || matches!(&self.event, Event::Updated(update) if personal(update));
        match section {
            ACTOR => actor.map(|actor| (actor, None)),
            KEY if matches!(self.event, Event::Created(_)) => owner.map(|owner| (owner, None)),
            BEFORE if is_sealed_update() => former.or(owner).map(|owner| (owner, None)),
            AFTER if is_sealed_update() => owner.map(|owner| (owner, None)),
            REASON if self.reason.is_some() => actor.map(|actor| (actor, meant)),
            _ => None,
        }
    }

    fn write_section(&self, section: u8, bytes: &mut Vec<u8>) {
        match (section, &self.event) {
            (ACTOR, _) => {
                write(ActorV1::new(&self.actor, &self.origin), bytes);
                let idempotency = self.idempotency;
                write(idempotency.map(|Idempotency { key, request }| (key, request)), bytes);
            }
            (KEY, Event::Created(key)) => {
                let is_own = self.persons.owner == self.persons.actor;
                let texts = KeyTextsV1 {
                    owner: (!is_own).then(|| key.owner.as_str()),
                    name: key.name.as_str(),
                    description: key.description.as_ref().map(Description::as_str),
                    metadata: key.metadata.iter().collect(),
                };
                write(texts, bytes);
            }
            (BEFORE | AFTER, Event::Updated(update)) => {
                update.iter().for_each(|edit| write_value(edit, section == BEFORE, bytes));
            }
            (REASON, _) => {
                write(self.reason.as_ref().map_or("", Reason::as_str), bytes);
            }
            _ => {}
        }
    }
}

/// Whether an update has values that are sealed.
fn personal(update: &Update) -> bool {
    update.iter().any(|edit| edit.attribute().is_personal())
}

/// Appends the value before or after an edit, if it is sealed.
fn write_value(edit: &Edit, is_before: bool, bytes: &mut Vec<u8>) {
    fn pick<T>(before: T, after: T, is_before: bool) -> T {
        if is_before { before } else { after }
    }
    match edit {
        Edit::Name { before, after } => {
            write(pick(before, after, is_before).as_str(), bytes);
        }
        Edit::Description { before, after } => {
            let text = pick(before, after, is_before).as_ref().map(Description::as_str);
            write(text, bytes);
        }
        Edit::Metadata { before, after } => {
            let pairs: Vec<(&str, &str)> = pick(before, after, is_before).iter().collect();
            write(pairs, bytes);
        }
        Edit::Owner { before, after } => {
            write(pick(before, after, is_before).as_str(), bytes);
        }
        Edit::Role { .. }
        | Edit::Permissions { .. }
        | Edit::Project { .. }
        | Edit::AllowedIps { .. }
        | Edit::ExpiresAt { .. }
        | Edit::RateLimit { .. }
        | Edit::Quota { .. }
        | Edit::Tags { .. } => {}
    }
}

/// What could be opened of a record, and for whom it was sealed.
pub(in super::super) struct Personal<'b> {
    pub(in super::super) actor: Option<ActorV1<'b>>,
    /// SHA-256 of the idempotency key with what it belongs to, and of the request.
    pub(in super::super) idempotency: Option<([u8; 32], [u8; 32])>,
    pub(in super::super) key: Option<KeyTextsV1<'b>>,
    pub(in super::super) reason: Option<&'b str>,
    pub(in super::super) persons: Persons,
    before: Option<Values<'b>>,
    after: Option<Values<'b>>,
}

type Values<'b> = std::vec::IntoIter<ValueV1<'b>>;

/// One sealed value of an edit.
pub(in super::super) enum ValueV1<'b> {
    Text(&'b str),
    Maybe(Option<&'b str>),
    Pairs(Vec<(&'b str, &'b str)>),
    /// Nobody can read it any more: it was this person's.
    Erased(Pseudonym),
}

impl Sections {
    /// Who a record speaks of.
    fn persons(&self) -> Persons {
        let owner = self.person(KEY).or_else(|| self.person(AFTER));
        let meant = self.find(REASON).and_then(|(plan, _)| plan.second);
        let former = self.person(BEFORE).filter(|former| Some(*former) != owner);
        Persons { actor: self.person(ACTOR), owner: owner.or(meant), former, meant }
    }

    /// Whether values before or after edits cannot be read any more.
    pub(in super::super) fn are_values_erased(&self) -> bool {
        self.is_erased(BEFORE) || self.is_erased(AFTER)
    }

    /// Whether there are values before and after: two persons' if the owner is edited, else one's.
    pub(in super::super) fn have_values(&self, is_handed_on: bool) -> bool {
        let pair = self.person(BEFORE).zip(self.person(AFTER));
        pair.is_some_and(|(before, after)| (before != after) == is_handed_on)
    }

    /// Whether there is a reason.
    pub(in super::super) fn has_reason(&self) -> bool {
        self.find(REASON).is_some()
    }

    /// Reads the sections of a record. `edited` is what that edits.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for bytes that no ledger sealed.
    pub(in super::super) fn of_record(
        &self,
        edited: &[Attribute],
    ) -> Result<Personal<'_>, DecodeError> {
        let mut personal = Personal {
            actor: None,
            idempotency: None,
            key: None,
            reason: None,
            persons: self.persons(),
            before: None,
            after: None,
        };
        self.read(|section, rest| {
            match section {
                ACTOR => {
                    personal.actor = Some(take(rest)?);
                    personal.idempotency = take(rest)?;
                }
                KEY => personal.key = Some(take(rest)?),
                BEFORE => personal.before = Some(values(edited, rest)?),
                AFTER => personal.after = Some(values(edited, rest)?),
                REASON => personal.reason = Some(take(rest)?),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(key) = &mut personal.key {
            let actor = personal.actor.as_ref().map(|actor| actor.subject);
            key.owner = Some(key.owner.or(actor).ok_or(DecodeError::NotCanonical)?);
        }
        Ok(personal)
    }
}

impl<'b> Personal<'b> {
    /// The values before and after the next edit that has sealed ones.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotCanonical`] if they are sealed for nobody.
    pub(in super::super) fn next_values(&mut self) -> Result<[ValueV1<'b>; 2], DecodeError> {
        let Persons { owner, former, .. } = self.persons;
        let next = |values: &mut Option<Values<'b>>, person: Option<Pseudonym>| {
            let value = values.as_mut().and_then(Iterator::next);
            value.or(person.map(ValueV1::Erased)).ok_or(DecodeError::NotCanonical)
        };
        Ok([next(&mut self.before, former.or(owner))?, next(&mut self.after, owner)?])
    }
}

/// Takes the sealed values of the edits of these attributes off the front of `bytes`.
fn values<'b>(edited: &[Attribute], bytes: &mut &'b [u8]) -> Result<Values<'b>, DecodeError> {
    let mut values = Vec::with_capacity(edited.len());
    for attribute in edited {
        match attribute {
            Attribute::Name | Attribute::Owner => values.push(ValueV1::Text(take(bytes)?)),
            Attribute::Description => values.push(ValueV1::Maybe(take(bytes)?)),
            Attribute::Metadata => values.push(ValueV1::Pairs(take(bytes)?)),
            Attribute::Role
            | Attribute::Permissions
            | Attribute::Project
            | Attribute::AllowedIps
            | Attribute::ExpiresAt
            | Attribute::RateLimit
            | Attribute::Quota
            | Attribute::Tags => {}
        }
    }
    Ok(values.into_iter())
}
