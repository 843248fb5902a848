//! How an operator names a witness: its URL and its key, in one text.

use std::str::FromStr;

use delivery::{InvalidTarget, Target};
use tlog::note::{Algorithm, KeyError, VerifierKey};

/// Where requests go, below the submission prefix of a witness.
const PATH: &str = "add-checkpoint";
/// The characters of the base64 of an Ed25519 verifier key: of 33 bytes.
const KEY_LENGTH: usize = 44;

/// A witness: where it is, and what it signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessSpec {
    target: Target,
    key: VerifierKey,
}

/// Why a text names no witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWitness {
    /// It does not end in a verifier key.
    #[error("write it as https://w.example+NAME+ID+KEY, a URL and the witness's verifier key")]
    Form,
    /// The key is none.
    #[error("the key of the witness is {0}")]
    Key(#[from] KeyError),
    /// The key is that of a log.
    #[error("the key is one of a log, not of a witness")]
    Log,
    /// The URL is none.
    #[error("the URL of the witness {0}")]
    Url(#[from] InvalidTarget),
    /// Nothing can be put behind the URL.
    #[error("the URL of the witness must have no query")]
    Query,
}

impl WitnessSpec {
    /// Where requests are posted.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Its key, whose name is the witness's.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }
}

impl FromStr for WitnessSpec {
    type Err = InvalidWitness;

    /// Reads `<URL>+<name>+<8 hex digits>+<base64>`, from the end: base64 and a URL may have a `+`, a
    /// name has none.
    fn from_str(text: &str) -> Result<WitnessSpec, InvalidWitness> {
        let form = InvalidWitness::Form;
        let base64 = text.len().checked_sub(KEY_LENGTH).ok_or(form)?;
        let head = text.get(..base64).and_then(|head| head.strip_suffix('+')).ok_or(form)?;
        let (head, _) = head.rsplit_once('+').ok_or(form)?;
        let (url, _) = head.rsplit_once('+').ok_or(form)?;
        let key: VerifierKey = text.get(url.len() + 1..).ok_or(form)?.parse()?;
        if key.algorithm() != Algorithm::Cosignature {
            return Err(InvalidWitness::Log);
        }
        if url.contains('?') {
            return Err(InvalidWitness::Query);
        }
        let target = format!("{}/{PATH}", url.trim_end_matches('/')).parse()?;
        Ok(WitnessSpec { target, key })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tlog::cosignature::Cosigner;
    use tlog::note::Signer;

    use super::*;

    #[test]
    fn a_witness_is_a_url_and_a_key() {
        let key = Cosigner::from_seed("w.example/1", &[7; 32]).unwrap().verifier_key().to_string();
        let log = Signer::from_seed("log.example", &[7; 32]).unwrap().verifier_key().to_string();
        for (text, expected) in [
            (format!("https://w.example+{key}"), Ok("https://w.example/add-checkpoint")),
            (format!("https://w.example/a+b/+{key}"), Ok("https://w.example/a+b/add-checkpoint")),
            (format!("http://[::1]:80/x+{key}"), Ok("http://[::1]/x/add-checkpoint")),
            (key.clone(), Err(InvalidWitness::Form)),
            (format!("https://w.example={key}"), Err(InvalidWitness::Form)),
            (format!("+{key}"), Err(InvalidWitness::Url(InvalidTarget::NoUrl))),
            (format!("ftp://w.example+{key}"), Err(InvalidWitness::Url(InvalidTarget::Scheme))),
            (format!("https://w.example?a=b+{key}"), Err(InvalidWitness::Query)),
            (format!("https://w.example+{log}"), Err(InvalidWitness::Log)),
            (format!("https://w.example+x{key}"), Err(InvalidWitness::Key(KeyError::Id))),
            ("https://w.example".to_owned(), Err(InvalidWitness::Form)),
            (String::new(), Err(InvalidWitness::Form)),
        ] {
            let read = text.parse().map(|witness: WitnessSpec| {
                assert_eq!(witness.key().to_string(), key);
                witness.target().to_string()
            });
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
    }

    proptest! {
        /// Whatever its base64 looks like, a key is found.
        #[test]
        fn every_key_is_read(seed: [u8; 32], url in "https://[a-z+]{1,9}\\.example/[a-z+]{0,9}") {
            let key = Cosigner::from_seed("w.example/1", &seed).unwrap().verifier_key().clone();
            let read = format!("{url}+{key}").parse::<WitnessSpec>();
            let named = read.as_ref().map(WitnessSpec::key);
            prop_assert!(named == Ok(&key) || matches!(read, Err(InvalidWitness::Url(_))), "{read:?}");
        }

        #[test]
        fn any_text_is_a_witness_or_refused(text in "\\PC{0,80}") {
            let _ = text.parse::<WitnessSpec>();
        }
    }
}
