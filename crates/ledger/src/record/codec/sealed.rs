//! What is sealed: sections of a record or of the journal's entry, those for the same persons together
//! in one part, under the keys of these.

pub(super) mod access;
pub(super) mod record;

use keys::Pseudonym;
use serde::{Deserialize, Serialize};

use super::bytes::config;
use super::error::DecodeError;
use super::values::IpV1;
use crate::caller::{Origin, Via};
use crate::keyring::{Found, Keyring, LastCipher, PersonKey};
use crate::record::{Actor, Salt};

/// The sections that there may be, a bit each.
const ALL: [u8; 5] = [1, 2, 4, 8, 16];

/// Who acted, and from where.
#[derive(Serialize, Deserialize)]
pub(super) struct ActorV1<'a> {
    pub(super) subject: &'a str,
    pub(super) jti: Option<&'a str>,
    pub(super) ip: Option<IpV1>,
    pub(super) request_id: Option<&'a str>,
}

impl<'a> ActorV1<'a> {
    fn new(actor: &'a Actor, origin: &'a Origin) -> ActorV1<'a> {
        let jti = match &actor.via {
            Via::Token { jti, .. } => jti.as_deref(),
            Via::Key(_) | Via::Worker => None,
        };
        ActorV1 {
            subject: actor.subject.as_str(),
            jti,
            ip: origin.ip.map(Into::into),
            request_id: origin.request_id.as_deref(),
        }
    }
}

/// What has sections that are sealed.
pub(super) trait Sealed {
    /// For whom a section is sealed; `None` if there is no such section.
    fn persons(&self, section: u8) -> Option<(Pseudonym, Option<Pseudonym>)>;

    /// Appends a section.
    fn write_section(&self, section: u8, bytes: &mut Vec<u8>);
}

/// Where the keys of persons are found.
pub(super) trait Find {
    /// What there is of a key; `None` if there never was one.
    fn find(&self, pseudonym: &Pseudonym) -> Option<Found>;
}

impl Find for Keyring {
    fn find(&self, pseudonym: &Pseudonym) -> Option<Found> {
        Keyring::find(self, pseudonym)
    }
}

/// The same keys, for a log that may be newer than the keyring: what this never had is read as erased.
pub(super) struct Lenient<'k>(pub(super) &'k Keyring);

impl Find for Lenient<'_> {
    fn find(&self, pseudonym: &Pseudonym) -> Option<Found> {
        Some(self.0.find(pseudonym).unwrap_or(Found::Destroyed))
    }
}

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

/// The parts of `whole`, in the order of their lowest sections.
fn plan(whole: &impl Sealed) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::with_capacity(3);
    for section in ALL {
        let Some((first, second)) = whole.persons(section) else { continue };
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
/// [`DecodeError::NoKey`] for a pseudonym that is not found.
fn key_of(find: &impl Find, plan: &Plan) -> Result<Option<PersonKey>, DecodeError> {
    let find = |name: &Pseudonym| find.find(name).ok_or(DecodeError::NoKey(*name));
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
    /// Seals what of `whole` is to be sealed. For who was forgotten nothing is stored.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NoKey`].
    pub(super) fn seal(
        whole: &impl Sealed,
        salt: &Salt,
        keyring: &Keyring,
    ) -> Result<Parts, DecodeError> {
        let parts = plan(whole).into_iter().map(|plan| -> Result<_, DecodeError> {
            let Some(key) = key_of(keyring, &plan)? else { return Ok((plan, Vec::new())) };
            let mut bytes = Vec::with_capacity(160);
            sections(plan.sections).for_each(|section| whole.write_section(section, &mut bytes));
            key.seal(salt, &mut bytes);
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

/// The sections of what was read, opened as far as there are keys.
#[derive(Default)]
pub(super) struct Sections {
    /// Each part with its plan; `None` cannot be opened any more.
    parts: Vec<(Plan, Option<Vec<u8>>)>,
}

/// A part without its key is at least this long, or empty: the tag.
const TAG: usize = 16;

impl Sections {
    /// Opens parts.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NoKey`]; [`DecodeError::Sealed`] for what was not sealed with that key.
    pub(super) fn open(
        parts: &[PartV1<'_>],
        salt: &Salt,
        keys: &impl Find,
        ciphers: &mut LastCipher,
    ) -> Result<Sections, DecodeError> {
        let opened = parts.iter().map(|part| {
            let (first, second) = match part.persons.as_slice() {
                [one] => (Pseudonym(*one), None),
                [one, other] => (Pseudonym(*one), Some(Pseudonym(*other))),
                _ => return Err(DecodeError::NotCanonical),
            };
            let plan = Plan { sections: part.sections, first, second };
            let key = key_of(keys, &plan)?;
            let bytes = match key {
                _ if part.sealed.is_empty() => None,
                _ if part.sealed.len() < TAG => return Err(DecodeError::Sealed),
                None => None,
                Some(key) => {
                    Some(ciphers.of(&key).open(salt, part.sealed).ok_or(DecodeError::Sealed)?)
                }
            };
            Ok((plan, bytes))
        });
        Ok(Sections { parts: opened.collect::<Result<_, _>>()? })
    }

    /// The part that `section` is in.
    fn find(&self, section: u8) -> Option<&(Plan, Option<Vec<u8>>)> {
        self.parts.iter().find(|(plan, _)| plan.sections & section != 0)
    }

    /// The first of those whom `section` is sealed for.
    fn person(&self, section: u8) -> Option<Pseudonym> {
        self.find(section).map(|(plan, _)| plan.first)
    }

    /// Whether there is `section`, and it cannot be read any more.
    fn is_erased(&self, section: u8) -> bool {
        self.find(section).is_some_and(|(_, bytes)| bytes.is_none())
    }

    /// Whether these are the parts of `whole`, and say what it does.
    pub(super) fn are_of(&self, whole: &impl Sealed) -> bool {
        let mut again = Vec::new();
        plan(whole).iter().eq(self.parts.iter().map(|(plan, _)| plan))
            && self.parts.iter().all(|(plan, bytes)| {
                again.clear();
                sections(plan.sections)
                    .for_each(|section| whole.write_section(section, &mut again));
                bytes.as_ref().is_none_or(|bytes| *bytes == again)
            })
    }

    /// Calls `read` with each section that could be opened, and with the bytes from it on, which it
    /// takes its own off.
    fn read<'b>(
        &'b self,
        mut read: impl FnMut(u8, &mut &'b [u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for (plan, bytes) in &self.parts {
            let Some(bytes) = bytes else { continue };
            let mut rest = &**bytes;
            sections(plan.sections).try_for_each(|section| read(section, &mut rest))?;
        }
        Ok(())
    }
}

/// Takes a value off the front of `bytes`.
fn take<'b, T: Deserialize<'b>>(bytes: &mut &'b [u8]) -> Result<T, DecodeError> {
    let (value, used) = bincode::serde::borrow_decode_from_slice(bytes, config())
        .map_err(|error| DecodeError::Layout(error.to_string()))?;
    *bytes = bytes.get(used..).unwrap_or_default();
    Ok(value)
}
