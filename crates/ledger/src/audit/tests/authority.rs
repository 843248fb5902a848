//! Who may not have done what a record says, with every hash made right again.

use keys::KeyId;

use super::forgeries::{made, story};
use super::*;
use crate::Role;
use crate::caller::{Roles, Via};

fn by(record: &mut Record, role: Role) {
    record.actor.roles = Roles::default().with(role);
}

fn by_key(record: &mut Record, role: Role, id: KeyId) {
    by(record, role);
    record.actor.via = Via::Key(id);
}

/// Has the record at `at` made by the key of the one at `of`.
fn by_key_of(records: &mut [Record], at: usize, role: Role, of: usize) {
    let id = records[of].links.own.key;
    by_key(&mut records[at], role, id);
}

/// Gives a record the actor of another.
fn as_if_by(records: &mut [Record], at: usize, other: usize) {
    let (actor, origin, persons) = {
        let other = &records[other];
        (other.actor.clone(), other.origin.clone(), other.persons.actor)
    };
    let record = &mut records[at];
    (record.actor, record.origin, record.persons.actor) = (actor, origin, persons);
    record.persons.meant = None;
}

type Forge = fn(&mut [Record]);

/// What is forged in the story, and what is found.
const FORGERIES: [(&str, Forge, &str); 15] = [
    ("nothing", |_| {}, "good"),
    ("an admin", |r| by(&mut r[1], Role::Admin), "good"),
    ("the owner itself", |r| by(&mut r[1], Role::User), "good"),
    ("a key of that API", |r| by_key_of(r, 13, Role::Owner, 6), "good"),
    ("a verifier", |r| by(&mut r[1], Role::Verifier), "1: its role changes no keys"),
    ("an auditor", |r| by(&mut r[0], Role::Auditor), "0: its role changes no keys"),
    ("a worker who has a token", |r| by(&mut r[12], Role::Worker), "12: its role changes no keys"),
    (
        "a user and another's key",
        |r| {
            let eve = keys::Subject::new("eve").unwrap();
            r[3].persons.owner = keyring().person(&eve).ok();
            made(&mut r[3], |key| key.owner = eve);
            by(&mut r[3], Role::User);
        },
        "3: a user changes its own keys alone",
    ),
    (
        "a user of all accounts",
        |r| {
            by(&mut r[1], Role::User);
            r[1].actor.account = None;
        },
        "1: a user is one of an account",
    ),
    ("the worker", |r| as_if_by(r, 8, 7), "8: the worker only records that keys are due"),
    ("an owner who met a due key", |r| as_if_by(r, 7, 0), "7: its role records no ends"),
    ("a native key", |r| by_key_of(r, 1, Role::Owner, 0), "1: no native key changes keys"),
    (
        "a key of another API",
        |r| by_key_of(r, 13, Role::Owner, 3),
        "13: the key that acts is of another API",
    ),
    (
        "a key that nobody made",
        |r| by_key(&mut r[13], Role::Owner, KeyId::from_bytes([7; 16])),
        "13: the key that acts was never created",
    ),
    (
        "a key that calls as itself",
        |r| by_key_of(r, 1, Role::Key, 1),
        "1: a key that calls as itself only ends itself",
    ),
];

#[tokio::test]
async fn who_may_not_have_done_it_is_found() {
    let story = story().await;
    for (what, forge, want) in FORGERIES {
        let mut records = story.clone();
        forge(&mut records);
        let verdict = judge(&chained(&records)).err().map_or("good".into(), |f| f.to_string());
        let verdict = verdict.replace("its actor may not do that: ", "");
        assert_eq!(verdict.trim_start_matches("record "), want, "{what}");
    }
}

#[tokio::test]
async fn a_key_acts_only_while_it_is_good() {
    let story = story().await;
    let covosign = story[6].links.own.key;
    let mut records = story.clone();
    by_key(&mut records[13], Role::Owner, covosign);
    by_key(&mut records[14], Role::Owner, covosign);
    assert!(judge(&chained(&records)).is_ok());
    // Its first edit becomes its end.
    records[13].event = Event::Disabled;
    let link = &mut records[13].links.own;
    link.after = keys::Status::Disabled;
    records[14].links.own.before = Some(keys::Status::Disabled);
    records[14].links.own.after = keys::Status::Disabled;
    let found = judge(&chained(&records)).err().unwrap().to_string();
    assert!(found.ends_with("the key that acts was not good then"), "{found}");
}
