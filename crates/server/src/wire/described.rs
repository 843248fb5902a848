//! Answers that are put together of parts as they are written, described whole for the document.

#![expect(dead_code, reason = "these describe answers; they are never made")]

use utoipa::ToSchema;

use super::event::Event;
use super::key::Key;
use super::{Verified, words};

/// Keys, a page at a time.
#[derive(ToSchema)]
pub(crate) struct KeyList<'a> {
    /// What is on this page.
    items: Vec<Key<'a>>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<words::Cursor>, required)]
    next_cursor: Option<String>,
    /// Only with `count=true`: how many keys match, on all pages.
    total: Option<u64>,
    /// Only with `count=true`: whether `total` is all of them.
    #[schema(value_type = Option<words::TotalIs>)]
    total_is: Option<String>,
    /// Only where `as_of` was asked for: `seq:N`, the last record that counts; null if nothing was
    /// recorded by then.
    as_of: Option<String>,
}

/// Events, a page at a time.
#[derive(ToSchema)]
pub(crate) struct EventList<'a> {
    /// What is on this page.
    items: Vec<Event<'a>>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<words::Cursor>, required)]
    next_cursor: Option<String>,
}

/// A key, now or at a moment of the past.
#[derive(ToSchema)]
pub(crate) struct KeyAsOf<'a> {
    #[serde(flatten)]
    key: Key<'a>,
    /// Only where `as_of` was asked for: `seq:N`, the last record that counts.
    as_of: Option<String>,
}

/// What verify answers.
#[derive(ToSchema)]
pub(crate) struct VerifyResult<'a> {
    #[serde(flatten)]
    verified: Verified<'a>,
    /// Only where `as_of` was asked for: `seq:N`, the last record that counts; null if nothing was
    /// recorded by then.
    as_of: Option<String>,
}
