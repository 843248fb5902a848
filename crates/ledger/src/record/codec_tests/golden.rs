//! A record of every kind, with everything in it and with nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventlog::Seq;
use keys::{
    Account, AllowedIps, Description, Dialect, Digest, Edits, Environment, Event, Imported, KeyId,
    KeyName, KeyRole, Kind, Metadata, NewKey, NodeName, Permission, Prefix, Project, Pseudonym,
    Quota, QuotaPeriod, RateLimit, Reason, ReasonCode, Replaces, Reuse, Revocation, Rule, Source,
    Status, Subject, Tag, Tags, Timestamp,
};
use signedlog::Leaf;

use crate::keyring::PersonKey;
use crate::record::{Actor, Idempotency, Link, Links, Persons, Record};
use crate::{Origin, Role, Roles, Via};

fn id(byte: u8) -> KeyId {
    KeyId::from_bytes([byte; 16])
}

pub(super) fn full_key() -> NewKey {
    NewKey {
        id: id(2),
        number: 300,
        account: Account::new("acme").unwrap(),
        owner: Subject::new("ann").unwrap(),
        name: KeyName::new("ci").unwrap(),
        description: Some(Description::new("deploys").unwrap()),
        kind: Kind::Public,
        environment: Environment::Sandbox,
        role: Some(KeyRole::new("deployer").unwrap()),
        permissions: ["orders.read", "*"].map(|text| Permission::new(text).unwrap()).into(),
        project: Some(Project::new("shop").unwrap()),
        allowed_ips: AllowedIps::parse(&["203.0.113.7", "2001:db8::/32"]).unwrap(),
        expires_at: Some(Timestamp::from_micros(1_800_000_000_000_001)),
        rate_limit: Some(RateLimit::new(100, 60).unwrap()),
        quota: Some(Quota::new(250, QuotaPeriod::Day).unwrap()),
        metadata: Metadata::new(BTreeMap::from([("team".into(), "core".into())])).unwrap(),
        tags: Tags::new(["blue", "edge"].map(|tag| Tag::new(tag).unwrap())).unwrap(),
        prefix: Prefix::new("kl_pub_0bAlKv").unwrap(),
        digest: Digest([3; 32]),
        replaces: Some(Box::new(Replaces {
            key: id(1),
            valid_until: Timestamp::from_secs(1_700_003_600),
        })),
        dialect: Dialect::Native,
        public_value: Some("kl_pub_0bAlKvU3eDoNyX6hGrQa9kJuT22XaPvC".into()),
        imported: Some(Box::new(Imported {
            created_at: Some(Timestamp::from_secs(1_600_000_000)),
            last_used_at: Some(Timestamp::from_secs(1_650_000_000)),
            source: Some(Source::new("elsewhere").unwrap()),
        })),
    }
}

fn bare_key() -> NewKey {
    NewKey {
        number: 1,
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
        replaces: None,
        dialect: Dialect::Callcov,
        public_value: None,
        imported: None,
        owner: Subject::new("bob").unwrap(),
        ..full_key()
    }
}

fn link(before: Option<Status>, after: Status) -> Link {
    let previous = before.map(|_| (Seq(70_000), Leaf([4; 32])));
    Link { key: id(2), revision: 1 + u32::from(before.is_some()), before, after, previous }
}

fn record(event: Event, link: Link) -> Record {
    let has_texts = matches!(event, Event::Created(_) | Event::Updated(_));
    let owner = has_texts.then(|| person("ann"));
    Record {
        at: Timestamp::from_micros(1_700_000_000_000_001),
        node: NodeName::new("node-1").unwrap(),
        actor: Actor {
            roles: Roles::default().with(Role::Owner).with(Role::Verifier),
            subject: Subject::new("ann").unwrap(),
            account: Some(Account::new("acme").unwrap()),
            via: Via::Token { issuer: "keyledger".into(), jti: Some("t1".into()) },
        },
        origin: Origin {
            ip: Some("203.0.113.9".parse().unwrap()),
            request_id: Some("req-1".into()),
        },
        dialect: Dialect::Native,
        reason: Some(Reason::new("because").unwrap()),
        rules: Vec::new(),
        event,
        links: link.into(),
        salt: [5; 12],
        idempotency: Some(Idempotency { key: [6; 32], request: [7; 32] }),
        persons: Persons { actor: Some(person("ann")), owner, ..Persons::default() },
    }
}

/// What those who are in these tests are called in records.
pub(super) fn person(name: &str) -> Pseudonym {
    let byte = if name == "ann" { 1 } else { 2 };
    PersonKey::from_bytes([byte; 32]).pseudonym()
}

fn every_rule() -> Vec<Rule> {
    vec![
        Rule::Revision(3),
        Rule::Reuse(Reuse { least_ttl_ms: 300_000, own: true }),
        Rule::AccountKeys { most: 1_000_000, counted: 299 },
        Rule::AccountAlive { most: 500, counted: 40 },
        Rule::OwnerActive { most: 10, counted: 9 },
        Rule::LongestLife(7_776_000),
        Rule::Permissions([Permission::new("orders.*").unwrap()].into()),
        Rule::SecretPrefix(Prefix::new("kl_pub_").unwrap()),
        Rule::UniquePrefix,
    ]
}

