//! The note in which a log says how many keys an account has.

use keys::Account;
use ledger::{KeyChain, account_text};
use tlog::note::VerifierKey;

use crate::refused::Invalid;

/// How many keys `account` has after the first `size` records, as one of `trusted`, which are of the chain,
/// signed; and which one. `what` is what the note is.
pub(crate) fn signed_keys<'k>(
    what: &'static str,
    note: &str,
    (chain, trusted): (&KeyChain, &'k [VerifierKey]),
    size: u64,
    account: &Account,
) -> Result<(u64, &'k VerifierKey), Invalid> {
    let opened = chain.open_note(note.as_bytes(), trusted);
    let (text, by) = opened.map_err(Invalid::unsigned(what))?;
    chain.signs_for(by, size).map_err(Invalid::unsigned(what))?;
    let signed = text.lines().nth(2).and_then(|keys| keys.parse().ok());
    let signed = signed.ok_or(Invalid::Malformed(what))?;
    if text == account_text(by.name(), size, signed, account) {
        Ok((signed, by))
    } else {
        Err(Invalid::Malformed(what))
    }
}
