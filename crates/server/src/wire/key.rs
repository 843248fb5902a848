//! Keys in answers: every attribute but the digest.

use keys::{Metadata, NewKey};
use ledger::KeyView;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::limits::{QuotaShown, RateLimitShown};
use super::text::{Id, Time};
use super::words;

/// A key.
#[derive(Serialize, ToSchema)]
pub(crate) struct Key<'a> {
    /// What it has.
    #[serde(flatten)]
    pub(crate) made: Made<'a>,
    /// `expired` from the due time on.
    #[schema(value_type = words::KeyStatus)]
    pub(crate) status: &'static str,
    /// What may be shown of it.
    pub(crate) masked: String,
    /// How many records touched it.
    #[schema(minimum = 1)]
    pub(crate) revision: u32,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Time,
    /// When a record last touched it.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Time,
    /// Its due time, which a rotation may have brought forward; null if it has none.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) expires_at: Option<Time>,
    /// When it was last used; null if never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) last_used_at: Option<Time>,
    /// The subject that made it.
    pub(crate) created_by: &'a str,
    /// The key that took its place; null if none.
    #[schema(value_type = Option<String>, format = "uuid", required)]
    pub(crate) replaced_by: Option<Id>,
}

impl<'a> Key<'a> {
    pub(crate) fn new(view: &'a KeyView) -> Key<'a> {
        Key {
            made: Made::new(&view.key),
            status: view.status.as_str(),
            masked: format!("{}…", view.key.prefix.as_str()),
            revision: view.state.revision,
            created_at: Time(view.created_at),
            updated_at: Time(view.state.updated_at),
            expires_at: view.state.expires_at.map(Time),
            last_used_at: view.last_used_at.map(Time),
            created_by: view.created_by.as_str(),
            replaced_by: view.state.replaced_by.map(Id),
        }
    }
}

/// What it has beside its state.
#[derive(Serialize, ToSchema)]
pub(crate) struct Made<'a> {
    /// Its id, a UUID version 7.
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// Its place in its account's creation order, from 1.
    #[schema(minimum = 1)]
    number: u64,
    /// The tenant.
    account: &'a str,
    /// The subject it belongs to.
    owner: &'a str,
    /// Its display name.
    name: &'a str,
    /// What it is for.
    #[schema(required)]
    description: Option<&'a str>,
    /// Whether it must be kept secret.
    #[schema(value_type = words::KeyKind)]
    kind: &'static str,
    /// What it works on.
    #[schema(value_type = words::Environment)]
    environment: &'static str,
    /// A role that the services behind the gateway understand.
    #[schema(required)]
    role: Option<&'a str>,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    permissions: Permissions<'a>,
    /// The only project it works on; null is all.
    #[schema(required)]
    project: Option<&'a str>,
    /// From where it may be used; empty is anywhere.
    #[schema(value_type = Vec<String>)]
    allowed_ips: Ips<'a>,
    /// How often it may be used on one UTC day: the short form of a quota per day.
    #[schema(required)]
    daily_limit: Option<u32>,
    /// How often in how long it may be used.
    #[schema(value_type = Option<RateLimitShown>, required)]
    rate_limit: Option<RateLimitShown>,
    /// How often it may be used in a day, in a month, or at all.
    #[schema(value_type = Option<QuotaShown>, required)]
    quota: Option<QuotaShown>,
    /// The caller's own pairs.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    metadata: Pairs<'a>,
    /// Words by which it is found.
    #[schema(value_type = Vec<String>)]
    tags: TagList<'a>,
    /// The text up to and including its first random characters.
    prefix: &'a str,
    /// The key it took the place of.
    #[schema(value_type = Option<String>, format = "uuid", required)]
    replaces: Option<Id>,
    /// The API that it was made through.
    #[schema(value_type = words::Dialect)]
    dialect: &'static str,
    /// The whole text of a public key; null for a secret one.
    #[schema(required)]
    public_value: Option<&'a str>,
    /// Where it comes from; null if it was made here.
    #[schema(required)]
    imported: Option<Imported<'a>>,
}

