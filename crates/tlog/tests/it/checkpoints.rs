//! Checkpoints, cosignatures, proof files.

use tlog::checkpoint::CheckpointError;
use tlog::cosignature::Cosigner;
use tlog::note::{Note, NoteError, Signer, VerifierKey};
use tlog::proof_file::ProofFileError;
use tlog::{Checkpoint, ProofFile};

use crate::samples::{ORIGIN, entry, inclusion_proof, root_at, signer, tree};

/// The largest time a cosignature may bear.
const MAX_TIME_S: u64 = (1 << 63) - 1;

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint::new(ORIGIN, size, root_at(&tree(size), size).unwrap()).unwrap()
}

fn log() -> VerifierKey {
    signer().verifier_key().clone()
}

fn receipt(index: u64, size: u64) -> ProofFile {
    let proof = inclusion_proof(&tree(size), index, size).unwrap();
    ProofFile::new(index, proof, &checkpoint(size).sign(&signer()).unwrap()).unwrap()
}

#[test]
fn a_checkpoint_is_three_lines() {
    let text = "ledger.example.com/apikeys\n2\nWu/tlcwHMhzgUUzvHnA5gvcn4nRLQkIAN67yE7ikaWY=\n";
    assert_eq!(checkpoint(2).text(), text);
    assert_eq!(text.parse(), Ok(checkpoint(2)));
    let signed = checkpoint(2).sign(&signer()).unwrap();
    assert!(signed.starts_with(&format!("{text}\n— {ORIGIN} ")));
    assert_eq!(Checkpoint::open(signed.as_bytes(), &log()), Ok(checkpoint(2)));
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let root = "Wu/tlcwHMhzgUUzvHnA5gvcn4nRLQkIAN67yE7ikaWY=";
    for bad in [
        String::new(),
        "\n\n\n".to_owned(),
        format!("a\n2\n{root}"),
        format!("a\n2\n{root}\n\n"),
        format!("a\n2\n{root}\nan extension\n"),
        format!("\n2\n{root}\n"),
        format!("a\t\n2\n{root}\n"),
        format!("a\n02\n{root}\n"),
        format!("a\n+2\n{root}\n"),
        format!("a\n-2\n{root}\n"),
        format!("a\n 2\n{root}\n"),
        format!("a\n\n{root}\n"),
        format!("a\n18446744073709551616\n{root}\n"),
        "a\n2\n\n".to_owned(),
        format!("a\n2\n{}\n", &root[1..]),
        format!("a\n2\n{}\n", root.trim_end_matches('=')),
        format!("a\r\n2\r\n{root}\r\n"),
    ] {
        assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
    }
    assert!(format!("a\n18446744073709551615\n{root}\n").parse::<Checkpoint>().is_ok());
    assert!(format!("a\n0\n{root}\n").parse::<Checkpoint>().is_ok());
}

#[test]
fn every_changed_byte_of_a_checkpoint_is_refused() {
    let signed = checkpoint(257).sign(&signer()).unwrap();
    for place in 0..signed.len() {
        for byte in (0..=255).filter(|byte| *byte != signed.as_bytes()[place]) {
            let mut changed = signed.clone().into_bytes();
            changed[place] = byte;
            assert!(Checkpoint::open(&changed, &log()).is_err(), "{place} {byte}");
        }
    }
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let other = Signer::from_seed("other.example", &[7; 32]).unwrap();
    let origin = |error| matches!(error, CheckpointError::Origin { .. });
    assert!(origin(checkpoint(2).sign(&other).unwrap_err()));
    // Signed by the right key, but about another log.
    let theirs = Checkpoint::new("other.example", 2, checkpoint(2).root()).unwrap();
    let signed = tlog::note::sign(&theirs.text(), &[&signer()]).unwrap();
    assert!(origin(Checkpoint::open(signed.as_bytes(), &log()).unwrap_err()));
    let signed = theirs.sign(&other).unwrap();
    let unsigned = Err(CheckpointError::Note(NoteError::Unsigned));
    assert_eq!(Checkpoint::open(signed.as_bytes(), &log()), unsigned);
}

