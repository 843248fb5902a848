//! `/v1/report/access` and `/v1/table-digest`: what an auditor asks.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use keys::Timestamp;
use ledger::{AUDIT, ActivePeriod, Range, Reading, Seq};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::{ApiError, InvalidKind};
use crate::export::long::LongAnswer;
use crate::http::route::Routes;
use crate::request::as_of::{AsOfAnswer, read_as_of};
use crate::request::authenticated::Reader;
use crate::request::extract::{Query, parse};
use crate::wire;
use crate::wire::{Made, Time};

/// Spans written at once.
const CHUNK: usize = 200;

/// The routes of this file.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add("/v1/report/access", get(access))
        .add("/v1/table-digest", get(table_digest))
}

/// Between which moments, and whose.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Between {
    /// From this moment on.
    #[param(format = DateTime, required = true)]
    from: Option<String>,
    /// To this moment.
    #[param(format = DateTime, required = true)]
    to: Option<String>,
    /// The tenant, for tokens of all accounts.
    #[param(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// As far as it was on record at this time, or right after this record (`seq:N`).
    #[param(value_type = Option<wire::words::Moment>)]
    as_of: Option<String>,
}

/// Who held which active key.
#[derive(Serialize, ToSchema)]
pub(crate) struct Access<'a> {
    /// As asked.
    #[schema(value_type = String, format = DateTime)]
    from: Time,
    /// As asked.
    #[schema(value_type = String, format = DateTime)]
    to: Time,
    /// One for each span of time that a key could be used in, by key id.
    items: Vec<HeldKey<'a>>,
}

/// Who held which active key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer that is put together as it is written")]
pub(crate) struct AccessReport<'a> {
    #[serde(flatten)]
    report: Access<'a>,
    /// Only where `as_of` was asked for: `seq:N`, the last record that counts; null if nothing was
    /// recorded by then.
    as_of: Option<String>,
}

/// A span of time that a key could be used in.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldKey<'a> {
    /// The key as it was made.
    key: Made<'a>,
    /// From when, at the earliest the report's `from`.
    #[schema(value_type = String, format = DateTime)]
    from: Time,
    /// Until when, at the latest the report's `to`.
    #[schema(value_type = String, format = DateTime)]
    until: Time,
    /// Its status at the report's end.
    #[schema(value_type = wire::words::KeyStatus)]
    status_at_end: &'static str,
}

impl<'a> HeldKey<'a> {
    fn new(held: &'a ActivePeriod) -> HeldKey<'a> {
        HeldKey {
            key: Made::new(&held.key),
            from: Time(held.from),
            until: Time(held.until),
            status_at_end: held.status.as_str(),
        }
    }
}

/// Reports who held which active key between two moments
///
/// The same log and the same arguments give the same bytes.
#[utoipa::path(
    get,
    path = "/v1/report/access",
    operation_id = "accessReport",
    tag = "events",
    params(Between),
    responses((status = 200, body = AccessReport)),
)]
#[expect(clippy::expect_used, reason = "the list of items is written empty")]
pub(crate) async fn access(
    State(app): State<App>,
    reader: Reader,
    Query(parameters): Query<Between>,
) -> Result<Response, ApiError> {
    let moment = |name, text: Option<&str>| -> Result<Timestamp, ApiError> {
        parse(name, text)?.ok_or_else(|| ApiError::field(name, InvalidKind::Missing))
    };
    let from = moment("from", parameters.from.as_deref())?;
    let to = moment("to", parameters.to.as_deref())?;
    if from > to {
        return Err(ApiError::field("to", "must not lie before from"));
    }
    let account = parse("account", parameters.account.as_deref())?;
    let as_of = parse("as_of", parameters.as_of.as_deref())?;
    let long = LongAnswer::begin(&app, &reader)?;
    let (caller, of) = (reader.caller.clone(), account.clone());
    let (mut report, moment) = read_as_of(&app, caller, as_of, move |ledger, caller, moment| {
        ledger.active_periods(caller, account.as_ref(), (from, to), moment)
    })
    .await?;
    let range = Range { account: of, until: Some(moment.length()), ..Range::default() };
    reader.record(&app, Reading::Report, range).await?;
    let access = Access { from: Time(from), to: Time(to), items: Vec::new() };
    let answer =
        if as_of.is_some() { AsOfAnswer::then(access, &moment) } else { AsOfAnswer::now(access) };
    // Without items first, to know what comes before and after them.
    let answer = wire::to_json(&answer);
    let (before, after) = answer.split_once("[]").expect("a list without items");
    let mut text = format!("{before}[").into_bytes();
    let (mut tail, mut first) = (Some(format!("]{after}\n")), true);
    long.answer("application/json", move |_| {
        let Some(end) = &tail else { return Ok(None) };
        for _ in 0..CHUNK {
            let Some(held) = report.next() else {
                text.extend_from_slice(end.as_bytes());
                tail = None;
                break;
            };
            if !first {
                text.push(b',');
            }
            first = false;
            wire::put_json(&mut text, &HeldKey::new(&held?));
        }
        Ok(Some(Bytes::from(std::mem::take(&mut text))))
    })
    .await
}

/// At which place.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct At {
    /// Right after this record, as `as_of=seq:N` means it; after the last one by default.
    seq: Option<u64>,
}

/// What the table of keys was.
#[derive(Serialize, ToSchema)]
pub(crate) struct TableDigest {
    /// The last record that it was built from; null if there is none.
    #[schema(required)]
    seq: Option<u64>,
    /// How many records it was built from.
    log_size: u64,
    /// The root of the table, which a table note of that length signs (`schemas/table.md`), in hex.
    digest: String,
}

/// Gives the digest of the table of keys, to compare with a replay
///
/// Of now, or of one of the last 10,000 records; a replay tells it of any.
///
/// Roles `auditor` and `admin`.
#[utoipa::path(
    get,
    path = "/v1/table-digest",
    operation_id = "tableDigest",
    tag = "events",
    params(At),
    responses((status = 200, body = TableDigest)),
)]
pub(crate) async fn table_digest(
    State(app): State<App>,
    reader: Reader,
    Query(parameters): Query<At>,
) -> Result<Response, ApiError> {
    reader.require_all(AUDIT)?;
    let length = parameters.seq.map(|last| Seq(last.saturating_add(1)));
    let digest = app.read(reader.caller, move |ledger, caller| ledger.table_digest(caller, length));
    let (Seq(log_size), digest) = digest.await?;
    let digest =
        TableDigest { seq: log_size.checked_sub(1), log_size, digest: hex(digest.as_bytes()) };
    Ok(wire::json(StatusCode::OK, &digest))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Into memory: this cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
