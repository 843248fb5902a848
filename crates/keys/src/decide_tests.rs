//! The transition table, printed by the code and compared whole.

use expect_test::expect;

use super::*;
use crate::testing::new_key;
use crate::{
    Description, Edit, Edits, KeyId, KeyName, KeyRole, Metadata, Permission, Prefix, Quota,
    QuotaPeriod, Replaces, Reuse, Subject, Tag, Tags,
};

const NOW: Timestamp = Timestamp::MAX;

fn now() -> Timestamp {
    Timestamp::from_secs(1_000)
}

fn facts(status: Option<Status>) -> Facts {
    Facts {
        now: now(),
        status,
        due: None,
        revision: u32::from(status.is_some()),
        wanted_revision: None,
        replaced_by: None,
        created_at: status.map(|_| Timestamp::from_secs(900)),
        owner_active: 0,
        account_alive: 0,
        keys: 0,
        prefix_taken: false,
        digest_taken: false,
        found: None,
        owner_erased: false,
    }
}

fn rotation(overlap_s: u64) -> Command {
    let old = Replaces { key: KeyId::from_bytes([1; 16]), valid_until: NOW };
    let key = NewKey { replaces: Some(Box::new(old)), ..new_key() };
    Command::Rotate(Arc::new(key), Rotation::new(overlap_s).unwrap(), Policy::default())
}

fn edited(edits: &Edits, policy: Policy) -> Command {
    Command::Update(Arc::new(edits.of(&new_key())), policy)
}

fn renaming(policy: Policy) -> Command {
    edited(&Edits { name: Some(KeyName::new("other").unwrap()), ..Edits::default() }, policy)
}

