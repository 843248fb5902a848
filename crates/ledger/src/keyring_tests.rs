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

/// The keys of a file, as one that opens it finds them.
fn stored(path: &Path, pseudonyms: &[Pseudonym]) -> Vec<Option<bool>> {
    let keyring = Keyring::open(path, false).unwrap();
    let find = |pseudonym| keyring.find(pseudonym).map(|found| found != Found::Destroyed);
    pseudonyms.iter().map(find).collect()
}

#[test]
fn who_is_destroyed_is_so_on_disk_and_comes_back_as_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    let keyring = Keyring::open(&path, true).unwrap();
    let [ann, bob] = ["ann", "bob"].map(|name| keyring.person(&subject(name)).unwrap());
    // Another node called ann so, and one is of a keyring that was lost.
    let (other, lost) = (keyring.person(&subject("x")).unwrap(), Pseudonym([7; 16]));
    keyring.learn(other, &subject("ann"));
    let of_ann = keyring.pseudonyms(&subject("ann"));
    assert_eq!(BTreeSet::from_iter(of_ann.clone()), BTreeSet::from([ann, other]));
    assert_eq!(keyring.pseudonyms(&subject("nobody")), []);
    let keys = [ann, other].map(|name| match keyring.find(&name) {
        Some(Found::Key(key)) => *key.as_bytes(),
        found => panic!("{found:?}"),
    });
    let length = std::fs::metadata(&path).unwrap().len();
    for _ in 0..2 {
        keyring.destroy(&[ann, other, lost, lost]).unwrap();
        assert_eq!(stored(&path, &[ann, other, lost, bob]), [false, false, false, true].map(Some));
        assert!([ann, other, lost].iter().all(|n| keyring.find(n) == Some(Found::Destroyed)));
        // One slot for the one that was never there.
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, length + 48);
        assert!(keys.iter().all(|key| bytes.windows(32).all(|window| window != key)));
    }
    assert_eq!(keyring.pseudonyms(&subject("ann")), []);
    // A record that somebody had read before says nothing of who that is now.
    keyring.learn(ann, &subject("ann"));
    let new = keyring.person(&subject("ann")).unwrap();
    assert!(![ann, other, lost].contains(&new) && keyring.find(&new) != Some(Found::Destroyed));
    assert_eq!(keyring.person(&subject("bob")).unwrap(), bob);
    // More than were made so far, none of them destroyed.
    for n in 0..AHEAD {
        let name = keyring.person(&subject(&format!("s{n}"))).unwrap();
        assert!(matches!(keyring.find(&name), Some(Found::Key(_))), "{n}");
    }
}

#[test]
fn after_a_write_that_failed_nothing_is_destroyed_or_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    let keyring = Keyring::open(&path, true).unwrap();
    let ann = keyring.person(&subject("ann")).unwrap();
    keyring.fail_writes();
    assert!(matches!(keyring.destroy(&[ann]), Err(KeyringError::File { .. })));
    for _ in 0..2 {
        assert!(matches!(keyring.destroy(&[ann]), Err(KeyringError::Broken)));
        assert!(matches!(keyring.make_more(), Err(KeyringError::Broken)));
        assert!(matches!(keyring.check(), Err(KeyringError::Broken)));
    }
    // In memory all is as before, and the file is read as it is.
    assert!(matches!(keyring.find(&ann), Some(Found::Key(_))));
    assert_eq!(keyring.pseudonyms(&subject("ann")), [ann]);
    assert_eq!(stored(&path, &[ann]), [Some(true)]);
}

/// A power cut in the midst of it: wherever it was, the key is good or destroyed, and nothing is left
/// of it once it is destroyed again.
#[test]
fn a_key_that_was_half_destroyed_is_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    let ann = Keyring::open(&path, true).unwrap().person(&subject("ann")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let slot = whole.chunks(48).position(|slot| slot[..16] == ann.0).unwrap() * 48;
    for gone in 1..=32 {
        let mut torn = whole.clone();
        torn[slot + 16..slot + 16 + gone].fill(0);
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(Keyring::read(&path).unwrap().find(&ann), Some(Found::Destroyed), "{gone}");
        assert_eq!(std::fs::read(&path).unwrap(), torn);
        let keyring = Keyring::open(&path, false).unwrap();
        assert_eq!(keyring.find(&ann), Some(Found::Destroyed), "{gone}");
        // It may be one that was damaged, and be restored: nothing is written over by itself.
        assert_eq!(std::fs::read(&path).unwrap(), torn);
        assert_eq!(
            (keyring.damaged(), keyring.has_left(&ann)),
            (usize::from(gone < 32), gone < 32)
        );
        keyring.destroy(&[ann]).unwrap();
        torn[slot + 16..slot + 48].fill(0);
        assert_eq!(std::fs::read(&path).unwrap(), torn);
        assert!(keyring.damaged() == 0 && !keyring.has_left(&ann));
    }
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
        // But for the head, and the ledger's own key.
        assert_eq!(keyring.keys.read().all.len(), end / 48 - 2);
        keyring.make_more().unwrap();
        drop(keyring);
        let read = Keyring::open(&path, false).unwrap();
        assert_eq!(read.keys.read().all.len(), end / 48 - 2 + AHEAD);
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

/// As of a full disk: nothing was given that is not stored, and the next time there may be room.
#[test]
fn a_key_that_could_not_be_appended_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    let keyring = Keyring::open(&path, true).unwrap();
    let before = std::fs::read(&path).unwrap();
    keyring.fail_writes();
    for _ in 0..2 {
        assert!(matches!(keyring.person(&subject("ann")), Err(KeyringError::File { .. })));
        keyring.check().unwrap();
    }
    assert_eq!(keyring.pseudonyms(&subject("ann")), []);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
