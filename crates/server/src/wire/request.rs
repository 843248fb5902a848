//! Bodies of requests: parsed as JSON here, checked field by field on the way into the domain.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use keys::{
    AllowedIps, Environment, Invalid, Kind, Metadata, Permission, Revocation, Tag, Tags, Timestamp,
    bounds,
};
use ledger::{Changes, Expiry, NewKeyRequest};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use utoipa::ToSchema;

use super::foreign::Import;
use super::object::Object;
use super::{limits, whole, words};
use crate::error::ApiError;
use crate::request::extract::{field, limit_to, parse};

/// A key that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateKey)]
pub(crate) struct Create {
    /// Its display name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What it is for.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// `secret` by default.
    #[schema(value_type = Option<words::KeyKind>)]
    kind: Option<String>,
    /// `live` by default.
    #[schema(value_type = Option<words::Environment>)]
    environment: Option<String>,
    /// A role that the services behind the gateway understand. Where the rules of the account name
    /// roles, it is one of these, and gives its permissions.
    #[schema(value_type = Option<words::RoleName>)]
    role: Option<String>,
    /// What it may do; none means nothing.
    #[schema(value_type = Option<Vec<words::GrantedPermission>>, max_items = 64)]
    permissions: Option<Vec<String>>,
    /// The only project it works on.
    #[schema(min_length = 1, max_length = 100)]
    project: Option<String>,
    /// Where it may be used from; none means anywhere.
    #[schema(value_type = Option<Vec<words::AddressOrNetwork>>, max_items = 64)]
    allowed_ips: Option<Vec<String>>,
    /// When it ends; not together with `ttl_s`.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// After how many seconds it ends.
    #[schema(minimum = 1, maximum = 4_000_000_000_u64)]
    #[serde(default, deserialize_with = "whole::optional")]
    ttl_s: Option<u64>,
    /// How often it may be used on one UTC day: the short form of a quota per day.
    #[schema(minimum = 1, maximum = 4_294_967_295_u64, format = Int64)]
    #[serde(default, deserialize_with = "whole::optional")]
    daily_limit: Option<u32>,
    /// How often in how long it may be used.
    #[schema(value_type = Option<limits::RateLimitShown>)]
    rate_limit: Option<Object<limits::RateLimitSent>>,
    /// How often it may be used in a day, in a month, or at all.
    #[schema(value_type = Option<limits::QuotaShown>)]
    quota: Option<Object<limits::QuotaSent>>,
    /// The caller's own pairs.
    #[schema(value_type = Option<words::Metadata>)]
    metadata: Option<Pairs>,
    /// Words by which it is found.
    #[schema(value_type = Option<Vec<words::Tag>>, max_items = 20)]
    tags: Option<Vec<String>>,
    /// The subject it belongs to; the token's by default.
    #[schema(min_length = 1, max_length = 255)]
    owner: Option<String>,
    /// The tenant; only for tokens of all accounts, which have to name one.
    #[schema(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// The secret that it has already, of a key that was made elsewhere. It is a secret key.
    import: Option<Import>,
    /// Why, for the record.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
}

impl Create {
    /// What is wanted, of a request that came at `now`.
    pub(crate) fn draft(self, now: Timestamp) -> Result<NewKeyRequest, ApiError> {
        let import = self.import.map(|import| import.checked(now)).transpose();
        let import = import.map_err(|error| error.within("import"))?.map(Box::new);
        if import.is_some() && self.kind.as_deref() == Some(Kind::Public.as_str()) {
            return Err(ApiError::field(
                "kind",
                "must be secret: the text of the key is not known",
            ));
        }
        Ok(NewKeyRequest {
            account: parse("account", self.account.as_deref())?,
            owner: parse("owner", self.owner.as_deref())?,
            name: parse("name", Some(&self.name))?,
            description: parse("description", self.description.as_deref())?,
            kind: parse("kind", self.kind.as_deref())?.unwrap_or(Kind::Secret),
            environment: parse("environment", self.environment.as_deref())?
                .unwrap_or(Environment::Live),
            role: parse("role", self.role.as_deref())?,
            permissions: permissions(self.permissions)?.unwrap_or_default(),
            project: parse("project", self.project.as_deref())?,
            allowed_ips: allowed_ips(self.allowed_ips.as_deref())?.unwrap_or_default(),
            expires: expiry(self.expires_at.as_deref(), self.ttl_s)?,
            rate_limit: limits::rate_limit(self.rate_limit)?,
            quota: limits::quota_in_either_form(self.daily_limit, self.quota)?,
            metadata: metadata(self.metadata)?.unwrap_or_default(),
            tags: tags(self.tags)?.unwrap_or_default(),
            import,
            ..NewKeyRequest::default()
        })
    }
}