fn answer(facts: &Facts, command: Command) -> String {
    match decide(facts, command) {
        Ok(decision) => decision.event.kind().to_string(),
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
             revoke itself {}; rotate {}; edit {}\n",
            status.map_or("(none)", Status::as_str),
            answer(&facts(status), Command::Create(Arc::new(new_key()), Policy::default())),
            answer(&facts(status), Command::Enable),
            answer(&facts(status), Command::Disable),
            answer(&facts(status), Command::Expire),
            answer(&due, Command::ExpireDue),
            answer(&facts(status), Command::Revoke(Revocation::default())),
            answer(&facts(status), Command::RevokeOwn(Revocation::default())),
            answer(&facts(status), rotation(0)),
            answer(&facts(status), renaming(Policy::default())),
        );
    }
    expect![[r"
        (none): create created; enable UnknownKey; disable UnknownKey; expire UnknownKey; when due UnknownKey; revoke UnknownKey; revoke itself UnknownKey; rotate UnknownKey; edit UnknownKey
        enabled: create KeyExists; enable Already(Enabled); disable disabled; expire expired; when due expired; revoke revoked; revoke itself revoked; rotate created; edit updated
        disabled: create KeyExists; enable enabled; disable Already(Disabled); expire expired; when due expired; revoke revoked; revoke itself revoked; rotate NotWhile(Disabled); edit updated
        expired: create KeyExists; enable NotWhile(Expired); disable NotWhile(Expired); expire Already(Expired); when due Already(Expired); revoke revoked; revoke itself NotWhile(Expired); rotate NotWhile(Expired); edit NotWhile(Expired)
        revoked: create KeyExists; enable NotWhile(Revoked); disable NotWhile(Revoked); expire NotWhile(Revoked); when due NotWhile(Revoked); revoke Already(Revoked); revoke itself Already(Revoked); rotate NotWhile(Revoked); edit NotWhile(Revoked)
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
            Ok(Decision { event: Event::Created(key), .. }) => {
                key.replaces.as_ref().unwrap().valid_until
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(valid_until(None, 60), now().plus_secs(60));
    assert_eq!(valid_until(Some(now().plus_secs(5)), 60), now().plus_secs(5));
    assert_eq!(valid_until(None, 0), now());
    assert!(Rotation::new(604_801).is_err());
}

/// What may happen to a key whose owner was erased is all that says nothing of that one.
#[test]
fn a_key_whose_owner_was_erased_goes_on_as_it_is() {
    let owner = Some(Subject::new("bob").unwrap());
    let edit = |edits: Edits| edited(&edits, Policy::default());
    let none = Edits::default;
    let name = || Some(KeyName::new("other").unwrap());
    let pairs = [("team".to_owned(), "a".to_owned())].into_iter().collect();
    let table = [
        (edit(Edits { name: name(), ..none() }), "OwnerErased"),
        (edit(Edits { description: Some(Description::new("x").ok()), ..none() }), "OwnerErased"),
        (edit(Edits { metadata: Metadata::new(pairs).ok(), ..none() }), "OwnerErased"),
        (edit(Edits { name: name(), role: Some(KeyRole::new("r").ok()), ..none() }), "OwnerErased"),
        (edit(Edits { role: Some(KeyRole::new("r").ok()), ..none() }), "updated"),
        (edit(Edits { owner: owner.clone(), ..none() }), "updated"),
        (edit(Edits { owner, name: name(), ..none() }), "updated"),
        (edit(none()), "Unchanged"),
        (rotation(0), "OwnerErased"),
        (rotation(60), "OwnerErased"),
        (Command::Disable, "disabled"),
        (Command::Expire, "expired"),
        (Command::Revoke(Revocation::default()), "revoked"),
        (Command::RevokeOwn(Revocation::default()), "revoked"),
    ];
    let facts = Facts { owner_erased: true, ..facts(Some(Status::Enabled)) };
    for (command, expected) in table {
        assert_eq!(answer(&facts, command.clone()), expected, "{command:?}");
    }
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
        let facts = Facts { owner_active: active, ..facts(None) };
        let policy = Policy { owner_active: Some(most), ..Policy::default() };
        answer(&facts, Command::Create(Arc::new(new_key()), policy))
    };
    assert_eq!(create(9, 10), "created");
    assert_eq!(create(10, 10), "ActiveKeyLimit(10)");
}

/// Every key is kept for ever, so that an ended one counts too, and no rotation makes room.
#[test]
fn the_keys_of_an_account_are_counted_with_the_new_one() {
    let policy = Policy { account_keys: Some(10), ..Policy::default() };
    for (keys, expected) in [(9, "created"), (10, "KeyLimit(10)"), (11, "KeyLimit(10)")] {
        let create = Command::Create(Arc::new(new_key()), policy.clone());
        assert_eq!(answer(&Facts { keys, ..facts(None) }, create), expected, "{keys}");
        let Command::Rotate(key, rotation, _) = rotation(0) else { panic!() };
        let rotate = Command::Rotate(key, rotation, policy.clone());
        let enabled = facts(Some(Status::Enabled));
        assert_eq!(answer(&Facts { keys, ..enabled }, rotate), expected, "{keys}");
    }
}

#[test]
fn a_rotation_without_overlap_makes_its_own_room() {
    let facts = Facts { owner_active: 10, ..facts(Some(Status::Enabled)) };
    let rotate = |overlap_s| {
        let Command::Rotate(key, rotation, _) = rotation(overlap_s) else { panic!() };
        let policy = Policy { owner_active: Some(10), ..Policy::default() };
        answer(&facts, Command::Rotate(key, rotation, policy))
    };
    assert_eq!(rotate(0), "created");
    assert_eq!(rotate(1), "ActiveKeyLimit(10)");
}

#[test]
fn what_exists_is_found_and_not_made_again() {
    let found = KeyId::from_bytes([7; 16]);
    let facts = Facts { found: Some(found), ..facts(None) };
    let create = Command::Create(Arc::new(new_key()), Policy::default());
    assert_eq!(decide(&facts, create), Err(Refusal::Found(found)));
}

#[test]
fn a_prefix_can_be_asked_to_be_the_only_one() {
    let facts = Facts { prefix_taken: true, ..facts(None) };
    let create = |unique_prefix| {
        let policy = Policy { unique_prefix, ..Policy::default() };
        answer(&facts, Command::Create(Arc::new(new_key()), policy))
    };
    assert_eq!(create(true), "PrefixTaken");
    assert_eq!(create(false), "created");
}

#[test]
fn an_edit_changes_something_and_nothing_into_the_past() {
    let enabled = facts(Some(Status::Enabled));
    let same = Edits { name: Some(new_key().name), description: Some(None), ..Edits::default() };
    assert_eq!(answer(&enabled, edited(&same, Policy::default())), "Unchanged");
    let until = |due| {
        let edits = Edits { expires_at: Some(Some(due)), ..Edits::default() };
        edited(&edits, Policy::default())
    };
    assert_eq!(answer(&enabled, until(now())), "ExpiresInThePast");
    assert_eq!(answer(&enabled, until(now().plus_secs(1))), "updated");
    let replaced_by = Some(KeyId::from_bytes([9; 16]));
    let replaced = Facts { replaced_by, due: Some(now().plus_secs(5)), ..enabled };
    assert_eq!(answer(&replaced, until(now().plus_secs(5))), "updated");
    assert_eq!(answer(&replaced, until(now().plus_secs(6))), "EndsWithOverlap");
    assert_eq!(answer(&replaced, renaming(Policy::default())), "updated");
}

#[test]
fn a_policy_is_held_against_what_an_edit_changes() {
    let permission = |text: &str| Permission::new(text).unwrap();
    let policy = Policy {
        longest_life_s: Some(200),
        permissions: Some([permission("orders.*")].into()),
        owner_active: Some(10),
        ..Policy::default()
    };
    let facts = Facts { owner_active: 10, ..facts(Some(Status::Enabled)) };
    let permitted = |text| Some([permission(text)].into());
    let due = |seconds| Some(Some(now().plus_secs(seconds)));
    let ann = Some(Subject::new("bob").unwrap());
    for (edits, expected) in [
        (Edits { role: Some(Some(KeyRole::new("r").unwrap())), ..Edits::default() }, "updated"),
        (Edits { permissions: permitted("orders.read"), ..Edits::default() }, "updated"),
        (Edits { permissions: permitted("*"), ..Edits::default() }, "PermissionNotAllowed"),
        // 100 seconds of its life are over.
        (Edits { expires_at: due(100), ..Edits::default() }, "updated"),
        (Edits { expires_at: due(101), ..Edits::default() }, "LifeTooLong(200)"),
        (Edits { owner: ann, ..Edits::default() }, "ActiveKeyLimit(10)"),
    ] {
        assert_eq!(answer(&facts, edited(&edits, policy.clone())), expected, "{edits:?}");
    }
}

/// The rules of an event are all that is needed to judge it again.
#[test]
fn the_rules_of_an_event_give_it_again() {
    let key = NewKey {
        expires_at: Some(now().plus_secs(9)),
        permissions: [Permission::new("orders.read").unwrap()].into(),
        ..new_key()
    };
    let policy = Policy {
        owner_active: Some(4),
        account_alive: Some(20),
        account_keys: Some(100),
        unique_prefix: true,
        reuse: Some(Reuse { least_ttl_ms: 7, own: true }),
        longest_life_s: Some(9),
        permissions: Some([Permission::new("orders.*").unwrap()].into()),
        secret_prefix: Some(Prefix::new("kl_live_").unwrap()),
        roles: None,
    };
    let facts = Facts { owner_active: 3, account_alive: 19, keys: 99, ..facts(None) };
    let command = |policy| Command::Create(Arc::new(key.clone()), policy);
    let decision = decide(&facts, command(policy.clone())).unwrap();
    assert_eq!(Policy::of(&decision.rules), policy);
    assert_eq!(decide(&facts, command(Policy::of(&decision.rules))), Ok(decision));
    for (facts, expected) in [
        (Facts { owner_active: 4, ..facts }, "ActiveKeyLimit(4)"),
        (Facts { account_alive: 20, ..facts }, "AccountLimit(20)"),
        (Facts { keys: 100, ..facts }, "KeyLimit(100)"),
        (Facts { prefix_taken: true, ..facts }, "PrefixTaken"),
        (Facts { digest_taken: true, ..facts }, "DigestTaken"),
        (Facts { now: Timestamp::from_secs(999), ..facts }, "LifeTooLong(9)"),
    ] {
        assert_eq!(answer(&facts, command(policy.clone())), expected);
    }
}

#[test]
fn an_edit_is_undone_by_what_was_before() {
    let edits = Edits {
        name: Some(KeyName::new("other").unwrap()),
        quota: Some(Some(Quota::new(3, QuotaPeriod::Month).unwrap())),
        tags: Some(Tags::new([Tag::new("blue").unwrap()]).unwrap()),
        ..Edits::default()
    };
    let update = edits.of(&new_key());
    assert_eq!(update.iter().count(), 3);
    let mut key = new_key();
    update.iter().for_each(|edit| edit.redo(&mut key));
    assert!(edits.of(&key).is_empty());
    update.iter().for_each(|edit| edit.undo(&mut key));
    assert_eq!(key, new_key());
    let mut turned: Vec<Edit> = update.iter().cloned().collect();
    assert_eq!(Update::stored(turned.clone(), false), Some(update));
    turned.reverse();
    assert_eq!(Update::stored(turned, false), None);
    assert_eq!(Update::stored(Vec::new(), true), None);
}
