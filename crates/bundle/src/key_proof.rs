//! Verifying a server's proof of one key (`GET /v1/keys/{id}/proof`).

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keys::{Account, KeyId, KeyState};
use ledger::{Auditor, Decoder, Entry, KeyChain, Keyring, Row, Seq};
use serde::Deserialize;
use tlog::note::VerifierKey;
use tlog::{Hash, empty_root, leaf_hash, verify_inclusion};

use crate::consistency::Statement;
use crate::freshness::Beat;
use crate::opened::{of_this_log, statement, table};
use crate::persons::person;
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
struct RowReply {
    index: u64,
    bytes: String,
    hashes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Neighbours {
    before: Option<RowReply>,
    after: Option<RowReply>,
}

#[derive(Debug, Deserialize)]
struct RecordReply {
    seq: u64,
    entry: String,
    hashes: Vec<String>,
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

fn hashes(texts: &[String]) -> Result<Vec<Hash>, Invalid> {
    texts.iter().map(|text| text.parse().map_err(|_| malformed())).collect()
}

fn bytes(text: &str) -> Result<Vec<u8>, Invalid> {
    STANDARD.decode(text).map_err(|_| malformed())
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
    let table = table(&reply.table, chain, trusted)?;
    let heartbeat = Beat::open(&reply.heartbeat, chain, trusted)?;
    let statements = [&checkpoint, &table, &heartbeat.statement];
    statements.into_iter().try_for_each(|one| of_this_log(one, chain))?;
    // Of a larger size it would say nothing of what came between, of a smaller one nothing of now.
    if heartbeat.statement.size != table.size {
        return Err(malformed());
    }
    let (records, row_at_note, state) = records(&reply, key, &checkpoint, table.size)?;
    let present = match (&reply.row, &reply.neighbours) {
        (Some(row), None) => {
            let row = in_table(row, reply.rows, &table)?;
            // Equal rows prove that the last record before the note's size is the last one.
            if row_at_note.map(|row| row.to_bytes().to_vec()) != Some(row) {
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
    let persons = reply.persons.iter().map(|(name, key)| person(name, key.as_deref()));
    let keyring = Keyring::of(persons.collect::<Result<Vec<_>, _>>()?);
    let (mut decoder, mut auditor) = (Decoder::new(Arc::new(keyring)), Auditor::of_key());
    let (mut records, mut row) = (Vec::new(), None);
    for RecordReply { seq, entry, hashes: path } in &reply.records {
        let bytes = bytes(entry)?;
        verify_inclusion(
            &leaf_hash(&bytes),
            *seq,
            checkpoint.size,
            &hashes(path)?,
            &checkpoint.root,
        )
        .map_err(|source| Invalid::Inclusion { seq: *seq, source })?;
        let audited = decoder.read(Seq(*seq), &bytes)?;
        if audited.record.links.of(key).is_none() {
            return Err(Invalid::Scope(*seq));
        }
        let account: Account = auditor.push(&audited)?;
        if *seq < table_size {
            row = auditor.row(key);
        }
        records
            .push((Entry { seq: Seq(*seq), record: audited.record, account, owner: None }, bytes));
    }
    Ok((records, row, auditor.state(key)))
}

/// A row that the note commits to.
fn in_table(row: &RowReply, rows: u64, table: &Statement) -> Result<Vec<u8>, Invalid> {
    let bytes = bytes(&row.bytes)?;
    let path = hashes(&row.hashes)?;
    verify_inclusion(&leaf_hash(&bytes), row.index, rows, &path, &table.root)
        .map_err(|_| Invalid::Table(table.size))?;
    if bytes.len() == Row::LEN { Ok(bytes) } else { Err(malformed()) }
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
    let read =
        |row: &Option<RowReply>| row.as_ref().map(|row| in_table(row, rows, table)).transpose();
    let below = read(before)?.is_none_or(|row| row.get(..32) < Some(&place[..]));
    let above = read(after)?.is_none_or(|row| row.get(..32) > Some(&place[..]));
    if adjacent && below && above { Ok(()) } else { Err(Invalid::Table(table.size)) }
}
