//! Signed notes: the published vector, another implementation, tampering.

use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog::note::{self, Algorithm, KeyError, Note, NoteError, Signer, VerifierKey};

use crate::samples::{ORIGIN, signer};

const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const TEXT: &str = "This is an example message.\n";
const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn key(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

#[test]
fn the_published_note_opens() {
    let opened = note::open(NOTE.as_bytes(), &[key(KEY)]).unwrap();
    assert_eq!(opened.text(), TEXT);
    assert_eq!(opened.note.to_string(), NOTE);
    assert_eq!(opened.verified.len(), 1);
    assert_eq!(opened.verified[0].key, key(KEY));
    assert_eq!(opened.verified[0].cosigned_at_s, None);
}

#[test]
fn a_seed_has_the_known_verifier_key() {
    let expected =
        "ledger.example.com/apikeys+dd441a68+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
    assert_eq!(signer().verifier_key().to_string(), expected);
    assert_eq!(key(expected), *signer().verifier_key());
    assert_eq!(format!("{:?}", signer()), format!("Signer({expected})"));
}

#[test]
fn every_changed_byte_of_a_note_is_refused() {
    let keys = [key(KEY)];
    for place in 0..NOTE.len() {
        for byte in (0..=255).filter(|byte| *byte != NOTE.as_bytes()[place]) {
            let mut changed = NOTE.as_bytes().to_vec();
            changed[place] = byte;
            assert!(note::open(&changed, &keys).is_err(), "{place} {byte}");
        }
        let mut cut = NOTE.as_bytes().to_vec();
        cut.remove(place);
        assert!(note::open(&cut, &keys).is_err(), "without {place}");
    }
}

#[test]
fn a_change_in_a_stranger_s_signature_leaves_the_text_alone() {
    let stranger = Signer::from_seed("stranger.example", &[9; 32]).unwrap();
    let message = note::sign(TEXT, &[&signer(), &stranger]).unwrap();
    let keys = [signer().verifier_key().clone()];
    let mut ignored = 0;
    for place in 0..message.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut changed = message.clone().into_bytes();
            changed[place] ^= flip;
            if let Ok(opened) = note::open(&changed, &keys) {
                assert_eq!(opened.text(), TEXT);
                assert_eq!(opened.note.to_string().into_bytes(), changed);
                ignored += 1;
            }
        }
    }
    assert!(ignored > 50, "{ignored}");
}

#[test]
fn strangers_are_ignored_and_a_known_key_s_bad_signature_is_fatal() {
    let (first, second) = (signer(), Signer::from_seed("b.example", &[2; 32]).unwrap());
    let key_of = |signer: &Signer| signer.verifier_key().clone();
    let message = note::sign(TEXT, &[&first, &second]).unwrap();
    let open = |message: &str, keys: &[VerifierKey]| note::open(message.as_bytes(), keys);
    for keys in [vec![key_of(&first)], vec![key_of(&second)], vec![key_of(&second), key_of(&first)]]
    {
        assert_eq!(open(&message, &keys).unwrap().verified.len(), keys.len());
    }
    assert_eq!(open(&message, &[]), Err(NoteError::Unsigned));
    assert_eq!(open(&message, &[key(KEY)]), Err(NoteError::Unsigned));
    // The same key under another name is another key.
    let renamed = Signer::from_seed("c.example", &[7; 32]).unwrap();
    assert_eq!(open(&message, &[key_of(&renamed)]), Err(NoteError::Unsigned));
    // The second signature is over another text.
    let other = note::sign("Something else.\n", &[&second]).unwrap();
    let line = other.lines().last().unwrap();
    let mixed = format!("{}{line}\n", note::sign(TEXT, &[&first]).unwrap());
    let bad = NoteError::BadSignature { name: "b.example".into(), id: key_of(&second).id() };
    assert_eq!(open(&mixed, &[key_of(&first), key_of(&second)]), Err(bad));
    assert_eq!(open(&mixed, &[key_of(&first)]).unwrap().verified.len(), 1);
    // A key that signs twice has signed once.
    let twice = note::sign(TEXT, &[&first, &first]).unwrap();
    assert_eq!(open(&twice, &[key_of(&first)]).unwrap().verified.len(), 1);
}

#[test]
fn the_last_blank_line_ends_the_text() {
    let keys = [signer().verifier_key().clone()];
    for text in ["\n", "\n\n", "one\n\ntwo\n", "one\n\n", "\n\n\none\n", "— a b\n\n— c d\n"] {
        let message = note::sign(text, &[&signer()]).unwrap();
        assert_eq!(note::open(message.as_bytes(), &keys).unwrap().text(), text);
    }
}

