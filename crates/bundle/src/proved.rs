//! What a server's proofs are made of: records, rows of the key table, and the notes that they are held
//! against.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::{KeyChain, Keyring, Row};
use serde::Deserialize;
use tlog::note::VerifierKey;
use tlog::{Hash, leaf_hash, verify_inclusion};

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

/// A row of the table and its path.
#[derive(Debug, Deserialize)]
pub(crate) struct RowReply {
    pub(crate) index: u64,
    bytes: String,
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
    /// The row, which the note commits to.
    pub(crate) fn in_table(
        &self,
        rows: u64,
        table: &Statement,
        what: &'static str,
    ) -> Result<[u8; Row::LEN], Invalid> {
        let (bytes, path) = (bytes(&self.bytes, what)?, hashes(&self.hashes, what)?);
        verify_inclusion(&leaf_hash(&bytes), self.index, rows, &path, &table.root)
            .map_err(|_| Invalid::Table(table.size))?;
        bytes.try_into().map_err(|_| Invalid::Malformed(what))
    }
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
