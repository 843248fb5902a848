//! The transition table, printed by the code and compared whole.

use expect_test::expect;

use super::*;
use crate::{
    Account, AllowedIps, Dialect, Digest, Environment, KeyName, Kind, Metadata, Prefix, Replaces,
    Subject,
};

const NOW: Timestamp = Timestamp::MAX;

fn now() -> Timestamp {
    Timestamp::from_secs(1_000)
}

fn new_key() -> NewKey {
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
        daily_limit: None,
        metadata: Metadata::default(),
        prefix: Prefix::new("kl_live_abcdef").unwrap(),
        digest: Digest([0; 32]),
        replaces: None,
        dialect: Dialect::Native,
        public_value: None,
    }
}

fn facts(status: Option<Status>) -> Facts {
    Facts {
        now: now(),
        status,
        due: None,
        revision: u32::from(status.is_some()),
        wanted_revision: None,
        replaced_by: None,
        active: 0,
        keys: 0,
        prefix_taken: false,
        found: None,
    }
}

fn rotation(overlap_s: u64) -> Command {
    let old = Replaces { key: KeyId::from_bytes([1; 16]), valid_until: NOW };
    let key = NewKey { replaces: Some(Box::new(old)), ..new_key() };
    Command::Rotate(Arc::new(key), Rotation::new(overlap_s).unwrap(), Limits::default())
}

fn answer(facts: &Facts, command: Command) -> String {
    match decide(facts, command) {
        Ok(event) => event.kind().to_string(),
        Err(refusal) => format!("{refusal:?}"),
    }
}

