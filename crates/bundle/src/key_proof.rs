//! Verifying a server's proof of one key (`GET /v1/keys/{id}/proof`).

use std::collections::BTreeMap;

use keys::{Account, KeyId, KeyState};
use ledger::{Auditor, Decoder, Entry, KeyChain, Row, Seq};
use serde::Deserialize;
use tlog::empty_root;
use tlog::note::VerifierKey;

use crate::consistency::Statement;
use crate::freshness::Beat;
use crate::opened::{of_this_log, statement};
use crate::proved::{RecordReply, RowReply, keyring, table_and_beat};
use crate::refused::Invalid;

/// The reply of the server, not yet verified.
#[derive(Debug, Deserialize)]
struct ProofReply {
    key_id: String,
    checkpoint: String,
    table: String,
    heartbeat: String,
    rows: u64,
    row: Option<RowReply>,
    neighbours: Option<Neighbours>,
    records: Vec<RecordReply>,
    /// The key of each pseudonym in the records; null was erased.
    persons: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Deserialize)]
struct Neighbours {
    before: Option<RowReply>,
    after: Option<RowReply>,
}

/// What was proved about a key.
#[derive(Clone, Debug)]
pub struct KeyProved {
    /// The checkpoint in whose tree the records are.
    pub checkpoint: Statement,
    /// The size of the table note.
    pub table_size: u64,
    /// That the log had no more than that at a moment.
    pub heartbeat: Beat,
    /// The state of the key after its records; `None` if it was proved that the key does not exist.
    pub state: Option<KeyState>,
    /// Its records, oldest first, with their bytes.
    pub records: Vec<(Entry, Vec<u8>)>,
}

const WHAT: &str = "the key's proof";

fn malformed() -> Invalid {
    Invalid::Malformed(WHAT)
}

/// Verifies the server's proof for `key` against a trusted verifier key. On success the records up to
/// the table note's size are proved to be complete.
///
/// # Errors
///
/// [`Invalid`]; nothing is proved.
pub fn check_key_proof(
    reply: &str,
    key: KeyId,
    chain: &KeyChain,
    trusted: &VerifierKey,
) -> Result<KeyProved, Invalid> {
    let reply: ProofReply = serde_json::from_str(reply).map_err(|_| malformed())?;
    if reply.key_id != key.to_string() {
        return Err(malformed());
    }
    let trusted = chain.from(trusted).ok_or(Invalid::Stranger)?;
    let checkpoint = statement("the checkpoint", &reply.checkpoint, chain, trusted)?;
    of_this_log(&checkpoint, chain)?;
    let (table, heartbeat) = table_and_beat(&reply.table, &reply.heartbeat, chain, trusted)?;
    let (records, row_at_note, state) = records(&reply, key, &checkpoint, table.size)?;
    let present = match (&reply.row, &reply.neighbours) {
        (Some(row), None) => {
            let row = row.in_table(reply.rows, &table, WHAT)?;
            // Equal rows prove that the last record before the note's size is the last one.
            if row_at_note.map(|row| row.to_bytes()) != Some(row) {
                return Err(Invalid::Table(table.size));
            }
            true
        }
        (None, Some(neighbours)) => {
            absent(key, neighbours, reply.rows, &table)?;
            if row_at_note.is_some() {
                return Err(Invalid::Table(table.size));
            }
            false
        }
        (_, _) => return Err(malformed()),
    };
    let state = state.filter(|_| present || !records.is_empty());
    Ok(KeyProved { checkpoint, table_size: table.size, heartbeat, state, records })
}

type Read = (Vec<(Entry, Vec<u8>)>, Option<Row>, Option<KeyState>);

/// The key's records, its row at the size of the table note, and its present state.
fn records(
    reply: &ProofReply,
    key: KeyId,
    checkpoint: &Statement,
    table_size: u64,
) -> Result<Read, Invalid> {
    let (mut decoder, mut auditor) = (Decoder::new(keyring(&reply.persons)?), Auditor::of_key());
    let (mut records, mut row) = (Vec::new(), None);
    for reply in &reply.records {
        let seq = reply.seq;
        let bytes = reply.proved(checkpoint, WHAT)?;
        let audited = decoder.read(Seq(seq), &bytes)?;
        if audited.record.links.of(key).is_none() {
            return Err(Invalid::Scope(seq));
        }
        let account: Account = auditor.push(&audited)?;
        if seq < table_size {
            row = auditor.row(key);
        }
        records
            .push((Entry { seq: Seq(seq), record: audited.record, account, owner: None }, bytes));
    }
    Ok((records, row, auditor.state(key)))
}

/// Checks that the key would be between two adjacent rows, or beyond the first or last row.
fn absent(
    key: KeyId,
    neighbours: &Neighbours,
    rows: u64,
    table: &Statement,
) -> Result<(), Invalid> {
    let place = Row::place(key);
    let Neighbours { before, after } = neighbours;
    let index = |row: &Option<RowReply>| row.as_ref().map(|row| row.index);
    let adjacent = match (index(before), index(after)) {
        (Some(before), Some(after)) => before.checked_add(1) == Some(after),
        (Some(before), None) => before.checked_add(1) == Some(rows),
        (None, Some(after)) => after == 0,
        (None, None) => rows == 0 && table.root == empty_root(),
    };
    let read = |row: &Option<RowReply>| {
        row.as_ref().map(|row| row.in_table(rows, table, WHAT)).transpose()
    };
    let below = read(before)?.is_none_or(|row| row.get(..32) < Some(&place[..]));
    let above = read(after)?.is_none_or(|row| row.get(..32) > Some(&place[..]));
    if adjacent && below && above { Ok(()) } else { Err(Invalid::Table(table.size)) }
}
