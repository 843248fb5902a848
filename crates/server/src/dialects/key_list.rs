//! Lists of keys, written page by page: an account may have a million.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use keys::{Account, Dialect, Timestamp};
use ledger::{Caller, KeyView, Ledger, Page};
use serde::Serialize;

use crate::app::App;
use crate::error::ApiError;
use crate::export::long::LongAnswer;
use crate::wire;

/// Keys read at a time.
const PAGE: usize = 500;

/// Whose keys are listed; never revoked ones.
pub(super) struct Listing {
    pub(super) caller: Caller,
    pub(super) dialect: Dialect,
    pub(super) account: Account,
}

impl Listing {
    fn page(&self, ledger: &Ledger, after: u64) -> Result<Page<KeyView, u64>, ledger::Error> {
        ledger.keys_of_dialect(&self.caller, self.dialect, &self.account, after, PAGE)
    }
}

/// Answers `head`, the keys that `show` shows, and `tail` of their number.
pub(super) async fn stream<T: Serialize>(
    app: &App,
    listing: Listing,
    (head, tail): (&'static str, fn(u64) -> String),
    show: impl Fn(&KeyView, Timestamp) -> Option<T> + Send + 'static,
) -> Result<Response, ApiError> {
    let now = app.ledger().now();
    let caller = listing.caller.clone();
    let read = app.read(caller.clone(), move |ledger, _| Ok((listing.page(ledger, 0)?, listing)));
    let (first, listing) = read.await?;
    let all = first.next.is_none();
    let mut page = Some(first);
    let mut text = head.as_bytes().to_vec();
    let mut count = 0;
    let mut pieces = move |ledger: &Ledger| {
        let Some(current) = page.take() else { return Ok(None) };
        for shown in current.items.iter().filter_map(|view| show(view, now)) {
            if count > 0 {
                text.push(b',');
            }
            count += 1;
            wire::put_json(&mut text, &shown);
        }
        match current.next {
            None => text.extend_from_slice(tail(count).as_bytes()),
            Some(after) => page = Some(listing.page(ledger, after)?),
        }
        Ok(Some(Bytes::from(std::mem::take(&mut text))))
    };
    if all {
        let only = Body::from(pieces(app.ledger())?.unwrap_or_default());
        let json = HeaderValue::from_static("application/json");
        return Ok(wire::typed(StatusCode::OK, json, only));
    }
    LongAnswer::list(app, &caller)?.answer("application/json", pieces).await
}
