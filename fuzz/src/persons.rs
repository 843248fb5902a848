//! The keys of persons: as they are stored, and as a bundle carries them.

use std::collections::BTreeSet;

use keys::Pseudonym;
use ledger::{Found, PersonKey};

/// The head of a keyring's file, and the bytes of a slot.
const HEAD: &[u8] = b"keyledger keyring 1";
const SLOT: usize = 48;

/// The file of the keyring: as it came, and with each pseudonym put right, which no fuzzer would guess.
pub fn keyring(data: &[u8]) {
    if let Some(again) = ledger::fuzzing::keyring(data) {
        let mut slots = data.as_chunks::<SLOT>().0.iter();
        let is_of = |slot: &[u8; SLOT], other: &[u8; SLOT]| {
            let ([name, other_name], [key, other_key]) = (
                [slot, other].map(|slot| slot.get(..16)),
                [slot, other].map(|slot| slot.get(16..)),
            );
            name == other_name && (key == other_key || key == Some(&[0; 32]))
        };
        let mut again_slots = again.as_chunks::<SLOT>().0.iter();
        let found = again_slots.all(|slot| slots.any(|other| is_of(slot, other)));
        assert!(found, "what has a name is as it was, or destroyed, in its order");
        assert_eq!(ledger::fuzzing::keyring(&again).as_deref(), Some(&*again), "it comes back");
    }
    let mut whole = HEAD.to_vec();
    whole.resize(SLOT, 0);
    for key in data.as_chunks::<32>().0 {
        whole.extend(PersonKey::from_bytes(*key).pseudonym().0);
        whole.extend(key);
    }
    if whole.len() == SLOT {
        assert!(ledger::fuzzing::keyring(&whole).is_none(), "a keyring has a key of its own");
        return;
    }
    // A slot that is being written is none yet.
    let cut_off = [&whole[..], &[1; SLOT - 1]].concat();
    for file in [&whole, &cut_off] {
        assert!(ledger::fuzzing::keyring(file).as_ref() == Some(&whole), "each key is found");
    }
}

/// The member `persons` of a bundle: as it came, and made of the bytes as keys.
pub fn persons(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        read_and_written(text);
    }
    let keys = data.as_chunks::<32>().0.iter().map(|key| PersonKey::from_bytes(*key));
    // Every other one was erased.
    let found = |(at, key)| if at % 2 == 0 { Found::Key(key) } else { Found::Destroyed };
    let found: Vec<(Pseudonym, Found)> =
        keys.enumerate().map(|(at, key)| (key.pseudonym(), found((at, key)))).collect();
    let text = bundle::persons_text(found.iter().map(|(name, found)| (name, Some(found))));
    assert!(read_and_written(&text), "each key is found");
}

/// Holds what is read to its one spelling. Whether it could be read.
fn read_and_written(text: &str) -> bool {
    let Ok(keyring) = bundle::parse_persons(text) else { return false };
    let name = |line: &str| line.get(..32).and_then(|name| name.parse::<Pseudonym>().ok());
    let found: Vec<(Pseudonym, Option<Found>)> =
        text.lines().filter_map(name).map(|name| (name, keyring.find(&name))).collect();
    let names: BTreeSet<Pseudonym> = found.iter().map(|(name, _)| *name).collect();
    // Of one who is named twice the last line counts.
    if names.len() == found.len() {
        let again = bundle::persons_text(found.iter().map(|(name, key)| (name, key.as_ref())));
        assert_eq!(again.trim_end(), text.trim_end(), "a line has one spelling");
    }
    true
}
