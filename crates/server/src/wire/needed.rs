//! What a use of a key needs: `"orders.read"`, `{"all":[…]}` or `{"any":[…]}`.

use std::borrow::Cow;
use std::fmt;

use keys::{Invalid, Permission, Requirement};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::error::ApiError;

/// What is needed, as it was sent. It is as deep as the reader of JSON lets it be.
pub(super) enum Needed<'a> {
    One(Cow<'a, str>),
    Lists(Lists<'a>),
}

/// Either list, and not both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lists<'a> {
    #[serde(borrow)]
    all: Option<Vec<Needed<'a>>>,
    #[serde(borrow)]
    any: Option<Vec<Needed<'a>>>,
}

/// What is wrong, and where within the whole: `.all[1].any`.
type Misplaced = (String, Invalid);

impl Needed<'_> {
    /// The requirement that came in `field`.
    pub(super) fn requirement(&self, field: &str) -> Result<Requirement, ApiError> {
        self.read().map_err(|(place, why)| ApiError::field(&format!("{field}{place}"), why))
    }

    fn read(&self) -> Result<Requirement, Misplaced> {
        let here = |why| (String::new(), why);
        let (name, parts, together): (_, _, fn(_) -> _) = match self {
            Needed::One(text) => return Ok(Permission::new(text).map_err(here)?.into()),
            Needed::Lists(Lists { all: Some(parts), any: None }) => {
                (".all", parts, Requirement::all)
            }
            Needed::Lists(Lists { all: None, any: Some(parts) }) => {
                (".any", parts, Requirement::any)
            }
            Needed::Lists(_) => return Err(here(Invalid::Malformed { expected: EXPECTED })),
        };
        let read = |(at, part): (usize, &Needed<'_>)| {
            part.read().map_err(|(place, why)| (format!("{name}[{at}]{place}"), why))
        };
        let parts = parts.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        together(parts).map_err(|why| (name.to_owned(), why))
    }
}

const EXPECTED: &str = r#"a permission, or {"all":[…]} or {"any":[…]}"#;

impl<'de: 'a, 'a> Deserialize<'de> for Needed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Needed<'a>, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Needed<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Needed<'de>, E> {
                Ok(Needed::One(text.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Needed<'de>, E> {
                Ok(Needed::One(text.to_owned().into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Needed<'de>, A::Error> {
                Lists::deserialize(MapAccessDeserializer::new(map)).map(Needed::Lists)
            }
        }

        deserializer.deserialize_any(Read)
    }
}

/// A permission that is asked for by its text: a mode of a dialect's keys, too.
pub(crate) fn permission(field: &str, text: Option<&str>) -> Result<Option<Requirement>, ApiError> {
    let read = |text| Permission::new(text).map_err(|why| ApiError::field(field, why));
    Ok(text.map(read).transpose()?.map(Requirement::from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::request::extract::json as read_json;

    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        permission: Option<Needed<'a>>,
    }

    /// What is found wrong in a body with this permission; empty if it is in order.
    fn detail(permission: &Value) -> String {
        let bytes = json!({ "permission": permission }).to_string();
        let read = read_json::<Body<'_>>(bytes.as_bytes()).and_then(|body| {
            body.permission.map(|needed| needed.requirement("permission")).transpose()
        });
        read.err().map(|error| error.detail.into_owned()).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let malformed = "must be area.action such as orders.read, '*' allowed as last part";
        let form = r#"must be a permission, or {"all":[…]} or {"any":[…]}"#;
        let deepest = json!({"all": [{"any": [{"all": ["a.b"]}]}]});
        let table = [
            (json!("a.b"), String::new()),
            (json!(null), String::new()),
            (json!({"all": ["a.b", {"any": ["read", "b.*"]}]}), String::new()),
            (json!({"all": ["a.b"], "any": null}), String::new()),
            (deepest.clone(), String::new()),
            (json!("a b"), format!("permission: {malformed}")),
            (
                json!({"all": ["a.b", {"any": ["b.c", ""]}]}),
                format!("permission.all[1].any[1]: {malformed}"),
            ),
            (json!({"any": [deepest]}), "permission.any: must be at most 3 lists deep".to_owned()),
            (
                json!({"any": vec!["a.b"; 65]}),
                "permission.any: must be at most 64 permissions in all".to_owned(),
            ),
            (
                json!({"all": []}),
                "permission.all: must be a list with at least one entry".to_owned(),
            ),
            (json!({"all": ["a.b", {"any": [7]}]}), format!("permission.all[1].any[0]: {form}")),
            (json!({"all": "a.b"}), "permission.all: must be a list".to_owned()),
            (json!({"none": ["a.b"]}), "permission.none: unknown field".to_owned()),
            (json!({"all": ["a.b"], "any": ["a.b"]}), format!("permission: {form}")),
            (json!({}), format!("permission: {form}")),
            (json!(["a.b"]), format!("permission: {form}")),
            (json!(true), format!("permission: {form}")),
        ];
        for (sent, expected) in table {
            assert_eq!(detail(&sent), expected, "{sent}");
        }
    }

    /// JSON of any form, which is now and then what is wanted.
    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            4 => prop::sample::select(vec!["a.b", "b.*", "read", "", "a b"]).prop_map(Value::from),
            1 => any::<i64>().prop_map(Value::from),
            1 => Just(Value::Null),
        ];
        leaf.prop_recursive(6, 200, 12, |inner| {
            let list = prop::collection::vec(inner, 0..12);
            let name = prop::sample::select(vec!["all", "any", "both"]);
            prop_oneof![
                4 => (name, list.clone()).prop_map(|(name, list)| json!({ name: list })),
                1 => list.prop_map(Value::from),
            ]
        })
    }

    /// Whether a document is what is wanted, found without reading it as one.
    fn is_lawful(document: &Value, depth: usize) -> Option<usize> {
        match document {
            Value::String(text) => Permission::new(text).ok().map(|_| 1),
            Value::Object(fields) if depth < Requirement::MAX_DEPTH && fields.len() == 1 => {
                let list = fields.get("all").or(fields.get("any"))?.as_array()?;
                let parts: Vec<_> =
                    list.iter().map(|part| is_lawful(part, depth + 1)).collect::<Option<_>>()?;
                Some(parts.iter().sum())
                    .filter(|sum| (1..=Requirement::MAX_PERMISSIONS).contains(sum))
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_) => None,
        }
    }

    proptest! {
        #[test]
        fn any_document_is_read_or_refused_by_name(document in documents()) {
            let detail = detail(&document);
            let lawful = document.is_null() || is_lawful(&document, 0).is_some();
            prop_assert_eq!(detail.is_empty(), lawful, "{}", detail);
            prop_assert!(lawful || detail.starts_with("permission"), "{}", detail);
        }
    }
}
