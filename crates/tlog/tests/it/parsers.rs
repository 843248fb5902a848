//! Whatever comes in: no parser panics, and what a parser takes it would print the same.

use proptest::prelude::*;
use proptest::sample::Index;
use tlog::note::{self, Note, VerifierKey};
use tlog::{Checkpoint, Hash, ProofFile, Tile, TileIndex, TilePath, entries};

use crate::samples::{ORIGIN, signer};

fn receipt() -> String {
    let checkpoint = Checkpoint::new(ORIGIN, 2, Hash([1; 32])).unwrap();
    let signed = checkpoint.sign(&signer()).unwrap();
    ProofFile::new(1, vec![Hash([2; 32])], &signed).unwrap().to_string()
}

/// A lawful text of each kind.
fn lawful() -> Vec<String> {
    let receipt = receipt();
    let (_, checkpoint) = receipt.split_once("\n\n").unwrap();
    vec![
        checkpoint.to_owned(),
        checkpoint.split_once("\n\n").unwrap().0.to_owned() + "\n",
        receipt.clone(),
        receipt.replace("\nindex", "\nextra AAAA\nindex"),
        signer().verifier_key().to_string(),
        "tile/0/x001/x234/067.p/9".to_owned(),
        "tile/entries/x001/000".to_owned(),
        Hash([3; 32]).to_string(),
    ]
}

/// A lawful text with a few bytes put in, taken out or replaced by ones that matter.
fn nearly_lawful() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        proptest::sample::select(b"\n =+/0123456789xpA.\xe2\x80\x94".as_slice()),
        any::<u8>()
    ];
    let change = (any::<Index>(), byte, 0..3);
    let changes = proptest::collection::vec(change, 0..4);
    (proptest::sample::select(lawful()), changes).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (place, byte, how) in changes {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(place)),
                _ => (),
            }
        }
        bytes
    })
}

fn check(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        let _ = note::open(bytes, &[signer().verifier_key().clone()]);
    }
    if let Ok(found) = entries::decode(bytes) {
        assert_eq!(entries::encode(found).unwrap(), bytes);
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(found) = text.parse::<Checkpoint>() {
        assert_eq!(found.text(), text);
    }
    if let Ok(found) = text.parse::<ProofFile>() {
        assert_eq!(found.to_string(), text);
    }
    if let Ok(found) = text.parse::<VerifierKey>() {
        assert_eq!(found.to_string(), text);
    }
    if let Ok(found) = text.parse::<TilePath>() {
        assert_eq!(found.to_string(), text);
    }
    if let Ok(found) = text.parse::<Hash>() {
        assert_eq!(found.to_string(), text);
    }
}

#[test]
fn lawful_texts_are_taken() {
    let texts = lawful();
    assert!(Note::parse(texts[0].as_bytes()).is_ok());
    assert!(texts[1].parse::<Checkpoint>().is_ok());
    assert!(texts[2].parse::<ProofFile>().is_ok());
    assert!(texts[3].parse::<ProofFile>().is_ok());
    assert!(texts[4].parse::<VerifierKey>().is_ok());
    assert!(texts[5].parse::<TilePath>().is_ok());
    assert!(texts[6].parse::<TilePath>().is_ok());
    assert!(texts[7].parse::<Hash>().is_ok());
    for text in texts {
        check(text.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_are_refused_or_printed_the_same(bytes in any::<Vec<u8>>()) {
        check(&bytes);
    }

    #[test]
    fn nearly_lawful_texts_are_refused_or_printed_the_same(bytes in nearly_lawful()) {
        check(&bytes);
    }

    #[test]
    fn every_tile_has_a_path_that_leads_back(
        level in 0..=8_u8, number: u64, shift in 0..64_u32, width in 0..=257_u16,
    ) {
        if let Some(index) = TileIndex::new(level, number >> shift, width) {
            let path = TilePath::Hashes(index);
            prop_assert_eq!(path.to_string().parse::<TilePath>(), Ok(path));
            let path = TilePath::Entries(index);
            if level == 0 {
                prop_assert_eq!(path.to_string().parse::<TilePath>(), Ok(path));
            }
            prop_assert!(TileIndex::at(level, number >> shift, u64::MAX).is_some());
        }
    }

    #[test]
    fn a_tile_is_32_bytes_a_hash(bytes in any::<Vec<u8>>(), width in 1..=4_u16) {
        let index = TileIndex::new(0, 0, width).unwrap();
        let lawful = bytes.len() == usize::from(width) * 32;
        prop_assert_eq!(Tile::new(index, bytes).is_ok(), lawful);
    }
}
