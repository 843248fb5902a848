//! Keys, their chain, and what is never printed.

use super::*;

fn chain() -> Signing {
    let first = Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap();
    let root = tlog::empty_root();
    let second =
        first.succeed("ledger.example.com/apikeys", [8; 32], TreeHead { size: 5, root }).unwrap();
    second.succeed("ledger.example.com/other", [9; 32], TreeHead { size: 9, root }).unwrap()
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
    let rotations: Vec<_> = read.chain().rotations().map(|(_, head)| head.size).collect();
    assert_eq!(rotations, [5], "the second one began a new origin");
    let first = &signing.chain().keys()[0];
    assert_eq!(read.chain().from(first).unwrap().len(), 3);
    let signed = Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap();
    let note = signed.checkpoint(TreeHead { size: 3, root: tlog::empty_root() }).note;
    assert_eq!(read.chain().open(note.as_bytes()).unwrap().size(), 3);
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