#[test]
fn what_is_no_note_is_refused() {
    let line = NOTE.lines().last().unwrap();
    for bad in [
        String::new(),
        TEXT.to_owned(),
        format!("{TEXT}\n"),
        format!("{TEXT}{line}\n"),
        format!("{TEXT}\n{line}"),
        format!("{TEXT}\n{line}\n\n"),
        format!("{TEXT}\n{line}\n{line} \n"),
        format!("{TEXT}\n{line}\nno signature\n"),
        format!("{TEXT}\r\n\n{line}\n"),
        format!("tab\t\n\n{line}\n"),
        format!("nul\0\n\n{line}\n"),
        format!("{TEXT}\n{}\n", line.replace('—', "-")),
        format!("{TEXT}\n{}\n", line.replace("foo", "f+o")),
        format!("{TEXT}\n{}\n", line.replace("foo", "f\u{a0}o")),
        format!("{TEXT}\n{}\n", line.replace("example.com/foo", "")),
        format!("{TEXT}\n— example.com/foo Uw2QOg==\n"),
        format!("{TEXT}\n{}\n", line.trim_end_matches('=')),
        format!("{TEXT}\n{}", format!("{line}\n").repeat(101)),
    ] {
        let error = note::open(bad.as_bytes(), &[key(KEY)]);
        assert!(matches!(error, Err(NoteError::Malformed(_))), "{bad:?}: {error:?}");
    }
    let most = format!("{TEXT}\n{}", format!("{line}\n").repeat(100));
    assert!(note::open(most.as_bytes(), &[key(KEY)]).is_ok());
    assert!(note::sign("no newline", &[&signer()]).is_err());
    assert!(note::sign("a\ttab\n", &[&signer()]).is_err());
    assert!(note::sign(TEXT, &[]).is_err());
}

#[test]
fn a_verifier_key_has_one_text() {
    for (bad, error) in [
        ("", KeyError::Malformed),
        ("example.com/foo", KeyError::Malformed),
        ("example.com/foo+530d903a", KeyError::Malformed),
        (
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
            KeyError::Malformed,
        ),
        ("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Id),
        ("example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Id),
        ("example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Id),
        ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Name),
        ("a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Name),
        ("a+530d903a+Bekyew==", KeyError::Algorithm),
        ("a+530d903a+Aekyew==", KeyError::PublicKey),
        ("a+530d903a+", KeyError::Malformed),
    ] {
        assert_eq!(bad.parse::<VerifierKey>(), Err(error), "{bad}");
    }
    for place in 0..KEY.len() {
        for byte in (0..128_u8).filter(|byte| *byte != KEY.as_bytes()[place]) {
            let mut changed = KEY.as_bytes().to_vec();
            changed[place] = byte;
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
        }
    }
}

/// With the identity as public key, R = [s]B is a signature over every text.
#[test]
fn a_key_that_anybody_can_sign_for_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    for weak in [identity, [0; 32]] {
        let refused = VerifierKey::new("a.example", Algorithm::Ed25519, &weak);
        assert_eq!(refused, Err(KeyError::PublicKey));
    }
}

/// The first was made by the key's own holder with a small-order R, which lenient verifiers
/// take; the second is an honest signature with the group's order added to s.
#[test]
fn a_signature_that_only_some_verifiers_take_is_refused() {
    let lenient = "3UQaaAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+NDheCWBadyvtHXioUe2v11QicBYKgiYJby+/bG8VgM=";
    let long = "3UQaaNpL3MRkpVnH6Eq+kTPEDXJmcLrWhzb2mWuQoLVgfIRppP0gf6kWfDow/KeLKoVIv/Ibcqy7xuNaxFOjsEegIxw=";
    let ours = signer().verifier_key().clone();
    for signature in [lenient, long] {
        let message = format!("{TEXT}\n— {ORIGIN} {signature}\n");
        let bad = NoteError::BadSignature { name: ORIGIN.to_owned(), id: ours.id() };
        assert_eq!(note::open(message.as_bytes(), std::slice::from_ref(&ours)), Err(bad));
        let verifier = StandardVerifier::new(&ours.to_string()).unwrap();
        let keys = VerifierList::new(vec![Box::new(verifier)]);
        let parsed = signed_note::Note::from_bytes(message.as_bytes()).unwrap();
        assert_eq!(parsed.verify(&keys).is_ok(), signature == lenient);
    }
}

#[test]
fn names_with_spaces_and_pluses_are_refused() {
    for bad in ["", "a b", "a+b", "a\n", "a\u{2003}b", "a\u{85}", "a\0"] {
        assert_eq!(Signer::from_seed(bad, &[1; 32]).err(), Some(KeyError::Name), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn notes_are_those_of_another_implementation(
        seed in any::<[u8; 32]>(),
        name in "[a-z]{1,9}\\.example/[a-zé—]{0,5}",
        text in "[ -~\n—é]{0,80}\n",
    ) {
        use base64::Engine as _;
        let ours = Signer::from_seed(&name, &seed).unwrap();
        let key = ours.verifier_key();
        let secret = [&[1], seed.as_slice()].concat();
        let secret = base64::engine::general_purpose::STANDARD.encode(secret);
        let theirs = format!("PRIVATE+KEY+{name}+{:08x}+{secret}", key.id());
        let theirs = StandardSigner::new(&theirs).unwrap();
        let mut their_note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        their_note.add_sigs(&[&theirs]).unwrap();
        let our_note = note::sign(&text, &[&ours]).unwrap();
        prop_assert_eq!(our_note.as_bytes(), their_note.to_bytes());

        let verifier = StandardVerifier::new(&key.to_string()).unwrap();
        let keys = VerifierList::new(vec![Box::new(verifier)]);
        let parsed = signed_note::Note::from_bytes(our_note.as_bytes()).unwrap();
        prop_assert_eq!(parsed.verify(&keys).unwrap().0.len(), 1);
        let opened = note::open(&their_note.to_bytes(), std::slice::from_ref(key)).unwrap();
        prop_assert_eq!(opened.text(), text.as_str());
        prop_assert_eq!(Note::parse(our_note.as_bytes()).unwrap().to_string(), our_note);
    }
}
