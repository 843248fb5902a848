//! `GET /v1/events/stream`: server-sent events.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use ledger::{EventFilter, Range, Reading, Seq};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::request::authenticated::Reader;
use crate::request::context::HttpContext;
use crate::request::extract::{Query, header_text, number, parse};
use crate::request::reading::range_for;
use crate::stream::admission::admit;
use crate::stream::subscription::StreamBody;
use crate::stream::topics::Filter;
use crate::wire;

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
    reader: Reader,
    context: HttpContext,
    headers: HeaderMap,
    Query(parameters): Query<Follow>,
) -> Result<Response, ApiError> {
    let after = match header_text(&headers, &HeaderName::from_static("last-event-id"))? {
        None | Some("") => parameters.after,
        Some(text) => {
            Some(number(text).ok_or_else(|| ApiError::field("last-event-id", "must be a number"))?)
        }
    };
    let from = after.map_or(Seq(0), |after| Seq(after).next());
    let end = *app.ledger().length().borrow();
    if from > end {
        return Err(ApiError::field("after", format_args!("the log ends at {}", end.0)));
    }
    let wanted = EventFilter {
        account: parse("account", parameters.account.as_deref())?,
        key: parse("key", parameters.key.as_deref())?,
        kind: parse("type", parameters.r#type.as_deref())?,
        actor: parse("actor", parameters.actor.as_deref())?,
        ..EventFilter::default()
    };
    let permit = admit(&app, &reader)?;
    let range = Range { from, ..range_for(&wanted) };
    reader.record(&app, Reading::Stream, range).await?;
    let filter = Filter::of(app.ledger().event_filter(&reader.caller, &wanted)?);
    let body = StreamBody::join(permit, reader.caller, reader.bearer, filter, from);
    context.connection.end_with_client();
    let content_type = HeaderValue::from_static("text/event-stream");
    let mut response = wire::typed(StatusCode::OK, content_type, Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies hold back what they take for one answer.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