#[test]
fn a_witness_cosigns_and_its_time_is_told() {
    let witness = Cosigner::from_seed("witness.example", &[3; 32]).unwrap();
    let key = witness.verifier_key().clone();
    assert_eq!(key.to_string().parse::<VerifierKey>().as_ref(), Ok(&key));
    let mut signed = Note::parse(checkpoint(257).sign(&signer()).unwrap().as_bytes()).unwrap();
    let signature = witness.cosign(&checkpoint(257), 1_679_315_147).unwrap();
    assert_eq!(signature.bytes().len(), 8 + 64);
    signed.add(signature).unwrap();
    let signed = signed.to_string();
    let witnesses = std::slice::from_ref(&key);
    let (opened, by) = Checkpoint::open_witnessed(signed.as_bytes(), &log(), witnesses).unwrap();
    assert_eq!(opened, checkpoint(257));
    let times: Vec<_> = by.verified.iter().map(|signed| signed.cosigned_at_s).collect();
    assert_eq!(times, [None, Some(1_679_315_147)]);
    assert_eq!(Checkpoint::open(signed.as_bytes(), &log()), Ok(checkpoint(257)));
    assert_eq!(witness.cosign(&checkpoint(257), MAX_TIME_S + 1), None);

    // The witness alone is not the log, nor is its key.
    let (text, lines) = signed.split_once("\n\n").unwrap();
    let alone = format!("{text}\n\n{}\n", lines.lines().nth(1).unwrap());
    let unsigned = Err(CheckpointError::Note(NoteError::Unsigned));
    assert_eq!(Checkpoint::open_witnessed(alone.as_bytes(), &log(), witnesses), unsigned);
    assert!(Checkpoint::open(alone.as_bytes(), &key).is_err());
}

/// Computed with Python and the openssl program: Ed25519, seed 0x03 × 32.
#[test]
fn a_cosignature_is_the_one_that_openssl_makes() {
    let line = "— witness.example reJIigAAAABkGFDLxIjdXYyg3duESc2yu+qIgJxdHb5NrlawZbnQriY2iKt6DI0GC/gZephS5yTb1uQu3rdlT9vmuK9AabnztloIBw==";
    let key = "witness.example+ade2488a+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR";
    let witness = Cosigner::from_seed("witness.example", &[3; 32]).unwrap();
    assert_eq!(witness.cosign(&checkpoint(2), 1_679_315_147).unwrap().to_string(), line);
    assert_eq!(witness.verifier_key().to_string(), key);
}

#[test]
fn a_plain_signature_over_the_same_text_is_no_cosignature() {
    let witness = Cosigner::from_seed("witness.example", &[3; 32]).unwrap();
    let signer = Signer::from_seed("witness.example", &[3; 32]).unwrap();
    let text = format!("cosignature/v1\ntime 1679315147\n{}", checkpoint(2).text());
    let message = tlog::note::sign(&text, &[&signer]).unwrap();
    let keys = [witness.verifier_key().clone()];
    assert_eq!(tlog::note::open(message.as_bytes(), &keys), Err(NoteError::Unsigned));
}

#[test]
fn a_cosignature_under_the_log_s_own_name_is_not_the_log_s_signature() {
    let witness = Cosigner::from_seed(ORIGIN, &[3; 32]).unwrap();
    let line = witness.cosign(&checkpoint(2), 1).unwrap();
    let message = format!("{}\n{line}\n", checkpoint(2).text());
    let unsigned = Err(CheckpointError::Note(NoteError::Unsigned));
    assert_eq!(Checkpoint::open(message.as_bytes(), witness.verifier_key()), unsigned);
}

#[test]
fn a_cosignature_of_a_time_out_of_range_is_refused() {
    use base64::Engine as _;
    let witness = Cosigner::from_seed("witness.example", &[3; 32]).unwrap();
    let signer = Signer::from_seed("witness.example", &[3; 32]).unwrap();
    let text = checkpoint(2).text();
    for (time_s, lawful) in [(MAX_TIME_S, true), (MAX_TIME_S + 1, false)] {
        let signature = signer.sign(&format!("cosignature/v1\ntime {time_s}\n{text}"));
        let id = witness.verifier_key().id().to_be_bytes();
        let bytes = [id.as_slice(), &time_s.to_be_bytes(), signature.bytes()].concat();
        let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
        let message = format!("{text}\n— witness.example {base64}\n");
        let keys = [witness.verifier_key().clone()];
        assert_eq!(tlog::note::open(message.as_bytes(), &keys).is_ok(), lawful, "{time_s}");
    }
}

