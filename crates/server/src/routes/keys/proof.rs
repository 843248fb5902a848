//! `/v1/keys/{id}/proof`: what the log proves of one key, or of none.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use keys::KeyId;
use ledger::{InTable, KeyProof, Range, Reading};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::ApiError;
use crate::request::as_of::read_as_of;
use crate::request::authenticated::Reader;
use crate::request::extract::{Path, Query, parse};
use crate::wire;
use crate::wire::Id;
use crate::wire::proved::{Bucket, ProvedRecord, Row, person_keys};

/// Up to which moment.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UpTo {
    /// The key's records up to this moment, `seq:N` or a time; by default all of them. The table
    /// is proved as last noted.
    #[param(value_type = Option<wire::words::Moment>)]
    as_of: Option<String>,
}

/// A proof of a key's state and history, or that there is no such key.
///
/// Layouts and how to check it: `schemas/table.md`, `schemas/record.md`.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyProof)]
pub(crate) struct Proof {
    /// The key.
    #[schema(value_type = String, format = "uuid")]
    key_id: Id,
    /// The last signed checkpoint; the records are proved in its tree.
    checkpoint: String,
    /// The size of that tree.
    size: u64,
    /// The signed note of the key table, at an earlier size or at the same.
    table: String,
    /// The size of the log that the note speaks of.
    table_size: u64,
    /// A signed note that the log had no more than that at a moment, as `/log/heartbeat`: at most a minute
    /// old, but for the time that a new table takes to be made.
    heartbeat: String,
    /// The key's bucket in it.
    bucket: Bucket,
    /// The key's row in that; null if it has none.
    #[schema(required)]
    row: Option<Row>,
    /// If it has none, the rows on either side of where it would be.
    #[schema(required)]
    neighbours: Option<Neighbours>,
    /// The key's records, oldest first, chained by their links.
    records: Vec<ProvedRecord>,
    /// The keys of the persons that the records speak of, in base64, by their pseudonyms; null was
    /// erased.
    persons: BTreeMap<String, Option<String>>,
}

/// Two rows next to each other; one is null at an end of the bucket, both if it is empty.
#[derive(Serialize, ToSchema)]
#[schema(as = TableNeighbours)]
pub(crate) struct Neighbours {
    /// The last row before.
    #[schema(required)]
    before: Option<Row>,
    /// The first row after.
    #[schema(required)]
    after: Option<Row>,
}

impl Proof {
    fn new(id: KeyId, proof: KeyProof) -> Proof {
        let (row, neighbours) = match proof.in_table {
            InTable::Row(row) => (Some(row.into()), None),
            InTable::Absent { before, after } => {
                let rows =
                    Neighbours { before: before.map(Row::from), after: after.map(Row::from) };
                (None, Some(rows))
            }
        };
        Proof {
            key_id: Id(id),
            checkpoint: proof.checkpoint.note.to_string(),
            size: proof.checkpoint.size,
            table: proof.table.note.to_string(),
            table_size: proof.table.size,
            heartbeat: proof.heartbeat.note.to_string(),
            bucket: proof.bucket.into(),
            row,
            neighbours,
            records: proof.records.into_iter().map(ProvedRecord::from).collect(),
            persons: person_keys(&proof.persons),
        }
    }
}

/// Proves a key's state and history, or that there is no such key
///
/// That there is none is proved to auditors of all accounts; others get 404.
#[utoipa::path(
    get,
    path = "/v1/keys/{id}/proof",
    operation_id = "proveKey",
    tag = "evidence",
    params(UpTo),
    responses((status = 200, body = Proof)),
)]
pub(crate) async fn proof(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<KeyId>,
    Query(parameters): Query<UpTo>,
) -> Result<Response, ApiError> {
    let as_of = parse("as_of", parameters.as_of.as_deref())?;
    let caller = reader.caller.clone();
    let (proof, _) = read_as_of(&app, caller, as_of, move |ledger, caller, moment| {
        ledger.prove_key(caller, id, moment)
    })
    .await?;
    let (first, last) = (proof.records.first(), proof.records.last());
    if let (Some(first), Some(last)) = (first, last) {
        let range =
            Range { from: first.seq, until: Some(last.seq.next()), account: None, key: Some(id) };
        reader.record(&app, Reading::Proof, range).await?;
    }
    Ok(wire::json(StatusCode::OK, &Proof::new(id, proof)))
}
