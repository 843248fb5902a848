//! What becomes of a key and of what it is held against, by the rules of its account.

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::testing::new_key;
use crate::{
    Attribute, Command, Decision, Event, Facts, Imported, KeyName, Prefix, Status, Timestamp,
    decide,
};

fn permissions(texts: &[&str]) -> Arc<[Permission]> {
    texts.iter().map(|text| Permission::new(text).unwrap()).collect()
}

fn role(text: &str) -> KeyRole {
    KeyRole::new(text).unwrap()
}

fn key() -> NewKey {
    NewKey { prefix: Prefix::new("acme_live_abcdef").unwrap(), ..new_key() }
}

fn facts() -> Facts {
    Facts {
        now: Timestamp::from_secs(1_000),
        status: None,
        due: None,
        created_at: None,
        revision: 0,
        wanted_revision: None,
        replaced_by: None,
        owner_active: 0,
        account_alive: 2,
        keys: 2,
        prefix_taken: false,
        digest_taken: false,
        found: None,
        owner_erased: false,
    }
}

fn rules() -> AccountRules {
    AccountRules {
        max_ttl_s: Some(60),
        require_expiry: false,
        max_active_keys: Some(3),
        secret_prefix: Some(SecretPrefix::new("acme").unwrap()),
        permissions: Some(permissions(&["orders.*", "read"])),
        roles: Some(Arc::new(Roles::from([
            (role("reader"), permissions(&["orders.read", "orders.list"])),
            (role("none"), permissions(&[])),
        ]))),
    }
}

