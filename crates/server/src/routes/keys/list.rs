//! `GET /v1/keys`

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use keys::Refusal;
use ledger::{AsOf, Caller, KeyCount, KeyPlace, KeyQuery, KeySort, KeyView, Ledger, Moment, Page};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::request::as_of::{AsOfAnswer, read_as_of};
use crate::request::authenticated::Reader;
use crate::request::extract::{limit, nested, parse};
use crate::request::key_cursor;
use crate::request::key_cursor::ListId;
use crate::request::key_filter::KeyFilterFields;
use crate::wire;
use crate::wire::Key;

/// Which page of a list of keys.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyPage {
    /// By what they are sorted: `created_at` by default, and only by that with `as_of`. Keys
    /// without such a value come last in both orders; those of one value in the order they were
    /// made.
    #[param(value_type = Option<wire::words::KeySort>)]
    sort: Option<String>,
    /// `asc` by default.
    #[param(value_type = Option<wire::words::Direction>)]
    order: Option<String>,
    /// Whether to say how many keys there are that match, on all pages: `total`, and by `total_is`
    /// whether that is exact.
    #[param(default = false)]
    count: Option<bool>,
    /// As they were at this time, or right after this record (`seq:N`). A cursor goes on at every
    /// moment; to be sure that all pages are of the same, name the `seq:N` of the first one.
    #[param(value_type = Option<wire::words::Moment>)]
    as_of: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<wire::words::Cursor>)]
    cursor: Option<String>,
}

impl KeyPage {
    /// Its parameters; all others are of the filter.
    const PARAMETERS: &[&str] = &["sort", "order", "count", "as_of", "limit", "cursor"];
}

/// The whole query of a list of keys.
pub(crate) struct KeyListQuery {
    query: KeyQuery,
    list: ListId,
    as_of: Option<AsOf>,
    is_counted: bool,
}

impl KeyListQuery {
    fn read(query: &str) -> Result<KeyListQuery, ApiError> {
        let parameters = form_urlencoded::parse(query.as_bytes());
        let (page, filter): (Vec<_>, Vec<_>) =
            parameters.partition(|(name, _)| KeyPage::PARAMETERS.contains(&&**name));
        let page: KeyPage = nested(page.into_iter(), &[])?;
        let sort = parse("sort", page.sort.as_deref())?.unwrap_or_default();
        let direction = parse("order", page.order.as_deref())?.unwrap_or_default();
        let list =
            ListId::of(filter.iter().map(|(name, text)| (&**name, &**text)), sort, direction);
        let after = page.cursor.map(|text| key_cursor::read(list, &text)).transpose()?;
        let filter = nested::<KeyFilterFields>(filter.into_iter(), &["tag"])?.filter()?;
        Ok(KeyListQuery {
            query: KeyQuery { filter, sort, direction, after, limit: limit(page.limit)? },
            list,
            as_of: parse("as_of", page.as_of.as_deref())?,
            is_counted: page.count.unwrap_or(false),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for KeyListQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        KeyListQuery::read(parts.uri.query().unwrap_or_default())
    }
}

/// Lists keys
///
/// A cursor goes on in a list of the same filter, sort and order. One answer looks at 10,000 keys at most: a page can be short, even
/// empty, and not the last; `next_cursor` says.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "listKeys",
    tag = "keys",
    params(KeyFilterFields, KeyPage),
    responses((status = 200, body = wire::described::KeyList)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    reader: Reader,
    KeyListQuery { query, list, as_of, is_counted }: KeyListQuery,
) -> Result<Response, ApiError> {
    let Some(as_of) = as_of else {
        let (page, count) = present(&app, reader.caller, query, is_counted).await?;
        return Ok(wire::json(StatusCode::OK, &AsOfAnswer::now(listed(list, &page, count))));
    };
    // Of another order it is refused.
    if query.sort == KeySort::CreatedAt {
        let query = Arc::new(query.clone());
        let step = move |query: Arc<KeyQuery>| {
            move |ledger: &Ledger, caller: &Caller| ledger.prepare_keys(caller, &query)
        };
        while !app.read(reader.caller.clone(), step(Arc::clone(&query))).await? {}
    }
    let read = move |ledger: &Ledger, caller: &Caller, moment: &Moment| {
        let page = ledger.find_keys_as_of(caller, &query, moment)?;
        let count = || ledger.count_keys_as_of(caller, &query.filter, moment);
        Ok((page, is_counted.then(count).transpose()?))
    };
    let ((page, count), moment) = read_as_of(&app, reader.caller, Some(as_of), read).await?;
    Ok(wire::json(StatusCode::OK, &AsOfAnswer::then(listed(list, &page, count), &moment)))
}

type Found = (Page<KeyView, KeyPlace>, Option<KeyCount>);

/// Memory only, but a search through ten thousand descriptions takes its time, and to put a million
/// keys in order takes many times as long, in steps between which others have their turn.
async fn present(
    app: &App,
    caller: Caller,
    query: KeyQuery,
    is_counted: bool,
) -> Result<Found, ApiError> {
    let query = Arc::new(query);
    loop {
        let query = Arc::clone(&query);
        let step = move |ledger: &Ledger, caller: &Caller| {
            if !ledger.prepare_keys(caller, &query)? {
                return Ok(None);
            }
            let page = match ledger.find_keys(caller, &query) {
                // The only key that is named is that of the cursor.
                Err(ledger::Error::Refused(Refusal::UnknownKey)) => return Ok(Some(None)),
                page => page?,
            };
            let count = || ledger.count_keys(caller, &query.filter);
            Ok(Some(Some((page, is_counted.then(count).transpose()?))))
        };
        if let Some(found) = app.read(caller.clone(), step).await? {
            return found.ok_or_else(|| ApiError::field("cursor", "is of a key that is not there"));
        }
    }
}

/// A page of keys, and how many there are if that was asked for.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    page: wire::Page<Key<'a>>,
    #[serde(flatten)]
    total: Option<Total>,
}

/// How many keys match.
#[derive(Serialize)]
struct Total {
    total: u64,
    total_is: &'static str,
}

fn listed(list: ListId, page: &Page<KeyView, KeyPlace>, count: Option<KeyCount>) -> Listed<'_> {
    let items = page.items.iter().map(Key::new).collect();
    let next_cursor = page.next.as_ref().map(|place| key_cursor::write(list, place));
    let total = count.map(|count| Total {
        total: count.keys,
        total_is: if count.is_exact { "exact" } else { "at_least" },
    });
    Listed { page: wire::Page { items, next_cursor }, total }
}
