//! One member of an object, taken aside while the others are read as a type of their own.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess};

/// The members of an object but for the one with that name, whose value is put into `value`.
pub(super) struct Aside<'v, A, T> {
    pub(super) map: A,
    pub(super) name: &'static str,
    pub(super) value: &'v mut Option<T>,
}

impl<'de, A: MapAccess<'de>, T: Deserialize<'de>> MapAccess<'de> for Aside<'_, A, T> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.map.next_key::<Cow<'de, str>>()? {
            if name != self.name {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            if self.value.is_some() {
                return Err(A::Error::duplicate_field(self.name));
            }
            *self.value = Some(self.map.next_value()?);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
