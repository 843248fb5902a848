//! `witness.key`: the key of a witness.
//!
//! A line with the 32 bytes of an Ed25519 seed (RFC 8032 §5.1.5) in base64url, and one with the verifier
//! key (c2sp.org/tlog-cosignature), whose name is that of the witness.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tlog::cosignature::Cosigner;
use tlog::note::VerifierKey;
use zeroize::Zeroizing;

use crate::data_dir::secret_file::{self, Exposed};
use crate::exit::misuse;
use crate::random;

/// The key of a witness, and the text of its file if that must still be written.
pub(crate) struct WitnessKeyFile {
    /// The key.
    pub(crate) cosigner: Cosigner,
    unwritten: Option<Zeroizing<String>>,
}

impl WitnessKeyFile {
    /// Reads the key, or generates one; nothing is written yet. `name` is what the operator calls a
    /// new witness; by default it is `keyledger.local/witness/` and a random UUID.
    pub(crate) fn read_or_generate(
        data: &Path,
        name: Option<&str>,
        exposed: Exposed,
    ) -> Result<WitnessKeyFile> {
        let path = path(data);
        if let Some(text) = secret_file::read(&path, exposed)? {
            let cosigner = decode(&text).with_context(|| {
                format!("`{}` is no key of a witness; restore it from a backup", path.display())
            })?;
            let has = cosigner.verifier_key().name();
            if name.is_some_and(|name| name != has) {
                return Err(misuse(format!(
                    "this witness is called `{has}`, and its name never changes; leave --name out"
                )));
            }
            return Ok(WitnessKeyFile { cosigner, unwritten: None });
        }
        let name = name.map_or_else(new_name, |name| Ok(name.to_owned()))?;
        let seed = random::bytes()?;
        let cosigner = Cosigner::from_seed(&name, &seed);
        let cosigner = cosigner.map_err(|why| misuse(format!("--name: {why}")))?;
        let (seed, key) = (URL_SAFE_NO_PAD.encode(*seed), cosigner.verifier_key());
        let text = Zeroizing::new(format!("{seed}\n{key}\n"));
        Ok(WitnessKeyFile { cosigner, unwritten: Some(text) })
    }

    /// Writes the file if it does not exist; it is on stable storage on return.
    pub(crate) fn write_if_new(&self, data: &Path) -> Result<()> {
        let Some(text) = &self.unwritten else { return Ok(()) };
        secret_file::write_new(&path(data), text)
    }
}

fn new_name() -> Result<String> {
    let random = random::bytes::<16>()?;
    Ok(format!("keyledger.local/witness/{}", uuid::Builder::from_random_bytes(*random).into_uuid()))
}

fn path(data: &Path) -> PathBuf {
    data.join("witness.key")
}

fn decode(text: &str) -> Option<Cosigner> {
    let (line, key) = text.strip_suffix('\n')?.split_once('\n')?;
    let mut seed = Zeroizing::new([0; 32]);
    let length = URL_SAFE_NO_PAD.decode_slice(line, seed.as_mut()).ok()?;
    let key: VerifierKey = key.parse().ok()?;
    let cosigner = Cosigner::from_seed(key.name(), &seed).ok()?;
    (length == seed.len() && *cosigner.verifier_key() == key).then_some(cosigner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_keeps_its_key_and_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name| WitnessKeyFile::read_or_generate(folder.path(), name, Exposed::Refused);
        let file = read(Some("w.example/1")).unwrap();
        file.write_if_new(folder.path()).unwrap();
        for name in [None, Some("w.example/1")] {
            let again = read(name).unwrap();
            assert_eq!(again.cosigner.verifier_key(), file.cosigner.verifier_key());
            again.write_if_new(folder.path()).unwrap();
        }
        assert!(read(Some("other")).is_err());
        std::fs::write(path(folder.path()), "AAAA\nno key\n").unwrap();
        let Err(refused) = read(None) else { panic!("taken") };
        assert!(refused.to_string().contains("no key of a witness"), "{refused}");
    }
}
