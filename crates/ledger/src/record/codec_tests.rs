//! What is stored can be read, nothing else can, and the bytes never move.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventlog::Seq;
use keys::{
    Account, AllowedIps, Description, Dialect, Digest, Edits, Environment, Event, Imported, KeyId,
    KeyName, KeyRole, Kind, Metadata, NewKey, NodeName, Permission, Prefix, Project, Quota,
    QuotaPeriod, RateLimit, Reason, ReasonCode, Replaces, Reuse, Revocation, Rule, Source, Status,
    Subject, Tag, Tags, Timestamp,
};
use proptest::prelude::*;

use super::*;
use crate::record::{Actor, Idempotency, Link, Links};
use crate::{Origin, Role, Roles, Via};
use signedlog::Leaf;

/// One line for each record: its name and its bytes in hex. Written once, never again.
const GOLDEN: &str = include_str!("../../../../schemas/golden/records.txt");

fn id(byte: u8) -> KeyId {
    KeyId::from_bytes([byte; 16])
}

fn full_key() -> NewKey {
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
        ..full_key()
    }
}

fn link(before: Option<Status>, after: Status) -> Link {
    let previous = before.map(|_| (Seq(70_000), Leaf([4; 32])));
    Link { key: id(2), revision: 1 + u32::from(before.is_some()), before, after, previous }
}

fn record(event: Event, link: Link) -> Record {
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
        salt: [5; 16],
        idempotency: Some(Idempotency { key: [6; 32], request: [7; 32] }),
    }
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
    let bare = NewKey {
        name: KeyName::new("deploy").unwrap(),
        owner: Subject::new("bob").unwrap(),
        ..bare
    };
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
fn golden() -> Vec<(&'static str, Record)> {
    [golden_of_a_life(), golden_of_its_end_and_of_edits()].concat()
}

fn golden_of_a_life() -> Vec<(&'static str, Record)> {
    let alive = link(Some(Status::Enabled), Status::Disabled);
    let bare = Record {
        actor: Actor {
            account: None,
            roles: Roles::default().with(Role::Worker),
            via: Via::Worker,
            subject: Subject::new("worker").unwrap(),
        },
        origin: Origin::default(),
        reason: None,
        idempotency: None,
        ..record(
            Event::Expired { due: Some(Timestamp::from_secs(1_700_000_000)) },
            link(Some(Status::Disabled), Status::Expired),
        )
    };
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
            "created, nothing set",
            Record {
                dialect: Dialect::Callcov,
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
                ..record(Event::Disabled, alive)
            },
        ),
        ("expired, by the worker", bare),
        (
            "expired, by its owner",
            record(Event::Expired { due: None }, link(Some(Status::Enabled), Status::Expired)),
        ),
    ]
}

fn golden_of_its_end_and_of_edits() -> Vec<(&'static str, Record)> {
    let [set, cleared] = updates();
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
        ("updated, everything set", record(set, link(Some(Status::Disabled), Status::Disabled))),
        (
            "updated, everything cleared, at a revision",
            Record {
                rules: vec![Rule::Revision(1)],
                ..record(cleared, link(Some(Status::Enabled), Status::Enabled))
            },
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn stored_bytes_never_move() {
    let written: String = golden()
        .iter()
        .map(|(name, record)| format!("{name}: {}\n", hex(&encode(record))))
        .collect();
    assert_eq!(written, GOLDEN);
}

#[test]
fn golden_bytes_are_read_back() {
    for (name, record) in golden() {
        let read = decode(&encode(&record), &mut Interner::default()).unwrap();
        assert_eq!(read, record, "{name}");
    }
}

/// No new name may hold what is not seen, but a log from before has to open.
#[test]
fn a_record_from_before_unseen_characters_were_refused_is_read() {
    let unseen = "Zu\u{308}rich\u{200B}\u{202E}";
    let key = NewKey {
        account: Account::stored(unseen).unwrap(),
        owner: Subject::stored(unseen).unwrap(),
        name: KeyName::stored(unseen).unwrap(),
        project: Some(Project::stored(unseen).unwrap()),
        ..full_key()
    };
    let (_, created) = golden().remove(0);
    let before = Record {
        actor: Actor { subject: Subject::stored(unseen).unwrap(), ..created.actor.clone() },
        event: Event::Created(key.into()),
        ..created
    };
    let read = decode(&encode(&before), &mut Interner::default()).unwrap();
    assert_eq!(read, before);
    assert!(KeyName::new(unseen).is_err());
}

#[test]
fn bytes_too_many_or_too_few_are_refused() {
    for (name, record) in golden() {
        let bytes = encode(&record);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end], &mut Interner::default()).is_err(), "{name} {end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(decode(&longer, &mut Interner::default()).is_err(), "{name}");
    }
}

/// The whole process ended: memory for the text was asked for before its bytes were looked at.
#[test]
fn a_text_longer_than_the_record_is_refused_before_there_is_room_for_it() {
    let line = GOLDEN.lines().next().unwrap();
    let bytes = hex::decode(line.rsplit_once(": ").unwrap().1).unwrap();
    let address = b"\x0b203.0.113.7";
    let place = bytes.windows(address.len()).position(|window| window == address).unwrap();
    let length = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00];
    let absurd = [&bytes[..place], &length, &bytes[place + 1..]].concat();
    let refused = decode(&absurd, &mut Interner::default());
    assert!(matches!(refused, Err(DecodeError::Layout(_))), "{refused:?}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_canonical(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first %= 3;
        }
        if let Ok(record) = decode(&bytes, &mut Interner::default()) {
            prop_assert_eq!(encode(&record), bytes);
        }
    }

    #[test]
    fn a_changed_record_is_refused_or_canonical(
        which in 0_usize..10, place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encode(&golden()[which].1);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(record) = decode(&bytes, &mut Interner::default()) {
            prop_assert_eq!(encode(&record), bytes);
        }
    }
}