#[test]
fn every_changed_byte_of_a_cosignature_is_refused() {
    let witness = Cosigner::from_seed("witness.example", &[3; 32]).unwrap();
    let keys = [witness.verifier_key().clone()];
    let line = witness.cosign(&checkpoint(2), 1).unwrap();
    let signed = format!("{}\n{line}\n", checkpoint(2).text());
    assert!(tlog::note::open(signed.as_bytes(), &keys).is_ok());
    for place in 0..signed.len() {
        for flip in [0x01, 0x02, 0x10, 0x20, 0x80] {
            let mut changed = signed.clone().into_bytes();
            changed[place] ^= flip;
            assert!(tlog::note::open(&changed, &keys).is_err(), "{place}");
        }
    }
}

#[test]
fn a_receipt_proves_its_entry_and_no_other() {
    for (index, size) in [(0, 1), (0, 257), (256, 257), (100, 1000), (999, 1000)] {
        let file: ProofFile = receipt(index, size).to_string().parse().unwrap();
        assert_eq!(file, receipt(index, size));
        assert_eq!(file.verify(entry(index).as_bytes(), &log()), Ok(checkpoint(size)));
        let other = file.verify(entry(index + 1).as_bytes(), &log());
        assert!(matches!(other, Err(ProofFileError::Proof(_))));
        let stranger = Signer::from_seed(ORIGIN, &[8; 32]).unwrap();
        assert!(file.verify(entry(index).as_bytes(), stranger.verifier_key()).is_err());
    }
}

#[test]
fn a_proof_file_has_the_lines_of_the_specification() {
    let mut file = receipt(1, 2);
    let text = file.to_string();
    let sibling = tree_leaf(0);
    let head = format!("c2sp.org/tlog-proof@v1\nindex 1\n{sibling}\n\n{ORIGIN}\n2\n");
    assert!(text.starts_with(&head), "{text}");
    file.extra = Some(b"extra".to_vec());
    let text = file.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 1\n"), "{text}");
    assert_eq!(text.parse(), Ok(file));
}

fn tree_leaf(i: u64) -> String {
    crate::samples::leaf(i).to_string()
}

#[test]
fn every_changed_byte_of_a_receipt_is_refused() {
    let (index, size) = (2, 5);
    let text = receipt(index, size).to_string();
    for place in 0..text.len() {
        for byte in (0..=255).filter(|byte| *byte != text.as_bytes()[place]) {
            let mut changed = text.clone().into_bytes();
            changed[place] = byte;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            let verdict = changed.parse::<ProofFile>();
            let verdict = verdict.and_then(|file| file.verify(entry(index).as_bytes(), &log()));
            assert!(verdict.is_err(), "{place} {byte}");
        }
    }
}

#[test]
fn what_is_no_proof_file_is_refused() {
    let text = receipt(1, 2).to_string();
    for bad in [
        String::new(),
        text.replace("@v1", "@v2"),
        text.replace("index 1", "index 01"),
        text.replace("index 1\n", ""),
        text.replace("index 1", "index"),
        text.replace("\nindex", "\nextra *\nindex"),
        text.replace("\nindex", "\nextra \nextra \nindex"),
        text.replace("index 1\n", "index 1\n\n"),
        text.replacen("\n\n", "\n", 1),
        text.replace(
            "index 1\n",
            &format!("index 1\n{}", format!("{}\n", tree_leaf(0)).repeat(64)),
        ),
        text.replace(&format!("{ORIGIN}\n"), ""),
        format!("\n{text}"),
        format!("{text}\n"),
    ] {
        assert!(bad.parse::<ProofFile>().is_err(), "{bad}");
    }
    assert!(ProofFile::new(0, Vec::new(), "no note").is_err());
    let note = tlog::note::sign("no checkpoint\n", &[&signer()]).unwrap();
    assert!(ProofFile::new(0, Vec::new(), &note).is_err());
}
