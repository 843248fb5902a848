//! `GET /v1/events/stream`: server-sent events. It catches up, then follows.
//!
//! One text waits for the client at most, and the rest stays in the log: a slow reader falls
//! behind, makes no memory grow, and misses nothing.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

mod hub;
mod pace;
mod piece;
mod seat;
mod topics;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use ledger::{Range, Reading, Seq};
use serde::Deserialize;
use utoipa::IntoParams;

use self::hub::Hub;
use self::seat::{Following, Full, Permit, Shared};
use self::topics::Filter;
use crate::app::{App, Config};
use crate::auth::Reader;
use crate::error::{ApiError, Code};
use crate::request::context::HttpContext;
use crate::request::extract::{Query, header_text, number, parse};
use crate::wire;

/// What streams may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// The part of the processors that delivery may take: one in so many.
    share: u32,
    /// About the most bytes given to a client at once.
    part: usize,
    /// The same when much text is held by clients who take it slowly.
    least: usize,
    /// How many bytes of text clients may hold before that.
    pressure: usize,
    /// About the most bytes of a piece.
    piece: usize,
    /// How many bytes of text are held for those who may come for them.
    held: usize,
    /// How many pieces are.
    pieces: usize,
    /// How many pieces that were read from the log are held for each filter.
    read_pieces: usize,
    /// A stream so many events from the log's end is soon there.
    near: u64,
    /// Events read from the log at once.
    page: usize,
    /// How many readings are under way at once.
    reads: usize,
    /// How long after a reading was refused it is tried again.
    again: Duration,
    /// How long after something was shown the next is: what comes meanwhile is one text.
    interval: Duration,
    /// How long a stream may be silent.
    heartbeat: Duration,
}

const BOUNDS: Bounds = Bounds {
    share: 8,
    part: 64 * 1024,
    least: 4 * 1024,
    pressure: 64 << 20,
    piece: 64 * 1024,
    held: 16 << 20,
    pieces: 8_192,
    read_pieces: 16,
    near: 8_192,
    page: 256,
    reads: 4,
    again: Duration::from_millis(200),
    interval: Duration::from_millis(10),
    heartbeat: Duration::from_secs(15),
};

/// All streams of the service.
#[derive(Default)]
pub(crate) struct Streams {
    shared: Arc<Shared>,
    begun: AtomicBool,
}

impl Streams {
    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.shared.open()
    }
}

/// What to follow; what is missing does not matter.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Follow {
    /// Only events after this place; `Last-Event-ID` goes before it.
    after: Option<u64>,
    /// The account of the key.
    #[param(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// The key.
    #[param(format = "uuid")]
    key: Option<String>,
    /// What happened.
    #[param(value_type = Option<wire::words::EventType>)]
    r#type: Option<String>,
    /// The subject that acted.
    #[param(min_length = 1, max_length = 255)]
    actor: Option<String>,
}

/// Streams events as they are recorded
///
/// `id` is the event's place, `event` its type. It catches up, then follows.
#[utoipa::path(
    get,
    path = "/v1/events/stream",
    operation_id = "streamEvents",
    tag = "events",
    params(
        Follow,
        ("Last-Event-ID" = Option<u64>, Header, description = "Only events after this place"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = String)),
)]
pub(crate) async fn stream(
    State(app): State<App>,
    who: Reader,
    context: HttpContext,
    headers: HeaderMap,
    Query(asked): Query<Follow>,
) -> Result<Response, ApiError> {
    let after = match header_text(&headers, &HeaderName::from_static("last-event-id"))? {
        None | Some("") => asked.after,
        Some(text) => {
            Some(number(text).ok_or_else(|| ApiError::field("last-event-id", "must be a number"))?)
        }
    };
    let from = after.map_or(Seq(0), |after| Seq(after).next());
    let end = *app.ledger().length().borrow();
    if from > end {
        return Err(ApiError::field("after", format_args!("the log ends at {}", end.0)));
    }
    let mut filter = Filter {
        account: parse("account", asked.account.as_deref())?,
        key: parse("key", asked.key.as_deref())?,
        kind: parse("type", asked.r#type.as_deref())?,
        actor: parse("actor", asked.actor.as_deref())?,
        never: false,
    };
    let permit = enter(&app, &who)?;
    let range =
        Range { from, account: filter.account.clone(), key: filter.key, ..Range::default() };
    who.record(&app, Reading::Stream, range).await?;
    let scope = &who.caller.identity.scope;
    filter.never = filter.account.as_ref().is_some_and(|account| !scope.covers(account));
    filter.account = filter.account.or_else(|| scope.account().cloned());
    let body = Following::join(permit, (who.caller, who.bearer), filter, from);
    context.connection.end_with_client();
    let content_type = HeaderValue::from_static("text/event-stream");
    let mut response = wire::typed(StatusCode::OK, content_type, Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies hold back what they take for one answer.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A place among the streams there may be. The first one begins the hub.
fn enter(app: &App, who: &Reader) -> Result<Permit, ApiError> {
    let Config { max_streams, max_streams_per_account, .. } = app.config();
    let account = who.caller.identity.scope.account().cloned();
    let Streams { shared, begun } = app.streams();
    let permit = shared.enter(account, (*max_streams, *max_streams_per_account));
    let permit = permit.map_err(|full| match full {
        Full::All => ApiError::new(Code::Overloaded, "too many streams are open"),
        Full::Account => {
            ApiError::rate_limited("the account has as many event streams open as it may have", 1)
        }
    })?;
    if !begun.swap(true, Ordering::Relaxed) {
        tokio::spawn(Hub::new(app.clone(), Arc::clone(shared), BOUNDS).run());
    }
    Ok(permit)
}

#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod tests;