/// What a new key has different from the one it takes the place of.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateKey)]
pub(crate) struct Rotate {
    /// How many seconds the old key stays valid; 0 by default, a week at most.
    #[schema(minimum = 0, maximum = 604_800)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub(crate) overlap_s: Option<u64>,
    /// Its display name; copied if missing, as all that follow.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// What it is for.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// A role that the services behind the gateway understand.
    #[schema(value_type = Option<words::RoleName>)]
    role: Option<String>,
    /// What it may do; an empty list means nothing.
    #[schema(value_type = Option<Vec<words::GrantedPermission>>, max_items = 64)]
    permissions: Option<Vec<String>>,
    /// The only project it works on.
    #[schema(min_length = 1, max_length = 100)]
    project: Option<String>,
    /// Where it may be used from; an empty list means anywhere.
    #[schema(value_type = Option<Vec<words::AddressOrNetwork>>, max_items = 64)]
    allowed_ips: Option<Vec<String>>,
    /// When it ends; not together with `ttl_s`.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// After how many seconds it ends.
    #[schema(minimum = 1, maximum = 4_000_000_000_u64)]
    #[serde(default, deserialize_with = "whole::optional")]
    ttl_s: Option<u64>,
    /// How often it may be used on one UTC day: the short form of a quota per day.
    #[schema(minimum = 1, maximum = 4_294_967_295_u64, format = Int64)]
    #[serde(default, deserialize_with = "whole::optional")]
    daily_limit: Option<u32>,
    /// How often in how long it may be used.
    #[schema(value_type = Option<limits::RateLimitShown>)]
    rate_limit: Option<Object<limits::RateLimitSent>>,
    /// How often it may be used in a day, in a month, or at all.
    #[schema(value_type = Option<limits::QuotaShown>)]
    quota: Option<Object<limits::QuotaSent>>,
    /// The caller's own pairs.
    #[schema(value_type = Option<words::Metadata>)]
    metadata: Option<Pairs>,
    /// Words by which it is found; an empty list means none.
    #[schema(value_type = Option<Vec<words::Tag>>, max_items = 20)]
    tags: Option<Vec<String>>,
    /// Why, for the record.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
}

impl Rotate {
    pub(crate) fn changes(self) -> Result<Changes, ApiError> {
        Ok(Changes {
            name: parse("name", self.name.as_deref())?,
            description: parse("description", self.description.as_deref())?,
            role: parse("role", self.role.as_deref())?,
            permissions: permissions(self.permissions)?,
            project: parse("project", self.project.as_deref())?,
            allowed_ips: allowed_ips(self.allowed_ips.as_deref())?,
            expires: expiry(self.expires_at.as_deref(), self.ttl_s)?,
            rate_limit: limits::rate_limit(self.rate_limit)?,
            quota: limits::quota_in_either_form(self.daily_limit, self.quota)?,
            metadata: metadata(self.metadata)?,
            tags: tags(self.tags)?,
            ..Changes::default()
        })
    }
}

/// Why a key's status is changed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeReason)]
pub(crate) struct Reasoned {
    /// In words.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
    /// As a code; only of a revocation.
    #[schema(value_type = Option<words::ReasonCode>)]
    reason_code: Option<String>,
    /// Since when the key may have been in wrong hands; only of a revocation.
    #[schema(format = DateTime)]
    compromised_since: Option<String>,
}

impl Reasoned {
    /// Why, of what came apart from its words.
    pub(super) fn of_revocation(
        reason_code: Option<String>,
        compromised_since: Option<String>,
    ) -> Reasoned {
        Reasoned { reason: None, reason_code, compromised_since }
    }

