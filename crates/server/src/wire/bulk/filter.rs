//! Which keys a change of many is about.

use std::fmt;

use keys::Invalid;
use ledger::{KeyFilter, MOST_IN_BULK, Selection};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::error::ApiError;
use crate::request::extract::field;
use crate::request::key_filter::KeyFilterFields;
use crate::wire::aside::Aside;

/// Filters of the list, at least one, or `ids` alone.
pub(super) struct BulkFilter {
    ids: Option<Vec<String>>,
    fields: KeyFilterFields,
}

impl BulkFilter {
    /// Which keys; `None` if it says nothing.
    pub(super) fn selection(self) -> Result<Option<Selection>, ApiError> {
        let filter = self.fields.filter()?;
        // An empty text is a part of every name: it must not pass for a filter.
        for (name, text) in [("q", &filter.q), ("prefix", &filter.prefix)] {
            if text.as_deref() == Some("") {
                return Err(ApiError::field(name, "must not be empty"));
            }
        }
        let is_empty = filter == KeyFilter::default();
        match self.ids {
            None if is_empty => Ok(None),
            None => Ok(Some(Selection::Filter(Box::new(filter)))),
            Some(_) if !is_empty => Err(ApiError::field("ids", "must come without other filters")),
            Some(ids) if !(1..=MOST_IN_BULK).contains(&ids.len()) => {
                let (most, unit) = (MOST_IN_BULK as u64, " entries");
                Err(ApiError::field("ids", Invalid::OutOfRange { least: 1, most, unit }))
            }
            Some(ids) => {
                let read = |(at, id): (usize, &String)| field(&format!("ids[{at}]"), id.parse());
                let ids = ids.iter().enumerate().map(read).collect::<Result<_, _>>()?;
                Ok(Some(Selection::Ids(ids)))
            }
        }
    }
}

impl PartialSchema for BulkFilter {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new().schema_type(Type::String);
        let id = id.format(Some(SchemaFormat::Custom("uuid".to_owned())));
        let ids = ArrayBuilder::new().items(id).min_items(Some(1)).max_items(Some(MOST_IN_BULK));
        let named = ObjectBuilder::new().property("ids", ids).required("ids");
        let named = named.additional_properties(Some(AdditionalProperties::FreeForm(false)));
        OneOfBuilder::new()
            .item(Ref::from_schema_name(KeyFilterFields::name()))
            .item(named)
            .description(Some("Filters of the list, at least one, or `ids` alone."))
            .into()
    }
}

impl ToSchema for BulkFilter {}

impl<'de> Deserialize<'de> for BulkFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BulkFilter, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = BulkFilter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BulkFilter, A::Error> {
                let mut ids = None;
                let others = Aside { map, name: "ids", value: &mut ids };
                let fields = KeyFilterFields::deserialize(MapAccessDeserializer::new(others))?;
                Ok(BulkFilter { ids, fields })
            }
        }

        deserializer.deserialize_map(Read)
    }
}
