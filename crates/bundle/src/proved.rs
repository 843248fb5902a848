//! What a server's proofs are made of: records, rows of the key table, and the notes that they are held
//! against.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::{KeyChain, Keyring, Row};
use serde::Deserialize;
use tlog::note::VerifierKey;
use tlog::{Hash, empty_root, leaf_hash, verify_bucket, verify_in_bucket, verify_inclusion};

use crate::consistency::Statement;
use crate::freshness::Beat;
use crate::opened::{self, of_this_log};
use crate::persons::person;
use crate::refused::Invalid;

/// A record and its path, as a server sends them.
#[derive(Debug, Deserialize)]
pub(crate) struct RecordReply {
    pub(crate) seq: u64,
    entry: String,
    hashes: Vec<String>,
}

/// A row of the table and its path in its bucket.
#[derive(Debug, Deserialize)]
pub(crate) struct RowReply {
    pub(crate) index: u64,
    bytes: String,
    hashes: Vec<String>,
}

/// A bucket of the table and its path.
#[derive(Debug, Deserialize)]
pub(crate) struct BucketReply {
    pub(crate) rows: u64,
    hashes: Vec<String>,
}

impl RecordReply {
    /// The record's bytes, which are in the tree of `checkpoint`. `what` is what the reply is.
    pub(crate) fn proved(
        &self,
        checkpoint: &Statement,
        what: &'static str,
    ) -> Result<Vec<u8>, Invalid> {
        let bytes = bytes(&self.entry, what)?;
        let (leaf, path) = (leaf_hash(&bytes), hashes(&self.hashes, what)?);
        verify_inclusion(&leaf, self.seq, checkpoint.size, &path, &checkpoint.root)
            .map_err(|source| Invalid::Inclusion { seq: self.seq, source })?;
        Ok(bytes)
    }
}

impl RowReply {
    /// The row, which the note commits to. It is in the bucket that its own hash names.
    pub(crate) fn in_table(
        &self,
        bucket: &BucketReply,
        table: &Statement,
        what: &'static str,
    ) -> Result<[u8; Row::LEN], Invalid> {
        let bytes = bytes(&self.bytes, what)?;
        let row: [u8; Row::LEN] = bytes.try_into().map_err(|_| Invalid::Malformed(what))?;
        let mut path = hashes(&self.hashes, what)?;
        path.extend(hashes(&bucket.hashes, what)?);
        let (leaf, number) = (leaf_hash(&row), bucket_of_row(&row));
        verify_in_bucket(&leaf, number, (self.index, bucket.rows), &path, &table.root)
            .map_err(|_| Invalid::Table(table.size))?;
        Ok(row)
    }
}

impl BucketReply {
    /// Checks that the note commits to this bucket as an empty one.
    pub(crate) fn is_empty(
        &self,
        number: u16,
        table: &Statement,
        what: &'static str,
    ) -> Result<(), Invalid> {
        let path = hashes(&self.hashes, what)?;
        let proved = verify_bucket(number, &empty_root(), &path, &table.root);
        if self.rows == 0 && proved.is_ok() { Ok(()) } else { Err(Invalid::Table(table.size)) }
    }
}

/// The bucket of a row, which begins with the hash of its key.
pub(crate) fn bucket_of_row(row: &[u8; Row::LEN]) -> u16 {
    let [first, second, ..] = *row;
    u16::from_be_bytes([first, second])
}

/// A table note and the heartbeat of its size, both signed by one of `trusted`, which are of the chain.
pub(crate) fn table_and_beat(
    table: &str,
    heartbeat: &str,
    chain: &KeyChain,
    trusted: &[VerifierKey],
) -> Result<(Statement, Beat), Invalid> {
    let table = opened::table(table, chain, trusted)?;
    let heartbeat = Beat::open(heartbeat, chain, trusted)?;
    of_this_log(&table, chain)?;
    of_this_log(&heartbeat.statement, chain)?;
    // Of a larger size it would say nothing of what came between, of a smaller one nothing of now.
    if heartbeat.statement.size == table.size {
        Ok((table, heartbeat))
    } else {
        Err(Invalid::Malformed("the heartbeat beside the table note"))
    }
}

/// The keys of persons by their pseudonyms; null was erased.
pub(crate) fn keyring(persons: &BTreeMap<String, Option<String>>) -> Result<Arc<Keyring>, Invalid> {
    let persons = persons.iter().map(|(name, key)| person(name, key.as_deref()));
    Ok(Arc::new(Keyring::of(persons.collect::<Result<Vec<_>, _>>()?)))
}

fn hashes(texts: &[String], what: &'static str) -> Result<Vec<Hash>, Invalid> {
    texts.iter().map(|text| text.parse().map_err(|_| Invalid::Malformed(what))).collect()
}

fn bytes(text: &str, what: &'static str) -> Result<Vec<u8>, Invalid> {
    STANDARD.decode(text).map_err(|_| Invalid::Malformed(what))
}
