//! `/v1/keys/{id}/usage` and `/v1/usage`: how often keys were verified, by the hour or the day.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use keys::{Account, Invalid, KeyId, Timestamp};
use ledger::{Caller, Ledger, Page, UsagePoint, UsageQuery, UsageStep};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::cursor;
use crate::request::extract::{Path, Query, limit_to, parse};
use crate::request::page::{Both, OfAccount};
use crate::wire;

/// The routes of this file.
pub(crate) fn router() -> Routes {
    Routes::default().add("/v1/keys/{id}/usage", get(of_key)).add("/v1/usage", get(of_account))
}

/// The most points of one answer, and how many there are if nobody says so: a year of days.
const MOST: u16 = 500;

/// Which counts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// From the hour or day on that this lies in; from the first that is kept by default.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Up to this moment, without it; now by default.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Whether an item is an hour or a UTC day.
    #[param(value_type = Option<wire::words::UsageStep>)]
    by: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 500)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<wire::words::Cursor>)]
    cursor: Option<String>,
}

impl Span {
    fn query(&self, now: Timestamp) -> Result<UsageQuery, ApiError> {
        let from = parse("from", self.from.as_deref())?.unwrap_or(Timestamp::MIN);
        let to = parse("to", self.to.as_deref())?;
        match to {
            None if from > now => {
                return Err(ApiError::field("from", "must not lie in the future"));
            }
            Some(to) if from > to => {
                return Err(ApiError::field("to", "must not lie before from"));
            }
            Some(_) | None => {}
        }
        let step = match self.by.as_deref() {
            None | Some("day") => UsageStep::Day,
            Some("hour") => UsageStep::Hour,
            Some(_) => return Err(ApiError::field("by", Invalid::UnknownWord(&["hour", "day"]))),
        };
        let from = self.cursor.as_deref().map(cursor::usage).transpose()?.unwrap_or(from);
        let limit = limit_to(self.limit, MOST.into(), MOST)?;
        // What is counted now counts as well.
        Ok(UsageQuery { from, to: to.unwrap_or(Timestamp::MAX), step, limit })
    }
}

/// Counts how often a key was verified, by what was answered
///
/// Hours and days without a verify are left out. Counts are kept for `--usage-days` (90); those of
/// the last seconds are lost in a crash.
#[utoipa::path(
    get,
    path = "/v1/keys/{id}/usage",
    operation_id = "keyUsage",
    tag = "keys",
    params(Span),
    responses((status = 200, body = wire::Usage)),
)]
pub(crate) async fn of_key(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<KeyId>,
    Query(span): Query<Span>,
) -> Result<Response, ApiError> {
    let query = span.query(app.ledger().now())?;
    let read = move |ledger: &Ledger, caller: &Caller| {
        Ok((ledger.key_usage(caller, id, &query)?, ledger.usage_since()))
    };
    Ok(shown(&app.read(reader.caller, read).await?))
}

/// Counts how often the keys of an account were verified, by what was answered
///
/// Not for role `user`: the sums tell of all keys. Hours and days without a verify are left out.
#[utoipa::path(
    get,
    path = "/v1/usage",
    operation_id = "accountUsage",
    tag = "keys",
    params(OfAccount, Span),
    responses((status = 200, body = wire::Usage)),
)]
pub(crate) async fn of_account(
    State(app): State<App>,
    reader: Reader,
    Both(OfAccount { account }, span): Both<OfAccount, Span>,
) -> Result<Response, ApiError> {
    let account: Option<Account> = parse("account", account.as_deref())?;
    let query = span.query(app.ledger().now())?;
    let read = move |ledger: &Ledger, caller: &Caller| {
        Ok((ledger.account_usage(caller, account.as_ref(), &query)?, ledger.usage_since()))
    };
    Ok(shown(&app.read(reader.caller, read).await?))
}

fn shown((page, since): &(Page<UsagePoint, Timestamp>, Timestamp)) -> Response {
    wire::json(StatusCode::OK, &wire::Usage::new(page, *since, page.next.map(cursor::of_usage)))
}