#[test]
fn the_table_is_the_designs() {
    let mut table = String::new();
    let statuses = [None].into_iter().chain(Status::ALL.iter().copied().map(Some));
    for status in statuses {
        let due = Facts { due: Some(now()), ..facts(status) };
        table += &format!(
            "{}: create {}; enable {}; disable {}; expire {}; when due {}; revoke {}; \
             revoke itself {}; rotate {}\n",
            status.map_or("(none)", Status::as_str),
            answer(&facts(status), Command::Create(Arc::new(new_key()), Limits::default())),
            answer(&facts(status), Command::Enable),
            answer(&facts(status), Command::Disable),
            answer(&facts(status), Command::Expire),
            answer(&due, Command::ExpireDue),
            answer(&facts(status), Command::Revoke(Revocation::default())),
            answer(&facts(status), Command::RevokeOwn(Revocation::default())),
            answer(&facts(status), rotation(0)),
        );
    }
    expect![[r"
        (none): create created; enable UnknownKey; disable UnknownKey; expire UnknownKey; when due UnknownKey; revoke UnknownKey; revoke itself UnknownKey; rotate UnknownKey
        enabled: create KeyExists; enable Already(Enabled); disable disabled; expire expired; when due expired; revoke revoked; revoke itself revoked; rotate created
        disabled: create KeyExists; enable enabled; disable Already(Disabled); expire expired; when due expired; revoke revoked; revoke itself revoked; rotate NotWhile(Disabled)
        expired: create KeyExists; enable NotWhile(Expired); disable NotWhile(Expired); expire Already(Expired); when due Already(Expired); revoke revoked; revoke itself NotWhile(Expired); rotate NotWhile(Expired)
        revoked: create KeyExists; enable NotWhile(Revoked); disable NotWhile(Revoked); expire NotWhile(Revoked); when due NotWhile(Revoked); revoke Already(Revoked); revoke itself Already(Revoked); rotate NotWhile(Revoked)
    "]]
    .assert_eq(&table);
}

#[test]
fn a_key_expires_only_when_due() {
    let later = Facts { due: Some(now().plus_secs(1)), ..facts(Some(Status::Enabled)) };
    assert_eq!(answer(&later, Command::ExpireDue), "NotDue");
    assert_eq!(answer(&facts(Some(Status::Enabled)), Command::ExpireDue), "NotDue");
}

#[test]
fn the_revision_asked_for_must_be_the_one_that_is() {
    let mut facts = Facts { revision: 3, ..facts(Some(Status::Enabled)) };
    facts.wanted_revision = Some(2);
    assert_eq!(answer(&facts, Command::Disable), "RevisionMismatch(3)");
    facts.wanted_revision = Some(3);
    assert_eq!(answer(&facts, Command::Disable), "disabled");
}

#[test]
fn an_overlap_never_outlives_the_old_key() {
    let valid_until = |due: Option<Timestamp>, overlap_s| {
        let facts = Facts { due, ..facts(Some(Status::Enabled)) };
        match decide(&facts, rotation(overlap_s)) {
            Ok(Event::Created(key)) => key.replaces.as_ref().unwrap().valid_until,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(valid_until(None, 60), now().plus_secs(60));
    assert_eq!(valid_until(Some(now().plus_secs(5)), 60), now().plus_secs(5));
    assert_eq!(valid_until(None, 0), now());
    assert!(Rotation::new(604_801).is_err());
}

#[test]
fn a_key_is_replaced_once() {
    let replaced = Some(KeyId::from_bytes([9; 16]));
    let facts = Facts { replaced_by: replaced, ..facts(Some(Status::Enabled)) };
    assert_eq!(answer(&facts, rotation(0)), "AlreadyReplaced");
}

#[test]
fn a_cap_counts_the_new_key() {
    let create = |active, most| {
        let facts = Facts { active, ..facts(None) };
        let limits = Limits { active: Some(most), ..Limits::default() };
        answer(&facts, Command::Create(Arc::new(new_key()), limits))
    };
    assert_eq!(create(9, 10), "created");
    assert_eq!(create(10, 10), "ActiveKeyLimit(10)");
}

/// Every key is kept for ever, so that an ended one counts too, and no rotation makes room.
#[test]
fn the_keys_of_an_account_are_counted_with_the_new_one() {
    let limits = Limits { keys: Some(10), ..Limits::default() };
    for (keys, expected) in [(9, "created"), (10, "KeyLimit(10)"), (11, "KeyLimit(10)")] {
        let create = Command::Create(Arc::new(new_key()), limits);
        assert_eq!(answer(&Facts { keys, ..facts(None) }, create), expected, "{keys}");
        let Command::Rotate(key, rotation, _) = rotation(0) else { panic!() };
        let rotate = Command::Rotate(key, rotation, limits);
        let enabled = facts(Some(Status::Enabled));
        assert_eq!(answer(&Facts { keys, ..enabled }, rotate), expected, "{keys}");
    }
}

#[test]
fn a_rotation_without_overlap_makes_its_own_room() {
    let facts = Facts { active: 10, ..facts(Some(Status::Enabled)) };
    let rotate = |overlap_s| {
        let Command::Rotate(key, rotation, _) = rotation(overlap_s) else { panic!() };
        let limits = Limits { active: Some(10), ..Limits::default() };
        answer(&facts, Command::Rotate(key, rotation, limits))
    };
    assert_eq!(rotate(0), "created");
    assert_eq!(rotate(1), "ActiveKeyLimit(10)");
}

#[test]
fn what_exists_is_found_and_not_made_again() {
    let found = KeyId::from_bytes([7; 16]);
    let facts = Facts { found: Some(found), ..facts(None) };
    let create = Command::Create(Arc::new(new_key()), Limits::default());
    assert_eq!(decide(&facts, create), Err(Refusal::Found(found)));
}

#[test]
fn a_prefix_can_be_asked_to_be_the_only_one() {
    let facts = Facts { prefix_taken: true, ..facts(None) };
    let create = |unique_prefix| {
        let limits = Limits { unique_prefix, ..Limits::default() };
        answer(&facts, Command::Create(Arc::new(new_key()), limits))
    };
    assert_eq!(create(true), "PrefixTaken");
    assert_eq!(create(false), "created");
}
