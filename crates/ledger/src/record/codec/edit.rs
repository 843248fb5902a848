//! The stored form of one edit: the attribute before and after it.

use keys::{
    AllowedIps, Description, Edit, KeyName, KeyRole, Project, Quota, RateLimit, Subject, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::key::{QuotaV1, RateLimitV1, metadata_of, permissions, tags, tags_of};
use super::values::{Texts, moment};

type Both<T> = (T, T);

#[derive(Serialize, Deserialize)]
pub(super) enum EditV1<'a> {
    #[serde(borrow)]
    Name(Both<&'a str>),
    Description(Both<Option<&'a str>>),
    Role(Both<Option<&'a str>>),
    Permissions(Both<Vec<&'a str>>),
    Project(Both<Option<&'a str>>),
    AllowedIps(Both<Vec<&'a str>>),
    ExpiresAt(Both<Option<i64>>),
    RateLimit(Both<Option<RateLimitV1>>),
    Quota(Both<Option<QuotaV1>>),
    Metadata(Both<Vec<(&'a str, &'a str)>>),
    Tags(Both<Vec<&'a str>>),
    Owner(Both<&'a str>),
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
            Edit::Name { before, after } => EditV1::Name(both(before, after, KeyName::as_str)),
            Edit::Description { before, after } => {
                let text = |text: &'a Option<Description>| text.as_ref().map(Description::as_str);
                EditV1::Description(both(before, after, text))
            }
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
            Edit::Metadata { before, after } => {
                EditV1::Metadata((before.iter().collect(), after.iter().collect()))
            }
            Edit::Tags { before, after } => EditV1::Tags(both(before, after, tags)),
            Edit::Owner { before, after } => EditV1::Owner(both(before, after, Subject::as_str)),
        }
    }

    pub(super) fn into_edit(self, interner: &mut Interner) -> Result<Edit, DecodeError> {
        let pool = &mut interner.pool;
        Ok(match self {
            EditV1::Name(texts) => {
                let (before, after) = read(texts, |text| Ok(KeyName::stored(text)?))?;
                Edit::Name { before, after }
            }
            EditV1::Description(texts) => {
                let text = |text: Option<&str>| Ok(text.map(Description::stored).transpose()?);
                let (before, after) = read(texts, text)?;
                Edit::Description { before, after }
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
            EditV1::Metadata(pairs) => {
                let (before, after) = read(pairs, |pairs| metadata_of(&pairs))?;
                Edit::Metadata { before, after }
            }
            EditV1::Tags(lists) => {
                let (before, after) = read(lists, tags_of)?;
                Edit::Tags { before, after }
            }
            EditV1::Owner(texts) => {
                let (before, after) = read(texts, |text| Ok(pool.subject(text)?))?;
                Edit::Owner { before, after }
            }
        })
    }
}
