//! A key as it was made.

use std::sync::Arc;

use crate::allowed_ips::AllowedIps;
use crate::dialect::Dialect;
use crate::id::KeyId;
use crate::kind::{Environment, Kind};
use crate::limit::{Quota, RateLimit};
use crate::metadata::Metadata;
use crate::permission::Permission;
use crate::secret::{Digest, Prefix};
use crate::tags::Tags;
use crate::text::{Account, Description, KeyName, KeyRole, Project, Source, Subject};
use crate::time::Timestamp;

/// The key that a new one takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// The old key.
    pub key: KeyId,
    /// Until when the old key stays valid: its new due time.
    pub valid_until: Timestamp,
}

/// Where a key comes from that was not made here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// When it was made there.
    pub created_at: Option<Timestamp>,
    /// When it was last used there.
    pub last_used_at: Option<Timestamp>,
    /// What it was made by.
    pub source: Option<Source>,
}

/// Everything about a key when it is made. An edit may change what [`crate::Attribute`] lists;
/// nothing ever changes the rest.
///
/// Speed: a key that nobody looked at for long lies in slow memory. What a verify compares and tells
/// stands in front, on three lines of memory and not on five.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct NewKey {
    /// SHA-256 of its whole text.
    pub digest: Digest,
    /// Its identity.
    pub id: KeyId,
    /// The tenant.
    pub account: Account,
    /// The subject it belongs to.
    pub owner: Subject,
    /// Its display name.
    pub name: KeyName,
    /// What it may do; none means nothing.
    pub permissions: Arc<[Permission]>,
    /// A role that the services behind the gateway understand.
    pub role: Option<KeyRole>,
    /// The only project it works on; `None` is all.
    pub project: Option<Project>,
    /// From where it may be used; empty is anywhere.
    pub allowed_ips: AllowedIps,
    /// The caller's own pairs.
    pub metadata: Metadata,
    /// How often in how long it may be used.
    pub rate_limit: Option<RateLimit>,
    /// How often it may be used in a day, in a month, or at all.
    pub quota: Option<Quota>,
    /// Secret or public.
    pub kind: Kind,
    /// Live or sandbox.
    pub environment: Environment,
    /// The dialect through which it was made.
    pub dialect: Dialect,
    /// Its place in its account's creation order, from 1, never reused.
    pub number: u64,
    /// What it is for.
    pub description: Option<Description>,
    /// When it ends by itself, as first set. A rotation may bring that forward.
    pub expires_at: Option<Timestamp>,
    /// Words by which it is found.
    pub tags: Tags,
    /// What may be shown of it.
    pub prefix: Prefix,
    /// The key it takes the place of.
    pub replaces: Option<Box<Replaces>>,
    /// The whole text of a public key.
    pub public_value: Option<PublicValue>,
    /// Where it comes from, if it was not made here: its secret was never known.
    pub imported: Option<Box<Imported>>,
}

/// With the two counts of an [`Arc`](std::sync::Arc) 256 bytes, which is a size that allocators have: there
/// are millions of them.
const _: () = assert!(size_of::<NewKey>() <= 240);

/// The whole text of a public key. Few keys have one, and so it takes one word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicValue(Box<Box<str>>);

impl From<&str> for PublicValue {
    fn from(text: &str) -> PublicValue {
        PublicValue(Box::new(text.into()))
    }
}

impl std::ops::Deref for PublicValue {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl NewKey {
    /// Takes out what its owner said, who was erased: `owner` is what there is still of that one.
    pub fn erase(&mut self, owner: Subject) {
        self.owner = owner;
        self.name = KeyName::erased();
        self.description = Some(Description::erased());
        self.metadata = Metadata::default();
    }
}
