//! `/log/stamps`: checkpoints that a time-stamping authority stamped (RFC 3161), and one more on demand.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::AUDIT;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Code};
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::cursor;
use crate::request::extract::Query;
use crate::request::page::PageParameters;
use crate::request::parameters::NoParameters;
use crate::stamps::{self, OnDemand, StoredStamp};
use crate::wire;

/// The routes of time-stamps.
pub(crate) fn router() -> Routes {
    Routes::default().add("/log/stamps", get(list).post(create))
}

/// A checkpoint and a time-stamp over its bytes.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimeStamp {
    /// The number of records that the checkpoint commits to.
    size: u64,
    /// When it was stamped, as the authority says.
    #[schema(value_type = crate::wire::words::Moment)]
    at: String,
    /// The signed checkpoint (c2sp.org/tlog-checkpoint).
    checkpoint: String,
    /// The answer of the authority over the checkpoint's bytes: a `TimeStampResp` (RFC 3161) in DER, in
    /// base64.
    stamp: String,
}

impl TimeStamp {
    fn new(stored: StoredStamp) -> TimeStamp {
        TimeStamp {
            size: stored.size,
            at: stored.at.to_string(),
            checkpoint: stored.checkpoint,
            stamp: STANDARD.encode(stored.stamp),
        }
    }
}

/// Time-stamps, a page at a time.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer that is put together as it is written")]
pub(crate) struct StampList {
    /// What is on this page, oldest first.
    items: Vec<TimeStamp>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<wire::words::Cursor>, required)]
    next_cursor: Option<String>,
}

/// Lists the checkpoints that a time-stamping authority stamped
///
/// Each of them: so that whoever watches a log can keep them. All that the log had at a checkpoint was there
/// at its time, by the word of the authority; what came later was recorded later.
#[utoipa::path(
    get,
    path = "/log/stamps",
    operation_id = "listStamps",
    tag = "evidence",
    security(()),
    params(PageParameters),
    responses((status = 200, body = StampList)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(page): Query<PageParameters>,
) -> Result<Response, ApiError> {
    let (from, most) = (cursor::stamps(page.cursor())?, page.limit()?);
    let stored = app.config().stamps.clone();
    let read = app.read_public(move |_| Ok(stored.page(from, most))).await?;
    let (items, next) = read.map_err(|error| ApiError::internal(&error))?;
    let items = items.into_iter().map(TimeStamp::new).collect();
    let answer = wire::Page { items, next_cursor: next.map(cursor::of_stamps) };
    let mut response = wire::json(StatusCode::OK, &answer);
    let no_cache = HeaderValue::from_static("no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, no_cache);
    Ok(response)
}

/// Has the newest checkpoint time-stamped now
///
/// By the authority that the service is started with (`serve --tsa`). Roles `auditor` and `admin`, of all
/// accounts; at most once a minute (429).
#[utoipa::path(
    post,
    path = "/log/stamps",
    operation_id = "createStamp",
    tag = "evidence",
    responses((status = 201, description = "The new time-stamp", body = TimeStamp)),
)]
pub(crate) async fn create(
    State(app): State<App>,
    reader: Reader,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    reader.require_all(AUDIT)?;
    let stamped = app.config().stamps.on_demand(app.ledger()).await.map_err(refused)?;
    Ok(wire::json(StatusCode::CREATED, &TimeStamp::new(stamped)))
}

fn refused(error: OnDemand) -> ApiError {
    match error {
        OnDemand::TooSoon(left_s) => ApiError::rate_limited(error.to_string(), left_s),
        OnDemand::NoAuthority => ApiError::new(Code::NotFound, error.to_string()),
        OnDemand::Failed(failed) => {
            stamps::warn(&failed);
            ApiError::new(Code::StampFailed, failed.to_string())
        }
    }
}
