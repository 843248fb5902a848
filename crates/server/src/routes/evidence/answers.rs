//! Tiles, bundles of entries and notes, as answers: their paths, types and how long they may be
//! kept.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use tlog::{TileIndex, TilePath};

use crate::error::{ApiError, Code};
use crate::wire;

/// A text that changes with every commit.
pub(crate) fn fresh(text: String) -> Response {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut response = wire::typed(StatusCode::OK, kind, Body::from(text));
    let no_cache = HeaderValue::from_static("no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, no_cache);
    response
}

/// The tile that a URL's path names after `log`.
pub(crate) fn tile_of(log: &str, path: &str) -> Result<TilePath, ApiError> {
    // Clients made from the document write a tile's slashes as `%2F`, as in any parameter of a path.
    let path = percent_decode_str(path).decode_utf8_lossy();
    path.strip_prefix(log).and_then(|tile| tile.parse().ok()).ok_or_else(no_tile)
}

/// A path that is not that of a tile, and one of a tile that is not there yet, are alike.
pub(crate) fn no_tile() -> ApiError {
    ApiError::new(Code::NotFound, "the log has no such tile, or not yet")
}

/// A tile of hashes, which anybody may keep.
pub(crate) fn tile_answer(bytes: Option<Vec<u8>>, index: TileIndex) -> Result<Response, ApiError> {
    // A partial tile never changes either, but it is soon of no use to anybody.
    let cache_control =
        if index.is_full() { "public, max-age=31536000, immutable" } else { "no-cache" };
    octets(bytes, cache_control)
}

/// A bundle of entries, which its reader may keep: whose token it was asked with matters.
pub(crate) fn bundle_answer(
    bytes: Option<Vec<u8>>,
    index: TileIndex,
) -> Result<Response, ApiError> {
    let cache_control =
        if index.is_full() { "private, max-age=31536000, immutable" } else { "no-store" };
    octets(bytes, cache_control)
}

fn octets(bytes: Option<Vec<u8>>, cache_control: &'static str) -> Result<Response, ApiError> {
    let kind = HeaderValue::from_static("application/octet-stream");
    let body = Body::from(bytes.ok_or_else(no_tile)?);
    let mut response = wire::typed(StatusCode::OK, kind, body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    Ok(response)
}
