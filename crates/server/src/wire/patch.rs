//! The body of an edit: a JSON merge patch (RFC 7396). A missing field stays, `null` clears one.

#![expect(clippy::option_option, reason = "a field can be missing, null, or there")]

use std::collections::BTreeMap;

use keys::Edits;
use ledger::KeyEdits;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::object::Object;
use super::request::{allowed_ips, expiry, permissions, tags};
use super::whole::Whole;
use super::{limits, whole, words};
use crate::error::ApiError;
use crate::request::extract::parse;

/// What of a key is to be different: a missing field stays as it is, null clears it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateKey)]
pub(crate) struct Patch {
    /// Its display name; cannot be cleared.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    #[serde(default, deserialize_with = "present")]
    name: Option<Option<String>>,
    /// What it is for.
    #[schema(value_type = Option<String>, max_length = 500)]
    #[serde(default, deserialize_with = "present")]
    description: Option<Option<String>>,
    /// A role that the services behind the gateway understand.
    #[schema(value_type = Option<words::RoleName>)]
    #[serde(default, deserialize_with = "present")]
    role: Option<Option<String>>,
    /// What it may do; null or an empty list means nothing.
    #[schema(value_type = Option<Vec<words::GrantedPermission>>, max_items = 64)]
    #[serde(default, deserialize_with = "present")]
    permissions: Option<Option<Vec<String>>>,
    /// The only project it works on; null is all.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    #[serde(default, deserialize_with = "present")]
    project: Option<Option<String>>,
    /// Where it may be used from; null or an empty list means anywhere.
    #[schema(value_type = Option<Vec<words::AddressOrNetwork>>, max_items = 64)]
    #[serde(default, deserialize_with = "present")]
    allowed_ips: Option<Option<Vec<String>>>,
    /// When it ends, null for never; not together with `ttl_s`.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "present")]
    expires_at: Option<Option<String>>,
    /// After how many seconds from now it ends, null for never.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_000_000_000_u64)]
    #[serde(default, deserialize_with = "present_number")]
    ttl_s: Option<Option<u64>>,
    /// How often it may be used on one UTC day: the short form of a quota per day. Null clears one, and
    /// no other quota.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u64, format = Int64)]
    #[serde(default, deserialize_with = "present_number")]
    daily_limit: Option<Option<u32>>,
    /// How often in how long it may be used. Another one begins anew.
    #[schema(value_type = Option<limits::RateLimitShown>)]
    #[serde(default, deserialize_with = "present")]
    rate_limit: Option<Option<Object<limits::RateLimitSent>>>,
    /// How often it may be used in a day, in a month, or at all. What was used before counts.
    #[schema(value_type = Option<limits::QuotaShown>)]
    #[serde(default, deserialize_with = "present")]
    quota: Option<Option<Object<limits::QuotaSent>>>,
    /// Pairs to set, and with null to take out; the others stay. Null takes out all.
    #[schema(value_type = Option<words::MetadataPatch>)]
    #[serde(default, deserialize_with = "present")]
    metadata: Option<Option<BTreeMap<String, Option<String>>>>,
    /// Words by which it is found; null or an empty list means none.
    #[schema(value_type = Option<Vec<words::Tag>>, max_items = 20)]
    #[serde(default, deserialize_with = "present")]
    tags: Option<Option<Vec<String>>>,
    /// The subject it belongs to; cannot be cleared.
    #[schema(value_type = String, min_length = 1, max_length = 255)]
    #[serde(default, deserialize_with = "present")]
    owner: Option<Option<String>>,
    /// Why, for the record.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
}

fn first<const N: usize>(fields: [(&'static str, bool); N]) -> Option<&'static str> {
    fields.into_iter().find(|(_, named)| *named).map(|(field, _)| field)
}

/// A field that is there, `null` too: without this it would look like a missing one.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

fn present_number<'de, D, N>(deserializer: D) -> Result<Option<Option<N>>, D::Error>
where
    D: Deserializer<'de>,
    N: Whole,
{
    whole::optional(deserializer).map(Some)
}

impl Patch {
    /// The first field that says who has the key and what that may do: in the APIs of others there are
    /// rules about that.
    pub(crate) fn authority(&self) -> Option<&'static str> {
        first([
            ("role", self.role.is_some()),
            ("permissions", self.permissions.is_some()),
            ("project", self.project.is_some()),
            ("owner", self.owner.is_some()),
        ])
    }

    /// The first field that says when it ends: in the APIs of others there are rules about that for
    /// public keys.
    pub(crate) fn end(&self) -> Option<&'static str> {
        first([("expires_at", self.expires_at.is_some()), ("ttl_s", self.ttl_s.is_some())])
    }

    /// What it asks for.
    pub(crate) fn edits(self) -> Result<KeyEdits, ApiError> {
        if self.expires_at.is_some() && self.ttl_s.is_some() {
            return Err(ApiError::field("ttl_s", "must not come with expires_at"));
        }
        // Its bounds are those of a new key.
        expiry(None, self.ttl_s.flatten())?;
        let expires_at = self.expires_at.or(self.ttl_s.filter(Option::is_none).map(|_| None));
        let daily = self.daily_limit.map(limits::daily_limit).transpose()?;
        let quota = self.quota.map(limits::quota).transpose()?;
        if let (Some(daily), Some(quota)) = (daily, quota) {
            limits::same(daily, quota)?;
        }
        let no_daily_quota = daily == Some(None) && quota.is_none();
        let (metadata, cleared) = match self.metadata {
            Some(Some(pairs)) => (Some(pairs), None),
            Some(None) => (None, Some(keys::Metadata::default())),
            None => (None, None),
        };
        let list = |texts: Option<Option<Vec<String>>>| texts.map(Option::unwrap_or_default);
        let edits = Edits {
            name: lasting("name", self.name)?,
            description: each(self.description, |text| parse("description", text))?,
            role: each(self.role, |text| parse("role", text))?,
            permissions: permissions(list(self.permissions))?.map(Into::into),
            project: each(self.project, |text| parse("project", text))?,
            allowed_ips: allowed_ips(list(self.allowed_ips).as_deref())?,
            expires_at: each(expires_at, |text| parse("expires_at", text))?,
            rate_limit: self.rate_limit.map(limits::rate_limit).transpose()?,
            quota: quota.or(daily.filter(Option::is_some)),
            metadata: cleared,
            tags: tags(list(self.tags))?,
            owner: lasting("owner", self.owner)?,
        };
        let ttl_s = self.ttl_s.flatten();
        Ok(KeyEdits { edits, ttl_s, metadata, no_daily_quota, ..KeyEdits::default() })
    }
}

/// Reads a field that cannot be cleared.
fn lasting<T: std::str::FromStr<Err = keys::Invalid>>(
    name: &'static str,
    field: Option<Option<String>>,
) -> Result<Option<T>, ApiError> {
    match field {
        Some(None) => Err(ApiError::field(name, "cannot be cleared")),
        field => parse(name, field.flatten().as_deref()),
    }
}

/// Reads a field that is there, if it is not null.
fn each<T>(
    field: Option<Option<String>>,
    read: impl FnOnce(Option<&str>) -> Result<Option<T>, ApiError>,
) -> Result<Option<Option<T>>, ApiError> {
    field.map(|text| read(text.as_deref())).transpose()
}