/// Where a key comes from that was not made here.
#[derive(Serialize, ToSchema)]
pub(crate) struct Imported<'a> {
    /// When it was made there.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    created_at: Option<Time>,
    /// When it was last used there.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used_at: Option<Time>,
    /// What it was made by.
    #[schema(required)]
    source: Option<&'a str>,
}

impl<'a> Imported<'a> {
    fn new(imported: &'a keys::Imported) -> Imported<'a> {
        Imported {
            created_at: imported.created_at.map(Time),
            last_used_at: imported.last_used_at.map(Time),
            source: imported.source.as_ref().map(keys::Source::as_str),
        }
    }
}

impl<'a> Made<'a> {
    pub(crate) fn new(key: &'a NewKey) -> Made<'a> {
        Made {
            id: Id(key.id),
            number: key.number,
            account: key.account.as_str(),
            owner: key.owner.as_str(),
            name: key.name.as_str(),
            description: key.description.as_ref().map(keys::Description::as_str),
            kind: key.kind.as_str(),
            environment: key.environment.as_str(),
            role: key.role.as_ref().map(keys::KeyRole::as_str),
            permissions: Permissions(&key.permissions),
            project: key.project.as_ref().map(keys::Project::as_str),
            allowed_ips: Ips(&key.allowed_ips),
            daily_limit: key.quota.and_then(keys::Quota::daily),
            rate_limit: key.rate_limit.map(Into::into),
            quota: key.quota.map(Into::into),
            metadata: Pairs(&key.metadata),
            tags: TagList(&key.tags),
            prefix: key.prefix.as_str(),
            replaces: key.replaces.as_ref().map(|replaces| Id(replaces.key)),
            dialect: key.dialect.as_str(),
            public_value: key.public_value.as_deref(),
            imported: key.imported.as_deref().map(Imported::new),
        }
    }
}

/// What a gateway is told about a key.
#[derive(Serialize, ToSchema)]
#[schema(as = VerifiedKey)]
pub(crate) struct KeyRef<'a> {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// The tenant.
    account: &'a str,
    /// The subject it belongs to.
    owner: &'a str,
    /// Its display name.
    name: &'a str,
    /// Whether it must be kept secret.
    #[schema(value_type = words::KeyKind)]
    kind: &'static str,
    /// What it works on.
    #[schema(value_type = words::Environment)]
    environment: &'static str,
    /// Its role.
    #[schema(required)]
    role: Option<&'a str>,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    permissions: Permissions<'a>,
    /// The only project it works on; null is all.
    #[schema(required)]
    project: Option<&'a str>,
    /// The caller's own pairs.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    metadata: Pairs<'a>,
    /// Its due time.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Time>,
}

impl<'a> KeyRef<'a> {
    pub(crate) fn new(key: &'a NewKey, expires_at: Option<keys::Timestamp>) -> KeyRef<'a> {
        KeyRef {
            id: Id(key.id),
            account: key.account.as_str(),
            owner: key.owner.as_str(),
            name: key.name.as_str(),
            kind: key.kind.as_str(),
            environment: key.environment.as_str(),
            role: key.role.as_ref().map(keys::KeyRole::as_str),
            permissions: Permissions(&key.permissions),
            project: key.project.as_ref().map(keys::Project::as_str),
            metadata: Pairs(&key.metadata),
            expires_at: expires_at.map(Time),
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Permissions<'a>(pub(crate) &'a [keys::Permission]);

impl Serialize for Permissions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for permission in self.0 {
            list.serialize_element(permission.as_str())?;
        }
        list.end()
    }
}

pub(crate) struct Ips<'a>(pub(crate) &'a keys::AllowedIps);

impl Serialize for Ips<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.texts())
    }
}

pub(crate) struct TagList<'a>(pub(crate) &'a keys::Tags);

impl Serialize for TagList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(keys::Tag::as_str))
    }
}

pub(crate) struct Pairs<'a>(pub(crate) &'a Metadata);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
