//! Lists of keys, written page by page: an account may have a million.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use keys::{Account, Dialect, Timestamp};
use ledger::{Caller, KeyView, Ledger, Page};
use serde::Serialize;

use crate::{ApiError, App, wire};

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
        let of = (self.dialect, &self.account);
        ledger.keys_of_dialect(&self.caller, of, after, PAGE)
    }
}

/// Answers `head`, the keys that `show` shows, and `tail` of their number.
pub(super) fn stream<T: Serialize>(
    app: &App,
    listing: Listing,
    (head, tail): (&'static str, fn(u64) -> String),
    show: impl Fn(&KeyView, Timestamp) -> Option<T> + Send + 'static,
) -> Result<Response, ApiError> {
    let ledger = app.ledger().clone();
    let now = ledger.now();
    let first = listing.page(&ledger, 0)?;
    let all = first.next.is_none();
    let mut page = Some(first);
    let mut text = head.as_bytes().to_vec();
    let mut count = 0;
    let mut chunks = std::iter::from_fn(move || {
        let current = page.take()?;
        for shown in current.items.iter().filter_map(|view| show(view, now)) {
            if count > 0 {
                text.push(b',');
            }
            count += 1;
            wire::put_json(&mut text, &shown);
        }
        match current.next.map(|after| listing.page(&ledger, after)) {
            None => text.extend_from_slice(tail(count).as_bytes()),
            Some(Ok(next)) => page = Some(next),
            Some(Err(_)) => return Some(Err(io::Error::other("cut off"))),
        }
        Some(Ok(Bytes::from(std::mem::take(&mut text))))
    });
    let body = match chunks.next() {
        Some(Ok(only)) if all => Body::from(only),
        first => Body::from_stream(tokio_stream::iter(first.into_iter().chain(chunks))),
    };
    Ok(wire::typed(StatusCode::OK, HeaderValue::from_static("application/json"), body))
}
