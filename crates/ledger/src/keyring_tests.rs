//! Keys of persons: given once, stored before they are, and found again.

use std::collections::BTreeSet;

use super::*;

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

#[test]
fn a_person_has_one_pseudonym_and_nobody_else_has_it() {
    let keyring = Keyring::default();
    let names: BTreeSet<_> =
        (0..50).map(|n| keyring.person(&subject(&format!("s{n}"))).unwrap()).collect();
    assert_eq!(names.len(), 50);
    assert!(names.contains(&keyring.person(&subject("s7")).unwrap()));
    for name in &names {
        let Some(Found::Key(key)) = keyring.find(name) else { panic!("{name}") };
        assert_eq!(key.pseudonym(), *name);
    }
    assert!(keyring.find(&Pseudonym([1; 16])).is_none());
}

#[test]
fn what_was_given_is_stored_and_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    assert!(matches!(Keyring::open(&path, false), Err(KeyringError::Missing(_))));
    let keyring = Keyring::open(&path, true).unwrap();
    // More than are made at a time.
    let given: Vec<_> = (0..AHEAD + 5)
        .map(|n| (subject(&format!("s{n}")), n))
        .map(|(subject, _)| (keyring.person(&subject).unwrap(), subject))
        .collect();
    drop(keyring);
    let keyring = Keyring::open(&path, false).unwrap();
    for (pseudonym, subject) in &given {
        assert!(matches!(keyring.find(pseudonym), Some(Found::Key(_))));
        keyring.learn(*pseudonym, subject);
        assert_eq!(keyring.person(subject).unwrap(), *pseudonym);
    }
    let other = keyring.person(&subject("other")).unwrap();
    assert!(given.iter().all(|(pseudonym, _)| *pseudonym != other));
}

/// Anybody can rehearse as much as they like, in any names.
#[test]
fn who_is_named_in_a_rehearsal_is_given_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::open(&folder.path().join("keyring"), true).unwrap();
    for n in 0..3 * AHEAD {
        keyring.person_unwritten(&subject(&format!("s{n}"))).unwrap();
    }
    let keys = keyring.keys.read();
    assert_eq!((keys.all.len(), keys.spare.len(), keys.persons.len()), (AHEAD, AHEAD, 0));
    drop(keys);
    let ann = keyring.person(&subject("ann")).unwrap();
    assert_eq!(keyring.person_unwritten(&subject("ann")).unwrap(), ann);
    assert_ne!(keyring.person_unwritten(&subject("bob")).unwrap(), ann);
}

#[test]
fn what_is_blinded_is_the_same_for_one_person_alone() {
    let keyring = Keyring::default();
    let blind = |name| keyring.blind(&subject(name), &[7; 10]).unwrap();
    assert_eq!(blind("ann"), blind("ann"));
    assert_ne!(blind("ann"), blind("bob"));
    assert_ne!(blind("ann"), Keyring::default().blind(&subject("ann"), &[7; 10]).unwrap());
}

#[test]
fn a_slot_that_was_cut_off_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    Keyring::open(&path, true).unwrap().person(&subject("ann")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Wherever the last write ended, and with a hole in it.
    for end in [whole.len() - 1, whole.len() - 47, whole.len() - 48 * 3 - 20] {
        std::fs::write(&path, &whole[..end]).unwrap();
        let keyring = Keyring::open(&path, false).unwrap();
        assert_eq!(keyring.keys.read().all.len(), end / 48 - 1);
        keyring.make_more().unwrap();
        drop(keyring);
        let read = Keyring::open(&path, false).unwrap();
        assert_eq!(read.keys.read().all.len(), end / 48 - 1 + AHEAD);
    }
    let mut holed = whole.clone();
    holed[48 * 5 + 20..48 * 7].fill(0);
    std::fs::write(&path, &holed).unwrap();
    let keys = Keyring::open(&path, false).unwrap().keys.into_inner().all;
    assert!(!keys.is_empty() && keys.len() < AHEAD);
    std::fs::write(&path, b"something else").unwrap();
    assert!(matches!(Keyring::open(&path, true), Err(KeyringError::Foreign(_))));
}

#[test]
fn what_is_sealed_for_two_needs_both() {
    let [one, other] = [1, 2].map(|byte| PersonKey::from_bytes([byte; 32]));
    let mut bytes = b"why".to_vec();
    one.with(&other).seal(&[7; 12], &mut bytes);
    assert_eq!(one.with(&other).open(&[7; 12], &bytes).unwrap(), b"why");
    for wrong in [&one, &other, &other.with(&one)] {
        assert_eq!(wrong.open(&[7; 12], &bytes), None);
    }
    assert_eq!(one.with(&other).open(&[8; 12], &bytes), None);
}
