//! An answer with a receipt, which is written past serde.
//!
//! What it buys: a receipt is some 1.5 KiB of text, of which all but the first lines are the same
//! for all answers of one commit. That part is made into JSON once for all of them, instead of once
//! for each (`cargo bench -p server --bench wire`).

use ledger::Receipt;
use serde::Serialize;

use super::json::{put_json, to_json};

/// Appends `value`, an object that is not empty, with the receipt as its last member.
pub(crate) fn put_with_receipt<T: Serialize>(text: &mut Vec<u8>, value: &T, receipt: &Receipt) {
    put_json(text, value);
    // The brace that ends the object.
    text.pop();
    text.extend_from_slice(br#","receipt":""#);
    receipt.push_beginning(text, r"\n");
    text.extend_from_slice(receipt.tail().quoted(quoted).as_bytes());
    text.extend_from_slice(b"\"}");
}

/// What a JSON string of `text` has between its quotes.
fn quoted(text: &str) -> String {
    let quoted = to_json(text);
    let within = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    within.unwrap_or_else(|| unreachable!("JSON writes a text between quotes")).to_owned()
}
