//! Verifying a server's proofs of what happened to an account's keys (`GET /v1/proofs/events`) and of how
//! they stand (`GET /v1/proofs/rows`).

use std::collections::BTreeMap;

use keys::{Account, KeyId};
use ledger::{AuditRecord, Decoder, KeyChain, Row, Seq};
use serde::Deserialize;
use tlog::note::VerifierKey;

use crate::account_note::signed_keys;
use crate::consistency::Statement;
use crate::freshness::Beat;
use crate::proved::{BucketReply, RecordReply, RowReply, keyring, table_and_beat};
use crate::refused::Invalid;

#[derive(Debug, Deserialize)]
struct EventsReply {
    size: u64,
    items: Vec<RecordReply>,
    persons: BTreeMap<String, Option<String>>,
    /// On the last page.
    account: Option<String>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RowsReply {
    table: String,
    heartbeat: String,
    items: Vec<KeyRowReply>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct KeyRowReply {
    key_id: String,
    row: RowReply,
    bucket: BucketReply,
}

/// A page of records that are in the log.
#[derive(Clone, Debug)]
pub struct EventsProved {
    /// The records, each at a later place than the one before. That none is missing between two of them is
    /// not proved: their links tell.
    pub records: Vec<AuditRecord>,
    /// How many keys the account has in the tree, as the log signed it. `None` where there are more pages.
    pub keys: Option<u64>,
}

/// A page of rows of the key table.
#[derive(Clone, Debug)]
pub struct RowsProved {
    /// The size of the log that the rows are of.
    pub table_size: u64,
    /// That the log had no more than that at a moment.
    pub heartbeat: Beat,
    /// The keys that the server names, and the row of each.
    pub rows: Vec<(KeyId, [u8; Row::LEN])>,
    /// Where the server says that the next page begins.
    pub next_cursor: Option<String>,
}

/// Verifies that the records of a page are in the tree of `checkpoint`, and reads them; on the last page, how
/// many keys `account` has there, which a key signed from `trusted` on.
///
/// # Errors
///
/// [`Invalid`]; nothing is proved.
pub fn check_event_proofs(
    reply: &str,
    account: &Account,
    checkpoint: &Statement,
    chain: &KeyChain,
    trusted: &VerifierKey,
) -> Result<EventsProved, Invalid> {
    const WHAT: &str = "the proof of an account's events";
    let reply: EventsReply = serde_json::from_str(reply).map_err(|_| Invalid::Malformed(WHAT))?;
    if reply.size != checkpoint.size {
        return Err(Invalid::Malformed(WHAT));
    }
    let mut decoder = Decoder::new(keyring(&reply.persons)?);
    let (mut records, mut next) = (Vec::with_capacity(reply.items.len()), 0);
    for item in &reply.items {
        if item.seq < next {
            return Err(Invalid::Malformed(WHAT));
        }
        next = item.seq.saturating_add(1);
        records.push(decoder.read(Seq(item.seq), &item.proved(checkpoint, WHAT)?)?);
    }
    let trusted = chain.from(trusted).ok_or(Invalid::Stranger)?;
    let keys = match (&reply.account, &reply.next_cursor) {
        (Some(note), None) => {
            let what = "the note of the account's keys";
            Some(signed_keys(what, note, (chain, trusted), checkpoint.size, account)?.0)
        }
        (None, Some(_)) => None,
        (_, _) => return Err(Invalid::Malformed(WHAT)),
    };
    Ok(EventsProved { records, keys })
}

/// Verifies that the rows of a page are in a table that the log signed.
///
/// # Errors
///
/// [`Invalid`]; nothing is proved.
pub fn check_row_proofs(
    reply: &str,
    chain: &KeyChain,
    trusted: &VerifierKey,
) -> Result<RowsProved, Invalid> {
    const WHAT: &str = "the proof of an account's keys";
    let reply: RowsReply = serde_json::from_str(reply).map_err(|_| Invalid::Malformed(WHAT))?;
    let trusted = chain.from(trusted).ok_or(Invalid::Stranger)?;
    let (table, heartbeat) = table_and_beat(&reply.table, &reply.heartbeat, chain, trusted)?;
    let mut rows = Vec::with_capacity(reply.items.len());
    for KeyRowReply { key_id, row, bucket } in &reply.items {
        let key: KeyId = key_id.parse().map_err(|_| Invalid::Malformed(WHAT))?;
        let row = row.in_table(bucket, &table, WHAT)?;
        if !row.starts_with(&Row::place(key)) {
            return Err(Invalid::Malformed(WHAT));
        }
        rows.push((key, row));
    }
    Ok(RowsProved { table_size: table.size, heartbeat, rows, next_cursor: reply.next_cursor })
}
