//! JSON and query parameters as they were sent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A value as it was sent. An object keeps names that occur more than once.
pub(super) enum Sent<'de> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'de, str>),
    /// The text of a query parameter, which is read as a value of any simple type.
    Parameter(Cow<'de, str>),
    List(Vec<Sent<'de>>),
    Object(Vec<(Cow<'de, str>, Sent<'de>)>),
}

impl<'de> Deserialize<'de> for Sent<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sent<'de>, D::Error> {
        deserializer.deserialize_any(Read(PhantomData))
    }
}

/// Reads JSON of any form.
struct Read<'de>(PhantomData<Sent<'de>>);

impl<'de> Visitor<'de> for Read<'de> {
    type Value = Sent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Sent<'de>, E> {
        Ok(Sent::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Sent<'de>, E> {
        Ok(Sent::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Sent<'de>, E> {
        Ok(Sent::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Sent<'de>, E> {
        Ok(Sent::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Sent<'de>, E> {
        // JSON has no infinity, so there is always a number.
        Ok(Number::from_f64(value).map_or(Sent::Null, Sent::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Sent<'de>, E> {
        Ok(Sent::Text(text.to_owned().into()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Sent<'de>, E> {
        Ok(Sent::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Sent<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Sent::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Sent<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some((name, value)) = fields.next_entry::<String, _>()? {
            object.push((name.into(), value));
        }
        Ok(Sent::Object(object))
    }
}