/// An edit of everything that can be edited, to this and back.
fn updates() -> [Event; 2] {
    let (full, bare) = (full_key(), bare_key());
    let bare = NewKey { name: KeyName::new("deploy").unwrap(), ..bare };
    let edits_to = |key: &NewKey| Edits {
        name: Some(key.name.clone()),
        description: Some(key.description.clone()),
        role: Some(key.role.clone()),
        permissions: Some(Arc::clone(&key.permissions)),
        project: Some(key.project.clone()),
        allowed_ips: Some(key.allowed_ips.clone()),
        expires_at: Some(key.expires_at),
        rate_limit: Some(key.rate_limit),
        quota: Some(key.quota),
        metadata: Some(key.metadata.clone()),
        tags: Some(key.tags.clone()),
        owner: Some(key.owner.clone()),
    };
    [edits_to(&full).of(&bare), edits_to(&bare).of(&full)].map(|update| {
        assert_eq!(update.iter().count(), keys::Attribute::ALL.len());
        Event::Updated(update.into())
    })
}

/// Every kind of record, everything in it and nothing.
pub(super) fn golden() -> Vec<(&'static str, Record)> {
    [golden_of_a_life(), golden_of_its_end_and_of_edits()].concat()
}

fn expired_by_the_worker() -> Record {
    Record {
        actor: Actor {
            account: None,
            roles: Roles::default().with(Role::Worker),
            via: Via::Worker,
            subject: Subject::new("worker").unwrap(),
        },
        origin: Origin::default(),
        reason: None,
        idempotency: None,
        persons: Persons::default(),
        ..record(
            Event::Expired { due: Some(Timestamp::from_secs(1_700_000_000)) },
            link(Some(Status::Disabled), Status::Expired),
        )
    }
}

fn golden_of_a_life() -> Vec<(&'static str, Record)> {
    let alive = link(Some(Status::Enabled), Status::Disabled);
    let of_ann = record(Event::Enabled, alive).persons;
    vec![
        (
            "created, everything set, by rotation",
            Record {
                links: Links {
                    own: link(None, Status::Enabled),
                    others: vec![Link {
                        key: id(1),
                        ..link(Some(Status::Enabled), Status::Enabled)
                    }],
                },
                rules: every_rule(),
                ..record(Event::Created(full_key().into()), link(None, Status::Enabled))
            },
        ),
        (
            "created, nothing set, by one from elsewhere",
            Record {
                actor: Actor {
                    account: None,
                    roles: Roles::default().with(Role::Admin),
                    via: Via::Token { issuer: "https://id.example.com".into(), jti: None },
                    ..record(Event::Enabled, alive).actor
                },
                dialect: Dialect::Callcov,
                persons: Persons {
                    owner: Some(person("bob")),
                    meant: Some(person("bob")),
                    ..of_ann
                },
                ..record(Event::Created(bare_key().into()), link(None, Status::Enabled))
            },
        ),
        ("enabled", record(Event::Enabled, link(Some(Status::Disabled), Status::Enabled))),
        (
            "disabled, by a key, from IPv6",
            Record {
                actor: Actor {
                    roles: Roles::default().with(Role::Key),
                    via: Via::Key(id(9)),
                    ..record(Event::Disabled, alive).actor
                },
                origin: Origin { ip: Some("2001:db8::1".parse().unwrap()), request_id: None },
                persons: Persons {
                    owner: Some(person("bob")),
                    meant: Some(person("bob")),
                    ..of_ann
                },
                ..record(Event::Disabled, alive)
            },
        ),
        ("expired, by the worker", expired_by_the_worker()),
        (
            "expired, by its owner",
            record(Event::Expired { due: None }, link(Some(Status::Enabled), Status::Expired)),
        ),
    ]
}

fn golden_of_its_end_and_of_edits() -> Vec<(&'static str, Record)> {
    let [set, cleared] = updates();
    let of_ann = record(Event::Enabled, link(Some(Status::Disabled), Status::Enabled)).persons;
    let revocation = Revocation {
        code: Some(ReasonCode::Compromised),
        compromised_since: Some(Timestamp::from_secs(1_699_999_999)),
    };
    vec![
        (
            "revoked",
            record(Event::Revoked(revocation), link(Some(Status::Expired), Status::Revoked)),
        ),
        (
            "revoked, nothing said",
            record(
                Event::Revoked(Revocation::default()),
                link(Some(Status::Enabled), Status::Revoked),
            ),
        ),
        (
            "updated, everything set",
            Record {
                persons: Persons {
                    owner: Some(person("ann")),
                    former: Some(person("bob")),
                    meant: Some(person("bob")),
                    ..of_ann
                },
                ..record(set, link(Some(Status::Disabled), Status::Disabled))
            },
        ),
        (
            "updated, everything cleared, at a revision",
            Record {
                rules: vec![Rule::Revision(1)],
                persons: Persons {
                    owner: Some(person("bob")),
                    former: Some(person("ann")),
                    meant: Some(person("bob")),
                    ..of_ann
                },
                ..record(cleared, link(Some(Status::Enabled), Status::Enabled))
            },
        ),
    ]
}
