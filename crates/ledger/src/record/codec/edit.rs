//! The stored form of one edit: the attribute before and after it.

use keys::{
    AllowedIps, Attribute, Description, Edit, KeyName, KeyRole, Metadata, Project, Quota,
    RateLimit, Subject, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::key::{QuotaV1, RateLimitV1, metadata_of, permissions, tags, tags_of};
use super::sealed::record::{Personal, ValueV1};
use super::values::{Texts, moment};
use crate::record::pool::Pool;

type Both<T> = (T, T);

#[derive(Serialize, Deserialize)]
pub(super) enum EditV1<'a> {
    Name,
    Description,
    #[serde(borrow)]
    Role(Both<Option<&'a str>>),
    Permissions(Both<Vec<&'a str>>),
    Project(Both<Option<&'a str>>),
    AllowedIps(Both<Vec<&'a str>>),
    ExpiresAt(Both<Option<i64>>),
    RateLimit(Both<Option<RateLimitV1>>),
    Quota(Both<Option<QuotaV1>>),
    Metadata,
    Tags(Both<Vec<&'a str>>),
    Owner,
}

/// The same done to what was before and to what is after.
fn both<T, S>(before: T, after: T, each: impl Fn(T) -> S) -> Both<S> {
    (each(before), each(after))
}

/// The same for what may go wrong.
fn read<T, S>(
    (before, after): Both<T>,
    mut each: impl FnMut(T) -> Result<S, DecodeError>,
) -> Result<Both<S>, DecodeError> {
    Ok((each(before)?, each(after)?))
}

impl<'a> EditV1<'a> {
    pub(super) fn new(edit: &'a Edit, texts: &'a Texts) -> EditV1<'a> {
        match edit {
            Edit::Name { .. } => EditV1::Name,
            Edit::Description { .. } => EditV1::Description,
            Edit::Role { before, after } => {
                let text = |role: &'a Option<KeyRole>| role.as_ref().map(KeyRole::as_str);
                EditV1::Role(both(before, after, text))
            }
            Edit::Permissions { before, after } => {
                EditV1::Permissions((permissions(before), permissions(after)))
            }
            Edit::Project { before, after } => {
                let text = |project: &'a Option<Project>| project.as_ref().map(Project::as_str);
                EditV1::Project(both(before, after, text))
            }
            Edit::AllowedIps { .. } => {
                let [before, after] = &texts.allowed_ips;
                let list = |ips: &'a Vec<String>| ips.iter().map(String::as_str).collect();
                EditV1::AllowedIps(both(before, after, list))
            }
            Edit::ExpiresAt { before, after } => {
                let micros = |at: Option<Timestamp>| at.map(Timestamp::micros);
                EditV1::ExpiresAt(both(*before, *after, micros))
            }
            Edit::RateLimit { before, after } => {
                let stored = |rate: Option<RateLimit>| rate.map(Into::into);
                EditV1::RateLimit(both(*before, *after, stored))
            }
            Edit::Quota { before, after } => {
                let stored = |quota: Option<Quota>| quota.map(Into::into);
                EditV1::Quota(both(*before, *after, stored))
            }
            Edit::Metadata { .. } => EditV1::Metadata,
            Edit::Tags { before, after } => EditV1::Tags(both(before, after, tags)),
            Edit::Owner { .. } => EditV1::Owner,
        }
    }

    /// Which attribute it edits.
    pub(super) fn attribute(&self) -> Attribute {
        match self {
            EditV1::Name => Attribute::Name,
            EditV1::Description => Attribute::Description,
            EditV1::Role(_) => Attribute::Role,
            EditV1::Permissions(_) => Attribute::Permissions,
            EditV1::Project(_) => Attribute::Project,
            EditV1::AllowedIps(_) => Attribute::AllowedIps,
            EditV1::ExpiresAt(_) => Attribute::ExpiresAt,
            EditV1::RateLimit(_) => Attribute::RateLimit,
            EditV1::Quota(_) => Attribute::Quota,
            EditV1::Metadata => Attribute::Metadata,
            EditV1::Tags(_) => Attribute::Tags,
            EditV1::Owner => Attribute::Owner,
        }
    }

    pub(super) fn into_edit(
        self,
        personal: &mut Personal<'_>,
        interner: &mut Interner,
    ) -> Result<Edit, DecodeError> {
        let pool = &mut interner.pool;
        Ok(match self {
            EditV1::Name => {
                let [before, after] = personal.next_values()?;
                Edit::Name { before: name(&before)?, after: name(&after)? }
            }
            EditV1::Description => {
                let [before, after] = personal.next_values()?;
                Edit::Description { before: description(&before)?, after: description(&after)? }
            }
            EditV1::Metadata => {
                let [before, after] = personal.next_values()?;
                Edit::Metadata { before: metadata(&before)?, after: metadata(&after)? }
            }
            EditV1::Owner => {
                let [before, after] = personal.next_values()?;
                Edit::Owner { before: subject(&before, pool)?, after: subject(&after, pool)? }
            }
            EditV1::Role(texts) => {
                let role = |text: Option<&str>| Ok(text.map(|text| pool.role(text)).transpose()?);
                let (before, after) = read(texts, role)?;
                Edit::Role { before, after }
            }
            EditV1::Permissions(lists) => {
                let (before, after) = read(lists, |texts| Ok(pool.permissions_of(&texts)?))?;
                Edit::Permissions { before, after }
            }
            EditV1::Project(texts) => {
                let project =
                    |text: Option<&str>| Ok(text.map(|text| pool.project(text)).transpose()?);
                let (before, after) = read(texts, project)?;
                Edit::Project { before, after }
            }
            EditV1::AllowedIps(lists) => {
                let (before, after) = read(lists, |texts| Ok(AllowedIps::parse(&texts)?))?;
                Edit::AllowedIps { before, after }
            }
            EditV1::ExpiresAt(times) => {
                let time = |micros: Option<i64>| micros.map(moment).transpose();
                let (before, after) = read(times, time)?;
                Edit::ExpiresAt { before, after }
            }
            EditV1::RateLimit(rates) => {
                let (before, after) =
                    read(rates, |rate| rate.map(RateLimitV1::into_limit).transpose())?;
                Edit::RateLimit { before, after }
            }
            EditV1::Quota(quotas) => {
                let (before, after) =
                    read(quotas, |quota| quota.map(QuotaV1::into_quota).transpose())?;
                Edit::Quota { before, after }
            }
            EditV1::Tags(lists) => {
                let (before, after) = read(lists, tags_of)?;
                Edit::Tags { before, after }
            }
        })
    }
}

/// A name, also an erased one.
fn name(value: &ValueV1<'_>) -> Result<KeyName, DecodeError> {
    match value {
        ValueV1::Erased(_) => Ok(KeyName::erased()),
        ValueV1::Text(text) => Ok(KeyName::stored(text)?),
        ValueV1::Maybe(_) | ValueV1::Pairs(_) => Err(DecodeError::NotCanonical),
    }
}

fn description(value: &ValueV1<'_>) -> Result<Option<Description>, DecodeError> {
    match value {
        ValueV1::Erased(_) => Ok(Some(Description::erased())),
        ValueV1::Maybe(text) => Ok(text.map(Description::stored).transpose()?),
        ValueV1::Text(_) | ValueV1::Pairs(_) => Err(DecodeError::NotCanonical),
    }
}

fn metadata(value: &ValueV1<'_>) -> Result<Metadata, DecodeError> {
    match value {
        ValueV1::Erased(_) => Ok(Metadata::default()),
        ValueV1::Pairs(pairs) => metadata_of(pairs),
        ValueV1::Text(_) | ValueV1::Maybe(_) => Err(DecodeError::NotCanonical),
    }
}

fn subject(value: &ValueV1<'_>, pool: &mut Pool) -> Result<Subject, DecodeError> {
    match value {
        ValueV1::Erased(person) => Ok(Subject::erased(*person)),
        ValueV1::Text(text) => Ok(pool.subject(text)?),
        ValueV1::Maybe(_) | ValueV1::Pairs(_) => Err(DecodeError::NotCanonical),
    }
}
