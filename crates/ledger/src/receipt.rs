//! Receipts: proof files (c2sp.org/tlog-proof), which are mostly the same within a commit.

use std::fmt;
use std::sync::{Arc, OnceLock};

use eventlog::Seq;
use tlog::{Hash, proof_file};

use crate::evidence::Signed;

/// The receipt of an event: a proof file with the last checkpoint. Printing it gives the file.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub(crate) seq: Seq,
    /// The audit path, as far as it is the event's own.
    pub(crate) path: Vec<Hash>,
    pub(crate) ending: Arc<ReceiptTail>,
}

/// How the receipts of neighbours end: the rest of the audit path, and the checkpoint.
#[derive(Debug)]
pub struct ReceiptTail {
    text: String,
    quoted: OnceLock<String>,
}

impl Receipt {
    /// Appends the part that is the event's own. `line_end` ends each line, see
    /// [`proof_file::push_beginning`].
    pub fn push_beginning(&self, text: &mut Vec<u8>, line_end: &str) {
        proof_file::push_beginning(text, self.seq.0, &self.path, line_end);
    }

    /// The part that it shares.
    #[must_use]
    pub fn ending(&self) -> &ReceiptTail {
        &self.ending
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut beginning = Vec::new();
        self.push_beginning(&mut beginning, "\n");
        write!(f, "{}{}", String::from_utf8_lossy(&beginning), self.ending.text)
    }
}

impl ReceiptTail {
    pub(crate) fn new(path: &[Hash], checkpoint: &Signed) -> ReceiptTail {
        let text = proof_file::ending(path, &checkpoint.note);
        ReceiptTail { text, quoted: OnceLock::new() }
    }

    /// The text as `quote` makes it, which is asked once for all receipts that share it.
    pub fn quoted(&self, quote: impl FnOnce(&str) -> String) -> &str {
        self.quoted.get_or_init(|| quote(&self.text))
    }
}
