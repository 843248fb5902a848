//! Verifying a server's proof of one key (`GET /v1/keys/{id}/proof`).

use std::collections::BTreeMap;

use keys::{Account, KeyId, KeyState};
use ledger::{Auditor, Decoder, Entry, KeyChain, Row, Seq};
use serde::Deserialize;
use tlog::bucket_of;
use tlog::note::VerifierKey;

use crate::consistency::Statement;
use crate::freshness::Beat;
use crate::opened::{of_this_log, statement};
use crate::proved::{BucketReply, RecordReply, RowReply, bucket_of_row, keyring, table_and_beat};
use crate::refused::Invalid;

/// The reply of the server, not yet verified.
#[derive(Debug, Deserialize)]
struct ProofReply {
    key_id: String,
    checkpoint: String,
    table: String,
    heartbeat: String,
    bucket: BucketReply,
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
            let row = row.in_table(&reply.bucket, &table, WHAT)?;
            // Equal rows prove that the last record before the note's size is the last one.
            if row_at_note.map(|row| row.to_bytes()) != Some(row) {
                return Err(Invalid::Table(table.size));
            }
            true
        }
        (None, Some(neighbours)) => {
            absent(key, neighbours, &reply.bucket, &table)?;
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

/// Checks that the key would be between two adjacent rows of its bucket, beyond its first or last row, or in
/// an empty one.
fn absent(
    key: KeyId,
    neighbours: &Neighbours,
    bucket: &BucketReply,
    table: &Statement,
) -> Result<(), Invalid> {
    let place = Row::place(key);
    let Neighbours { before, after } = neighbours;
    let index = |row: &Option<RowReply>| row.as_ref().map(|row| row.index);
    let adjacent = match (index(before), index(after)) {
        (Some(before), Some(after)) => before.checked_add(1) == Some(after),
        (Some(before), None) => before.checked_add(1) == Some(bucket.rows),
        (None, Some(after)) => after == 0,
        (None, None) => return bucket.is_empty(bucket_of(&place), table, WHAT),
    };
    let read = |row: &Option<RowReply>| {
        row.as_ref().map(|row| row.in_table(bucket, table, WHAT)).transpose()
    };
    let (before, after) = (read(before)?, read(after)?);
    let mut rows = before.iter().chain(&after);
    let same = rows.all(|row| bucket_of_row(row) == bucket_of(&place));
    let below = before.is_none_or(|row| row.get(..32) < Some(&place[..]));
    let above = after.is_none_or(|row| row.get(..32) > Some(&place[..]));
    if adjacent && same && below && above { Ok(()) } else { Err(Invalid::Table(table.size)) }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};
    use tlog::note::Signer;
    use tlog::{BucketTree, Hash, MemoryTree, Prover, empty_root, leaf_hash};

    use super::*;

    /// A table with these rows in the bucket of `key()`, and one in the bucket behind it.
    struct Table {
        rows: Vec<[u8; Row::LEN]>,
        tree: BucketTree,
        note: Statement,
    }

    fn key() -> KeyId {
        KeyId::from_bytes([9; 16])
    }

    /// A row in the bucket of `key()`, so much before or behind it.
    fn row(distance: i16) -> [u8; Row::LEN] {
        let mut row = [0xEE; Row::LEN];
        row[..32].copy_from_slice(&Row::place(key()));
        let third = i16::from(row[2]) + distance;
        row[2] = u8::try_from(third).unwrap();
        row
    }

    /// A row of the next bucket.
    fn outside() -> [u8; Row::LEN] {
        let mut row = row(0);
        row[..2].copy_from_slice(&(bucket_of(&Row::place(key())) + 1).to_be_bytes());
        row
    }

    fn leaves(rows: &[[u8; Row::LEN]]) -> MemoryTree {
        rows.iter().map(|row| leaf_hash(row)).collect()
    }

    impl Table {
        fn new(distances: &[i16]) -> Table {
            let rows: Vec<_> = distances.iter().map(|distance| row(*distance)).collect();
            let (bucket, mut tree) = (bucket_of(&Row::place(key())), BucketTree::new());
            tree.set([(bucket, leaves(&rows).root()), (bucket + 1, leaves(&[outside()]).root())]);
            let by = Signer::from_seed("log", &[7; 32]).unwrap().verifier_key().clone();
            let note = Statement { note: String::new(), size: 9, root: tree.root(), by };
            Table { rows, tree, note }
        }

        fn bucket(&self) -> Value {
            let path = self.tree.path(bucket_of(&Row::place(key())));
            json!({ "rows": self.rows.len(), "hashes": texts(&path) })
        }

        fn row(&self, index: usize) -> Value {
            let tree = leaves(&self.rows);
            let path = Prover::new(&tree, tree.size()).inclusion(index as u64).unwrap();
            let bytes = STANDARD.encode(self.rows[index]);
            json!({ "index": index, "bytes": bytes, "hashes": texts(&path) })
        }

        fn is_absent(&self, neighbours: Value, bucket: Value) -> bool {
            let neighbours: Neighbours = serde_json::from_value(neighbours).unwrap();
            let bucket: BucketReply = serde_json::from_value(bucket).unwrap();
            absent(key(), &neighbours, &bucket, &self.note).is_ok()
        }
    }

    fn texts(hashes: &[Hash]) -> Vec<String> {
        hashes.iter().map(Hash::to_string).collect()
    }

    fn between(before: Value, after: Value) -> Value {
        Value::from_iter([("before", before), ("after", after)])
    }

    #[test]
    fn a_key_is_absent_between_its_neighbours_in_its_bucket() {
        let nobody = || between(Value::Null, Value::Null);
        let empty = Table::new(&[]);
        assert!(empty.is_absent(nobody(), empty.bucket()));
        let full = Table::new(&[-3, -2, -1, 1, 2]);
        let full_bucket = || full.bucket();
        let with_rows = |rows: u64| {
            let mut bucket = full.bucket();
            bucket["rows"] = rows.into();
            bucket
        };
        let both = || between(full.row(2), full.row(3));
        assert!(full.is_absent(both(), full_bucket()));
        let before = Table::new(&[-2, -1]);
        assert!(before.is_absent(between(before.row(1), Value::Null), before.bucket()));
        let behind = Table::new(&[1, 2]);
        assert!(behind.is_absent(between(Value::Null, behind.row(0)), behind.bucket()));

        // An empty bucket that is not, also with the path of one that is.
        assert!(!full.is_absent(nobody(), with_rows(0)));
        assert!(!full.is_absent(nobody(), empty.bucket()));
        assert!(
            !empty.is_absent(nobody(), json!({ "rows": 1, "hashes": empty.bucket()["hashes"] }))
        );
        // Neighbours of each other that the key is not between; rows that are none of each other.
        for (before, after) in [(0, 1), (3, 4), (1, 3), (2, 4), (3, 2)] {
            assert!(!full.is_absent(between(full.row(before), full.row(after)), full_bucket()));
        }
        // One that is said to be the last, or the first.
        for rows in 0..8 {
            let (last, first) =
                (between(full.row(2), Value::Null), between(Value::Null, full.row(3)));
            assert!(!full.is_absent(last, with_rows(rows)), "{rows}");
            assert!(!full.is_absent(first, with_rows(rows)), "{rows}");
            // Of so few, the paths would have another length.
            assert!(rows > 4 || !full.is_absent(both(), with_rows(rows)), "{rows}");
        }
        let mut first = full.row(3);
        first["index"] = 0.into();
        assert!(!full.is_absent(between(Value::Null, first), full_bucket()));
        // A path that is too short or too long, in the bucket or above it.
        let long: Vec<_> = (0..18).map(|_| empty_root().to_string()).collect();
        for length in [0, 15, 17] {
            let mut bucket = full.bucket();
            let path = bucket["hashes"].as_array().unwrap().iter().cloned();
            let path: Vec<_> =
                path.chain(long.iter().cloned().map(Value::from)).take(length).collect();
            bucket["hashes"] = path.into();
            assert!(!full.is_absent(both(), bucket.clone()), "{length}");
            assert!(!empty.is_absent(nobody(), bucket), "{length}");
        }
    }

    #[test]
    fn a_neighbour_in_another_bucket_shows_nothing() {
        let table = Table::new(&[-1, 1]);
        let number = bucket_of(&Row::place(key())) + 1;
        let bucket = json!({ "rows": 1, "hashes": texts(&table.tree.path(number)) });
        let bytes = STANDARD.encode(outside());
        let other = || json!({ "index": 0, "bytes": bytes, "hashes": [] });
        // It is a row of the table, and the first one of its bucket.
        let reply: RowReply = serde_json::from_value(other()).unwrap();
        let of_other: BucketReply = serde_json::from_value(bucket.clone()).unwrap();
        assert_eq!(reply.in_table(&of_other, &table.note, WHAT).unwrap(), outside());
        assert!(!table.is_absent(between(Value::Null, other()), bucket));
        assert!(!table.is_absent(between(table.row(0), other()), table.bucket()));
        assert!(!table.is_absent(between(Value::Null, other()), table.bucket()));
    }
}
