//! Answers of authorities that openssl made (`tests/it/audit/tsa.py`), and whatever else may come.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::roots::InvalidRoots;

const DATA: &[u8] = b"what was stamped\n";
/// 2026-11-30T23:59:59Z.
const AT_US: i64 = 1_796_083_199_000_000;

fn file(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata", name].iter().collect();
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn roots(name: &str) -> Roots {
    Roots::from_pem(&file(&format!("{name}.pem"))).unwrap()
}

/// All that an auditor checks.
fn verdict(answer: &[u8], roots: &Roots) -> Result<i64, Invalid> {
    let stamp = Stamp::parse(answer)?;
    stamp.is_over(DATA)?;
    stamp.is_trusted(roots)?;
    Ok(stamp.at_us())
}

#[test]
fn stamps_of_every_algorithm_are_good_for_their_own_root_alone() {
    let stranger = roots("expired");
    for name in [
        "rsa2048",
        "rsa3072_sha384",
        "rsa2048_sha512",
        "p256",
        "p256_sha512",
        "p384_sha384",
        "p384_sha512",
    ] {
        let answer = file(&format!("{name}.tsr"));
        assert_eq!(verdict(&answer, &roots(name)), Ok(AT_US), "{name}");
        assert_eq!(verdict(&answer, &stranger), Err(Invalid::Untrusted), "{name}");
        let stamp = Stamp::parse(&answer).unwrap();
        assert_eq!(stamp.is_signed(), Ok(()), "{name}");
        assert_eq!(stamp.is_over(b"something else"), Err(Invalid::Imprint));
        assert_eq!(stamp.answers(0x8000_0000_0000_0001), Ok(()));
        assert_eq!(stamp.answers(1), Err(Invalid::Nonce));
    }
}

#[test]
fn what_openssl_itself_answers_is_good() {
    for name in ["ess_v1", "ess_v2", "fraction"] {
        let answer = file(&format!("{name}.tsr"));
        let stamp = Stamp::parse(&answer).unwrap();
        assert_eq!((stamp.is_over(DATA), stamp.is_signed()), (Ok(()), Ok(())), "{name}");
        assert_eq!(stamp.is_trusted(&roots("p256")), Ok(()), "{name}");
        assert_eq!(stamp.answers(1), Err(Invalid::Nonce), "{name}");
    }
    let fraction = file("fraction.tsr");
    assert_eq!(Stamp::parse(&fraction).unwrap().at_us(), AT_US + 250_000);
}

#[test]
fn what_is_not_as_rfc_3161_says_is_refused() {
    for (name, expected) in [
        ("rsa1024", Invalid::Signature),
        ("p521", Invalid::Algorithm),
        ("sha1", Invalid::Algorithm),
        ("usage_not_critical", Invalid::Usage),
        ("usage_more", Invalid::Usage),
        ("usage_other", Invalid::Usage),
        ("usage_none", Invalid::Usage),
        ("expired", Invalid::Untrusted),
        ("not_yet", Invalid::Untrusted),
    ] {
        assert_eq!(verdict(&file(&format!("{name}.tsr")), &roots(name)), Err(expected), "{name}");
    }
    for (name, expected) in [
        ("version_2", Invalid::Malformed("its version is not 1")),
        ("sha1_imprint", Invalid::Imprint),
        ("no_certificate", Invalid::NoCertificate),
        ("no_attributes", Invalid::Malformed("its token")),
        ("two_signers", Invalid::Malformed("its token")),
        ("refused", Invalid::Refused(2)),
    ] {
        let found = verdict(&file(&format!("{name}.tsr")), &roots("p256"));
        assert_eq!(found, Err(expected), "{name}");
    }
}

#[test]
fn roots_are_certificates_in_pem_form() {
    assert_eq!(Roots::from_pem(b"").unwrap_err(), InvalidRoots::None);
    assert_eq!(Roots::from_pem(b"no certificate").unwrap_err(), InvalidRoots::None);
    let mut two = file("p256.pem");
    two.extend(file("rsa2048.pem"));
    let both = Roots::from_pem(&two).unwrap();
    for name in ["p256", "rsa2048"] {
        assert_eq!(verdict(&file(&format!("{name}.tsr")), &both), Ok(AT_US));
    }
    // One between is no root, and may be missing in the answer.
    let (root, between) = (file("p384_sha384.pem"), file("p384_sha384.between.pem"));
    assert_eq!(Roots::from_pem(&between).unwrap_err(), InvalidRoots::None);
    let answer = file("no_between.tsr");
    assert_eq!(verdict(&answer, &Roots::from_pem(&root).unwrap()), Err(Invalid::Untrusted));
    let both = Roots::from_pem(&[root, between].concat()).unwrap();
    assert_eq!(verdict(&answer, &both), Ok(AT_US));
    let damaged = String::from_utf8(file("p256.pem")).unwrap().replacen("MII", "MIJ", 1);
    assert!(Roots::from_pem(damaged.as_bytes()).is_err());
}

/// No byte that is signed can be changed. What is not signed is the text beside the status, the other
/// certificates, and what nobody reads.
#[test]
fn no_byte_of_what_is_stated_or_signed_can_be_changed() {
    let (answer, roots) = (file("p256.tsr"), roots("p256"));
    let token = token::parse(token::of_answer(&answer).unwrap()).unwrap();
    let place = |part: &[u8]| part.as_ptr() as usize - answer.as_ptr() as usize;
    for part in [token.info, token.signer.attributes, token.signer.signature] {
        for at in place(part)..place(part) + part.len() {
            for bit in [1, 0x80] {
                let mut changed = answer.clone();
                changed[at] ^= bit;
                assert!(verdict(&changed, &roots).is_err(), "byte {at}");
            }
        }
    }
    for length in 0..answer.len() {
        assert!(Stamp::parse(&answer[..length]).is_err(), "{length} bytes");
    }
    assert!(Stamp::parse(&[&answer[..], &[0]].concat()).is_err());
    assert!(Stamp::parse(&vec![0x30; MAX_BYTES + 1]).is_err());
}

proptest! {
    #[test]
    fn no_bytes_are_too_bad_to_be_read(bytes: Vec<u8>) {
        let roots = roots("p256");
        let _ = verdict(&bytes, &roots);
        let _ = Roots::from_pem(&bytes);
        let _ = certificate::parse(&bytes);
        let _ = attributes::check(&bytes, b"", crate::oids::SHA_256, b"");
    }

    /// A good answer with some of its bytes changed, cut or doubled.
    #[test]
    fn no_answer_is_too_damaged_to_be_read(
        name in prop::sample::select(vec!["rsa2048", "p256", "p384_sha512", "ess_v1", "refused"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..6),
    ) {
        let mut bytes = file(&format!("{name}.tsr"));
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at + 1),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        if let Ok(stamp) = Stamp::parse(&bytes) {
            let _ = (stamp.is_over(DATA), stamp.is_signed(), stamp.is_trusted(&roots("p256")));
        }
    }
}
