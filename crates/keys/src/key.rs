//! A key as it was made: what never changes about it.

use std::sync::Arc;

use crate::{
    Account, AllowedIps, Description, Digest, KeyId, KeyName, KeyRole, Metadata, Permission,
    Prefix, Project, Subject, Timestamp,
};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word used in answers and filters.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Invalid;

            fn from_str(text: &str) -> Result<$name, $crate::Invalid> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err($crate::Invalid::new(concat!("must be one of:", $(" ", $text),+))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words!(
    /// Whether a key must be kept secret.
    Kind {
        /// Its text is shown once, and only its digest is kept.
        Secret = "secret",
        /// Its text is no secret: it may be in a web page, and is kept in clear.
        Public = "public",
    }
);

words!(
    /// What a key works on.
    Environment {
        /// Real data.
        Live = "live",
        /// Test data.
        Sandbox = "sandbox",
    }
);

words!(
    /// The face through which something was asked for; native is one of them.
    Dialect {
        /// keyledger's own API.
        Native = "native",
        /// covosign's.
        Covosign = "covosign",
        /// callcov's.
        Callcov = "callcov",
        /// cloudsigma's.
        Cloudsigma = "cloudsigma",
        /// capgo's.
        Capgo = "capgo",
        /// composable's.
        Composable = "composable",
    }
);

impl Dialect {
    /// The most active keys that one owner may have of this dialect, rotations included.
    #[must_use]
    pub fn most_active(self) -> Option<u32> {
        match self {
            Dialect::Callcov => Some(10),
            Dialect::Native
            | Dialect::Covosign
            | Dialect::Cloudsigma
            | Dialect::Capgo
            | Dialect::Composable => None,
        }
    }

    /// Whether a list shows one owner's keys, and not those of the whole account.
    #[must_use]
    pub fn lists_by_owner(self) -> bool {
        matches!(self, Dialect::Callcov | Dialect::Cloudsigma)
    }

    /// Whether a key's shown prefix is its handle, so that no two may share one.
    #[must_use]
    pub fn unique_prefix(self) -> bool {
        self == Dialect::Cloudsigma
    }
}

/// The key that a new one takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// The old key.
    pub key: KeyId,
    /// Until when the old key stays valid: its new due time.
    pub valid_until: Timestamp,
}

/// Everything about a key that is fixed when it is made. To change any of it, rotate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Its identity.
    pub id: KeyId,
    /// Its place in its account's creation order, from 1, never reused.
    pub number: u64,
    /// The tenant.
    pub account: Account,
    /// The subject it belongs to.
    pub owner: Subject,
    /// Its display name.
    pub name: KeyName,
    /// What it is for.
    pub description: Option<Description>,
    /// Secret or public.
    pub kind: Kind,
    /// Live or sandbox.
    pub environment: Environment,
    /// A role that the services behind the gateway understand.
    pub role: Option<KeyRole>,
    /// What it may do; none means nothing.
    pub permissions: Arc<[Permission]>,
    /// The only project it works on; `None` is all.
    pub project: Option<Project>,
    /// From where it may be used; empty is anywhere.
    pub allowed_ips: AllowedIps,
    /// When it ends by itself, as first set. A rotation may bring that forward.
    pub expires_at: Option<Timestamp>,
    /// How often it may be used on one UTC day.
    pub daily_limit: Option<u32>,
    /// The caller's own pairs.
    pub metadata: Metadata,
    /// What may be shown of it.
    pub prefix: Prefix,
    /// SHA-256 of its whole text.
    pub digest: Digest,
    /// The key it takes the place of.
    pub replaces: Option<Box<Replaces>>,
    /// The face that made it.
    pub dialect: Dialect,
    /// The whole text of a public key.
    pub public_value: Option<Box<str>>,
}