    /// The details of a revocation.
    pub(crate) fn revocation(&self, now: Timestamp) -> Result<Revocation, ApiError> {
        let since: Option<Timestamp> =
            parse("compromised_since", self.compromised_since.as_deref())?;
        if since.is_some_and(|since| since > now) {
            return Err(ApiError::field("compromised_since", "must not lie in the future"));
        }
        let code = parse("reason_code", self.reason_code.as_deref())?;
        Ok(Revocation { code, compromised_since: since })
    }

    /// Refuses what only a revocation records, rather than to lose it in silence.
    pub(crate) fn only_reason(&self) -> Result<(), ApiError> {
        for (name, text) in
            [("reason_code", &self.reason_code), ("compromised_since", &self.compromised_since)]
        {
            if text.is_some() {
                return Err(ApiError::field(name, "is recorded of a revocation only"));
            }
        }
        Ok(())
    }
}

/// How many due keys to record.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecordExpirations)]
pub(crate) struct Expirations {
    /// At most so many; 1000 by default.
    #[schema(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "whole::optional")]
    limit: Option<u64>,
}

impl Expirations {
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        limit_to(self.limit, 1000, 1000)
    }
}

pub(super) fn permissions(
    texts: Option<Vec<String>>,
) -> Result<Option<Box<[Permission]>>, ApiError> {
    let Some(texts) = texts else { return Ok(None) };
    if texts.len() > Permission::MAX_PER_KEY {
        return Err(ApiError::field(
            "permissions",
            Invalid::TooMany { most: Permission::MAX_PER_KEY, of: "entries" },
        ));
    }
    texts
        .iter()
        .enumerate()
        .map(|(at, text)| {
            text.parse().map_err(|why| ApiError::field(&format!("permissions[{at}]"), why))
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

pub(super) fn allowed_ips(texts: Option<&[String]>) -> Result<Option<AllowedIps>, ApiError> {
    texts.map(|texts| field("allowed_ips", AllowedIps::parse(texts))).transpose()
}

pub(super) fn expiry(at: Option<&str>, ttl_s: Option<u64>) -> Result<Option<Expiry>, ApiError> {
    match (parse("expires_at", at)?, ttl_s) {
        (Some(_), Some(_)) => Err(ApiError::field("ttl_s", "must not come with expires_at")),
        (Some(at), None) => Ok(Some(Expiry::At(at))),
        (None, Some(ttl_s @ 1..=bounds::TTL_S)) => Ok(Some(Expiry::After(ttl_s))),
        (None, Some(_)) => Err(ApiError::field(
            "ttl_s",
            Invalid::OutOfRange { least: 1, most: bounds::TTL_S, unit: "" },
        )),
        (None, None) => Ok(None),
    }
}

pub(super) fn tags(texts: Option<Vec<String>>) -> Result<Option<Tags>, ApiError> {
    let Some(texts) = texts else { return Ok(None) };
    let tags = texts.iter().enumerate().map(|(at, text)| {
        text.parse::<Tag>().map_err(|why| ApiError::field(&format!("tags[{at}]"), why))
    });
    let tags = tags.collect::<Result<Vec<_>, _>>()?;
    field("tags", Tags::new(tags)).map(Some)
}

pub(crate) fn metadata(pairs: Option<Pairs>) -> Result<Option<Metadata>, ApiError> {
    pairs.map(|pairs| field("metadata", Metadata::new(pairs.0))).transpose()
}

/// The value of a name that was there before. Reading one fails, at the place of that name.
enum Repeated {}

impl<'de> Deserialize<'de> for Repeated {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Repeated, D::Error> {
        Err(D::Error::duplicate_field(""))
    }
}

/// Pairs of strings, each name once.
pub(crate) struct Pairs(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    match pairs.entry(name) {
                        Entry::Vacant(place) => place.insert(map.next_value()?),
                        Entry::Occupied(_) => {
                            return map.next_value::<Repeated>().map(|no| match no {});
                        }
                    };
                }
                Ok(Pairs(pairs))
            }
        }
        // Not `deserialize_map`: what is no object is refused in the words of `expecting`.
        deserializer.deserialize_any(Read)
    }
}
