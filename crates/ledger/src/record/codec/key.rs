//! The stored form of a new key.

use std::collections::BTreeMap;

use keys::{
    Account, AllowedIps, Description, Digest, Environment, Imported, KeyId, KeyName, KeyRole, Kind,
    Metadata, NewKey, Permission, Prefix, Project, Pseudonym, Quota, QuotaPeriod, RateLimit,
    Replaces, Source, Subject, Tag, Tags, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use super::sealed::record::KeyTextsV1;
use super::twin::twin;
use super::values::{DialectV1, Texts, moment};

#[derive(Serialize, Deserialize)]
pub(super) struct NewKeyV1<'a> {
    id: [u8; 16],
    number: u64,
    /// `None` is the one that the actor acts for.
    account: Option<&'a str>,
    kind: KindV1,
    environment: EnvironmentV1,
    role: Option<&'a str>,
    #[serde(borrow)]
    permissions: Vec<&'a str>,
    project: Option<&'a str>,
    allowed_ips: Vec<&'a str>,
    expires_at: Option<i64>,
    rate_limit: Option<RateLimitV1>,
    quota: Option<QuotaV1>,
    tags: Vec<&'a str>,
    prefix: &'a str,
    digest: [u8; 32],
    replaces: Option<ReplacesV1>,
    dialect: DialectV1,
    public_value: Option<&'a str>,
    imported: Option<ImportedV1<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RateLimitV1 {
    limit: u32,
    period_s: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct QuotaV1 {
    limit: u32,
    per: QuotaPeriodV1,
}

#[derive(Serialize, Deserialize)]
struct ReplacesV1 {
    key: [u8; 16],
    valid_until: i64,
}

#[derive(Serialize, Deserialize)]
struct ImportedV1<'a> {
    created_at: Option<i64>,
    last_used_at: Option<i64>,
    source: Option<&'a str>,
}

twin!(KindV1 = Kind { Secret, Public });
twin!(EnvironmentV1 = Environment { Live, Sandbox });
twin!(QuotaPeriodV1 = QuotaPeriod { Day, Month, Total });

impl From<RateLimit> for RateLimitV1 {
    fn from(rate: RateLimit) -> RateLimitV1 {
        RateLimitV1 { limit: rate.limit(), period_s: rate.period_s() }
    }
}

impl RateLimitV1 {
    pub(super) fn into_limit(self) -> Result<RateLimit, DecodeError> {
        Ok(RateLimit::new(self.limit, self.period_s)?)
    }
}

impl From<Quota> for QuotaV1 {
    fn from(quota: Quota) -> QuotaV1 {
        QuotaV1 { limit: quota.limit(), per: quota.per().into() }
    }
}

impl QuotaV1 {
    pub(super) fn into_quota(self) -> Result<Quota, DecodeError> {
        Ok(Quota::new(self.limit, self.per.into())?)
    }
}

impl<'a> ImportedV1<'a> {
    fn new(imported: &'a Imported) -> ImportedV1<'a> {
        ImportedV1 {
            created_at: imported.created_at.map(Timestamp::micros),
            last_used_at: imported.last_used_at.map(Timestamp::micros),
            source: imported.source.as_ref().map(Source::as_str),
        }
    }

    fn into_imported(self) -> Result<Imported, DecodeError> {
        Ok(Imported {
            created_at: self.created_at.map(moment).transpose()?,
            last_used_at: self.last_used_at.map(moment).transpose()?,
            source: self.source.map(Source::stored).transpose()?,
        })
    }
}

impl ReplacesV1 {
    fn into_replaces(self) -> Result<Replaces, DecodeError> {
        Ok(Replaces { key: KeyId::from_bytes(self.key), valid_until: moment(self.valid_until)? })
    }
}

/// The texts of permissions, as they are stored.
pub(super) fn permissions(all: &[Permission]) -> Vec<&str> {
    all.iter().map(Permission::as_str).collect()
}

/// The texts of tags, as they are stored.
pub(super) fn tags(all: &Tags) -> Vec<&str> {
    all.iter().map(Tag::as_str).collect()
}

/// Tags that were stored.
pub(super) fn tags_of(texts: Vec<&str>) -> Result<Tags, DecodeError> {
    let tags = texts.into_iter().map(Tag::stored).collect::<Result<Vec<_>, _>>()?;
    Ok(Tags::new(tags)?)
}

/// Metadata that were stored.
pub(super) fn metadata_of(pairs: &[(&str, &str)]) -> Result<Metadata, DecodeError> {
    let pairs: BTreeMap<String, String> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(Metadata::stored(pairs)?)
}

impl<'a> NewKeyV1<'a> {
    /// `key`, as it is stored of an actor who acts for `account`.
    pub(super) fn new(
        key: &'a NewKey,
        account: Option<&Account>,
        texts: &'a Texts,
    ) -> NewKeyV1<'a> {
        let [allowed_ips, _] = &texts.allowed_ips;
        NewKeyV1 {
            id: key.id.to_bytes(),
            number: key.number,
            account: (account != Some(&key.account)).then(|| key.account.as_str()),
            kind: key.kind.into(),
            environment: key.environment.into(),
            role: key.role.as_ref().map(KeyRole::as_str),
            permissions: permissions(&key.permissions),
            project: key.project.as_ref().map(Project::as_str),
            allowed_ips: allowed_ips.iter().map(String::as_str).collect(),
            expires_at: key.expires_at.map(Timestamp::micros),
            rate_limit: key.rate_limit.map(Into::into),
            quota: key.quota.map(Into::into),
            tags: tags(&key.tags),
            prefix: key.prefix.as_str(),
            digest: key.digest.0,
            replaces: key.replaces.as_ref().map(|replaces| ReplacesV1 {
                key: replaces.key.to_bytes(),
                valid_until: replaces.valid_until.micros(),
            }),
            dialect: key.dialect.into(),
            public_value: key.public_value.as_deref(),
            imported: key.imported.as_deref().map(ImportedV1::new),
        }
    }

    /// The key, made by one who acts for `account`; without its texts that of `owner`, who was erased.
    pub(super) fn into_key(
        self,
        account: Option<&Account>,
        texts: Option<KeyTextsV1<'_>>,
        owner: Pseudonym,
        interner: &mut Interner,
    ) -> Result<NewKey, DecodeError> {
        let (owner, name, description, metadata) = if let Some(texts) = texts {
            (
                interner.pool.subject(texts.owner.ok_or(DecodeError::NotCanonical)?)?,
                KeyName::stored(texts.name)?,
                texts.description.map(Description::stored).transpose()?,
                metadata_of(&texts.metadata)?,
            )
        } else {
            let erased = Some(Description::erased());
            (Subject::erased(owner), KeyName::erased(), erased, Metadata::default())
        };
        Ok(NewKey {
            id: KeyId::from_bytes(self.id),
            number: self.number,
            account: match self.account {
                Some(name) => interner.pool.account(name)?,
                None => account.ok_or(DecodeError::NotCanonical)?.clone(),
            },
            owner,
            name,
            description,
            kind: self.kind.into(),
            environment: self.environment.into(),
            role: self.role.map(|name| interner.pool.role(name)).transpose()?,
            permissions: interner.pool.permissions_of(&self.permissions)?,
            project: self.project.map(|name| interner.pool.project(name)).transpose()?,
            allowed_ips: AllowedIps::parse(&self.allowed_ips)?,
            expires_at: self.expires_at.map(moment).transpose()?,
            rate_limit: self.rate_limit.map(RateLimitV1::into_limit).transpose()?,
            quota: self.quota.map(QuotaV1::into_quota).transpose()?,
            metadata,
            tags: tags_of(self.tags)?,
            prefix: Prefix::new(self.prefix)?,
            digest: Digest(self.digest),
            replaces: self.replaces.map(ReplacesV1::into_replaces).transpose()?.map(Box::new),
            dialect: self.dialect.into(),
            public_value: self.public_value.map(Into::into),
            imported: self.imported.map(ImportedV1::into_imported).transpose()?.map(Box::new),
        })
    }
}
