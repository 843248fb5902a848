//! The types of requests and answers, apart from the stored ones: no change of those reaches a
//! client.

pub(crate) mod access;
mod aside;
mod bulk;
mod cef;
pub(crate) mod described;
mod edits;
mod event;
mod foreign;
mod import;
mod json;
mod key;
mod limits;
mod needed;
mod object;
mod ocsf;
mod patch;
pub(crate) mod plain;
#[cfg(test)]
mod plain_json;
pub(crate) mod proved;
mod receipt;
pub(crate) mod reminder;
mod request;
mod response;
mod rules;
pub(crate) mod subject;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod token;
mod usage;
mod verify;
pub(crate) mod webhook;
mod whole;
pub(crate) mod words;

use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::bulk::{BulkChange, BulkChanged};
pub(crate) use self::cef::{cef, cef_reminder};
pub(crate) use self::event::{
    CreatedData, Data, Event, ExpiredData, NoData, RevokedData, UpdatedData,
};
pub(crate) use self::import::{ImportAnswer, ImportCounts, ImportLine, ImportSummary, LineAnswer};
pub(crate) use self::json::{put_json, put_quoted_json, to_json};
pub(crate) use self::key::{Key, KeyRef, Made};
pub(crate) use self::needed::permission;
pub(crate) use self::ocsf::{ocsf, ocsf_reminder};
pub(crate) use self::patch::Patch;
pub(crate) use self::receipt::put_with_receipt;
pub(crate) use self::request::{Create, Expirations, Pairs, Reasoned, Rotate, metadata};
pub(crate) use self::response::{bare_json, json, receipted, replayed, tag, typed};
pub(crate) use self::text::{Id, Text, Time};
pub(crate) use self::usage::Usage;
pub(crate) use self::verify::{Verified, VerifiedBatch, Verify, VerifyBatch, cost};

/// One page of a list.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// The `cursor` of the next page; null at the end.
    pub(crate) next_cursor: Option<String>,
}

/// A member that is described with the others, but is written by [`receipted`]: never there.
#[derive(Serialize)]
pub(crate) enum Apart {}

/// A new key: what `create` and `rotate` answer.
#[derive(Serialize, ToSchema)]
#[schema(as = NewKey)]
pub(crate) struct Created<'a> {
    /// The key.
    pub(crate) key: Key<'a>,
    /// Its text, given once: null for a dry run, for a replay that came too late, and for an imported key.
    #[schema(required)]
    pub(crate) secret: Option<&'a str>,
    /// Its proof (c2sp.org/tlog-proof), with `?receipt=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) receipt: Option<Apart>,
}

/// What a change answers.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyChange)]
pub(crate) struct Changed<'a> {
    /// The key, as it was right after.
    pub(crate) key: Key<'a>,
    /// The event. Of a dry run, the one that would be recorded.
    pub(crate) event: Event<'a>,
    /// Its proof (c2sp.org/tlog-proof), with `?receipt=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) receipt: Option<Apart>,
}

/// What an edit answers.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyEdit)]
pub(crate) struct Edited<'a> {
    /// The key, as it was right after.
    pub(crate) key: Key<'a>,
    /// The event; null where nothing changed. Of a dry run, the one that would be recorded.
    #[schema(required)]
    pub(crate) event: Option<Event<'a>>,
    /// Its proof (c2sp.org/tlog-proof), with `?receipt=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) receipt: Option<Apart>,
}

/// What recording due keys answers.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedExpirations)]
pub(crate) struct Ended {
    /// The ids of the keys whose end was recorded, soonest due first.
    #[schema(value_type = Vec<String>)]
    pub(crate) expired: Vec<Text<keys::KeyId>>,
    /// Whether more is due.
    pub(crate) more: bool,
    /// When the next key is due; null if none has a due time.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) next_due_at: Option<Time>,
}
