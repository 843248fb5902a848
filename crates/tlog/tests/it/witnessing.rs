//! Requests to witnesses and their answers.

use proptest::prelude::*;
use proptest::sample::Index;
use tlog::add_checkpoint::{
    AddCheckpointError, MAX_HASHES, read_cosignature, read_size, size_text,
};
use tlog::cosignature::Cosigner;
use tlog::note::{Note, NoteError};
use tlog::{AddCheckpoint, Checkpoint, Hash};

use crate::samples::{ORIGIN, root_at, signer, tree};

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint::new(ORIGIN, size, root_at(&tree(size), size).unwrap()).unwrap()
}

fn signed(size: u64) -> Note {
    Note::parse(checkpoint(size).sign(&signer()).unwrap().as_bytes()).unwrap()
}

fn witness(seed: u8) -> Cosigner {
    Cosigner::from_seed("witness.example/w1", &[seed; 32]).unwrap()
}

/// The example of the document (c2sp.org/tlog-witness, "add-checkpoint").
const EXAMPLE: &str = "old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";

#[test]
fn the_documents_example_is_read() {
    let request = AddCheckpoint::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!((request.old(), request.proof().len()), (20_852_014, 4));
    let checkpoint: Checkpoint = request.checkpoint().text().parse().unwrap();
    assert_eq!((checkpoint.size(), request.checkpoint().signatures().len()), (20_852_163, 2));
    assert_eq!(request.to_string(), EXAMPLE);
}

#[test]
fn what_is_no_request_is_refused() {
    let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
    let note = signed(3).to_string();
    let good = format!("old 1\n{hash}\n{note}");
    AddCheckpoint::parse(good.as_bytes()).unwrap();
    let most = hash.repeat(MAX_HASHES);
    AddCheckpoint::parse(format!("old 1\n{most}\n{note}").as_bytes()).unwrap();
    for bad in [
        String::new(),
        note.clone(),
        format!("\n{note}"),
        format!("old 1\n{hash}{note}"),
        good.replace("old 1", "old 01"),
        good.replace("old 1", "old +1"),
        good.replace("old 1", "old  1"),
        good.replace("old 1", "old"),
        good.replace("old 1", "old 1 "),
        good.replace("old 1", "Old 1"),
        good.replace("old 1", "old 18446744073709551616"),
        good.replace("old 1\n", "old 1\r\n"),
        good.replace("kaw=", "kax="),
        good.replace("kaw=", "kaw"),
        format!("old 1\n{most}{hash}\n{note}"),
        good.trim_end().to_owned(),
        good[..good.find('—').unwrap()].to_owned(),
    ] {
        assert!(AddCheckpoint::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    let many = vec![Hash([1; 32]); MAX_HASHES + 1];
    let refused = AddCheckpoint::new(1, many, signed(3)).unwrap_err();
    assert_eq!(refused, AddCheckpointError::Malformed("too many hashes"));
}

#[test]
fn a_cosignature_counts_if_it_is_of_this_witness_and_this_checkpoint() {
    let (own, text) = (witness(9), checkpoint(3).text());
    let line = |by: &Cosigner, size, time| by.cosign(&checkpoint(size), time).unwrap().to_string();
    let read = |body: &str| read_cosignature(body.as_bytes(), &text, own.verifier_key());
    let good = line(&own, 3, 77);
    let other = Cosigner::from_seed("witness.example/w2", &[9; 32]).unwrap();
    let bad = || {
        let (name, id) = ("witness.example/w1".to_owned(), own.verifier_key().id());
        Err(NoteError::BadSignature { name, id })
    };
    let malformed = |what| Err(NoteError::Malformed(what));
    for (body, expected) in [
        (format!("{good}\n"), Ok(77)),
        (format!("{}\n{good}\n", line(&other, 3, 5)), Ok(77)),
        (format!("{good}\n{}\n", line(&own, 3, 78)), Ok(77)),
        // Of another checkpoint, or of nobody that is meant.
        (format!("{}\n", line(&own, 4, 77)), bad()),
        (format!("{good}\n{}\n", line(&own, 4, 77)), bad()),
        (format!("{}\n", line(&other, 3, 77)), Err(NoteError::Unsigned)),
        (format!("{}\n", line(&witness(8), 3, 77)), Err(NoteError::Unsigned)),
        (good.clone(), malformed("cut off")),
        (String::new(), malformed("cut off")),
        ("hello\n".to_owned(), malformed("bad signature line")),
        (signed(3).to_string(), malformed("bad signature line")),
        // It cannot put a text of its own in front.
        (format!("x\n\n{good}\n"), malformed("bad signature line")),
    ] {
        let found = read(&body).map(|(signature, time_s)| {
            assert_eq!(signature.to_string(), good, "{body}");
            time_s
        });
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn a_conflict_names_a_size() {
    for size in [0, 7, u64::MAX] {
        assert_eq!(read_size(size_text(size).as_bytes()), Some(size));
    }
    for bad in
        ["", "7", "7\n\n", " 7\n", "07\n", "-7\n", "7 \n", "18446744073709551616\n", "\u{669}\n"]
    {
        assert_eq!(read_size(bad.as_bytes()), None, "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_request_is_refused_or_printed_the_same(
        changes in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3), 0..4),
    ) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        for (place, byte, how) in changes {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        if let Ok(request) = AddCheckpoint::parse(&bytes) {
            let printed = request.to_string();
            prop_assert_eq!(printed.as_bytes(), bytes.as_slice());
        }
    }

    #[test]
    fn any_answer_is_read_without_a_panic(bytes in any::<Vec<u8>>()) {
        if let Some(size) = read_size(&bytes) {
            let printed = size_text(size);
            prop_assert_eq!(printed.as_bytes(), bytes.as_slice());
        }
        let text = checkpoint(3).text();
        prop_assert!(read_cosignature(&bytes, &text, witness(9).verifier_key()).is_err());
    }
}
