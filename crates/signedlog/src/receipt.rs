//! Receipts: proof files (c2sp.org/tlog-proof), which are mostly the same within a commit.
//!
//! After a group commit each of its callers asks for a receipt, all at once. All but the record's
//! own part (its index and the lower end of its audit path) is the same text for neighbours: it is
//! made once for a tile, and quoted once for the format that it is sent in ([`ReceiptTail`]).
//! `benches/receipt.rs` shows what that buys; the tests hold it equal to the plain way.

use std::fmt;
use std::sync::{Arc, OnceLock};

use eventlog::Seq;
use tlog::{Hash, proof_file};

/// The receipt of a record: a proof file with a checkpoint. Printing it gives the file.
#[derive(Clone, Debug)]
pub struct Receipt {
    seq: Seq,
    /// The audit path, as far as it is the record's own.
    path: Vec<Hash>,
    tail: Arc<ReceiptTail>,
}

/// The part that the receipts of neighbours share: the rest of the audit path, and the checkpoint.
#[derive(Debug)]
pub struct ReceiptTail {
    text: String,
    quoted: OnceLock<String>,
}

impl Receipt {
    pub(crate) fn new(seq: Seq, path: Vec<Hash>, tail: Arc<ReceiptTail>) -> Receipt {
        Receipt { seq, path, tail }
    }

    /// Appends the part that is the record's own to `text`. `line_end` ends each line, see
    /// [`proof_file::push_beginning`].
    pub fn push_beginning(&self, text: &mut Vec<u8>, line_end: &str) {
        proof_file::push_beginning(text, self.seq.0, &self.path, line_end);
    }

    /// The part that it shares with the receipts of its neighbours.
    #[must_use]
    pub fn tail(&self) -> &ReceiptTail {
        &self.tail
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut beginning = Vec::new();
        self.push_beginning(&mut beginning, "\n");
        write!(f, "{}{}", String::from_utf8_lossy(&beginning), self.tail.text)
    }
}

impl ReceiptTail {
    /// The tail with the rest of the audit path, `path`, and the note of a checkpoint.
    pub(crate) fn new(path: &[Hash], note: &str) -> ReceiptTail {
        ReceiptTail { text: proof_file::tail(path, note), quoted: OnceLock::new() }
    }

    /// The text as `quote` makes it, for instance as a JSON string. `quote` runs once for all
    /// receipts that share this tail; every caller must give one that makes the same text.
    pub fn quoted(&self, quote: impl FnOnce(&str) -> String) -> &str {
        self.quoted.get_or_init(|| quote(&self.text))
    }
}
