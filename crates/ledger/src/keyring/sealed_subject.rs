//! A subject that is named in a file beside the log: sealed under its own key, so that it is forgotten
//! there when it is forgotten in the log, whatever becomes of the file.

use keys::{Pseudonym, Subject};

use super::{Found, Keyring, KeyringError};

/// The bytes of a pseudonym.
const NAME: usize = 16;
/// The bytes of a nonce.
const NONCE: usize = 12;

impl Keyring {
    /// Who `subject` is, sealed: the pseudonym (16 bytes), a nonce (12), and the text under its key
    /// (AES-256-GCM). A person that has no key is given one, which is on stable storage when this
    /// returns.
    ///
    /// # Errors
    ///
    /// [`KeyringError`]
    pub fn seal_subject(&self, subject: &Subject) -> Result<Vec<u8>, KeyringError> {
        let person = self.person(subject)?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| KeyringError::NoRandom)?;
        let mut sealed = Vec::new();
        // Of who was erased meanwhile nothing is written.
        if let Some(Found::Key(key)) = self.find(&person) {
            sealed.extend_from_slice(subject.as_str().as_bytes());
            key.seal(&nonce, &mut sealed);
        }
        Ok([&person.0, &nonce[..], &sealed].concat())
    }

    /// Who was sealed so, and takes in who that is; one that was erased if its key was destroyed.
    /// `None` for what [`Keyring::seal_subject`] did not write.
    #[must_use]
    pub fn open_subject(&self, bytes: &[u8]) -> Option<Subject> {
        let (person, rest) = bytes.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        let person = Pseudonym(*person);
        let key = match self.find(&person) {
            Some(Found::Key(key)) if !sealed.is_empty() => key,
            Some(Found::Key(_) | Found::Destroyed) | None => return Some(Subject::erased(person)),
        };
        let text = String::from_utf8(key.open(nonce, sealed)?).ok()?;
        let subject = Subject::stored(&text).ok()?;
        self.learn(person, &subject);
        Some(subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_subject_is_opened_until_it_is_erased() {
        let (keyring, ann) = (Keyring::default(), Subject::new("ann@example.com").unwrap());
        let sealed = keyring.seal_subject(&ann).unwrap();
        assert_ne!(sealed, keyring.seal_subject(&ann).unwrap());
        assert!(!sealed.windows(3).any(|part| part == b"ann"));
        assert_eq!(keyring.open_subject(&sealed), Some(ann.clone()));
        for length in 0..sealed.len() {
            assert_ne!(keyring.open_subject(&sealed[..length]), Some(ann.clone()), "{length}");
        }
        let mut bent = sealed.clone();
        *bent.last_mut().unwrap() ^= 1;
        assert_eq!(keyring.open_subject(&bent), None);

        keyring.destroy(&keyring.pseudonyms(&ann)).unwrap();
        assert!(keyring.open_subject(&sealed).unwrap().is_erased());
        let again = keyring.seal_subject(&ann).unwrap();
        assert_ne!(again[..NAME], sealed[..NAME], "it is another person");
        assert_eq!(keyring.open_subject(&again), Some(ann));
    }

    /// Who is only named beside the log is given to nobody else, and can be erased.
    #[test]
    fn who_was_opened_is_taken_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring");
        let (ann, bob) = (Subject::new("ann").unwrap(), Subject::new("bob").unwrap());
        let sealed = Keyring::open(&path, true).unwrap().seal_subject(&ann).unwrap();
        let keyring = Keyring::open(&path, false).unwrap();
        assert!(keyring.pseudonyms(&ann).is_empty());
        assert_eq!(keyring.open_subject(&sealed), Some(ann.clone()));
        assert_eq!(keyring.pseudonyms(&ann).len(), 1);
        assert_ne!(keyring.person(&bob).unwrap(), keyring.person(&ann).unwrap());
    }
}
