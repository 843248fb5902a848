//! A deserializer of [`Sent`] values whose errors are [`Finding`]s.

use std::borrow::Cow;
use std::num::IntErrorKind;

use serde::de::{
    DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::Finding;
use super::sent::Sent;
use crate::error::{InvalidKind, Type};

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

/// The fields of an object.
struct Fields<'de> {
    /// The field whose name was taken last, until its value is taken.
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
        // serde's contract: a value is taken after its name.
        let Some((name, value)) = self.value.take() else {
            return Err(InvalidKind::Unclear.into());
        };
        seed.deserialize(value).map_err(|finding| finding.within_field(&name))
    }
}
