//! A statement that a log makes also when nothing happens: that it had no more than this then.
//!
//! It has a name of its own, so that there are never two checkpoints of one size. Whoever is shown an
//! old checkpoint, or an old proof, misses a statement that is new. The layout is described in
//! `schemas/evidence.md`.

use tlog::Checkpoint;
use tlog::note::{NoteError, VerifierKey};

use crate::error::StatementError;
use crate::key_chain::KeyChain;
use crate::signing::Signing;
use crate::tree::TreeHead;

/// What a log had at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The tree. Nothing beyond it was there yet.
    pub head: TreeHead,
    /// When, in seconds since 1970, by the log's clock.
    pub time_s: u64,
}

impl Heartbeat {
    /// The note in which the log's key says so.
    ///
    /// ```
    /// use signedlog::{Heartbeat, Signing, TreeHead};
    ///
    /// let log = Signing::new("example.com/deployments", [7; 32])?;
    /// let heartbeat = Heartbeat { head: TreeHead::empty(), time_s: 1_700_000_000 };
    /// let note = heartbeat.sign(&log)?;
    /// let (read, by) = Heartbeat::open(note.as_bytes(), log.chain(), log.chain().keys())?;
    /// assert_eq!((read, by), (heartbeat, log.chain().newest()));
    /// // It is no checkpoint.
    /// assert!(log.chain().open(note.as_bytes()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoteError`]: the origin cannot be signed for, which no key that was read has.
    pub fn sign(&self, log: &Signing) -> Result<String, NoteError> {
        log.sign(&self.text(log.origin()))
    }

    /// Reads a note that one of `keys`, which are of the chain, signed under its own name and was allowed
    /// to; says which one did.
    ///
    /// # Errors
    ///
    /// [`StatementError`]
    pub fn open<'k>(
        note: &[u8],
        chain: &KeyChain,
        keys: &'k [VerifierKey],
    ) -> Result<(Heartbeat, &'k VerifierKey), StatementError> {
        let malformed = NoteError::Malformed("not a heartbeat");
        let (text, by) = chain.open_note(note, keys)?;
        let read = text.strip_suffix('\n').and_then(|text| {
            let (checkpoint, time) = text.rsplit_once("\ntime ")?;
            let checkpoint: Checkpoint = format!("{checkpoint}\n").parse().ok()?;
            let head = TreeHead { size: checkpoint.size(), root: checkpoint.root() };
            Some(Heartbeat { head, time_s: time.parse().ok()? })
        });
        let read = read.filter(|read| read.text(by.name()) == text).ok_or(malformed)?;
        chain.signs_for(by, read.head.size)?;
        Ok((read, by))
    }

    fn text(&self, origin: &str) -> String {
        let Heartbeat { head: TreeHead { size, root }, time_s } = self;
        format!("{origin}/heartbeat\n{size}\n{root}\ntime {time_s}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_has_one_text_and_is_signed_under_the_logs_name() {
        let log = Signing::new("example.com/log", [7; 32]).unwrap();
        let stranger = Signing::new("example.com/log/heartbeat", [7; 32]).unwrap();
        let heartbeat = Heartbeat { head: TreeHead::empty(), time_s: 7 };
        let open = |note: &str| Heartbeat::open(note.as_bytes(), log.chain(), log.chain().keys());
        let text = heartbeat.text("example.com/log");
        assert_eq!(open(&log.sign(&text).unwrap()).unwrap().0, heartbeat);
        assert!(open(&stranger.sign(&text).unwrap()).is_err());
        for (good, bad) in
            [("time 7", "time 07"), ("time 7", "time -7"), ("\n0\n", "\n00\n"), ("log/", "logs/")]
        {
            let changed = text.replacen(good, bad, 1);
            assert_ne!(changed, text);
            assert!(open(&log.sign(&changed).unwrap()).is_err(), "{changed}");
        }
        let more = format!("{text}more\n");
        assert!(open(&log.sign(&more).unwrap()).is_err());
        let table = text.replace("/heartbeat", "/table").replace("time 7\n", "");
        assert!(open(&log.sign(&table).unwrap()).is_err());
    }
}
