//! Records and rows of the key table with what proves them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keys::Pseudonym;
use ledger::{BucketProof, Found, Proved, RowProof};
use serde::Serialize;
use tlog::Hash;
use utoipa::ToSchema;

use super::text::Text;

/// A record and the way from it to the tree's root.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProvedRecord {
    /// Its place.
    seq: u64,
    /// Its bytes as they are stored, in base64.
    entry: String,
    /// The audit path, from its sibling up, in base64.
    #[schema(value_type = Vec<String>)]
    hashes: Vec<Text<Hash>>,
}

/// A row and the way from it to the root of its bucket.
#[derive(Serialize, ToSchema)]
#[schema(as = TableRow)]
pub(crate) struct Row {
    /// Its place in its bucket, from 0.
    index: u64,
    /// Its 64 bytes, in base64.
    bytes: String,
    /// The audit path, from its sibling up, in base64.
    #[schema(value_type = Vec<String>)]
    hashes: Vec<Text<Hash>>,
}

/// A bucket of the table and the way from its root to the table's. Which one it is say the first 16 bits of a
/// key's hash, with which its row begins.
#[derive(Serialize, ToSchema)]
#[schema(as = TableBucket)]
pub(crate) struct Bucket {
    /// How many rows it has.
    rows: u64,
    /// The audit path of its root, from the sibling up, in base64: 16 hashes.
    #[schema(value_type = Vec<String>)]
    hashes: Vec<Text<Hash>>,
}

impl From<BucketProof> for Bucket {
    fn from(BucketProof { rows, path }: BucketProof) -> Bucket {
        Bucket { rows, hashes: texts(path) }
    }
}

impl From<Proved> for ProvedRecord {
    fn from(Proved { seq, entry, path }: Proved) -> ProvedRecord {
        ProvedRecord { seq: seq.0, entry: STANDARD.encode(entry), hashes: texts(path) }
    }
}

impl From<RowProof> for Row {
    fn from(proof: RowProof) -> Row {
        let bytes = STANDARD.encode(proof.row.to_bytes());
        Row { index: proof.index, bytes, hashes: texts(proof.path) }
    }
}

fn texts(path: Vec<Hash>) -> Vec<Text<Hash>> {
    path.into_iter().map(Text).collect()
}

/// The keys of persons in base64, by their pseudonyms; null was erased.
pub(crate) fn person_keys(
    persons: &BTreeMap<Pseudonym, Found>,
) -> BTreeMap<String, Option<String>> {
    let key = |found: &Found| match found {
        Found::Key(key) => Some(STANDARD.encode(key.as_bytes())),
        Found::Destroyed => None,
    };
    persons.iter().map(|(name, found)| (name.to_string(), key(found))).collect()
}
