//! A note in which one key of a log names the next.

use tlog::note::{self, Note, NoteError, Signer, VerifierKey};

use crate::error::SigningError;
use crate::tree::TreeHead;

/// The first line of such a note: part of the format, whatever the log is of.
const FIRST_LINE: &str = "keyledger succession v1";

/// What the note between two keys of a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The note, signed by both.
    pub(crate) note: String,
    /// What the old key is known to have signed last. It signs for nothing larger.
    pub last: TreeHead,
    /// Where a new origin begins because an operator took a log that was not the one signed for: how
    /// the log was then. `None` for a rotation, which goes on from `last`, and where it is not said.
    pub from: Option<TreeHead>,
    /// Whether only the key changed, and the log is still called what it was.
    pub is_rotation: bool,
}

impl Succession {
    /// The note in which `new` follows `old`, signed by both. `from` is for another origin only.
    pub(crate) fn sign(
        old: &Signer,
        new: &Signer,
        last: TreeHead,
        from: Option<TreeHead>,
    ) -> Result<Succession, NoteError> {
        let (old_key, new_key) = (old.verifier_key(), new.verifier_key());
        let mut text = head(old_key, new_key);
        text += &shown("size", last);
        text += &from.map(|from| shown("from", from)).unwrap_or_default();
        let note = note::sign(&text, &[old, new])?;
        Ok(Succession { note, last, from, is_rotation: old_key.name() == new_key.name() })
    }

    /// Reads the note between two keys, which both must have signed.
    pub(crate) fn open(
        note: String,
        old: &VerifierKey,
        new: &VerifierKey,
    ) -> Result<Succession, SigningError> {
        let malformed = SigningError::Malformed;
        let read = Note::parse(note.as_bytes())?;
        let rest = read.text().strip_prefix(&head(old, new));
        let rest = rest.ok_or(malformed("a note names other keys"))?;
        let (last, rest) =
            read_head("size", rest).ok_or(malformed("a note states no size and root"))?;
        let from = read_head("from", rest).filter(|_| !rest.is_empty());
        let is_rotation = old.name() == new.name();
        let from = match (from, rest) {
            (None, "") => None,
            (Some((from, "")), _) if !is_rotation => Some(from),
            _ => return Err(malformed("a note says more than a succession does")),
        };
        if note::open(note.as_bytes(), &[old.clone(), new.clone()])?.verified.len() != 2 {
            return Err(malformed("a note is not signed by both keys"));
        }
        Ok(Succession { note, last, from, is_rotation })
    }

    /// The note.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Whether by its own word records that were signed for are not in the log any more, or are others.
    /// Where it says nothing of that, the log itself has to be looked at.
    #[must_use]
    pub fn admits_loss(&self) -> bool {
        let Succession { last, .. } = self;
        self.from
            .is_some_and(|from| from.size < last.size || (from.size == last.size && from != *last))
    }

    /// How many of the records that the old key signed for are in the log still, at most.
    #[must_use]
    pub fn contains_at_most(&self) -> u64 {
        match (self.is_rotation, self.from) {
            (true, _) => self.last.size,
            (false, from) => from.map_or(0, |from| from.size.min(self.last.size)),
        }
    }
}

fn head(old: &VerifierKey, new: &VerifierKey) -> String {
    format!("{FIRST_LINE}\nold {old}\nnew {new}\n")
}

fn shown(name: &str, TreeHead { size, root }: TreeHead) -> String {
    format!("{name} {size}\nroot {root}\n")
}

/// Takes two lines with a head off the front of a text.
fn read_head<'t>(name: &str, text: &'t str) -> Option<(TreeHead, &'t str)> {
    let (size, text) = text.strip_prefix(name)?.strip_prefix(' ')?.split_once('\n')?;
    let (root, text) = text.strip_prefix("root ")?.split_once('\n')?;
    let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size)?;
    Some((TreeHead { size: number, root: root.parse().ok()? }, text))
}
