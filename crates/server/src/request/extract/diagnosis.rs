//! Finds what is wrong with a body or a query that serde refused.
//!
//! The errors of serde's formats are sentences. Here the request is read once more, by a reader
//! whose error holds the place and the kind of what is wrong. Only refused requests come this way.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::num::IntErrorKind;

use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer as _, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Number;

use crate::error::{InvalidKind, Type};

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Finding {
    /// The names and places that lead to it; empty for the whole.
    pub(super) path: String,
    pub(super) kind: InvalidKind,
}

/// What is wrong with `bytes` as JSON for a `T`.
pub(super) fn of_json<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Finding {
    match serde_json::from_slice::<Sent<'de>>(bytes) {
        Ok(sent) => of::<T>(sent),
        Err(_) => InvalidKind::NotJson.into(),
    }
}

/// What is wrong with these parameters of a query for a `T`.
pub(super) fn of_query<'de, T: Deserialize<'de>>(
    parameters: impl Iterator<Item = (Cow<'de, str>, Cow<'de, str>)>,
) -> Finding {
    of::<T>(Sent::Object(parameters.map(|(name, text)| (name, Sent::Parameter(text))).collect()))
}

fn of<'de, T: Deserialize<'de>>(sent: Sent<'de>) -> Finding {
    match T::deserialize(sent) {
        Err(finding) => finding,
        // The other reader refused it, for a reason that this one does not know.
        Ok(_) => InvalidKind::Unclear.into(),
    }
}

/// A value as it was sent. An object keeps names that stand in it more than once.
enum Sent<'de> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'de, str>),
    /// The text of a query's parameter, which stands for a value of any simple type.
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

impl From<InvalidKind> for Finding {
    fn from(kind: InvalidKind) -> Finding {
        Finding { path: String::new(), kind }
    }
}

impl From<Type> for Finding {
    fn from(expected: Type) -> Finding {
        InvalidKind::Type(expected).into()
    }
}

impl Finding {
    fn at(name: &str, kind: InvalidKind) -> Finding {
        Finding { path: name.to_owned(), kind }
    }

    /// The same, found in the field `name`.
    fn within_field(self, name: &str) -> Finding {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            inner if inner.starts_with('[') => format!("{name}{inner}"),
            inner => format!("{name}.{inner}"),
        };
        Finding { path, ..self }
    }

    /// The same, found in the item at `place` of a list.
    fn within_item(self, place: usize) -> Finding {
        self.within_field(&format!("[{place}]"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

impl std::error::Error for Finding {}

impl de::Error for Finding {
    fn custom<T: fmt::Display>(_: T) -> Finding {
        InvalidKind::Unclear.into()
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Finding {
        Type::Described(expected.to_string()).into()
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Finding {
        Finding::invalid_type(unexpected, expected)
    }

    fn unknown_field(name: &str, _: &'static [&'static str]) -> Finding {
        Finding::at(name, InvalidKind::UnknownField)
    }

    fn missing_field(name: &'static str) -> Finding {
        Finding::at(name, InvalidKind::Missing)
    }

    fn duplicate_field(name: &'static str) -> Finding {
        Finding::at(name, InvalidKind::Repeated)
    }
}

/// Whole numbers of a fixed size.
macro_rules! whole_numbers {
    ($($method:ident $type:ident $visit:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Finding> {
            match self {
                Sent::Number(number) => number
                    .as_i128()
                    .and_then(|number| $type::try_from(number).ok())
                    .map_or(Err(Type::WholeNumber.into()), |number| visitor.$visit(number)),
                Sent::Parameter(text) => match text.parse::<$type>() {
                    Ok(number) => visitor.$visit(number),
                    Err(error) => Err(match error.kind() {
                        IntErrorKind::InvalidDigit => Type::WholeNumber.into(),
                        IntErrorKind::PosOverflow => InvalidKind::TooLarge.into(),
                        _ => InvalidKind::Unclear.into(),
                    }),
                },
                Sent::Null | Sent::Bool(_) | Sent::Text(_) | Sent::List(_) | Sent::Object(_) => {
                    Err(Type::WholeNumber.into())
                }
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Sent<'de> {
    type Error = Finding;

    whole_numbers!(
        deserialize_i8 i8 visit_i8
        deserialize_i16 i16 visit_i16
        deserialize_i32 i32 visit_i32
        deserialize_i64 i64 visit_i64
        deserialize_u8 u8 visit_u8
        deserialize_u16 u16 visit_u16
        deserialize_u32 u32 visit_u32
        deserialize_u64 u64 visit_u64
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Finding> {
        match self {
            Sent::Null => visitor.visit_unit(),
            Sent::Bool(value) => visitor.visit_bool(value),
            Sent::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or(f64::INFINITY)),
            },
            Sent::Text(text) | Sent::Parameter(text) => visitor.visit_str(&text),
            Sent::List(items) => visitor.visit_seq(Items { next: 0, rest: items.into_iter() }),
            Sent::Object(fields) => {
                visitor.visit_map(Fields { value: None, rest: fields.into_iter() })
            }
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Finding> {
        match &self {
            Sent::Bool(value) => visitor.visit_bool(*value),
            Sent::Parameter(text) if text == "true" => visitor.visit_bool(true),
            Sent::Parameter(text) if text == "false" => visitor.visit_bool(false),
            Sent::Null
            | Sent::Number(_)
            | Sent::Text(_)
            | Sent::Parameter(_)
            | Sent::List(_)
            | Sent::Object(_) => Err(Type::Boolean.into()),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Finding> {
        if let Sent::Text(text) | Sent::Parameter(text) = &self {
            visitor.visit_str(text)
        } else {
            Err(Type::Text.into())
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Finding> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Finding> {
        if matches!(self, Sent::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Finding> {
        if matches!(self, Sent::List(_)) {
            self.deserialize_any(visitor)
        } else {
            Err(Type::List.into())
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Finding> {
        if matches!(self, Sent::Object(_)) {
            self.deserialize_any(visitor)
        } else {
            Err(Type::Object.into())
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Finding> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Finding> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

/// The items of a list.
struct Items<'de> {
    next: usize,
    rest: std::vec::IntoIter<Sent<'de>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Finding;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Finding> {
        let Some(item) = self.rest.next() else { return Ok(None) };
        let place = self.next;
        self.next += 1;
        seed.deserialize(item).map(Some).map_err(|finding| finding.within_item(place))
    }
}

/// The fields of an object, one after the other.
struct Fields<'de> {
    /// The field whose name was taken last, until its value is taken too.
    value: Option<(Cow<'de, str>, Sent<'de>)>,
    rest: std::vec::IntoIter<(Cow<'de, str>, Sent<'de>)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Finding;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Finding> {
        self.value = self.rest.next();
        let Some((name, _)) = &self.value else { return Ok(None) };
        let name: &str = name;
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Finding> {
        // A visitor takes each value after its name, or serde's contract is broken.
        let Some((name, value)) = self.value.take() else {
            return Err(InvalidKind::Unclear.into());
        };
        seed.deserialize(value).map_err(|finding| finding.within_field(&name))
    }
}
