//! A key that signs something else, for which the log's key vouches.
//!
//! Whoever trusts the log's key can so believe a key of another format. The layout is described in
//! `schemas/evidence.md`.

use tlog::note::{self, NoteError};

use crate::key_chain::KeyChain;
use crate::signing::Signing;

/// The first line of the note: part of the format, whatever the log is of.
const VOUCHING: &str = "keyledger vouching v1";

/// What a log says of a key that is not its own. Each part is a text of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// What it signs.
    pub purpose: String,
    /// Its public half, as they write it who use it.
    pub key: String,
    /// Since when it does.
    pub since: String,
}

impl Vouched {
    /// The note in which the log's key says so. The same key says the same in the same bytes.
    ///
    /// ```
    /// use signedlog::{Signing, Vouched};
    ///
    /// let log = Signing::new("example.com/deployments", [7; 32])?;
    /// let purpose = "mail".to_owned();
    /// let (key, since) = ("another key".to_owned(), "2026-01-02T03:04:05Z".to_owned());
    /// let vouched = Vouched { purpose, key, since };
    ///
    /// let note = vouched.sign(&log)?;
    /// assert_eq!(Vouched::open(note.as_bytes(), log.chain()), Some(vouched));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`]: a part is not one line.
    pub fn sign(&self, log: &Signing) -> Result<String, NoteError> {
        if [&self.purpose, &self.key, &self.since].iter().any(|part| part.contains('\n')) {
            return Err(NoteError::Malformed("a part of more than one line"));
        }
        log.sign(&self.text(log.origin()))
    }

    /// Reads a note that one of the log's keys signed under its own name; `None` for any other.
    #[must_use]
    pub fn open(note: &[u8], log: &KeyChain) -> Option<Vouched> {
        let opened = note::open(note, log.keys()).ok()?;
        let mut lines = opened.text().split('\n').skip(1);
        let mut field = |name: &str| Some(lines.next()?.strip_prefix(name)?.to_owned());
        let (origin, purpose) = (field("origin ")?, field("purpose ")?);
        let vouched = Vouched { purpose, key: field("key ")?, since: field("since ")? };
        let by_origin = opened.verified.iter().any(|signed| signed.key.name() == origin);
        (by_origin && vouched.text(&origin) == opened.text()).then_some(vouched)
    }

    fn text(&self, origin: &str) -> String {
        let Vouched { purpose, key, since } = self;
        format!("{VOUCHING}\norigin {origin}\npurpose {purpose}\nkey {key}\nsince {since}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TreeHead;

    fn vouched(key: &str) -> Vouched {
        Vouched { purpose: "mail".into(), key: key.into(), since: "2026".into() }
    }

    #[test]
    fn only_a_key_of_the_log_vouches() {
        let log = Signing::new("example.com/log", [7; 32]).unwrap();
        let note = vouched("k").sign(&log).unwrap();
        let text =
            "keyledger vouching v1\norigin example.com/log\npurpose mail\nkey k\nsince 2026\n";
        assert!(note.starts_with(&format!("{text}\n\u{2014} example.com/log ")), "{note}");
        let open = |note: &str, log: &Signing| Vouched::open(note.as_bytes(), log.chain());
        assert_eq!(open(&note, &log), Some(vouched("k")));
        // A key that came later still believes it.
        let later = log
            .begin_anew("example.com/other", [8; 32], TreeHead::empty(), TreeHead::empty())
            .unwrap();
        assert_eq!(open(&note, &later), Some(vouched("k")));
        let stranger = Signing::new("example.com/log", [9; 32]).unwrap();
        assert_eq!(open(&note, &stranger), None);
        assert_eq!(open(&note.replace("key k", "key l"), &log), None);
        // What the log signed for another reason, or under another name, is none.
        for text in [
            text.replace("v1", "v2"),
            text.replace("example.com/log", "example.com/other"),
            format!("{text}more\n"),
            "keyledger vouching v1\n".to_owned(),
        ] {
            assert_eq!(open(&log.sign(&text).unwrap(), &log), None, "{text}");
        }
        assert!(vouched("k\nsince 1970").sign(&log).is_err());
    }
}