/// What comes of a create: the rules on record and the permissions of the key, or a refusal.
fn created(rules: &AccountRules, mut key: NewKey) -> String {
    let (mut policy, chosen) = (Policy::default(), !key.permissions.is_empty());
    let bound = rules.bind_new(&mut key, chosen, &mut policy);
    let decided = bound.and_then(|()| decide(&facts(), Command::Create(key.into(), policy)));
    match decided {
        Err(refusal) => format!("{refusal:?}"),
        Ok(Decision { event: Event::Created(key), rules }) => {
            format!("{:?} {rules:?}", key.permissions)
        }
        Ok(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_new_key_is_made_by_the_rules_of_its_account() {
    let due = Some(Timestamp::from_secs(1_060));
    let ends = || NewKey { expires_at: due, ..key() };
    let with = |role: Option<KeyRole>, texts: &[&str]| NewKey {
        role,
        permissions: permissions(texts),
        ..ends()
    };
    let of = |dialect, key: NewKey| NewKey { dialect, ..key };
    let late = NewKey { expires_at: Some(Timestamp::from_secs(1_061)), ..key() };
    let other_prefix = NewKey { prefix: Prefix::new("kl_live_abcdef").unwrap(), ..ends() };
    let imported = NewKey { imported: Some(Box::new(Imported::default())), ..other_prefix.clone() };
    let table: &[(&str, NewKey)] = &[
        ("no end", key()),
        ("too late", late),
        ("in time", ends()),
        ("a permission", with(None, &["orders.write"])),
        ("another permission", with(None, &["users.read"])),
        ("more than is allowed", with(None, &["*"])),
        ("a role", with(Some(role("reader")), &[])),
        (
            "a role, its permissions named",
            with(Some(role("reader")), &["orders.list", "orders.read"]),
        ),
        ("a role and fewer permissions", with(Some(role("reader")), &["orders.read"])),
        ("a role and other permissions", with(Some(role("reader")), &["orders.write"])),
        ("a role without permissions", with(Some(role("none")), &[])),
        ("no such role", with(Some(role("writer")), &[])),
        ("a dialect's role", of(Dialect::Capgo, with(Some(role("read")), &["read"]))),
        ("a dialect's other role", of(Dialect::Capgo, with(Some(role("all")), &["*"]))),
        ("another prefix", other_prefix),
        ("another prefix, brought in", imported),
    ];
    let mut shown = String::new();
    for (what, key) in table {
        shown += &format!("{what}: {}\n", created(&rules(), key.clone()));
    }
    expect![[r#"
        no end: ExpiryRequired
        too late: LifeTooLong(60)
        in time: [] [AccountAlive { most: 3, counted: 2 }, LongestLife(60), Permissions(["orders.*", "read"]), SecretPrefix(acme_live_)]
        a permission: ["orders.write"] [AccountAlive { most: 3, counted: 2 }, LongestLife(60), Permissions(["orders.*", "read"]), SecretPrefix(acme_live_)]
        another permission: PermissionNotAllowed
        more than is allowed: PermissionNotAllowed
        a role: ["orders.read", "orders.list"] [AccountAlive { most: 3, counted: 2 }, LongestLife(60), Permissions(["orders.read", "orders.list"]), SecretPrefix(acme_live_)]
        a role, its permissions named: ["orders.read", "orders.list"] [AccountAlive { most: 3, counted: 2 }, LongestLife(60), Permissions(["orders.read", "orders.list"]), SecretPrefix(acme_live_)]
        a role and fewer permissions: PermissionsOfRole
        a role and other permissions: PermissionsOfRole
        a role without permissions: [] [AccountAlive { most: 3, counted: 2 }, LongestLife(60), Permissions([]), SecretPrefix(acme_live_)]
        no such role: RoleNotAllowed
        a dialect's role: ["read"] [AccountAlive { most: 3, counted: 2 }, LongestLife(60), Permissions(["orders.*", "read"])]
        a dialect's other role: PermissionNotAllowed
        another prefix: OtherPrefix
        another prefix, brought in: [] [AccountAlive { most: 3, counted: 2 }, LongestLife(60), Permissions(["orders.*", "read"])]
    "#]].assert_eq(&shown);
}

#[test]
fn an_end_may_be_required_without_a_longest_life() {
    let rules = AccountRules { require_expiry: true, ..AccountRules::default() };
    assert_eq!(created(&rules, key()), "ExpiryRequired");
    let ever = NewKey { expires_at: Some(Timestamp::MAX), ..key() };
    assert_eq!(created(&rules, ever), "[] [LongestLife(253402300800)]");
    let full = AccountRules { max_active_keys: Some(2), ..AccountRules::default() };
    assert_eq!(created(&full, key()), "AccountLimit(2)");
    assert_eq!(created(&AccountRules::default(), key()), "[] []");
}

/// What comes of an edit.
fn edited(key: &NewKey, mut edits: Edits) -> String {
    let mut policy = Policy::default();
    let bound = rules().bind_edits(key, &mut edits, &mut policy);
    let facts = Facts {
        status: Some(Status::Enabled),
        created_at: Some(Timestamp::from_secs(990)),
        ..facts()
    };
    let update = || Arc::new(edits.of(key));
    let decided = bound.and_then(|()| decide(&facts, Command::Update(update(), policy)));
    match decided {
        Err(refusal) => format!("{refusal:?}"),
        Ok(Decision { event: Event::Updated(update), rules }) => {
            let changed: Vec<Attribute> = update.iter().map(crate::Edit::attribute).collect();
            format!("{changed:?} {:?} {rules:?}", update.permissions())
        }
        Ok(other) => panic!("{other:?}"),
    }
}

#[test]
fn an_edit_is_held_against_the_rules_of_its_account() {
    let named = |text: &str| Some(Some(role(text)));
    let may = |texts: &[&str]| Some(permissions(texts));
    let plain = key();
    let reader = NewKey {
        role: Some(role("reader")),
        permissions: permissions(&["orders.read"]),
        expires_at: Some(Timestamp::from_secs(1_010)),
        ..key()
    };
    let none = Edits::default;
    let due = |seconds| Some(Some(Timestamp::from_secs(seconds)));
    let table: &[(&str, &NewKey, Edits)] = &[
        ("a name", &reader, Edits { name: Some(KeyName::new("b").unwrap()), ..none() }),
        ("no end", &reader, Edits { expires_at: Some(None), ..none() }),
        ("an end in time", &reader, Edits { expires_at: due(1_050), ..none() }),
        ("an end too late", &reader, Edits { expires_at: due(1_051), ..none() }),
        ("a permission", &plain, Edits { permissions: may(&["orders.x"]), ..none() }),
        ("another permission", &plain, Edits { permissions: may(&["users.x"]), ..none() }),
        ("a role", &plain, Edits { role: named("reader"), ..none() }),
        ("no such role", &plain, Edits { role: named("writer"), ..none() }),
        ("the same role, which gives more now", &reader, Edits { role: named("reader"), ..none() }),
        ("another role", &reader, Edits { role: named("none"), ..none() }),
        ("no role", &reader, Edits { role: Some(None), ..none() }),
        (
            "no role and a permission",
            &reader,
            Edits { role: Some(None), permissions: may(&["orders.x"]), ..none() },
        ),
        (
            "a role with the permissions that the key has",
            &reader,
            Edits { role: named("none"), permissions: may(&["orders.read"]), ..none() },
        ),
        ("fewer than the role's", &reader, Edits { permissions: may(&["orders.list"]), ..none() }),
    ];
    let mut shown = String::new();
    for (what, key, edits) in table {
        shown += &format!("{what}: {}\n", edited(key, edits.clone()));
    }
    expect![[r#"
        a name: [Name] None []
        no end: ExpiryRequired
        an end in time: [ExpiresAt] None [LongestLife(60)]
        an end too late: LifeTooLong(60)
        a permission: [Permissions] Some(["orders.x"]) [Permissions(["orders.*", "read"])]
        another permission: PermissionNotAllowed
        a role: [Role, Permissions] Some(["orders.read", "orders.list"]) [Permissions(["orders.read", "orders.list"])]
        no such role: RoleNotAllowed
        the same role, which gives more now: [Permissions] Some(["orders.read", "orders.list"]) [Permissions(["orders.read", "orders.list"])]
        another role: [Role, Permissions] Some([]) [Permissions([])]
        no role: [Role] None []
        no role and a permission: [Role, Permissions] Some(["orders.x"]) [Permissions(["orders.*", "read"])]
        a role with the permissions that the key has: PermissionsOfRole
        fewer than the role's: PermissionsOfRole
    "#]].assert_eq(&shown);
}

#[test]
fn an_account_without_rules_of_its_own_has_those_of_the_others() {
    let mut all = RulesByAccount::default();
    let (acme, umbrella) = (Account::new("acme").unwrap(), Account::new("umbrella").unwrap());
    assert_eq!(all.of(&acme), None);
    all.others = Some(rules());
    all.named.insert(acme.clone(), AccountRules::default());
    assert_eq!(all.of(&acme), Some(&AccountRules::default()));
    assert_eq!(all.of(&umbrella), Some(&rules()));
}

proptest! {
    /// Whatever is decided by rules is decided again by what is on record of them.
    #[test]
    fn what_is_on_record_of_rules_is_enough(
        max_ttl_s in proptest::option::of(1_u64..100),
        require_expiry: bool,
        most in proptest::option::of(0_u64..5),
        allowed in proptest::option::of(proptest::sample::subsequence(vec!["a.b", "a.c", "d.*"], 0..3)),
        granted in proptest::option::of(proptest::sample::subsequence(vec!["a.b", "d.e"], 0..2)),
        wanted in proptest::sample::subsequence(vec!["a.b", "a.c", "d.e", "*"], 0..3),
        has_role: bool,
        life in proptest::option::of(1_i64..100),
    ) {
        let rules = AccountRules {
            max_ttl_s,
            require_expiry,
            max_active_keys: most,
            secret_prefix: None,
            permissions: allowed.map(|texts| permissions(&texts)),
            roles: granted.map(|texts| Arc::new(Roles::from([(role("r"), permissions(&texts))]))),
        };
        let mut key = NewKey {
            role: has_role.then(|| role("r")),
            permissions: permissions(&wanted),
            expires_at: life.map(|life| Timestamp::from_secs(1_000 + life)),
            ..key()
        };
        let mut policy = Policy::default();
        if rules.bind_new(&mut key, !wanted.is_empty(), &mut policy).is_err() {
            return Ok(());
        }
        if let Ok(decision) = decide(&facts(), Command::Create(key.clone().into(), policy)) {
            let again = Command::Create(key.clone().into(), Policy::of(&decision.rules));
            prop_assert_eq!(decide(&facts(), again), Ok(decision));
            prop_assert!(!(require_expiry || max_ttl_s.is_some()) || key.expires_at.is_some());
            prop_assert!(most.is_none_or(|most| most > 2));
        }
    }
}
