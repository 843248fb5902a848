//! What of a record is sealed: which sections, for whom, and the bytes of each.

use keys::{Attribute, Description, Edit, Event, Pseudonym, Reason, Update};
use serde::{Deserialize, Serialize};

use super::bytes::{config, write};
use super::error::DecodeError;
use super::values::IpV1;
use crate::caller::Via;
use crate::keyring::{Found, Keyring, PersonKey};
use crate::record::{Idempotency, Persons, Record, Salt};

const ACTOR: u8 = 1;
const KEY: u8 = 2;
const BEFORE: u8 = 4;
const AFTER: u8 = 8;
const REASON: u8 = 16;
const ALL: [u8; 5] = [ACTOR, KEY, BEFORE, AFTER, REASON];

/// A part as it is stored: sections for the same persons, sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct PartV1<'a> {
    sections: u8,
    persons: Vec<[u8; 16]>,
    #[serde(borrow, with = "serde_bytes")]
    sealed: &'a [u8],
}

/// A part before it is sealed: its sections, and for whom.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Plan {
    sections: u8,
    first: Pseudonym,
    second: Option<Pseudonym>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ActorV1<'a> {
    pub(super) subject: &'a str,
    pub(super) jti: Option<&'a str>,
    pub(super) ip: Option<IpV1>,
    pub(super) request_id: Option<&'a str>,
    pub(super) idempotency: Option<([u8; 32], [u8; 32])>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeyTextsV1<'a> {
    pub(super) owner: &'a str,
    pub(super) name: &'a str,
    pub(super) description: Option<&'a str>,
    #[serde(borrow)]
    pub(super) metadata: Vec<(&'a str, &'a str)>,
}

/// For whom a section of `record` is sealed; `None` if it has no such section.
fn persons(record: &Record, section: u8) -> Option<(Pseudonym, Option<Pseudonym>)> {
    let Persons { actor, owner, former } = record.persons;
    let is_sealed_update = || matches!(&record.event, Event::Updated(update) if personal(update));
    match section {
        ACTOR => actor.map(|actor| (actor, None)),
        KEY if matches!(record.event, Event::Created(_)) => owner.map(|owner| (owner, None)),
        BEFORE if is_sealed_update() => former.or(owner).map(|owner| (owner, None)),
        AFTER if is_sealed_update() => owner.map(|owner| (owner, None)),
        REASON if record.reason.is_some() => {
            actor.map(|actor| (actor, owner.filter(|owner| *owner != actor)))
        }
        _ => None,
    }
}

/// Whether an update has values that are sealed.
fn personal(update: &Update) -> bool {
    update.iter().any(|edit| edit.attribute().is_personal())
}

/// The parts of a record, in the order of their lowest sections.
fn plan(record: &Record) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::with_capacity(3);
    for section in ALL {
        let Some((first, second)) = persons(record, section) else { continue };
        let same = plans.iter_mut().find(|plan| (plan.first, plan.second) == (first, second));
        match same {
            Some(plan) => plan.sections |= section,
            None => plans.push(Plan { sections: section, first, second }),
        }
    }
    plans
}

fn sections(mask: u8) -> impl Iterator<Item = u8> {
    ALL.into_iter().filter(move |section| mask & section != 0)
}

/// The key of a part; `None` if one that it takes was destroyed.
///
/// # Errors
///
/// [`DecodeError::NoKey`] for a pseudonym that the keyring never had.
fn key_of(keyring: &Keyring, plan: &Plan) -> Result<Option<PersonKey>, DecodeError> {
    let find = |name: &Pseudonym| keyring.find(name).ok_or(DecodeError::NoKey(*name));
    let first = find(&plan.first)?;
    let second = plan.second.as_ref().map(find).transpose()?;
    Ok(match (first, second) {
        (Found::Key(key), None) => Some(key),
        (Found::Key(one), Some(Found::Key(other))) => Some(one.with(&other)),
        (Found::Destroyed, _) | (_, Some(Found::Destroyed)) => None,
    })
}

