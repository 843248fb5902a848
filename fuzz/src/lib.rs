//! What the fuzzer calls: one function for each parser of bytes that somebody else wrote.
//!
//! A target takes any bytes. It must not panic, and where a format has one spelling it holds the
//! parser to it: what was accepted is written again and must be the same bytes. The programs in
//! `fuzz_targets` only hand the fuzzer's bytes on; `tests/corpus.rs` calls the same functions with
//! every file of `corpus`, without a fuzzer.

#![expect(clippy::missing_panics_doc, reason = "a panic is how a target reports")]

mod logs;
mod persons;
mod proofs;
mod requests;
mod stamps;

pub use logs::{
    access, add_checkpoint, checkpoint, frame, note, policy, proof_file, record, tar, tile,
};
pub use persons::{keyring, persons};
pub use proofs::proofs;
pub use requests::{as_of, claims, cursor, forwarded, headers, import_line, secret, text, token};
pub use stamps::stamp;

/// A target: takes the fuzzer's bytes, and panics if the parser broke its promise.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its program and of its folder in `corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("access", access),
    ("add_checkpoint", add_checkpoint),
    ("as_of", as_of),
    ("checkpoint", checkpoint),
    ("claims", claims),
    ("cursor", cursor),
    ("forwarded", forwarded),
    ("frame", frame),
    ("headers", headers),
    ("import_line", import_line),
    ("keyring", keyring),
    ("note", note),
    ("persons", persons),
    ("policy", policy),
    ("proof_file", proof_file),
    ("proofs", proofs),
    ("record", record),
    ("secret", secret),
    ("stamp", stamp),
    ("tar", tar),
    ("text", text),
    ("tile", tile),
    ("token", token),
];
