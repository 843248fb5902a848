//! `/v1/proofs/events` and `/v1/proofs/rows`: what the log proves to an account of its own keys, a
//! page at a time.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use keys::Account;
use ledger::{Caller, Ledger, Range, Reading, Seq, Walk};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::ApiError;
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::cursor;
use crate::request::extract::parse;
use crate::request::page::{Both, PageParameters};
use crate::wire;
use crate::wire::Id;
use crate::wire::proved::{Bucket, ProvedRecord, Row, person_keys};

/// The routes of this file.
pub(crate) fn router() -> Routes {
    Routes::default().add("/v1/proofs/events", get(events)).add("/v1/proofs/rows", get(rows))
}

/// Whose events, and in which tree.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfEvents {
    /// The tenant: needed of tokens of all accounts, else the token's own.
    #[param(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// Only events after this place.
    after: Option<u64>,
    /// The size of the tree; by default that of the last checkpoint. No event from there on is in it.
    size: Option<u64>,
}

/// What happened to the keys of an account, each record with its proof: a page of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventProofs {
    /// The size of the tree.
    size: u64,
    /// The records, oldest first. Layout: `schemas/record.md`.
    items: Vec<ProvedRecord>,
    /// The keys of the persons that the records speak of, in base64, by their pseudonyms; null was
    /// erased.
    persons: BTreeMap<String, Option<String>>,
    /// On the last page a signed note that says how many keys the account has in this tree: `<origin>/account`,
    /// the size, the number and the account, a line each. Else null.
    #[schema(required)]
    account: Option<String>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<wire::words::Cursor>, required)]
    next_cursor: Option<String>,
}

/// Proves what happened to the keys of an account
///
/// The stored records of the events that `/v1/events` shows, each with its proof in the tree of one size:
/// whoever follows an account checks them without trusting the service (`docs/watch.md`). A page can
/// be short, even empty, and not the last; `next_cursor` says.
///
/// Roles `owner`, `auditor` and `admin`: not for role `user`, which sees not all keys of an account.
#[utoipa::path(
    get,
    path = "/v1/proofs/events",
    operation_id = "proveEvents",
    tag = "evidence",
    params(PageParameters, OfEvents),
    responses((status = 200, body = EventProofs)),
)]
pub(crate) async fn events(
    State(app): State<App>,
    reader: Reader,
    Both(page, of): Both<PageParameters, OfEvents>,
) -> Result<Response, ApiError> {
    let account: Option<Account> = parse("account", of.account.as_deref())?;
    let after = of.after.map_or(Seq(0), |after| Seq(after).next());
    let from = match page.cursor().map(cursor::events).transpose()? {
        None => after,
        Some(Walk::Up(from)) => from.max(after),
        Some(Walk::Down(_)) => return Err(ApiError::field("cursor", "is of another list")),
    };
    let (most, size, named) = (page.limit()?, of.size, account.clone());
    let read = move |ledger: &Ledger, caller: &Caller| {
        ledger.prove_events(caller, named.as_ref(), from, size, most)
    };
    let proved = app.read(reader.caller.clone(), read).await?;
    let items = &proved.page.items;
    let first = items.first().map_or(from, |record| record.seq);
    let until = items.last().map_or(first, |record| record.seq.next());
    let range = Range { from: first, until: Some(until), account, key: None };
    reader.record(&app, Reading::Proof, range).await?;
    let answer = EventProofs {
        size: proved.size,
        items: proved.page.items.into_iter().map(ProvedRecord::from).collect(),
        persons: person_keys(&proved.persons),
        account: proved.account,
        next_cursor: proved.page.next.map(|next| cursor::of_events(Walk::Up(next))),
    };
    Ok(wire::json(StatusCode::OK, &answer))
}

/// Whose rows.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfRows {
    /// The tenant: needed of tokens of all accounts, else the token's own.
    #[param(min_length = 1, max_length = 100)]
    account: Option<String>,
}

/// How the keys of an account stand in the signed table of keys: a page of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct RowProofs {
    /// The signed note of the key table.
    table: String,
    /// A signed note that the log had no more than that at a moment, as `/log/heartbeat`.
    heartbeat: String,
    /// The keys in the order in which they were made. One that is younger than the note is left out.
    items: Vec<KeyRow>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<wire::words::Cursor>, required)]
    next_cursor: Option<String>,
}

/// A key and its row in the table.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyRow {
    /// The key.
    #[schema(value_type = String, format = "uuid")]
    key_id: Id,
    /// Its row.
    row: Row,
    /// The bucket that the row is in.
    bucket: Bucket,
}

/// Proves how the keys of an account stand
///
/// The row of each key in the signed table of keys: whoever has all events of a key makes the same row of
/// them (`schemas/table.md`). The table is made at most once a minute, and each page is of the last one. A
/// page can be short, even empty, and not the last; `next_cursor` says.
///
/// Roles `owner`, `auditor` and `admin`: not for role `user`, which sees not all keys of an account.
#[utoipa::path(
    get,
    path = "/v1/proofs/rows",
    operation_id = "proveRows",
    tag = "evidence",
    params(PageParameters, OfRows),
    responses((status = 200, body = RowProofs)),
)]
pub(crate) async fn rows(
    State(app): State<App>,
    reader: Reader,
    Both(page, of): Both<PageParameters, OfRows>,
) -> Result<Response, ApiError> {
    let account: Option<Account> = parse("account", of.account.as_deref())?;
    let (most, after) = (page.limit()?, cursor::rows(page.cursor())?);
    let read = move |ledger: &Ledger, caller: &Caller| {
        ledger.prove_rows(caller, account.as_ref(), after, most)
    };
    let proved = app.read(reader.caller, read).await?;
    let item = |(id, row, bucket)| KeyRow {
        key_id: Id(id),
        row: Row::from(row),
        bucket: Bucket::from(bucket),
    };
    let answer = RowProofs {
        table: proved.table.note.to_string(),
        heartbeat: proved.heartbeat.note.to_string(),
        items: proved.page.items.into_iter().map(item).collect(),
        next_cursor: proved.page.next.map(cursor::of_rows),
    };
    Ok(wire::json(StatusCode::OK, &answer))
}
