//! An import of many keys: a line as it is sent, and what is answered.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::aside::Aside;
use super::request::Create;
use super::text::Id;
use crate::error::Problem;

/// A line of an import: the body of `createKey`, with `import`, and an idempotency key of its own.
pub(crate) struct ImportLine {
    pub(crate) key: Create,
    /// 1 to 255 printable characters.
    pub(crate) idempotency_key: Option<String>,
}

impl<'de> Deserialize<'de> for ImportLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ImportLine, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = ImportLine;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ImportLine, A::Error> {
                let mut value: Option<Option<String>> = None;
                let others = Aside { map, name: IDEMPOTENCY_KEY, value: &mut value };
                let key = Create::deserialize(MapAccessDeserializer::new(others))?;
                Ok(ImportLine { key, idempotency_key: value.flatten() })
            }
        }

        deserializer.deserialize_map(Read)
    }
}

const IDEMPOTENCY_KEY: &str = "idempotency_key";

impl PartialSchema for ImportLine {
    fn schema() -> RefOr<Schema> {
        let mut schema = Create::schema();
        if let RefOr::T(Schema::Object(line)) = &mut schema {
            let about =
                "The same line with the same key is imported once, however often it is sent.";
            let key = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
            let key = key.min_length(Some(1)).max_length(Some(255)).pattern(Some("^[ -~]+$"));
            line.properties.insert(IDEMPOTENCY_KEY.to_owned(), key.build().into());
            line.required.push("import".to_owned());
            line.description = Some("A line: a key with its secret, as in `createKey`.".to_owned());
        }
        schema
    }
}

impl ToSchema for ImportLine {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Create::schemas(schemas);
    }
}

/// A line of the answer to an import.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ImportResult)]
pub(crate) enum ImportAnswer<'a> {
    /// What became of a line.
    Line(LineAnswer<'a>),
    /// The last line.
    Summary(ImportSummary<'a>),
}

/// What became of a line.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportedLine)]
pub(crate) struct LineAnswer<'a> {
    /// Which line it was, from 1; empty ones count.
    #[schema(minimum = 1)]
    pub(crate) line: u64,
    /// 201 if a key was made; 200 if the same line had made it before, or would make it; else that of
    /// the problem.
    pub(crate) status: u16,
    /// The key. Of a dry run, only if it was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid", nullable = false)]
    pub(crate) id: Option<Id>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) problem: Option<Problem<'a>>,
}

/// The last line of the answer. Without it the answer was cut off.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportSummary<'a> {
    /// How many lines became what.
    pub(crate) summary: ImportCounts,
    /// Why not every line was looked at, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) problem: Option<Problem<'a>>,
}

/// How many lines became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ImportCounts {
    /// Lines that were looked at, without empty ones.
    pub(crate) lines: u64,
    /// Keys that were made; of a dry run, that would be.
    pub(crate) imported: u64,
    /// Lines whose key was there, because they were sent before.
    pub(crate) repeated: u64,
    /// Lines that have a problem.
    pub(crate) refused: u64,
    /// Whether every line was looked at.
    pub(crate) complete: bool,
}

#[cfg(test)]
mod tests {
    use keys::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::request::extract::json as read_json;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// What is wrong with a line that has this import; empty if it is in order.
    fn detail(import: &Value) -> String {
        let line = json!({"name": "ci", "import": import, "idempotency_key": "1"}).to_string();
        let read = read_json::<ImportLine>(line.as_bytes());
        let now = Timestamp::from_secs(1_800_000_000);
        let read = read.and_then(|line| line.key.draft(now).map(drop));
        read.err().map(|error| error.detail.into_owned()).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_with_an_import_is_said_by_its_place() {
        let table = [
            (json!({"sha256": HEX}), ""),
            (json!({"sha256": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"}), ""),
            (json!({"secret": "acme-12345678", "prefix": "acme-"}), ""),
            (json!({"sha256": HEX, "secret": null, "source": "Kong"}), ""),
            (
                json!({"sha256": HEX, "created_at": "2020-01-01T00:00:00Z", "last_used_at": "2020-01-01T00:00:00Z"}),
                "",
            ),
            (json!({}), "import.sha256: or secret must be there"),
            (json!({"sha256": HEX, "secret": "x"}), "import.secret: must not come with sha256"),
            (json!({"secret": 7}), "import.secret: must be a string"),
            (json!({"secret": ""}), "import.secret: must be 1 to 512 visible characters"),
            (json!({"secret": "a b"}), "import.secret: must be 1 to 512 visible characters"),
            (
                json!({"secret": "acme-1234", "prefix": "other"}),
                "import.prefix: must be what the secret begins with",
            ),
            (
                json!({"secret": "acme-1234", "prefix": "acme-"}),
                "import.prefix: must be at most half of the secret",
            ),
            (
                json!({"sha256": HEX, "prefix": "x".repeat(25)}),
                "import.prefix: must be 1 to 24 visible characters",
            ),
            (
                json!({"sha256": HEX, "created_at": "2030-01-01T00:00:00Z"}),
                "import.created_at: must not lie in the future",
            ),
            (
                json!({"sha256": HEX, "created_at": "2020-01-02T00:00:00Z", "last_used_at": "2020-01-01T00:00:00Z"}),
                "import.last_used_at: must not be before created_at",
            ),
            (json!({"sha256": HEX, "md5": "x"}), "import.md5: unknown field"),
            (json!([]), "import: must be an object"),
        ];
        for (import, expected) in table {
            assert_eq!(detail(&import), expected, "{import}");
        }
        let digest =
            "import.sha256: must be SHA-256 of the key: 64 hex digits, or base64 of its 32 bytes";
        assert_eq!(detail(&json!({"sha256": "$2b$12$R9h/cIPz0gi.URNNX3kh2O"})), digest);
    }

    #[test]
    fn a_line_is_a_key_and_its_idempotency_key() {
        let read = |line: &str| {
            let read = read_json::<ImportLine>(line.as_bytes());
            read.map(|line| line.idempotency_key).map_err(|error| error.detail.into_owned())
        };
        assert_eq!(read(r#"{"idempotency_key":"a","name":"x"}"#), Ok(Some("a".to_owned())));
        assert_eq!(read(r#"{"name":"x","idempotency_key":null}"#), Ok(None));
        assert_eq!(read(r#"{"name":"x"}"#), Ok(None));
        let twice = read(r#"{"idempotency_key":"a","name":"x","idempotency_key":"a"}"#);
        assert_eq!(twice.unwrap_err(), "idempotency_key: must be sent once");
        assert_eq!(read(r#"{"name":"x","colour":1}"#).unwrap_err(), "colour: unknown field");
        assert_eq!(read(r#"{"idempotency_key":"a"}"#).unwrap_err(), "name: is missing");
    }
}
