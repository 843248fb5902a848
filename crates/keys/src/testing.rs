//! What the crate's own tests share.

use crate::{
    Account, AllowedIps, Dialect, Digest, Environment, KeyId, KeyName, Kind, Metadata, NewKey,
    Prefix, Subject, Tags,
};

/// A native key of `ann` in `acme` with nothing set.
pub(crate) fn new_key() -> NewKey {
    NewKey {
        id: KeyId::from_bytes([2; 16]),
        number: 1,
        account: Account::new("acme").unwrap(),
        owner: Subject::new("ann").unwrap(),
        name: KeyName::new("ci").unwrap(),
        description: None,
        kind: Kind::Secret,
        environment: Environment::Live,
        role: None,
        permissions: [].into(),
        project: None,
        allowed_ips: AllowedIps::default(),
        expires_at: None,
        rate_limit: None,
        quota: None,
        metadata: Metadata::default(),
        tags: Tags::default(),
        prefix: Prefix::new("kl_live_abcdef").unwrap(),
        digest: Digest([0; 32]),
        replaces: None,
        dialect: Dialect::Native,
        public_value: None,
        imported: None,
    }
}
