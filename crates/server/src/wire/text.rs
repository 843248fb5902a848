//! Values that are written as a text.

use keys::{KeyId, Timestamp};
use serde::{Serialize, Serializer};

/// A moment: RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.text();
        let text = str::from_utf8(&text);
        serializer.serialize_str(text.unwrap_or_else(|_| unreachable!("a time is ASCII")))
    }
}

/// The id of a key.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) KeyId);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text(&mut [0; 36]))
    }
}

/// Anything that is written as its text.
#[derive(Clone, Copy)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
