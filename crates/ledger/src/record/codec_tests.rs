//! What is stored can be read, nothing else can, and the bytes never move.

#[path = "codec_tests/golden.rs"]
mod golden;

use std::sync::Arc;

use keys::{Account, Event, KeyName, NewKey, Project, Reason, Subject};
use proptest::prelude::*;

use self::golden::{full_key, golden, person};
use super::*;
use crate::Origin;
use crate::fuzzing::persons;
use crate::keyring::Found;
use crate::record::Actor;

/// One line for each record: its name and its bytes in hex. Written once, never again.
const GOLDEN: &str = include_str!("../../../../schemas/golden/records.txt");

fn interner() -> Interner {
    Interner::new(Arc::new(persons()))
}

fn stored(record: &Record) -> Vec<u8> {
    encode(record, &persons()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn stored_bytes_never_move() {
    let written: String = golden()
        .iter()
        .map(|(name, record)| format!("{name}: {}\n", hex(&stored(record))))
        .collect();
    assert_eq!(written, GOLDEN);
}

#[test]
fn golden_bytes_are_read_back() {
    for (name, record) in golden() {
        let read = decode(&stored(&record), &mut interner()).unwrap();
        assert_eq!(read, record, "{name}");
        let own = decode_own(&stored(&record), &mut interner()).unwrap();
        assert_eq!(own, record, "{name}");
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
    let read = decode(&stored(&before), &mut interner()).unwrap();
    assert_eq!(read, before);
    assert!(KeyName::new(unseen).is_err());
}

#[test]
fn bytes_too_many_or_too_few_are_refused() {
    for (name, record) in golden() {
        let bytes = stored(&record);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end], &mut interner()).is_err(), "{name} {end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(decode(&longer, &mut interner()).is_err(), "{name}");
    }
}

/// The whole process ended: memory for the text was asked for before its bytes were looked at.
#[test]
fn a_text_longer_than_the_record_is_refused_before_there_is_room_for_it() {
    let line = GOLDEN.lines().next().unwrap();
    let bytes = hex::decode(line.rsplit_once(": ").unwrap().1).unwrap();
    let node = b"\x06node-1";
    let place = bytes.windows(node.len()).position(|window| window == node).unwrap();
    let length = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00];
    let absurd = [&bytes[..place], &length, &bytes[place + 1..]].concat();
    let refused = decode(&absurd, &mut interner());
    assert!(matches!(refused, Err(DecodeError::Layout(_))), "{refused:?}");
}

/// Whoever is forgotten, a record is read as before but for that, and so is each forgotten in turn.
#[test]
fn what_was_sealed_for_who_is_forgotten_is_shown_as_erased() {
    for (name, record) in golden() {
        let bytes = stored(&record);
        for forgotten in ["ann", "bob"].map(person) {
            let keys = ["ann", "bob"].map(|name| match person(name) {
                gone if gone == forgotten => (gone, Found::Destroyed),
                other => (other, persons().find(&other).unwrap()),
            });
            let without = Interner::new(Arc::new(Keyring::of(keys)));
            let read = decode(&bytes, &mut { without }).unwrap();
            let speaks_of = record.persons.iter().any(|person| person == forgotten);
            assert_eq!(read == record, !speaks_of, "{name}");
            assert_eq!((read.at, &read.links, read.salt), (record.at, &record.links, record.salt));
            assert_eq!(read.persons, record.persons, "{name}");
            if record.persons.actor == Some(forgotten) {
                assert_eq!(read.actor.subject, Subject::erased(forgotten));
                assert_eq!((&read.origin, read.idempotency), (&Origin::default(), None));
            }
            let shown = format!("{read:?}");
            let gone = if forgotten == person("ann") { "\"ann\"" } else { "\"bob\"" };
            assert!(!shown.contains(gone), "{name}: {shown}");
        }
    }
}

#[test]
fn a_part_of_another_person_is_refused() {
    let (_, record) = golden().remove(2);
    let bytes = stored(&record);
    let unknown = Interner::new(Arc::default());
    assert!(matches!(decode(&bytes, &mut { unknown }), Err(DecodeError::NoKey(_))));
    let (ann, bob) = (person("ann").0, person("bob").0);
    let place = bytes.windows(16).position(|window| window == ann).unwrap();
    let swapped = [&bytes[..place], &bob, &bytes[place + 16..]].concat();
    assert!(matches!(decode(&swapped, &mut interner()), Err(DecodeError::Sealed)));
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
        if let Ok(record) = decode(&bytes, &mut interner()) {
            prop_assert_eq!(stored(&record), bytes);
        }
    }

    #[test]
    fn a_changed_record_is_refused_or_canonical(
        which in 0_usize..10, place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = stored(&golden()[which].1);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(record) = decode(&bytes, &mut interner()) {
            prop_assert_eq!(stored(&record), bytes);
        }
    }
}

#[test]
fn the_reason_for_which_a_key_changes_hands_is_forgotten_with_who_had_it() {
    let handed_on = golden().into_iter().find(|(name, _)| *name == "updated, everything set");
    let bytes = stored(&handed_on.unwrap().1);
    for (gone, reason) in [("bob", Reason::erased()), ("nobody", Reason::new("because").unwrap())] {
        let keyring = persons();
        if gone == "bob" {
            keyring.destroy(&[person(gone)]).unwrap();
        }
        let read = decode(&bytes, &mut Interner::new(Arc::new(keyring))).unwrap();
        assert_eq!(read.reason, Some(reason));
        assert!(!read.actor.subject.is_erased());
    }
}