/// Sealed parts and their plans.
pub(super) struct Parts(Vec<(Plan, Vec<u8>)>);

impl Parts {
    /// Seals what of `record` is to be sealed. For who was forgotten nothing is stored.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NoKey`].
    pub(super) fn seal(record: &Record, keyring: &Keyring) -> Result<Parts, DecodeError> {
        let parts = plan(record).into_iter().map(|plan| -> Result<_, DecodeError> {
            let Some(key) = key_of(keyring, &plan)? else { return Ok((plan, Vec::new())) };
            let mut bytes = Vec::with_capacity(160);
            sections(plan.sections).for_each(|section| write_section(record, section, &mut bytes));
            key.seal(&record.salt, &mut bytes);
            Ok((plan, bytes))
        });
        Ok(Parts(parts.collect::<Result<_, _>>()?))
    }

    pub(super) fn stored(&self) -> Vec<PartV1<'_>> {
        let stored = self.0.iter().map(|(plan, sealed)| PartV1 {
            sections: plan.sections,
            persons: [Some(plan.first), plan.second]
                .into_iter()
                .flatten()
                .map(|name| name.0)
                .collect(),
            sealed,
        });
        stored.collect()
    }
}

/// Appends a section of `record`.
fn write_section(record: &Record, section: u8, bytes: &mut Vec<u8>) {
    match (section, &record.event) {
        (ACTOR, _) => {
            let jti = match &record.actor.via {
                Via::Token { jti, .. } => jti.as_deref(),
                Via::Key(_) | Via::Worker => None,
            };
            let actor = ActorV1 {
                subject: record.actor.subject.as_str(),
                jti,
                ip: record.origin.ip.map(Into::into),
                request_id: record.origin.request_id.as_deref(),
                idempotency: record.idempotency.map(|Idempotency { key, request }| (key, request)),
            };
            write(actor, bytes);
        }
        (KEY, Event::Created(key)) => {
            let texts = KeyTextsV1 {
                owner: key.owner.as_str(),
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
            write(record.reason.as_ref().map_or("", Reason::as_str), bytes);
        }
        _ => {}
    }
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

/// The sections of a record that was read, opened as far as there are keys.
#[derive(Default)]
pub(super) struct Sections {
    /// Each part with its plan; `None` cannot be opened any more.
    parts: Vec<(Plan, Option<Vec<u8>>)>,
}

/// A part without its key is at least this long, or empty: the tag.
const TAG: usize = 16;

impl Sections {
    /// Opens the parts of a record.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NoKey`]; [`DecodeError::Sealed`] for what was not sealed with that key.
    pub(super) fn open(
        parts: &[PartV1<'_>],
        salt: &Salt,
        keyring: &Keyring,
    ) -> Result<Sections, DecodeError> {
        let opened = parts.iter().map(|part| {
            let (first, second) = match part.persons.as_slice() {
                [one] => (Pseudonym(*one), None),
                [one, other] => (Pseudonym(*one), Some(Pseudonym(*other))),
                _ => return Err(DecodeError::NotCanonical),
            };
            let plan = Plan { sections: part.sections, first, second };
            let key = key_of(keyring, &plan)?;
            let bytes = match key {
                _ if part.sealed.is_empty() => None,
                _ if part.sealed.len() < TAG => return Err(DecodeError::Sealed),
                None => None,
                Some(key) => Some(key.open(salt, part.sealed).ok_or(DecodeError::Sealed)?),
            };
            Ok((plan, bytes))
        });
        Ok(Sections { parts: opened.collect::<Result<_, _>>()? })
    }

    /// The part that `section` is in.
    fn find(&self, section: u8) -> Option<&(Plan, Option<Vec<u8>>)> {
        self.parts.iter().find(|(plan, _)| plan.sections & section != 0)
    }

    /// Who a record speaks of.
    pub(super) fn persons(&self) -> Persons {
        let first = |section| self.find(section).map(|(plan, _)| plan.first);
        let owner = first(KEY).or_else(|| first(AFTER));
        let reader = self.find(REASON).and_then(|(plan, _)| plan.second);
        let former = first(BEFORE).filter(|former| Some(*former) != owner);
        Persons { actor: first(ACTOR), owner: owner.or(reader), former }
    }

    /// Whether values before or after edits cannot be read any more.
    pub(super) fn are_values_erased(&self) -> bool {
        let is_erased = |section| self.find(section).is_some_and(|(_, bytes)| bytes.is_none());
        is_erased(BEFORE) || is_erased(AFTER)
    }

    /// Whether there are values before and after: two persons' if the owner is edited, else one's.
    pub(super) fn have_values(&self, is_handed_on: bool) -> bool {
        let person = |section| self.find(section).map(|(plan, _)| plan.first);
        let pair = person(BEFORE).zip(person(AFTER));
        pair.is_some_and(|(before, after)| (before != after) == is_handed_on)
    }

    /// Whether these are the parts of `record`, and say what it does.
    pub(super) fn are_of(&self, record: &Record) -> bool {
        let mut again = Vec::new();
        plan(record).iter().eq(self.parts.iter().map(|(plan, _)| plan))
            && self.parts.iter().all(|(plan, bytes)| {
                again.clear();
                sections(plan.sections)
                    .for_each(|section| write_section(record, section, &mut again));
                bytes.as_ref().is_none_or(|bytes| *bytes == again)
            })
    }

    /// Whether there is a reason.
    pub(super) fn has_reason(&self) -> bool {
        self.find(REASON).is_some()
    }

    /// Reads all sections. `edited` is what the record edits.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for bytes that no ledger sealed.
    pub(super) fn read(&self, edited: &[Attribute]) -> Result<Personal<'_>, DecodeError> {
        let mut personal = Personal::default();
        for (plan, bytes) in &self.parts {
            let Some(bytes) = bytes else { continue };
            let mut rest = &**bytes;
            for section in sections(plan.sections) {
                match section {
                    ACTOR => personal.actor = Some(take(&mut rest)?),
                    KEY => personal.key = Some(take(&mut rest)?),
                    BEFORE => personal.before = Some(values(edited, &mut rest)?),
                    AFTER => personal.after = Some(values(edited, &mut rest)?),
                    REASON => personal.reason = Some(take(&mut rest)?),
                    _ => {}
                }
            }
        }
        Ok(personal)
    }
}

/// The sections of a record that could be opened.
#[derive(Default)]
pub(super) struct Personal<'b> {
    pub(super) actor: Option<ActorV1<'b>>,
    pub(super) key: Option<KeyTextsV1<'b>>,
    pub(super) reason: Option<&'b str>,
    before: Option<Values<'b>>,
    after: Option<Values<'b>>,
}

type Values<'b> = std::vec::IntoIter<ValueV1<'b>>;

/// One sealed value of an edit.
pub(super) enum ValueV1<'b> {
    Text(&'b str),
    Maybe(Option<&'b str>),
    Pairs(Vec<(&'b str, &'b str)>),
    /// Nobody can read it any more: it was this person's.
    Erased(Pseudonym),
}

impl<'b> Personal<'b> {
    /// The values before and after the next edit that has sealed ones.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotCanonical`] if they are sealed for nobody.
    pub(super) fn next_values(
        &mut self,
        persons: Persons,
    ) -> Result<[ValueV1<'b>; 2], DecodeError> {
        let Persons { owner, former, .. } = persons;
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

/// Takes a value off the front of `bytes`.
fn take<'b, T: Deserialize<'b>>(bytes: &mut &'b [u8]) -> Result<T, DecodeError> {
    let (value, used) = bincode::serde::borrow_decode_from_slice(bytes, config())
        .map_err(|error| DecodeError::Layout(error.to_string()))?;
    *bytes = bytes.get(used..).unwrap_or_default();
    Ok(value)
}
