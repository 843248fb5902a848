//! `/v1/events`: the log as events, a page at a time or all of it.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

pub(crate) mod expirations;
pub(crate) mod expiring;
pub(crate) mod receipt;
pub(crate) mod stream;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use ledger::{EventFilter, Page, Range, Reading, Seq, Walk};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::{ApiError, Code};
use crate::export::events as export;
use crate::export::long::LongAnswer;
use crate::export::walk::EventWalk;
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::cursor;
use crate::request::extract::{Path, Place, Query, limit, parse};
use crate::request::parameters::NoParameters;
use crate::request::reading::{range_for, range_of};
use crate::wire;
use crate::wire::Event;

/// The routes of events, and of keys that fall due.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add("/v1/events", get(list))
        .add("/v1/events/stream", get(stream::stream))
        .add("/v1/events/{seq}/receipt", get(receipt::receipt))
        .add("/v1/events/{seq}", get(one))
        .add("/v1/expirations", post(expirations::expire_due))
        .add("/v1/expiring", get(expiring::list))
}

/// Which events to list; what is missing does not matter.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListEvents {
    /// Only events after this place.
    after: Option<u64>,
    /// At most so many; 50 by default, all when they are streamed.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<wire::words::Cursor>)]
    cursor: Option<String>,
    /// Oldest first by default.
    #[param(value_type = Option<wire::words::Order>)]
    order: Option<String>,
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
    /// Recorded at this moment or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Recorded before this moment.
    #[param(format = DateTime)]
    to: Option<String>,
}

impl ListEvents {
    pub(crate) fn filter(&self) -> Result<EventFilter, ApiError> {
        Ok(EventFilter {
            account: parse("account", self.account.as_deref())?,
            owner: None,
            key: parse("key", self.key.as_deref())?,
            kind: parse("type", self.r#type.as_deref())?,
            actor: parse("actor", self.actor.as_deref())?,
            from: parse("from", self.from.as_deref())?,
            to: parse("to", self.to.as_deref())?,
        })
    }

    /// Where the list begins and which way it goes.
    fn walk(&self) -> Result<Walk, ApiError> {
        let start = match self.order.as_deref() {
            None | Some("asc") => Walk::Up(self.after.map_or(Seq(0), |after| Seq(after).next())),
            Some("desc") => Walk::Down(Seq(u64::MAX)),
            Some(_) => return Err(ApiError::field("order", "must be one of: asc desc")),
        };
        match (self.cursor.as_deref().map(cursor::events).transpose()?, start) {
            (None, start) => Ok(start),
            (Some(Walk::Up(at)), Walk::Up(from)) => Ok(Walk::Up(at.max(from))),
            (Some(Walk::Down(at)), Walk::Down(_)) => Ok(Walk::Down(at)),
            (Some(_), _) => Err(ApiError::field("cursor", "is of a list in the other order")),
        }
    }
}

/// Lists events
///
/// With `Accept: application/x-ndjson` or `text/csv` all of them are streamed. The weights decide,
/// `q=0` excludes; without `Accept` it is a page of JSON, and 406 if none of the three is taken.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "events",
    params(ListEvents),
    responses(
        (
            status = 200,
            content(
                (wire::described::EventList = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
            ),
        ),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    Query(parameters): Query<ListEvents>,
) -> Result<Response, ApiError> {
    let most = limit(parameters.limit)?;
    let walk = parameters.walk()?;
    let tour = EventWalk {
        caller: reader.caller.clone(),
        filter: parameters.filter()?,
        after: parameters.after.map(Seq),
    };
    if let Some(format) = export::accepted(&headers)? {
        let long = LongAnswer::begin(&app, &reader)?;
        let from = tour.after.map_or(Seq(0), Seq::next);
        let range = Range { from, ..range_for(&tour.filter) };
        reader.record(&app, Reading::Events, range).await?;
        let most = parameters.limit.map(|_| most);
        return export::stream(long, tour, walk, most, format).await;
    }
    let filtered = range_for(&tour.filter);
    let caller = tour.caller.clone();
    let read = app.read(caller.clone(), move |ledger, _| tour.read(ledger, walk, most));
    let Page { items, next } = read.await?;
    let Range { from, until, .. } = range_of(items.iter());
    reader.record(&app, Reading::Events, Range { from, until, ..filtered }).await?;
    let shown_for = parse("key", parameters.key.as_deref())?;
    let items = items.iter().map(|entry| Event::for_key(entry, shown_for)).collect();
    let page = wire::Page { items, next_cursor: next.map(cursor::of_events) };
    Ok(wire::json(StatusCode::OK, &page))
}

/// Shows an event
#[utoipa::path(
    get,
    path = "/v1/events/{seq}",
    operation_id = "getEvent",
    tag = "events",
    params(("seq" = u64, Path, description = "Its place in the log")),
    responses((status = 200, body = Event)),
)]
pub(crate) async fn one(
    State(app): State<App>,
    reader: Reader,
    Path(Place(seq)): Path<Place>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    let read = app.read(reader.caller.clone(), move |ledger, caller| ledger.event(caller, seq));
    let entry = found(read.await)?;
    reader.record(&app, Reading::Event, range_of(std::iter::once(&entry))).await?;
    Ok(wire::json(StatusCode::OK, &Event::new(&entry)))
}

/// What was asked of an event: one that is not there, or not for the caller, is not found.
fn found<T>(read: Result<T, ledger::Error>) -> Result<T, ApiError> {
    match read {
        Ok(found) => Ok(found),
        Err(
            ledger::Error::BeyondTheLog { .. } | ledger::Error::Refused(keys::Refusal::UnknownKey),
        ) => Err(ApiError::new(Code::EventNotFound, "no such event")),
        Err(error) => Err(error.into()),
    }
}
