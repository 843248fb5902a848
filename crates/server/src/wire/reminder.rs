//! A message that reminds of a key's end, in the form that webhooks send; what else says the same is in
//! [`super::ocsf()`] and [`super::cef()`].

use keys::Timestamp;
use ledger::KeyView;
use serde::Serialize;
use utoipa::ToSchema;

use super::key::Key;
use super::text::Time;
use crate::webhooks::EXPIRING;

/// A key's end comes near.
pub(crate) struct Reminder<'a> {
    /// What names the message: no other one has it.
    pub(crate) id: &'a str,
    /// The key, as it is now.
    pub(crate) view: &'a KeyView,
    /// How many days before.
    pub(crate) days: u16,
    /// When the key ends.
    pub(crate) ends_at: Timestamp,
    /// The present moment.
    pub(crate) now: Timestamp,
}

/// A message that reminds of a key's end. It is no event of the log.
#[derive(Serialize, ToSchema)]
#[schema(as = ExpiringReminder)]
pub(crate) struct Expiring<'a> {
    r#type: &'static str,
    /// How many days before: 30, 7 or 1.
    days: u16,
    /// When the key ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// The key, as it is now.
    key: Key<'a>,
}

impl<'a> Expiring<'a> {
    pub(crate) fn new(reminder: &Reminder<'a>) -> Expiring<'a> {
        let Reminder { view, days, ends_at, .. } = *reminder;
        Expiring { r#type: EXPIRING, days, expires_at: Time(ends_at), key: Key::new(view) }
    }
}
