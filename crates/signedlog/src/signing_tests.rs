//! Keys, their chain, and what is never printed.

use super::*;
use crate::error::StatementError;

const ORIGIN: &str = "ledger.example.com/apikeys";

fn head(size: u64) -> TreeHead {
    TreeHead { size, root: tlog::empty_root() }
}

/// A key, another one from size 5 on, and another origin that goes on from 7 of 9 records.
fn chain() -> Signing {
    let first = Signing::new(ORIGIN, [7; 32]).unwrap();
    let second = first.rotate([8; 32], head(5)).unwrap();
    second.begin_anew("ledger.example.com/other", [9; 32], head(9), head(7)).unwrap()
}

#[test]
fn the_known_key_is_made_of_the_known_seed() {
    let signing = Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap();
    assert_eq!(
        signing.chain().newest().to_string(),
        "ledger.example.com/apikeys+dd441a68+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
    );
}

#[test]
fn keys_read_back_with_all_that_came_before() {
    let signing = chain();
    let read = Signing::parse(&signing.to_text()).unwrap();
    assert_eq!(read.chain(), signing.chain());
    assert_eq!((read.origin(), read.chain().keys().len()), ("ledger.example.com/other", 3));
    let rotations: Vec<_> = read.chain().rotations().map(|rotation| rotation.last.size).collect();
    assert_eq!(rotations, [5], "the second one began a new origin");
    let eras: Vec<_> = read
        .chain()
        .eras()
        .map(|era| {
            let began = era.began.map(|began| (began.last.size, began.from.map(|from| from.size)));
            (began, era.ended.map(|ended| ended.last.size))
        })
        .collect();
    assert_eq!(eras, [(None, Some(5)), (Some((5, None)), Some(9)), (Some((9, Some(7))), None)]);
    let first = &signing.chain().keys()[0];
    assert_eq!(read.chain().from(first).unwrap().len(), 3);
    let signed = Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap();
    let note = signed.checkpoint(TreeHead { size: 3, root: tlog::empty_root() }).note;
    assert_eq!(read.chain().open(note.as_bytes()).unwrap().size(), 3);
}

/// Keys are taken out of use because somebody may have got hold of them.
#[test]
fn a_key_signs_for_nothing_beyond_the_size_where_it_was_succeeded() {
    let chain = chain();
    let chain = chain.chain();
    let first = Signing::new(ORIGIN, [7; 32]).unwrap();
    for (size, good) in [(4, true), (5, true), (6, false), (u64::MAX, false)] {
        let note = first.checkpoint(head(size)).note;
        let opened = chain.open(note.as_bytes());
        assert_eq!(opened.is_ok(), good, "{size} {opened:?}");
        assert!(good || matches!(opened, Err(StatementError::Succeeded { last: 5, .. })));
        assert!(chain.signs_for(&chain.keys()[2], size).is_ok());
    }
}

#[test]
fn a_new_origin_says_what_it_lost() {
    let second = Signing::new(ORIGIN, [7; 32]).unwrap();
    let other = TreeHead { root: tlog::leaf_hash(b"x"), ..head(9) };
    for (from, loss, contains) in
        [(head(7), true, 7), (head(9), false, 9), (head(12), false, 9), (other, true, 9)]
    {
        let new = second.begin_anew("ledger.example.com/other", [9; 32], head(9), from).unwrap();
        let chain = KeyChain::parse(&new.chain().to_string()).unwrap();
        let [succession] = chain.successions_after(second.chain().newest()).unwrap() else {
            panic!("two keys have one succession");
        };
        assert_eq!((succession.last, succession.from), (head(9), Some(from)));
        let found = (succession.admits_loss(), succession.contains_at_most());
        assert_eq!(found, (loss, contains), "{from:?}");
    }
    assert!(second.begin_anew(ORIGIN, [9; 32], head(9), head(7)).is_err());
}

#[test]
fn a_chain_with_a_changed_byte_is_refused() {
    let text = chain().chain().to_string();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(changed) = String::from_utf8(bytes) {
            assert!(KeyChain::parse(&changed).is_err(), "byte {at}");
        }
        // The first key alone is what the chain once was.
        let cut = text.get(..at).filter(|cut| cut.lines().count() != 1);
        assert!(cut.is_none_or(|cut| KeyChain::parse(cut).is_err()), "cut at {at}");
    }
}

#[test]
fn a_key_that_nobody_named_is_refused() {
    let text = chain().chain().to_string();
    let stranger = Signing::new("ledger.example.com/other", [1; 32]).unwrap();
    let forged = text.replacen("\n\n", &format!("\n{}\n\n", stranger.chain().newest()), 1);
    assert!(KeyChain::parse(&forged).is_err());
    let alone = format!("{}{}", chain().chain().keys()[0], "\n");
    let both = format!("{alone}{}\n", stranger.chain().newest());
    assert!(KeyChain::parse(&alone).is_ok() && KeyChain::parse(&both).is_err());
}

#[test]
fn nothing_secret_is_printed() {
    let signing = chain();
    let text = signing.to_text();
    let seed = text.lines().next().unwrap();
    assert!(!format!("{signing:?}").contains(seed));
    let error = Signing::parse(&text.replacen(seed, "AAAA", 1)).unwrap_err();
    assert!(!error.to_string().contains("AAAA"), "{error}");
}
